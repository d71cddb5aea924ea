"""From a pytest case to a simulation: named configurations, and the case's numbers on the way in.

A test file holds both sides: cocotb coroutines that tell the story, and one pytest function that
runs them on the configurations they name.
"""

from __future__ import annotations

import json
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from tb.debug.divergence import replay_settings as environment
from tb.debug.divergence.replay import explain
from tb.paths import MONITORS, TABLES, TOPS
from tb.settings import switched_on
from tb.sim.build import PROTOCOL_CHECKERS, build
from tb.sim.run import SimulationError, run

STRANGERS = "+strangers"
"""Behind a configuration's name, as in `w64+strangers`: cocotbext-axi's agents drive its buses."""

CONFIG_FILE = TABLES / "configs.toml"
TOP = "edgedrnn_tb"
SOURCES = [
    *PROTOCOL_CHECKERS,
    MONITORS / "trace_monitor.sv",
    MONITORS / "timeline_monitor.sv",
    TOPS / "probe_pkg.sv",
    TOPS / "edgedrnn_tb.sv",
]


@cache
def configs() -> dict[str, dict[str, Any]]:
    """The named configurations of `tb/tables/configs.toml`."""
    return tomllib.loads(CONFIG_FILE.read_text(encoding="utf-8"))


def simulate(file: str, test: str, config: str, *, timeline: bool = False, **case: Any) -> None:
    """Build a configuration, run one cocotb test of `file` on it; raise unless it passed.

    `config` is a name of `tb/tables/configs.toml`, with `+strangers` behind it for a stranger's
    agents. `timeline`, or TIMELINE=1 in the environment: the run writes timeline.txt beside
    trace.txt.
    """
    __tracebackhide__ = True  # pytest: the message says it all
    try:
        _simulate(file, test, config, timeline, case)
    except SimulationError as error:
        raise SimulationError(explain(str(error))) from None


def _simulate(file: str, test: str, config: str, timeline: bool, case: dict[str, Any]) -> None:
    module = f"tb.tests.system.{Path(file).stem}"
    timeline = timeline or switched_on("TIMELINE")
    chosen = configs()[config.removesuffix(STRANGERS)]
    agents = "strangers" if config.endswith(STRANGERS) else "ours"
    replay = environment.wanted()
    built = build(chosen["sim"], TOP, chosen["parameters"], **environment.build_options(SOURCES))
    run(
        built,
        module,
        rf"\.{test}$",
        plusargs=[
            "TRACE=trace.txt",
            *(["TIMELINE=timeline.txt"] if timeline else []),
            *(replay.plusargs if replay else []),
        ],
        extra_env={"CASE": json.dumps(case), "AGENTS": agents},
        timeout_s=300,
        **environment.run_options(built.wave_suffix),
    )


def case() -> dict[str, Any]:
    """Inside the simulation: the numbers that `simulate` was given."""
    return json.loads(os.environ.get("CASE", "{}"))


def matrix(*rows: tuple[str, str]) -> list[tuple[str, str]]:
    """(test, 'config config ...') rows as one (test, config) pair for each run."""
    pairs = [(test, config) for test, names in rows for config in names.split()]
    unknown = {config.removesuffix(STRANGERS) for _, config in pairs} - configs().keys()
    assert not unknown, f"configurations not in {CONFIG_FILE.name}: {unknown}"
    return pairs


def on_icarus() -> bool:
    """Inside the simulation: whether this is the slower simulator, for which sizes are cut."""
    import cocotb

    return cocotb.SIM_NAME.lower().startswith("icarus")


def parameters() -> dict[str, int]:
    """Inside the simulation: the parameters that this build was made with."""
    return {"AxiAddrWidth": 32} | json.loads(os.environ["BUILD_PARAMETERS"])
