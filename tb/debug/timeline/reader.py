# SPDX-License-Identifier: Apache-2.0
"""Reads the file that tb/sv/monitors/timeline_monitor.sv writes (its header has the format)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tb.debug.timeline.causes import BY_CODE

FORMAT = 1
PHASES = "niwsf"
PASSES = ("Δx", "Δh", "init", "undo")  # pass_e

# A run of equal cycles of the port: from cycle `start` to before `end`; codes as characters.
RUN = np.dtype(
    [
        *(("start", "i8"), ("end", "i8"), ("phase", "U1"), ("cause", "U1")),
        *(("layer", "i2"), ("held", "?"), ("number", "i8")),
    ]
)
# A column asked for in `cycle`; kind 0: x, 1: h; `number`: of its pass.
COLUMN = np.dtype(
    [("cycle", "i8"), ("layer", "i2"), ("kind", "i2"), ("undo", "?"), ("number", "i8")]
)
FIELDS = {"P": 6, "C": 4, "E": 4, "D": 3, "G": 2, "X": 2, "A": 2, "O": 2, "Y": 2, "F": 2} | {
    "K": 1,
    "Z": 1,
}


class TimelineError(ValueError):
    """The file is missing, no timeline, or a line of it makes no sense; one line says which."""


@dataclass(frozen=True)
class Span:
    """From cycle `start` to before `end`; what `kind` and `layer` mean depends on the track."""

    start: int
    end: int
    kind: str = ""
    layer: int = 0


@dataclass(frozen=True)
class Step:
    """One time step, in cycles: x offered, its first beat taken, the last beat of h taken.

    Its `window` is from the cycle after the h before it (its own `offered` in the first step) to
    `finished`, both included: windows of steps touch and do not overlap.
    """

    index: int
    offered: int
    taken: int
    finished: int
    begins: int

    @property
    def cycles(self) -> int:
        """Length of the window."""
        return self.finished + 1 - self.begins


@dataclass
class Timeline:
    """A run, cycle by cycle. `runs` (RUN) are in order and without gaps; `columns` (COLUMN).

    `counting`: the cycles, as (from, to before), in which the performance counters counted since
    they were last cleared. `stops`: cycles in which a fault or a reset voided what was under way.
    """

    pes: int
    end: int
    runs: np.ndarray
    columns: np.ndarray
    steps: list[Step]
    encoder: list[Span]
    gates: list[Span]
    output: list[Span]
    counting: list[tuple[int, int]]
    finishes: list[int] = field(default_factory=list)  # every last beat of h taken
    stops: list[int] = field(default_factory=list)

    @property
    def layers(self) -> int:
        """Layers that were seen at work."""
        seen = [int(self.runs["layer"].max(initial=0)), *(span.layer for span in self.gates)]
        return 1 + max(seen)


def read_timeline(path: str | Path) -> Timeline:
    """Read a whole file; the last line may be cut. Raises TimelineError."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="ascii").split("\n")
    except OSError as error:
        raise TimelineError(f"{path}: {error.strerror}, expected a timeline file") from None
    except UnicodeDecodeError:
        raise TimelineError(f"{path}: found no text, expected a timeline file") from None
    del lines[-1]  # empty, or cut
    head = lines[0].split() if lines else []
    if len(head) != 3 or head[0] != "T" or not head[2].isdecimal():
        found = repr(lines[0][:40]) if lines else "nothing"
        raise TimelineError(
            f"{path}: line 1: found {found}, expected 'T {FORMAT} PES' as +TIMELINE writes it"
        )
    if head[1] != str(FORMAT):
        raise TimelineError(f"{path}: format: found {head[1]}, expected {FORMAT}")
    gather = _Gather()
    for number, line in enumerate(lines[1:], 2):
        words = line.split()
        try:
            if len(words) != FIELDS[words[0]] + 1:
                raise ValueError
            gather.event(words[0], int(words[1]), words[2:])
        except (ValueError, KeyError, IndexError):
            raise TimelineError(f"{path}:{number}: {line[:60]!r} is no event") from None
    if not gather.runs:
        raise TimelineError(f"{path}: found no P line, expected the port's state")
    return gather.timeline(int(head[2]))


