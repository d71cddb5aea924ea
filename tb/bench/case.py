# SPDX-License-Identifier: Apache-2.0
"""From a pytest case to a simulation: named configurations, and the case's numbers on the way in.

A test file holds both sides: cocotb coroutines that tell the story, and one pytest function that
runs them on the configurations they name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tb.bench.stories import stories_in
from tb.debug.divergence import replay_options
from tb.failure import SimulationError
from tb.handover import handover, simulation
from tb.paths import CHECKERS, MONITORS, TABLES, TOPS
from tb.settings import settings
from tb.sim.build import PROTOCOL_CHECKERS, build
from tb.sim.configurations import Configuration, read_configurations
from tb.sim.run import run

COCOTBEXT = "+cocotbext"
"""Behind a configuration's name, as in `w64+cocotbext`: cocotbext-axi's agents drive its buses."""

CONFIG_FILE = TABLES / "configs.toml"
TOP = "edgedrnn_tb"
SOURCES = [
    *PROTOCOL_CHECKERS,
    CHECKERS / "core_checker.sv",
    MONITORS / "stream_fields.sv",
    MONITORS / "trace_monitor.sv",
    MONITORS / "timeline_monitor.sv",
    TOPS / "probe_pkg.sv",
    TOPS / "edgedrnn_tb.sv",
]


@cache
def configs() -> dict[str, Configuration]:
    """The named configurations of `tb/tables/configs.toml`."""
    return read_configurations(CONFIG_FILE)


def simulate(file: str, test: str, config: str, *, timeline: bool = False, **case: Any) -> None:
    """Build a configuration, run one cocotb test of `file` on it; raise unless it passed.

    `config` is a name of `tb/tables/configs.toml`, with `+cocotbext` behind it for third-party
    agents. `timeline`, or TIMELINE=1: the run writes timeline.txt beside trace.txt.
    """
    __tracebackhide__ = True  # pytest: the message says it all
    try:
        _simulate(file, test, config, timeline, case)
    except SimulationError as error:
        from tb.debug.divergence.replay import explain  # heavy: not in each simulation

        raise SimulationError(explain(error), error.failure) from None


def _simulate(file: str, test: str, config: str, timeline: bool, case: dict[str, Any]) -> None:
    if test not in stories_in(Path(file)):
        raise ValueError(f"{Path(file).name}: found no cocotb test {test!r}, expected one")
    module = f"tb.tests.system.{Path(file).stem}"
    timeline = timeline or settings().timeline
    chosen = configs()[config.removesuffix(COCOTBEXT)]
    agents = "cocotbext" if config.endswith(COCOTBEXT) else "ours"
    replay = handover().replay
    options = replay_options.of_build(replay, SOURCES)
    built = build(chosen.sim, TOP, chosen.parameters, **options)
    run(
        built,
        module,
        rf"\.{test}$",
        plusargs=[
            "TRACE=trace.txt",
            *(["TIMELINE=timeline.txt"] if timeline else []),
            *(replay_options.plusargs(replay) if replay else []),
        ],
        case=case,
        agents=agents,
        timeout_s=300,
        **replay_options.of_run(replay, built.wave_suffix),
    )


def case() -> dict[str, Any]:
    """Inside the simulation: the numbers that `simulate` was given."""
    return simulation().case


def matrix(*rows: tuple[str, str]) -> list[tuple[str, str]]:
    """(test, 'config config ...') rows as one (test, config) pair for each run."""
    pairs = [(test, config) for test, names in rows for config in names.split()]
    unknown = {config.removesuffix(COCOTBEXT) for _, config in pairs} - configs().keys()
    assert not unknown, f"configurations not in {CONFIG_FILE.name}: {unknown}"
    return pairs


def on_icarus() -> bool:
    """Inside the simulation: whether this is the slower simulator, for which sizes are cut."""
    import cocotb

    return cocotb.SIM_NAME.lower().startswith("icarus")


def parameters() -> dict[str, int]:
    """Inside the simulation: the parameters that this build was made with."""
    return {"AxiAddrWidth": 32} | simulation().parameters
