# SPDX-License-Identifier: Apache-2.0
"""A window of a dump as rows of cells, a cell a clock cycle: what text and pictures are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tb.codegen.rtl import enum_variables
from tb.debug.taps import DUT
from tb.debug.wave_query import PS_PER_NS, Wave, WaveError
from tb.debug.waves.catalog import Group, Row, catalog
from tb.debug.waves.formats import Format
from tb.debug.waves.moment import Divergence, View

MISMATCH = "u_golden.mismatch"


@dataclass(frozen=True)
class Line:
    """A signal in the window: ``cells`` a text for each cycle; of a bit 0, 1 or x.

    ``wrong``: the column of a wrong value. ``golden``: values of the golden model, cells empty
    where it says nothing.
    """

    label: str
    cells: tuple[str, ...]
    is_bit: bool = False
    wrong: int | None = None
    golden: bool = False

    def runs(self) -> Iterator[tuple[int, int, str]]:
        """(first cycle, cycles, text) of equal cells; a wrong cell is a run of its own."""
        begin = 0
        for place in range(1, len(self.cells) + 1):
            split = self.wrong is not None and place in (self.wrong, self.wrong + 1)
            if place == len(self.cells) or self.cells[place] != self.cells[begin] or split:
                yield begin, place - begin, self.cells[begin]
                begin = place


@dataclass(frozen=True)
class Diagram:
    """``cycles``: number of each column. ``marks``: (column, name). ``title``: one line, ``notes``
    what there is to say besides."""

    title: str
    notes: tuple[str, ...]
    cycles: tuple[int, ...]
    times_ns: tuple[float, ...]
    sections: tuple[tuple[str, tuple[Line, ...]], ...]
    marks: tuple[tuple[int, str], ...]

    @property
    def lines(self) -> list[Line]:
        """All lines, from the top."""
        return [line for _, lines in self.sections for line in lines]


def _cells(wave: Wave, name: str, style: Format, window: range) -> tuple[str, ...]:
    width = wave.width(name)
    values, known = wave.get(name, unknown=0), wave.known(name)
    return tuple(style.text(int(values[i]) if known[i] else None, width) for i in window)


def _chosen(
    groups: Sequence[Group], view: View, wave: Wave, names: Sequence[str]
) -> list[tuple[Group, list[Row]]]:
    """Rows of the picture: the groups asked for, else a few of each and all of the faulty stage."""
    unknown = [name for name in names if name not in {group.name for group in groups}]
    if unknown:
        known = ", ".join(group.name for group in groups)
        raise WaveError(f"group {unknown[0]!r}: found no such group, expected one of {known}")
    wrong = view.divergence
    chosen = []
    for group in groups:
        if names:
            rows = list(group.rows) if group.name in names else []
        elif wrong is not None and wrong.module in group.modules:
            rows = [row for row in group.rows if same_lane(row, wrong.signal)]
        else:
            rows = [row for row in group.rows if row.path in group.picture]
        if wrong is not None:
            at = [row for row in group.rows if wave.top + row.path == wrong.signal]
            rows = [row for row in group.rows if row in rows or row in at]
        if rows:
            chosen.append((group, rows))
    return chosen


def same_lane(row: Row, signal: str) -> bool:
    """Of four lanes, show the one at fault."""
    lanes = [row.path.split("gen_lane[")[-1][:1] if "gen_lane[" in row.path else None]
    lanes.append(signal.split("gen_lane[")[-1][:1] if "gen_lane[" in signal else None)
    return lanes[0] is None or lanes[1] is None or lanes[0] == lanes[1]


def diagram(
    wave: Wave, groups: Sequence[Group], view: View, window: range, names: Sequence[str] = ()
) -> Diagram:
    """The diagram of a window; ``names``: groups to show in full instead of the usual choice.

    A cell holds what flip-flops take at its cycle's edge.
    """
    wrong = view.divergence
    pair: list[Line] = []  # the wrong value and the right one, to be placed
    if wrong is not None and wave.index_at_ns(wrong.time_ns) in window:
        pair = _wrong_and_right(wave, wrong, window)
    sections: list[tuple[str, tuple[Line, ...]]] = []
    for group, rows in _chosen(groups, view, wave, names):
        lines: list[Line] = []
        for row in rows:
            if wrong is not None and pair and wave.top + row.path == wrong.signal:
                lines += pair
                pair = []
            else:
                cells = _cells(wave, wave.top + row.path, row.format, window)
                is_bit = row.format.what == "bit"
                lines.append(Line(row.label, cells, is_bit, golden=row.is_golden))
        if wrong is not None and wrong.module in group.modules:
            lines = pair + lines
            pair = []
        sections.append((group.name, tuple(lines)))
    if pair:
        sections.insert(0, ("first wrong value", tuple(pair)))
    marks = []
    for marker in view.markers:
        if wave.edges[window[0]] <= marker.time_ps <= wave.edges[window[-1]]:
            marks.append((wave.index_at_ns(marker.time_ps / PS_PER_NS) - window[0], marker.name))
    title = wave.path.name + (f", {view.markers[0].name}" if view.markers else "")
    return Diagram(
        wrong.title if wrong is not None else title,
        wrong.notes if wrong is not None else (),
        tuple(int(wave.cycle[i]) for i in window),
        tuple(float(wave.edges[i] / PS_PER_NS) for i in window),
        tuple(sections),
        tuple(marks),
    )


def _wrong_and_right(wave: Wave, wrong: Divergence, window: range) -> list[Line]:
    """The line of the wrong signal and that of the value expected there."""
    column = wave.index_at_ns(wrong.time_ns) - window[0]
    below = wrong.signal.removeprefix(wave.top)
    label = Row(below, Format("hex")).label
    if wrong.signal in wave:
        style = _style(wrong, below, wave.width(wrong.signal))
        cells = _cells(wave, wrong.signal, style, window)
        lanes = [cell.split(" ") for cell in cells]
        at = _lane(lanes[column], wrong)
        if at is not None:
            cells = tuple(lane[min(at, len(lane) - 1)] for lane in lanes)
            label = f"{label}[{at}]"
        is_bit = style.what == "bit"
    else:  # a memory, say, that is in no dump
        cells = tuple(wrong.actual if i == column else "?" for i in range(len(window)))
        is_bit = False
    right = _expected(_rounded(wrong.expected), column, len(window))
    return [Line(label, cells, is_bit, column), right]


def rows_of(wave: Wave, groups: Sequence[Group], wrong: Divergence) -> list[Row]:
    """The row of the wrong signal, and the golden model's beside it if the dump holds one."""
    below = wrong.signal.removeprefix(wave.top)
    rows = [row for group in groups for row in group.rows]
    known = [row for row in rows if row.path == below]
    found = known[0] if known else Row(below, _style(wrong, below, wave.width(wrong.signal)))
    golden = [row for row in rows if found.golden and row.path == found.golden]
    mismatch = [row for row in rows if row.path == MISMATCH]
    return [found, *golden[:1], *mismatch[:1]]


