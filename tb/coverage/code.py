# SPDX-License-Identifier: Apache-2.0
"""Code coverage of `rtl/`: what simulations reached of each file, what not, and why not.

Four metrics. *line*: source lines that ran; *branch*: ways out of an `if` or `?:`; *toggle*: each
bit of each signal, up and down; *expression*: each way in which a term decides a logical one. A
point counts as covered when any instance in any build reached it. `tb/tables/coverage_holes.toml`
excludes by name, with the reason, what cannot be reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from golden.toml_file import Text, TomlError, read_toml
from tb.paths import REPO, TABLES
from tb.sim.coverage_dat import Point

HOLES_FILE = TABLES / "coverage_holes.toml"
METRICS = ("line", "branch", "toggle", "expression")
GOALS = {"line": 0.98, "branch": 0.95, "toggle": 0.90}
"""Least covered share of a metric over all of `rtl/`; expressions are counted without a goal."""


class HolesFileError(TomlError):
    """`tb/tables/coverage_holes.toml` is wrong. One line that names the entry."""


class Exclusion(Struct, frozen=True, forbid_unknown_fields=True):
    """Points that need not be reached, and why. Located by the text of the line."""

    file: str
    metric: Literal["line", "branch", "toggle", "expression"]
    reason: Text
    text: str = ""  # all but toggle: part of the source line
    what: str = ".*"  # all but toggle: regex of which way of it, as Point.what has it
    signal: str = ""  # toggle: regex of the signal, with or without its bit select
    some_builds: bool = False  # toggle: only builds of some sizes hold the signal

    def __post_init__(self) -> None:
        """Raise ValueError where the keys do not fit each other."""
        for key in ("signal", "what"):
            try:
                re.compile(getattr(self, key))
            except re.error as error:
                found = f"{getattr(self, key)!r} ({error})"
                raise ValueError(f"{key}: found {found}, expected a regular expression") from None
        needed, other = ("signal", "text") if self.metric == "toggle" else ("text", "signal")
        if not getattr(self, needed):
            raise ValueError(f"{needed}: found nothing, expected it with metric {self.metric!r}")
        if getattr(self, other):
            found = repr(getattr(self, other))
            raise ValueError(f"{other}: found {found}, expected none with metric {self.metric!r}")
        if self.some_builds and not self.signal:
            raise ValueError("some_builds: found true, expected it with `signal` alone")

    @property
    def title(self) -> str:
        """The entry in one line."""
        return f"{self.file} {self.metric} {self.signal or self.text!r}"

    def covers(self, point: Point, source: str) -> bool:
        """Whether it speaks of `point`, whose source line is `source`."""
        if (point.file, point.metric) != (self.file, self.metric):
            return False
        if self.metric == "toggle":
            name = signal_of(point)
            return any(re.fullmatch(self.signal, n) for n in (name, re.sub(r"\[\d+\]$", "", name)))
        return self.text in source and re.fullmatch(self.what, point.what) is not None


@dataclass
class Count:
    """Points of one metric: `total` without those excluded."""

    covered: int = 0
    total: int = 0
    excluded: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.covered + other.covered, self.total + other.total, self.excluded + other.excluded
        )

    @property
    def share(self) -> float:
        """Covered share, 1 when there is nothing to cover."""
        return self.covered / self.total if self.total else 1.0


@dataclass(frozen=True)
class Hole:
    """Points that were not reached: those of one signal, or one line, branch or expression."""

    line: int
    metric: str
    what: str
    points: int
    reason: str | None


@dataclass
class FileCoverage:
    """What was reached of one file."""

    file: str
    counts: dict[str, Count] = field(default_factory=lambda: {m: Count() for m in METRICS})
    holes: list[Hole] = field(default_factory=list)
    line_hits: dict[int, int] = field(default_factory=dict)
    branch_hits: list[tuple[int, int, str, int]] = field(default_factory=list)  # line, column, …


@dataclass
class Report:
    """Code coverage of all files, and exclusions that turned out to be reached."""

    files: list[FileCoverage]
    no_holes: list[Exclusion]

    @property
    def total(self) -> dict[str, Count]:
        """All files together."""
        return {m: sum((f.counts[m] for f in self.files), Count()) for m in METRICS}

    def complaints(self) -> list[str]:
        """Why this is not good enough, one line each: goals missed, holes without a reason."""
        said = [
            f"{metric} coverage is {count.share:.2%}, expected at least {GOALS[metric]:.0%}"
            for metric, count in self.total.items()
            if count.share < GOALS.get(metric, 0)
        ]
        said += [f"{f.file}: no simulation ran it" for f in self.files if not _ran(f)]
        return said + [
            f"{f.file}:{hole.line}: {hole.metric} {hole.what}: not reached, and no reason in "
            f"{HOLES_FILE.relative_to(REPO)}"
            for f in self.files
            for hole in f.holes
            if hole.reason is None
        ]


def _ran(file: FileCoverage) -> bool:
    """Packages hold nothing that runs."""
    return file.file.endswith("_pkg.sv") or any(c.total + c.excluded for c in file.counts.values())


def signal_of(point: Point) -> str:
    """The signal of a toggle point, with its bit: `"data_q[3]"` of `"data_q[3]:0->1"`."""
    return point.what.rpartition(":")[0]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    hole: list[Exclusion] = []


def load_exclusions(path: Path = HOLES_FILE) -> list[Exclusion]:
    """The entries of the holes file. Raises HolesFileError."""
    return read_toml(path, _File, HolesFileError).hole


def measure(
    points: Mapping[Point, int],
    exclusions: Iterable[Exclusion] = (),
    *,
    repo: Path = REPO,
    whole: bool = True,
) -> Report:
    """Coverage of each file of `rtl/` from how often each point was reached.

    Raises HolesFileError for an exclusion that speaks of no point at all; one of `some_builds` may,
    as long as the file still has the name that its signal begins with. `whole=False` is for points
    of some modules only: files that no simulation held, and exclusions in them, are left out.
    """
    exclusions = list(exclusions)
    sources = {
        f"rtl/{p.name}": p.read_text(encoding="utf-8").splitlines()
        for p in sorted((repo / "rtl").glob("*.sv"))
    }
    by_file: dict[str, dict[Point, int]] = {name: {} for name in sources}
    for point, hits in [*points.items(), *_line_points(points).items()]:
        if point.metric != "line" or not point.lines:
            by_file.setdefault(point.file, {})[point] = hits
    if not whole:
        by_file = {name: found for name, found in by_file.items() if found}
        exclusions = [e for e in exclusions if e.file in by_file]
    hit: dict[Exclusion, list[bool]] = {e: [] for e in exclusions}
    files = []
    for name, found in by_file.items():
        own = [e for e in exclusions if e.file == name]
        files.append(_measure_file(name, found, sources.get(name, []), own, hit))
    for exclusion, matched in hit.items():
        if not matched and not (exclusion.some_builds and _named(exclusion, sources)):
            raise HolesFileError(f"{HOLES_FILE.name}: {exclusion.title}: matches nothing")
    return Report(files, [e for e, matched in hit.items() if matched and all(matched)])


def _named(exclusion: Exclusion, sources: Mapping[str, list[str]]) -> bool:
    """Whether a file has the name with which an exclusion's signal begins."""
    name = re.match(r"\w+", exclusion.signal)
    text = "\n".join(sources.get(exclusion.file, ()))
    return bool(name and re.search(rf"\b{name[0]}\b", text))


