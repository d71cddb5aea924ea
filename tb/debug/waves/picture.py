# SPDX-License-Identifier: Apache-2.0
"""A diagram as SVG or PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from golden.outputs import picture_metadata
from tb.debug.waves.diagram import Diagram, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, HIGH = 1.0, 0.62  # of a row: its pitch, and the height of what is drawn in it
SLANT = 0.08  # of a cycle
INCHES_A_CYCLE, INCHES_A_ROW, LABEL_INCHES = 0.5, 0.24, 2.6
LETTERS_A_CYCLE = 6.0
WAVE, WRONG, GOLDEN, FAINT = "#1b4f72", "#c0392b", "#b7790a", "#9aa5ab"


def draw_picture(diagram: Diagram, path: Path) -> None:
    """Write the diagram; the suffix of ``path`` says what: .svg or .png."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    cycles = len(diagram.cycles)
    rows = sum(1 + len(lines) for _, lines in diagram.sections) + 3 + len(diagram.notes)
    size = (LABEL_INCHES + INCHES_A_CYCLE * cycles, INCHES_A_ROW * rows)
    style: dict[Any, str] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "waves",
        "font.family": "DejaVu Sans",
    }
    with plt.rc_context(style):
        figure = plt.figure(figsize=size)
        axes = figure.add_axes((LABEL_INCHES / size[0], 0, 1 - LABEL_INCHES / size[0], 1))
        axes.set_xlim(0, cycles)
        axes.set_ylim(rows, 0)
        axes.axis("off")
        left = -LABEL_INCHES / INCHES_A_CYCLE + 0.1
        axes.text(left, 0.6, diagram.title, fontsize=9, weight="bold", va="center")
        for place, note in enumerate(diagram.notes):
            colour = WRONG if "WRONG" in note else FAINT
            axes.text(left, 1.6 + place, note, fontsize=7, va="center", color=colour)
        head = 2.5 + len(diagram.notes)
        for column, number in enumerate(diagram.cycles):
            axes.text(column + 0.5, head, str(number), fontsize=6.5, ha="center", va="center",
                      color=FAINT)  # fmt: skip
            axes.plot([column, column], [head + 0.4, rows], color=FAINT, lw=0.2)
        axes.text(left, head, "cycle", fontsize=6.5, va="center", color=FAINT)
        for column, name in diagram.marks:
            colour = WRONG if name == "divergence" else WAVE
            axes.fill_between(
                [column, column + 1], head - 0.5, rows, color=colour, alpha=0.07, lw=0
            )
        _name_marks(axes, diagram, head - 0.9)
        y = head + 0.5
        for name, lines in diagram.sections:
            axes.text(left, y + 0.55, name, fontsize=7, va="center", color=FAINT, style="italic")
            y += ROW
            for line in lines:
                _line(axes, line, y, left)
                y += ROW
        figure.savefig(path, dpi=130, metadata=picture_metadata(path))
        plt.close(figure)


def _name_marks(axes: Axes, diagram: Diagram, y: float) -> None:
    """Names of the marks, those that would overlap left out, the first, which matters, never."""
    taken: list[float] = []
    for column, name in diagram.marks:
        if all(abs(column - other) > len(name) / 5 + 1 for other in taken):
            colour = WRONG if name == "divergence" else WAVE
            axes.text(column + 0.5, y, name, fontsize=7, ha="center", va="center", color=colour)
            taken.append(column)


def _line(axes: Axes, line: Line, y: float, left: float) -> None:
    top, bottom = y + (ROW - HIGH) / 2, y + (ROW + HIGH) / 2
    middle = (top + bottom) / 2
    faulty = line.wrong is not None
    colour = GOLDEN if line.golden else WRONG if faulty else "black"
    axes.text(left + 0.3, middle, line.label, fontsize=7, va="center", color=colour)
    if line.is_bit:
        _bit(axes, line, top, bottom)
        return
    for begin, length, text in line.runs():
        if line.golden and not text:
            continue
        bad = begin == line.wrong
        edge = GOLDEN if line.golden else WRONG if bad else WAVE
        x0, x1 = begin, begin + length
        shape = [(x0, middle), (x0 + SLANT, top), (x1 - SLANT, top), (x1, middle),
                 (x1 - SLANT, bottom), (x0 + SLANT, bottom)]  # fmt: skip
        axes.fill(*zip(*shape, strict=True), facecolor="#fadbd8" if bad else "#eef4f8",
                  edgecolor=edge, lw=0.9 if bad else 0.6)  # fmt: skip
        room = int(length * LETTERS_A_CYCLE)
        shown = text if len(text) <= room else text[: room - 1] + "…"
        axes.text((x0 + x1) / 2, middle, shown, fontsize=6.5, ha="center", va="center",
                  color=edge if bad or line.golden else "black",
                  weight="bold" if bad else "normal")  # fmt: skip


def _bit(axes: Axes, line: Line, top: float, bottom: float) -> None:
    height = {"0": bottom, "1": top}
    xs: list[float] = []
    ys: list[float] = []
    for place, text in enumerate(line.cells):
        level = height.get(text)
        if level is None:
            axes.fill_between([place, place + 1], top, bottom, color=WRONG, alpha=0.25, lw=0)
            level = (top + bottom) / 2
        xs += [place, place + 1]
        ys += [level, level]
    axes.plot(xs, ys, color=WRONG if line.wrong is not None else WAVE, lw=1.0)
    if line.wrong is not None:
        axes.fill_between([line.wrong, line.wrong + 1], top, bottom, color=WRONG, alpha=0.2, lw=0)
