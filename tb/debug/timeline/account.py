# SPDX-License-Identifier: Apache-2.0
"""Adds up a timeline: cycles by cause, by step, and what the performance counters must read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tb.debug.timeline.causes import ALL, BY_CODE, MOVES, Cause
from tb.debug.timeline.reader import Step, Timeline


def clipped(timeline: Timeline, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The runs that reach into cycles start to before end, and the cycles of each in there."""
    runs = timeline.runs
    first = int(np.searchsorted(runs["end"], start, side="right"))
    last = int(np.searchsorted(runs["start"], end, side="left"))
    runs = runs[first:last]
    return runs, np.minimum(runs["end"], end) - np.maximum(runs["start"], start)


def by_cause(timeline: Timeline, start: int, end: int) -> dict[str, int]:
    """Cycles of each cause, by its code, all codes; the sum is end - start."""
    runs, cycles = clipped(timeline, start, end)
    return {cause.code: int(cycles[runs["cause"] == cause.code].sum()) for cause in ALL}


def counters(
    timeline: Timeline, layers: int, freezes: int | None = None
) -> dict[str, int | tuple[int, ...]]:
    """What the performance counters read, by the names of tb.device.driver.Counters.

    ``layers``: MAX_LAYERS of the build. ``freezes``: as of the nth time that they were
    frozen; default: at the end. Each is a sum over the port's exclusive classes, or counts
    columns and steps. Holds while nothing has been dropped: biases are counted at the port here, by
    the PEs in the core.
    """
    names = ("cycles", "steps", "beats", "stall_mem", "stall_out", "idle", "bias_beats")
    total = dict.fromkeys((*names, "columns_undone"), 0)
    columns = {"columns_x": [0] * layers, "columns_h": [0] * layers}
    for start, end in timeline.counting[:freezes]:
        runs, cycles = clipped(timeline, start, end)
        for name, wanted in {
            "cycles": runs["phase"] != "n",
            "beats": np.isin(runs["cause"], list(MOVES)),
            "stall_mem": runs["cause"] == "m",
            "stall_out": runs["held"],
            "idle": runs["phase"] == "w",
            "bias_beats": runs["cause"] == "b",
        }.items():
            total[name] += int(cycles[wanted].sum())
        total["steps"] += sum(start <= cycle < end for cycle in timeline.finishes)
        asked = timeline.columns
        asked = asked[(asked["cycle"] >= start) & (asked["cycle"] < end)]
        total["columns_undone"] += int(asked["undo"].sum())
        for kind, name in enumerate(columns):
            of_kind = asked["layer"][(asked["kind"] == kind) & ~asked["undo"]]
            for layer in range(layers):
                columns[name][layer] += int((of_kind == layer).sum())
    return total | {name: tuple(values) for name, values in columns.items()}


@dataclass(frozen=True)
class StepAccount:
    """Cycles of a step's window by code of cause."""

    step: Step
    cycles: dict[str, int]

    @property
    def rest(self) -> int:
        """Cycles in which no beat came."""
        return sum(n for code, n in self.cycles.items() if code not in MOVES)


def by_step(timeline: Timeline, steps: Iterable[Step]) -> list[StepAccount]:
    """One account for each step."""
    return [StepAccount(step, by_cause(timeline, step.begins, step.finished + 1)) for step in steps]


@dataclass(frozen=True)
class Summary:
    """Totals over some steps. `bottleneck`: a cause of rest, or None: the port itself."""

    accounts: list[StepAccount]
    cycles: dict[str, int]
    worst: StepAccount
    bottleneck: Cause | None

    @property
    def total(self) -> int:
        """Cycles of all windows."""
        return sum(self.cycles.values())

    @property
    def moving(self) -> int:
        """Cycles in which a beat came."""
        return sum(self.cycles[code] for code in MOVES)


def summarise(timeline: Timeline, steps: list[Step]) -> Summary:
    """Totals over ``steps`` (not empty)."""
    accounts = by_step(timeline, steps)
    cycles = {cause.code: sum(a.cycles[cause.code] for a in accounts) for cause in ALL}
    moving = sum(cycles[code] for code in MOVES)
    resting = {code: n for code, n in cycles.items() if code not in MOVES}
    most = max(resting, key=resting.__getitem__)
    return Summary(
        accounts,
        cycles,
        max(accounts, key=lambda account: account.rest),
        BY_CODE[most] if resting[most] > moving else None,
    )
