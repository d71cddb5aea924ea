# SPDX-License-Identifier: Apache-2.0
"""A diagram as text, to be pasted into an issue."""

from __future__ import annotations

from dataclasses import dataclass

from tb.debug.waves.diagram import Diagram, Line

RED, YELLOW, PLAIN = "\033[31m", "\033[33m", "\033[0m"
LABEL = 24
NARROW, EASY, WIDE = 4, 8, 10


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


def draw_text(
    diagram: Diagram, *, width: int = 120, ascii_only: bool = False, colour: bool = False
) -> str:
    """The diagram in lines of about ``width`` characters; a wrong value has a sign before it."""
    signs = ASCII if ascii_only else UNICODE
    label = min(LABEL, max([len(line.label) for line in diagram.lines] + [12]))
    widths = _widths(diagram, width - label - 1)
    lines = [diagram.title, *(f"  {note}" for note in diagram.notes), ""]
    for column, name in sorted(diagram.marks):
        lines.append(" " * (label + 1 + sum(widths[:column])) + f"{signs.mark} {name}")
    numbers = zip(diagram.cycles, widths, strict=True)
    ruler = "".join(str(number)[1 - cell :].ljust(cell) for number, cell in numbers)
    lines.append(f"{'cycle'.ljust(label)} {ruler}".rstrip())
    for name, rows in diagram.sections:
        lines.append(f"- {name}")
        for row in rows:
            drawn = _bit(row, widths, signs) if row.is_bit else _bus(row, widths, signs)
            head = _cut(row.label, label, signs).ljust(label)
            if colour and (row.golden or row.wrong is not None):
                drawn = f"{YELLOW if row.golden else RED}{drawn}{PLAIN}"
            lines.append(f"{head} {drawn}".rstrip())
    return "\n".join(lines) + "\n"


def _widths(diagram: Diagram, room: int) -> list[int]:
    """Characters of each column: as wide as its values, then less until all fit.

    The column of the wrong value is never cut.
    """
    widths = [NARROW] * len(diagram.cycles)
    whole: set[int] = set()
    for line in diagram.lines:
        if line.wrong is not None:
            whole.add(line.wrong)
        for begin, length, text in line.runs():
            if length == 1 and not line.is_bit:
                widths[begin] = max(widths[begin], len(text) + 2)
    kept = [width if i in whole else min(width, WIDE) for i, width in enumerate(widths)]
    for i in whole:
        kept[i] = max(
            [NARROW]
            + [len(line.cells[i]) + 2 for line in diagram.lines if line.golden or line.wrong == i]
        )
    while sum(kept) < room and min(kept) < EASY:
        kept[kept.index(min(kept))] += 1
    while sum(kept) > room:
        widest = max((i for i in range(len(kept)) if i not in whole), key=lambda i: kept[i])
        if kept[widest] == NARROW:
            break
        kept[widest] -= 1
    return kept


def _cut(text: str, length: int, signs: _Signs) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + signs.cut


def _bit(line: Line, widths: list[int], signs: _Signs) -> str:
    drawn = {"0": signs.low, "1": signs.high}
    out = []
    for place, text in enumerate(line.cells):
        piece = drawn.get(text, signs.unknown) * widths[place]
        out.append(signs.wrong + piece[1:] if place == line.wrong else piece)
    return "".join(out)


def _bus(line: Line, widths: list[int], signs: _Signs) -> str:
    out = []
    for begin, length, text in line.runs():
        room = sum(widths[begin : begin + length]) - 1
        if line.golden and not text:
            out.append(" " * (room + 1))
            continue
        if line.wrong == begin:
            text = signs.wrong + text
        out.append(signs.edge + _cut(text, room, signs).ljust(room))
    return "".join(out)
