# SPDX-License-Identifier: Apache-2.0
"""Lays the bins of a coverage group out as a heat map: a strip for one axis, else a table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

COLUMNS = 16
"""Trailing axes of a cross share the columns of its table up to this many."""
SHADES = 5


@dataclass(frozen=True)
class Cell:
    """One bin. `kind`: "h1" to "h5" by hits, "m" missed, "x" excluded, "a" no such bin."""

    kind: str
    text: str
    reason: str | None = None


@dataclass(frozen=True)
class HeatMap:
    """A table of cells. `columns` hold one label per axis of the columns; so do `rows`."""

    row_axes: tuple[str, ...]
    column_axes: tuple[str, ...]
    columns: list[tuple[str, ...]]
    rows: list[tuple[tuple[str, ...], list[Cell]]]


def short(number: int) -> str:
    """A count in at most four characters, as 999, 1.2k, 34k, 5.6M."""
    for size, letter in ((1, ""), (1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        value = number / size
        if value < 9.95 and letter:
            return f"{value:.1f}{letter}"
        if value < 999.5:
            return f"{value:.0f}{letter}"
    return "≫"


def heat_map(group: dict[str, Any]) -> HeatMap:
    """The heat map of a group of `functional.json`; one row if it has one axis."""
    axes = group["axes"]
    labels = [
        list(dict.fromkeys(entry["at"][axis] for entry in group["bins"]))
        for axis in range(len(axes))
    ]
    split = len(axes) - 1
    while split > 1 and math.prod(len(axis) for axis in labels[split - 1 :]) <= COLUMNS:
        split -= 1
    most = max(entry["hits"] for entry in group["bins"])
    cells = {tuple(entry["at"]): _cell(entry, most) for entry in group["bins"]}
    absent = Cell("a", "")
    columns = list(product(*labels[split:]))
    rows = [
        (row, [cells.get((*row, *column), absent) for column in columns])
        for row in product(*labels[:split])
    ]
    return HeatMap(tuple(axes[:split]), tuple(axes[split:]), columns, rows)


def _cell(entry: dict[str, Any], most: int) -> Cell:
    if entry["excluded"] is not None:
        text = f"×{short(entry['hits'])}" if entry["hits"] else "×"
        return Cell("m" if entry["hits"] else "x", text, entry["excluded"])
    if not entry["hits"]:
        return Cell("m", "0")
    depth = math.log(entry["hits"]) / math.log(most) if most > 1 else 1.0
    return Cell(f"h{1 + min(SHADES - 1, int(depth * SHADES))}", short(entry["hits"]))
