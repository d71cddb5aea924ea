# SPDX-License-Identifier: Apache-2.0
"""What one process of ours tells the next: a typed record in one variable, as JSON.

A regression tells the pytest it starts which tests to note down; a replay, where its files go;
`tb.sim.run` tells the simulation its case, seed and parameters. `handover()` returns what this
process was told. `tb.settings` makes the environment that carries it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tb.records import from_json, to_json
from tb.settings import handed_over


@dataclass(frozen=True)
class Replay:
    """A failing run is run again with a deep trace.

    `folder`: where the trace, the history and the dump go. `golden`: a file of golden values for
    the module golden_probe. `end_ns`: when the simulation may end, in ns.
    """

    folder: Path
    golden: Path | None = None
    end_ns: int | None = None


@dataclass(frozen=True)
class MutantBatch:
    """Mutants that one simulation runs, each in a child process.

    `cpu_s`, `wall_s`: the seconds that a child may take. `report`: the file that gets a line of
    JSON for each child.
    """

    numbers: list[int]
    cpu_s: float
    wall_s: float
    report: Path


@dataclass(frozen=True)
class Simulation:
    """What a simulation is told by `tb.sim.run`.

    `seed`: all randomness comes from it. `module`, `test_filter`: which cocotb tests run.
    `parameters`: of the build. `case`: the numbers of a test case. `agents`: which kind drives the
    buses of the core. `coverage`: whether to sample functional coverage, and `cover_dir` where to
    write it, None for nowhere. `job`: a JSON file that a flow shares with its cocotb side.
    `difference_file`: where the first difference to the golden model goes, as JSON.
    """

    seed: int
    module: str
    test_filter: str | None = None
    parameters: dict[str, int] = field(default_factory=dict)
    case: dict[str, Any] = field(default_factory=dict)
    agents: str | None = None
    coverage: bool = False
    cover_dir: Path | None = None
    job: Path | None = None
    difference_file: Path | None = None


@dataclass(frozen=True)
class Handover:
    """All that a process may be told.

    `chunk`: to the pytest of a regression, the file of its `tb.regress.plugin.Chunk`. `listing`: to
    that pytest, the file to which it writes which tests there are. `recording`: to the pytest of a
    mutation campaign, the file to which it writes what tests would simulate. `replay`: to a pytest,
    to scripts/simulate.py and to their simulations. `simulation`, `mutants`: to a simulation.
    """

    chunk: Path | None = None
    listing: Path | None = None
    recording: Path | None = None
    replay: Replay | None = None
    simulation: Simulation | None = None
    mutants: MutantBatch | None = None

    def text(self) -> str:
        """As the variable holds it."""
        return to_json(self)


def handover() -> Handover:
    """What this process was told; an empty record where nobody told it anything."""
    return _read(handed_over())


@cache
def _read(text: str) -> Handover:
    return from_json(text, Handover) if text else Handover()


def simulation() -> Simulation:
    """Inside a simulation: what it was told. Raises RuntimeError elsewhere."""
    told = handover().simulation
    if told is None:
        raise RuntimeError("no simulation was started here: tb.sim.run does that")
    return told
