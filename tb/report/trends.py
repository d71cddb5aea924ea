# SPDX-License-Identifier: Apache-2.0
"""Charts of past regressions, as the numbers that an inline SVG needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 24
RUNS = 60
"""Most recent runs shown."""
TONES = {"failed": "s5"}
"""Lines that are always drawn in the same colour."""
Entry = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """A run on a line, in SVG units, with what to say about it."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Line:
    """One figure over the runs in a colour, `tone`; `segments` break where it was not measured."""

    name: str
    segments: list[list[Point]]
    last: str
    tone: str


@dataclass(frozen=True)
class Chart:
    """Lines over a common axis; `ticks` are (y in SVG units, text)."""

    title: str
    lines: list[Line]
    ticks: list[tuple[float, str]]
    first: str
    latest: str


def _code(metric: str) -> Callable[[Entry], float | None]:
    return lambda entry: (entry["code"] or {}).get(metric)


COVERAGE: Mapping[str, Callable[[Entry], float | None]] = {
    "functional": lambda entry: entry["functional"],
    "line": _code("line"),
    "branch": _code("branch"),
    "toggle": _code("toggle"),
    "mutants": lambda entry: entry["mutants"],
}
TESTS: Mapping[str, Callable[[Entry], float | None]] = {
    "passed": lambda entry: entry["passed"],
    "failed": lambda entry: entry["failed"],
    "left out": lambda entry: entry["left_out"],
}
MINUTES: Mapping[str, Callable[[Entry], float | None]] = {
    "minutes": lambda entry: entry["seconds"] / 60
}


def charts(history: list[Entry], cut: str | None) -> list[Chart]:
    """Charts of the runs of one cut (that of the newest run if None), oldest first."""
    if not history:
        return []
    cut = cut or history[-1]["cut"]
    runs = [entry for entry in history if entry["cut"] == cut][-RUNS:]
    if not runs:
        return []
    return [
        chart
        for chart in (
            _chart(
                "Coverage and mutation score", runs, COVERAGE, lambda v: f"{100 * v:.4g} %", 1.0
            ),
            _chart("Tests", runs, TESTS, lambda v: f"{v:,.0f}"),
            _chart("Minutes on the clock", runs, MINUTES, lambda v: f"{v:.3g}"),
        )
        if chart.lines
    ]


def _chart(
    title: str,
    runs: list[Entry],
    figures: Mapping[str, Callable[[Entry], float | None]],
    say: Callable[[float], str],
    ceiling: float | None = None,
) -> Chart:
    values = {name: [figure(entry) for entry in runs] for name, figure in figures.items()}
    values = {
        name: line for name, line in values.items() if any(value is not None for value in line)
    }
    known = [value for line in values.values() for value in line if value is not None]
    if ceiling is None:
        low, high = 0.0, _round_up(max(known, default=1.0))
    else:  # shares: from a whole tenth below the lowest, so that differences near 1 can be seen
        low, high = max(0.0, math.floor(min(known, default=0.0) * 10 - 0.5) / 10), ceiling
    step = (WIDTH - LEFT - RIGHT) / max(1, len(runs) - 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low)), 1)

    lines: list[Line] = []
    for name, line in values.items():
        segments: list[list[Point]] = [[]]
        for number, (entry, value) in enumerate(zip(runs, line, strict=True)):
            if value is None:
                segments.append([])
                continue
            x = round(LEFT + step * number if len(runs) > 1 else (LEFT + WIDTH - RIGHT) / 2, 1)
            text = f"{name} {say(value)}, {day(entry['when'])}, {entry['commit']}"
            segments[-1].append(Point(x, y(value), text))
        latest = next((value for value in reversed(line) if value is not None), None)
        said = "–" if latest is None else say(latest)
        tone = TONES.get(name, f"s{1 + len(lines)}")
        lines.append(Line(name, [segment for segment in segments if segment], said, tone))
    ticks = [(y(low + (high - low) * part), say(low + (high - low) * part)) for part in (0, 0.5, 1)]
    return Chart(title, lines, ticks, day(runs[0]["when"]), day(runs[-1]["when"]))


def day(when: str) -> str:
    """Date and time of an ISO time, without seconds."""
    return when[:16].replace("T", " ")


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten, so that the ticks are round."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(size * power for size in (1, 2, 5, 10) if value <= size * power)
