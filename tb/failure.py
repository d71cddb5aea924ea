# SPDX-License-Identifier: Apache-2.0
"""Why a run failed, as data: what `tb.sim.run` leaves, and replays, regressions and the page read.

A simulation leaves run.json beside its results, a `Run`; one that failed also failure.json, a
`Failure`. An exception of a failed run is a `ReportedError` and carries the same record.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from tb.handover import handover
from tb.records import from_json, to_json

RUN_FILE, FAILURE_FILE = "run.json", "failure.json"


class Kind(StrEnum):
    """What a failure is. The values are for people too."""

    TEST_FAILED = "test failed"
    MISMATCH = "mismatch"  # core and golden model differ
    CHECKER = "checker"  # a checker on a bus or in the memory complained
    HANG = "hang"  # something that the bench awaited did not happen
    ENDED_EARLY = "ended early"  # the simulator stopped before the test had ended
    TIMED_OUT = "timed out"  # no end within the wall clock allowed
    NO_RESULTS = "no results"  # the simulator left no results file
    NOTHING_RAN = "nothing ran"  # no test was selected
    BAD_EXIT = "bad exit"  # tests passed, the simulator's exit status is not 0
    INCONSISTENT = "inconsistent"  # two sources of the bench do not agree
    BUILD_FAILED = "build failed"


KIND_OF_ERROR = {
    "MismatchError": Kind.MISMATCH,
    "CheckerError": Kind.CHECKER,
    "HangError": Kind.HANG,
    "AxiLiteTimeoutError": Kind.HANG,
    "DeviceTimeoutError": Kind.HANG,
    "SimTimeoutError": Kind.HANG,  # of cocotb
    "SimFailure": Kind.ENDED_EARLY,  # of cocotb
}
"""Kinds of the exceptions that end a cocotb test: its results file holds the name of the class."""


@dataclass(frozen=True)
class Difference:
    """The first value in which the core and the golden model differ.

    `text`: all of it in words. `expected`, `found`: integers as the core holds them.
    """

    text: str
    step: int | None = None
    layer: int | None = None
    element: int | None = None
    gate: str | None = None
    expected: int | None = None
    found: int | None = None

    def in_layer(self, layer: int) -> Difference:
        """The same, known to be in a layer."""
        return replace(self, text=f"layer {layer}, {self.text}", layer=layer)

    def in_step(self, step: int) -> Difference:
        """The same, known to be in a step."""
        return replace(self, text=f"step {step}, {self.text}", step=step)


@dataclass(frozen=True)
class Complaint:
    """A line that a checker in SystemVerilog printed: the checker's path and the rule's name."""

    path: str
    rule: str


@dataclass(frozen=True)
class Design:
    """What was simulated."""

    sim: str
    top: str
    parameters: dict[str, int]
    executable: Path


@dataclass(frozen=True)
class Run:
    """One run of cocotb tests. `node`: the pytest node that asked for it, None outside of pytest.

    `waves_truncated`: the dump ends before the last of its steps. `reproduce`: the command line
    that runs it again.
    """

    design: Design
    module: str
    test_filter: str | None
    seed: int
    node: str | None
    log: Path
    reproduce: str
    waves: Path | None = None
    waves_truncated: bool = False

    def write(self, folder: Path) -> None:
        """Leave run.json in the folder."""
        (folder / RUN_FILE).write_text(to_json(self) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Failure:
    """Why something failed. `message`: one line. `run`: None where no simulation was started.

    `build_log`: of a build that failed. `difference`: where core and golden model differ first.
    `complaints`: of checkers, the first few.
    """

    kind: Kind
    message: str
    run: Run | None = None
    build_log: Path | None = None
    difference: Difference | None = None
    complaints: list[Complaint] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Leave failure.json in the folder."""
        (folder / FAILURE_FILE).write_text(to_json(self) + "\n", encoding="utf-8")


def read_run(folder: Path) -> Run | None:
    """The run.json of a folder; None where there is none. Raises RecordError for a damaged one."""
    path = folder / RUN_FILE
    return from_json(path.read_text(encoding="utf-8"), Run) if path.is_file() else None


def read_failure(folder: Path) -> Failure | None:
    """The failure.json of a folder; None where there is none. Raises RecordError, too."""
    path = folder / FAILURE_FILE
    return from_json(path.read_text(encoding="utf-8"), Failure) if path.is_file() else None


def note_difference(found: Difference) -> None:
    """Inside a simulation: leave the first difference for the process that started it."""
    told = handover().simulation
    if told is not None and told.difference_file is not None and not told.difference_file.exists():
        told.difference_file.write_text(to_json(found), encoding="utf-8")


def read_difference(path: Path) -> Difference | None:
    """What `note_difference` left; None for nothing. Raises RecordError for a damaged file."""
    return from_json(path.read_text(encoding="utf-8"), Difference) if path.is_file() else None


def forget(folder: Path) -> None:
    """Remove the records that an earlier run left in the folder."""
    for name in (RUN_FILE, FAILURE_FILE):
        (folder / name).unlink(missing_ok=True)


class ReportedError(Exception):
    """Ends a run that failed. The text is for people; `failure` holds the same as data.

    `failure` is None until somebody knows which run it was: see `attach`.
    """

    kind: ClassVar[Kind] = Kind.TEST_FAILED

    def __init__(
        self, text: str, failure: Failure | None = None, *, difference: Difference | None = None
    ) -> None:
        super().__init__(text)
        self.failure = failure
        self.difference = difference

    def attach(self, run: Run | None, folder: Path) -> None:
        """Say which run it was, unless that is known, and leave the record in the folder."""
        if self.failure is None:
            message = first_line(str(self))
            self.failure = Failure(self.kind, message, run, difference=self.difference)
        self.failure.write(folder)


class SimulationError(ReportedError, RuntimeError):
    """A run failed, hung, or left no trustworthy results. The text holds log tail and REPRODUCE."""

    kind = Kind.INCONSISTENT


class NoProgressError(SimulationError):
    """A simulation goes on without getting anywhere."""

    kind = Kind.HANG


class BuildError(ReportedError, RuntimeError):
    """A compile or an elaboration failed. The text holds the end of the tool's output."""

    kind = Kind.BUILD_FAILED


class HangError(ReportedError, AssertionError):
    """Inside a simulation: something that had to happen did not happen in time."""

    kind = Kind.HANG


class CheckerError(ReportedError, AssertionError):
    """Inside a simulation: a checker on a bus or in the memory has counted errors."""

    kind = Kind.CHECKER


def first_line(text: str) -> str:
    """The first line of a message, "failed without a message" for none."""
    lines = text.strip().splitlines()
    return lines[0] if lines else "failed without a message"


def failure_of(error: BaseException) -> Failure:
    """What is known of an exception that ended a test."""
    if isinstance(error, ReportedError):
        return error.failure or Failure(
            error.kind, first_line(str(error)), difference=error.difference
        )
    text = f"{type(error).__name__}: {first_line(str(error))}"
    return Failure(Kind.TEST_FAILED, text)