class _Gather:
    """Lines on their way into a Timeline."""

    def __init__(self) -> None:
        self.cycle = 0
        self.runs: list[tuple[Any, ...]] = []
        self.columns: list[tuple[Any, ...]] = []
        self.passes = 0
        self.offered: list[int] = []
        self.taken: list[int] = []
        self.steps: list[Step] = []
        self.spans: dict[str, list[Span]] = {"D": [], "G": [], "O": []}
        self.open: dict[str, tuple[int, str, int]] = {}
        self.cleared = 0
        self.freezes: list[tuple[int, bool]] = []
        self.finishes: list[int] = []
        self.stops: list[int] = []

    def event(self, code: str, cycle: int, words: list[str]) -> None:
        """One line."""
        if cycle < self.cycle:
            raise ValueError
        self.cycle = cycle
        if code == "P":
            phase, cause = words[:2]
            if phase not in PHASES or cause not in BY_CODE:
                raise ValueError
            layer, held, number = map(int, words[2:])
            self.runs.append((cycle, 0, phase, cause, layer, bool(held), number))
        elif code == "C":
            layer, kind, undo = map(int, words)
            self.columns.append((cycle, layer, kind, bool(undo), self.passes))
        elif code == "E":
            self.passes += 1
        elif code in self.spans:
            self._span(code, cycle, words)
        elif code == "X":
            self.offered.append(cycle)
        elif code == "A":
            self.taken.append(cycle)
        elif code == "Y":
            self.finishes.append(cycle)
            self._step(cycle)
        elif code == "F":
            self.freezes.append((cycle, words[0] == "1"))
        elif code == "K":
            self.cleared = cycle
        elif code == "Z":
            self.stops.append(cycle)
            self.offered.clear()
            self.taken.clear()

    def _span(self, code: str, cycle: int, words: list[str]) -> None:
        self._close(code, cycle)
        if words[0] != "-":
            layer = int(words[-1]) if code != "O" else 0
            kind = PASSES[int(words[0])] if code == "D" else words[0] if code == "O" else ""
            self.open[code] = (cycle, kind, layer)

    def _close(self, code: str, cycle: int) -> None:
        if code in self.open:
            start, kind, layer = self.open.pop(code)
            if cycle > start:
                self.spans[code].append(Span(start, cycle, kind, layer))

    def _step(self, cycle: int) -> None:
        if not self.offered or not self.taken:  # the rest of a packet whose step was voided
            return
        offered, taken = self.offered.pop(0), self.taken.pop(0)
        after = self.steps[-1].finished + 1 if self.steps else offered
        if self.stops and self.stops[-1] >= after:  # a sequence of its own
            after = offered
        begins = min(after, offered) if not self.steps else after
        self.steps.append(Step(len(self.steps), offered, taken, cycle, begins))

    def timeline(self, pes: int) -> Timeline:
        """All of it."""
        end = self.cycle + 1
        for code in self.spans:
            self._close(code, end)
        runs = np.array(self.runs, RUN)
        runs["end"][:-1] = runs["start"][1:]
        runs["end"][-1] = end
        return Timeline(
            pes,
            end,
            runs,
            np.array(self.columns, COLUMN),
            self.steps,
            self.spans["D"],
            self.spans["G"],
            self.spans["O"],
            self._counting(end),
            self.finishes,
            self.stops,
        )

    def _counting(self, end: int) -> list[tuple[int, int]]:
        """An event of cycle t is counted in cycle t + 1, unless FREEZE or CLEAR is 1 then."""
        parts: list[tuple[int, int]] = []
        since: int | None = 0
        for cycle, frozen in [*self.freezes, (end + 1, True)]:
            if frozen and since is not None:
                parts.append((max(since, self.cleared), cycle - 1))
                since = None
            elif not frozen:
                since = cycle - 1
        return [(a, b) for a, b in parts if b > a]
