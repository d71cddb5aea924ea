# SPDX-License-Identifier: Apache-2.0
"""Which rows of a user's own series train, validate and test; as CSV, to write down and read back.

A split file has the columns ``file`` and ``split``. A file is ``walk.csv``, or ``walk.csv:1-700``
for its rows 1 to 700.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.command import disk_full
from golden.datasets.base import SPLITS, DatasetError
from golden.datasets.csv_file import Table, read
from golden.files import write_rows

SPLIT_COLUMN = "split"
SPLIT_FILE = "split.csv"
SPLIT_COLUMNS = ("file", SPLIT_COLUMN)
HELD_OUT = 0.15  # of the files, or of the rows of a single file, validate; as many test
_ROWS = re.compile(r"(.+):(\d+)-(\d+)")


@dataclass(frozen=True, eq=False)
class Part:
    """Rows ``first``...``last`` of a file, counted from 1, both included, and their split."""

    table: Table
    split: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """The file, and which rows if not all: ``walk.csv:1-700``."""
        whole = (self.first, self.last) == (1, self.table.rows)
        return self.table.name if whole else f"{self.table.name}:{self.first}-{self.last}"


def write_split(path, data):
    """Write the split of the Dataset `data` to `path`: CSV, columns file and split.

    A file is the name of an example: for a user's own series ``walk.csv``, or ``walk.csv:1-700``
    for its rows 1 to 700, which `dataset` reads back. DatasetError if `path` cannot be written.
    """
    try:
        write_rows(path, [SPLIT_COLUMNS, *((one.name, one.split) for one in data.examples)])
    except OSError as error:
        if disk_full(error):
            raise
        raise DatasetError(f"{path}: found {error.strerror}, expected a file to write") from None


def parts_of(path, tables, split):
    """The Parts of `tables`, and in words the rule that they were made by."""
    folder = path if path.is_dir() else path.parent
    if split is not None:
        return _written(Path(split), folder, tables), f"as {split} says"
    if any(SPLIT_COLUMN in table.columns for table in tables):
        return [part for table in tables for part in _runs(table)], "by the column split"
    if (folder / SPLIT_FILE).is_file():
        return _written(folder / SPLIT_FILE, folder, tables), f"as {folder / SPLIT_FILE} says"
    if len(tables) > 1:
        bounds = _bounds(path, len(tables), "files")
        splits = [name for name, first, last in bounds for _ in range(first, last + 1)]
        parts = [
            Part(table, name, 1, table.rows) for table, name in zip(tables, splits, strict=True)
        ]
        return parts, "by alphabetical order of files, 70/15/15 %"
    bounds = _bounds(path, tables[0].rows, "rows")
    return [Part(tables[0], *bound) for bound in bounds], "by order of rows, 70/15/15 %"


def _bounds(path, count, of_what):
    """(split, first, last) of `count` things counted from 1, in their order."""
    held_out = max(1, round(HELD_OUT * count))
    train = count - 2 * held_out
    if train < 1:
        raise DatasetError(
            f"{path}: found {count} {of_what}, expected 3 or more to split by their order, "
            f"or a column {SPLIT_COLUMN} or a file {SPLIT_FILE}"
        )
    ends = (train, train + held_out, count)
    return [
        (name, first + 1, last) for name, first, last in zip(SPLITS, (0, *ends), ends, strict=False)
    ]


def _split_of_cell(table, row):
    name = table.cells(SPLIT_COLUMN)[row]
    if name not in SPLITS:
        raise table.error(SPLIT_COLUMN, row, ", ".join(SPLITS))
    return name


def _runs(table):
    """Rows in a row that have the same split are one sequence: another split is a gap in time."""
    splits = [_split_of_cell(table, row) for row in range(len(table.cells(SPLIT_COLUMN)))]
    parts, first = [], 0
    for row in range(1, table.rows + 1):
        if row == table.rows or splits[row] != splits[first]:
            parts.append(Part(table, splits[first], first + 1, row))
            first = row
    return parts


def _written(path, folder, tables):
    """The Parts that the split file `path` names."""
    written = read(path)
    by_name = {table.name: table for table in tables}
    taken = {table: np.zeros(table.rows, bool) for table in tables}
    parts = []
    for row, cell in enumerate(written.cells("file")):
        match = None if cell in by_name else _ROWS.fullmatch(cell)
        name = match[1] if match else cell
        split = _split_of_cell(written, row)
        if name not in by_name:
            if (folder / name).is_file():
                continue  # a file beside the single one that was asked for
            raise written.error("file", row, f"one of {', '.join(by_name)}, or FILE:FIRST-LAST")
        table = by_name[name]
        first, last = (int(match[2]), int(match[3])) if match else (1, table.rows)
        if not 1 <= first <= last <= table.rows:
            raise written.error("file", row, f"rows from 1 to {table.rows}")
        if taken[table][first - 1 : last].any():
            raise written.error("file", row, "no row of a file twice")
        taken[table][first - 1 : last] = True
        parts.append(Part(table, split, first, last))
    for table, rows in taken.items():
        if not rows.any():
            raise DatasetError(f"{path}: found no {table.name}, expected a split for each file")
    return parts