def _line_points(points: Mapping[Point, int]) -> dict[Point, int]:
    """One point for each source line that some block runs; it ran as often as the busiest."""
    lines: dict[Point, int] = {}
    for point, hits in points.items():
        for line in point.lines:
            one = Point(point.file, line, 0, "line", "statement")
            lines[one] = max(lines.get(one, 0), hits)
    return lines


def _measure_file(
    name: str,
    points: Mapping[Point, int],
    source: list[str],
    exclusions: list[Exclusion],
    hit: dict[Exclusion, list[bool]],
) -> FileCoverage:
    result = FileCoverage(name)
    missed: dict[tuple[int, str, str, str | None], list[str]] = {}
    for point, hits in points.items():
        text = source[point.line - 1] if point.line <= len(source) else ""
        mine = [e for e in exclusions if e.covers(point, text)]
        for exclusion in mine:
            hit[exclusion].append(hits > 0)
        count = result.counts[point.metric]
        if hits:
            count.covered += 1
            count.total += 1
        elif mine:
            count.excluded += 1
        else:
            count.total += 1
        if not hits:
            signal = re.sub(r"\[\d+\]$", "", signal_of(point)) if point.metric == "toggle" else ""
            what = signal or (text.strip() if point.metric == "line" else point.what)
            key = (point.line, point.metric, what, mine[0].reason if mine else None)
            missed.setdefault(key, []).append(point.what[len(signal) :])
        if point.metric == "line":
            result.line_hits[point.line] = hits
        elif point.metric == "branch":
            result.branch_hits.append((point.line, point.column, point.what, hits))
    for (line, metric, what, reason), ways in sorted(missed.items(), key=lambda kv: kv[0][:3]):
        shown = f"{what} {_bits(ways)}" if metric == "toggle" else what
        result.holes.append(Hole(line, metric, shown, len(ways), reason))
    return result


