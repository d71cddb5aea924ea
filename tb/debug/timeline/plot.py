# SPDX-License-Identifier: Apache-2.0
"""A timeline as a picture: every step's cycles by cause, and below it a few steps in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.files import save_figure
from golden.timing import CLOCK_MHZ
from tb.debug.timeline.account import Summary, clipped
from tb.debug.timeline.causes import ALL, BY_CODE
from tb.debug.timeline.reader import Span, Step, Timeline

GRID, INK = "#dddddd", "#333333"
SUFFIXES = (".png", ".svg", ".pdf")
SHOWN = 3  # steps of the lower panel


def neighbours(steps: Sequence[Step], step: Step, count: int = SHOWN) -> list[Step]:
    """Up to ``count`` of ``steps`` in a row, ``step`` in the middle where it can be."""
    first = max(0, min(steps.index(step) - count // 2, len(steps) - count))
    return list(steps[first : first + count])


def draw(
    path: Path, timeline: Timeline, summary: Summary, shown: Sequence[Step], title: str
) -> None:
    """Write PNG, SVG or PDF, by the suffix. ``shown``: neighbouring steps for the lower panel."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = 5 + 2 * timeline.layers
    with plt.rc_context({"font.size": 9, "svg.fonttype": "none", "axes.edgecolor": "#888888"}):
        figure, (above, below) = plt.subplots(
            2, 1, figsize=(11, 4.6 + 0.34 * rows), layout="constrained",
            gridspec_kw={"height_ratios": [2.6, 0.4 * rows]},
        )  # fmt: skip
        _steps(above, summary, shown)
        _tracks(below, timeline, shown)
        above.set_title(title, loc="left", fontsize=10, color=INK, pad=16)
        save_figure(figure, path, dpi=130)
        plt.close(figure)


def _steps(axes: Any, summary: Summary, shown: Sequence[Step]) -> None:
    """Stacked cycles of each step, those with a beat first."""
    index = np.array([account.step.index for account in summary.accounts])
    bottom = np.zeros(len(index))
    many = len(index) > 60
    for cause in ALL:
        values = np.array([account.cycles[cause.code] for account in summary.accounts])
        if not values.any():
            continue
        share = 100 * values.sum() / summary.total
        percent = f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"
        axes.bar(index, values, 1.0 if many else 0.86, bottom, color=cause.colour,
                 label=f"{cause.name}  {percent}", linewidth=0)  # fmt: skip
        bottom += values
    axes.axvspan(shown[0].index - 0.5, shown[-1].index + 0.5, color="#fff3bf", zorder=0)
    middle = (shown[0].index + shown[-1].index) / 2
    axes.annotate("shown below", (middle, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                  textcoords="offset points", ha="center", fontsize=8, color="#8a6d00")  # fmt: skip
    axes.set_xlim(index[0] - 0.6, index[-1] + 0.6)
    axes.set_ylim(0, 1.08 * bottom.max())
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("step")
    axes.set_ylabel("clock cycles")
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], loc="center left", bbox_to_anchor=(1.0, 0.5),
                frameon=False, fontsize=8.5, handlelength=1.0)  # fmt: skip


def _tracks(axes: Any, timeline: Timeline, shown: Sequence[Step]) -> None:
    """One row a track, time to the right, in cycles since the first step shown begins."""
    start, end = shown[0].begins, shown[-1].finished + 1
    runs, cycles = clipped(timeline, start, end)
    begins = np.maximum(runs["start"], start) - start
    names: list[str] = []

    def row(name: str) -> float:
        names.append(name)
        return float(len(names) - 1)

    def bars(at: float, spans: list[tuple[float, float]], colour: str, height: float = 0.7) -> None:
        axes.broken_barh(spans, (at - height / 2, height), facecolors=colour, linewidth=0)

    def of(spans: Sequence[Span]) -> list[Span]:
        return [span for span in spans if span.end > start and span.start < end]

    at = row("encoder")
    for span in of(timeline.encoder):
        code = {"Δx": "x", "Δh": "h", "undo": "u"}.get(span.kind, "b")
        bars(at, [(span.start - start, span.end - span.start)], BY_CODE[code].colour, 0.4)
    for layer in range(timeline.layers):
        for code, name in (("x", "Δx"), ("h", "Δh")):
            at = row(f"layer {layer} {name}")
            for of_kind in {"x": "x", "h": "hu"}[code]:
                mine = (runs["cause"] == of_kind) & (runs["layer"] == layer)
                colour = BY_CODE[of_kind].colour
                bars(at, list(zip(begins[mine], cycles[mine], strict=True)), colour)
    at = row("port")
    for cause in ALL:
        mine = runs["cause"] == cause.code
        if mine.any():
            bars(at, list(zip(begins[mine], cycles[mine], strict=True)), cause.colour, 0.86)
    at = row("gates")
    for span in of(timeline.gates):
        bars(at, [(span.start - start, span.end - span.start)], BY_CODE["g"].colour)
        width = (min(span.end, end) - max(span.start, start)) / (end - start)
        if width > 0.012:
            text = f"layer {span.layer}" if width > 0.06 else str(span.layer)
            middle = (max(span.start, start) + min(span.end, end)) / 2 - start
            axes.text(middle, at, text, ha="center", va="center", fontsize=7.5)
    at = row("h out")
    for span in of(timeline.output):
        colour = "#555555" if span.kind == "t" else BY_CODE["o"].colour
        bars(at, [(span.start - start, span.end - span.start)], colour)
    for step in shown:
        axes.axvline(step.begins - start, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.annotate(f"step {step.index}", (step.begins - start, 1.0), xytext=(3, 2),
                      xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
                      color=INK)  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, end - start)
    axes.set_xlabel(f"clock cycles ({CLOCK_MHZ:.0f} a µs)")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
