"""A diagram as text, to be pasted into an issue."""

from __future__ import annotations

from dataclasses import dataclass

from tb.env.waves.diagram import Diagram, Line

RED, YELLOW, PLAIN = "\033[31m", "\033[33m", "\033[0m"
LABEL = 24
NARROW, WIDE = 4, 10


@dataclass(frozen=True)
class _Signs:
    low: str
    high: str
    unknown: str
    edge: str
    cut: str
    wrong: str
    mark: str


UNICODE = _Signs("▁", "▔", "░", "│", "…", "✗", "▼")
ASCII = _Signs("_", "-", "?", "|", "~", "!", "v")


def draw_text(diagram: Diagram, *, width: int = 120, ascii_only: bool = False,
              colour: bool = False) -> str:  # fmt: skip
    """The diagram in lines of about ``width`` characters; a wrong value has a sign before it."""
    signs = ASCII if ascii_only else UNICODE
    cycles = len(diagram.cycles)
    label = min(LABEL, max([len(line.label) for line in diagram.lines] + [12]))
    cell = min(WIDE, max(NARROW, (width - label - 1) // cycles))
    lines = [diagram.title, ""]
    marks = _marks(diagram, label + 1, cell, signs)
    lines += marks
    lines.append("cycle".ljust(label + 1) + _ruler(diagram.cycles, cell))
    for name, rows in diagram.sections:
        lines.append(f"- {name}")
        for row in rows:
            drawn = _bit(row, cell, signs) if row.is_bit else _bus(row, cell, signs)
            head = _cut(row.label, label, signs).ljust(label)
            if colour and (row.golden or row.wrong is not None):
                drawn = f"{YELLOW if row.golden else RED}{drawn}{PLAIN}"
            lines.append(f"{head} {drawn}".rstrip())
    return "\n".join(lines) + "\n"


def _ruler(cycles: tuple[int, ...], cell: int) -> str:
    every = 1 if len(str(cycles[-1])) < cell else 2
    return "".join(
        (str(n) if i % every == 0 else "").ljust(cell * every)[: cell * every]
        for i, n in enumerate(cycles)
        if i % every == 0
    ).rstrip()


def _marks(diagram: Diagram, indent: int, cell: int, signs: _Signs) -> list[str]:
    lines = []
    for column, name in sorted(diagram.marks):
        lines.append(" " * (indent + column * cell) + f"{signs.mark} {name}")
    return lines


def _cut(text: str, length: int, signs: _Signs) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + signs.cut


def _bit(line: Line, cell: int, signs: _Signs) -> str:
    drawn = {"0": signs.low, "1": signs.high}
    out = []
    for place, text in enumerate(line.cells):
        piece = drawn.get(text, signs.unknown) * cell
        out.append(signs.wrong + piece[1:] if place == line.wrong else piece)
    return "".join(out)


def _bus(line: Line, cell: int, signs: _Signs) -> str:
    out = []
    for begin, length, text in line.runs():
        room = length * cell - 1
        if line.golden and not text:
            out.append(" " * (room + 1))
            continue
        if line.wrong == begin:
            text = signs.wrong + text
        out.append(signs.edge + _cut(text, room, signs).ljust(room))
    return "".join(out)