def _bits(ways: Iterable[str]) -> str:
    """Bits and directions that never changed: `[0,3:5] 0->1`."""
    by_direction: dict[str, list[int | None]] = {}
    for way in ways:
        bit, _, direction = way.rpartition(":")
        by_direction.setdefault(direction, []).append(int(bit[1:-1]) if bit else None)
    named: dict[str, list[str]] = {}
    for direction, bits in sorted(by_direction.items()):
        numbers = sorted({b for b in bits if b is not None})
        named.setdefault(_ranges(numbers), []).append(direction)
    return ", ".join(f"{bits} {' and '.join(ways)}".strip() for bits, ways in named.items())


def _ranges(numbers: list[int]) -> str:
    """[1, 3, 4, 5] as "[1,3:5]"; nothing as ""."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    inside = ",".join(f"{a}" if a == b else f"{a}:{b}" for a, b in parts)
    return f"[{inside}]" if inside else ""


# ------------------------------------------------------------------------------ as others read it


def as_json(report: Report) -> dict[str, Any]:
    """The report as `reports/code.json` holds it, schema 1."""

    def counts(of: Mapping[str, Count]) -> dict[str, dict[str, int]]:
        return {metric: vars(count).copy() for metric, count in of.items()}

    return {
        "schema": 1,
        "goals": GOALS,
        "files": [
            {"file": f.file, **counts(f.counts), "holes": [vars(h).copy() for h in f.holes]}
            for f in report.files
        ],
        "total": counts(report.total),
    }


def as_lcov(report: Report) -> str:
    """Lines and branches as an LCOV tracefile; no exclusions, since others bring their own."""
    out = ["TN:edgedrnn"]
    for f in report.files:
        if not f.line_hits:
            continue
        out.append(f"SF:{f.file}")
        blocks: dict[tuple[int, str], int] = {}
        for number, (line, column, what, hits) in enumerate(sorted(f.branch_hits)):
            block = blocks.setdefault((line, f"{column // 2}"), number)
            out.append(f"BRDA:{line},{block},{what},{hits or '-'}")
        out += [f"BRF:{len(f.branch_hits)}", f"BRH:{sum(b[3] > 0 for b in f.branch_hits)}"]
        out += [f"DA:{line},{hits}" for line, hits in sorted(f.line_hits.items())]
        out += [f"LF:{len(f.line_hits)}", f"LH:{sum(h > 0 for h in f.line_hits.values())}"]
        out.append("end_of_record")
    return "\n".join(out) + "\n"


def as_table(report: Report) -> str:
    """One line for each file, a total, and what was excluded."""
    head = f"{'file':<26}" + "".join(f"{m:>22}" for m in METRICS)
    rows = [head, "-" * len(head)]
    for name, counts in [*((f.file, f.counts) for f in report.files), ("total", report.total)]:
        cells = []
        for metric in METRICS:
            count = counts[metric]
            if not count.total + count.excluded:
                cells.append(f"{'':>22}")
                continue
            cells.append(f"{f'{count.covered}/{count.total}':>13}{count.share:>9.1%}")
        rows.append(f"{name:<26}" + "".join(cells))
    goals = ", ".join(f"{metric} {goal:.0%}" for metric, goal in GOALS.items())
    excluded = ", ".join(f"{c.excluded} {m}" for m, c in report.total.items())
    return "\n".join([*rows, f"goals: {goals}; excluded with a reason: {excluded}"])
