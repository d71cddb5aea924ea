"""A window of a dump as rows of cells, a cell a clock cycle: what text and pictures are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tb.env.wave_query import PS_PER_NS, Wave, WaveError
from tb.env.waves.catalog import Group, Row
from tb.env.waves.formats import Format
from tb.env.waves.moment import View

UNKNOWN = "x"


@dataclass(frozen=True)
class Line:
    """A signal in the window: ``cells`` a text for each cycle; of a bit 0, 1 or x.

    ``wrong``: the column of a wrong value. ``golden``: this is what the golden model expects there.
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
    """``cycles``: number of each column. ``marks``: (column, name). ``title``: one line."""

    title: str
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
        faulty = wrong is not None and wrong.module in group.modules
        if names:
            rows = list(group.rows) if group.name in names else []
        elif faulty:
            rows = [row for row in group.rows if _same_lane(row, wrong.signal)]
        else:
            rows = [row for row in group.rows if row.path in group.picture]
        if wrong is not None:
            at = [row for row in group.rows if wave.top + row.path == wrong.signal]
            rows += [row for row in at if row not in rows]
        if rows:
            chosen.append((group, rows))
    return chosen


def _same_lane(row: Row, signal: str) -> bool:
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
    column = None
    if wrong is not None:
        at = wave.index_at_ns(wrong.time_ns)
        column = at - window[0] if at in window else None
    sections: list[tuple[str, tuple[Line, ...]]] = []
    named = False
    for group, rows in _chosen(groups, view, wave, names):
        lines: list[Line] = []
        for row in rows:
            full = wave.top + row.path
            here = wrong is not None and column is not None and full == wrong.signal
            cells = _cells(wave, full, row.format, window)
            lines.append(Line(row.label, cells, row.format.what == "bit", column if here else None))
            if here:
                named = True
                lines.append(_expected(row.label, wrong.expected, column, len(window)))
        sections.append((group.name, tuple(lines)))
    if wrong is not None and column is not None and not named:
        sections.insert(0, ("first wrong value", tuple(_unlisted(wave, view, window, column))))
    marks = []
    for marker in view.markers:
        if wave.edges[window[0]] <= marker.time_ps <= wave.edges[window[-1]]:
            marks.append((wave.index_at_ns(marker.time_ps / PS_PER_NS) - window[0], marker.name))
    return Diagram(
        wrong.title
        if wrong is not None
        else f"{wave.path.name}, {view.markers[0].name}"
        if view.markers
        else wave.path.name,
        tuple(int(wave.cycle[i]) for i in window),
        tuple(float(wave.edges[i] / PS_PER_NS) for i in window),
        tuple(sections),
        tuple(marks),
    )


def _expected(label: str, text: str, column: int, cycles: int) -> Line:
    cells = tuple(text if i == column else "" for i in range(cycles))
    return Line(f"{label} (golden)", cells, golden=True)


def _unlisted(wave: Wave, view: View, window: range, column: int) -> Iterator[Line]:
    """The wrong signal when the catalogue has it not: by its name, in hex."""
    wrong = view.divergence
    assert wrong is not None
    label = ".".join(wrong.signal.split(".")[-2:])
    if wrong.signal in wave:
        yield Line(label, _cells(wave, wrong.signal, Format.parse("hex"), window), False, column)
    else:
        cells = tuple(wrong.actual if i == column else "" for i in range(len(window)))
        yield Line(label, cells, False, column)
    yield _expected(label, wrong.expected, column, len(window))