def _style(wrong: Divergence, below: str, width: int) -> Format:
    """The format of a signal that the divergence names: the catalogue's, its enum's, the value's.

    A signal that is narrower than the value's format has no sign.
    """
    known = [row.format for group in catalog() for row in group.rows if row.path == below]
    if known:
        return known[0]
    enum = enum_variables().get(below.removeprefix(f"{DUT}."))
    if enum is not None:
        return Format.parse("enum", enum)
    if width == 1:
        return Format.parse("bit")
    found = re.match(r"Q(\d+)\.(\d+)$", wrong.format)
    if found is None or found[2] == "0":
        return Format.parse("dec" if width <= 32 else "hex")
    bits = int(found[1]) + int(found[2])
    if width < bits:
        return Format.parse(f"U{wrong.format}")
    return Format.parse(wrong.format + ("[]" if width >= 2 * bits and width % bits == 0 else ""))


def _lane(cells: list[str], wrong: Divergence) -> int | None:
    """Which of several elements is meant: the one that holds the wrong value."""
    if len(cells) == 1:
        return None
    holding = [place for place, cell in enumerate(cells) if _same(cell, wrong.actual)]
    unit = wrong.data.get("unit")
    usual = unit % len(cells) if isinstance(unit, int) else None
    return usual if usual in holding or not holding else holding[0]


def _rounded(text: str) -> str:
    """A number with as many digits as the cells beside it have."""
    try:
        return f"{float(text):.4f}".rstrip("0").rstrip(".") if "." in text else text
    except ValueError:
        return text


def _same(cell: str, value: str) -> bool:
    try:
        return abs(float(cell) - float(value)) < 0.0006
    except ValueError:
        return cell == value


def _expected(text: str, column: int, cycles: int) -> Line:
    cells = tuple(text if i == column else "" for i in range(cycles))
    return Line("expected (golden)", cells, golden=True)
