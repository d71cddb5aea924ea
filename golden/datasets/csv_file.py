# SPDX-License-Identifier: Apache-2.0
"""A CSV file as named columns of text, and its cells as numbers: where each mistake has a place.

Commas, semicolons or tabs; a header row; perhaps gzipped. Rows are counted from 1 after the
header, without blank lines.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.datasets.base import DatasetError

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, eq=False)
class Table:
    """One file: its cells as text, by column, all of `rows` rows."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    rows: int

    @property
    def name(self) -> str:
        """What a split file calls it."""
        return self.path.name

    def cells(self, column: str) -> tuple[str, ...]:
        """The cells of `column`. DatasetError if there is no such column."""
        if column not in self.columns:
            raise DatasetError(
                f"{self.path}: column {column}: found none, expected it beside "
                f"{', '.join(self.columns)}"
            )
        return self.columns[column]

    def error(self, column: str, row: int, expected: str) -> DatasetError:
        """What is wrong with a cell, `row` counted from 0."""
        found = self.columns[column][row]
        return DatasetError(
            f"{self.path}: column {column}: row {row + 1}: found {found!r}, expected {expected}"
        )


def read(path) -> Table:
    """A file as a Table. DatasetError if it is no table."""
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            delimiter = max(DELIMITERS, key=lambda mark: len(_split_line(first, mark)))
            file.seek(0)
            lines = [
                [cell.strip() for cell in line]
                for line in csv.reader(file, delimiter=delimiter)
                if line
            ]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: found {error}, expected a CSV file in UTF-8") from None
    if not lines:
        raise DatasetError(f"{path}: found an empty file, expected a header row")
    header, rows = lines[0], lines[1:]
    _check_header(path, header)
    if not rows:
        raise DatasetError(f"{path}: found no rows below the header, expected one per time step")
    for count, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DatasetError(
                f"{path}: row {count}: found {len(row)} cells, "
                f"expected {len(header)} as in the header"
            )
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns.pop("", None)
    return Table(path, columns, len(rows))


def _split_line(line, delimiter):
    return next(csv.reader([line], delimiter=delimiter), [])


def _check_header(path, header):
    # A column without a name is what a trailing comma or a written-out row number leaves.
    names = [name for name in header if name]
    if all(number(name) is not None for name in names):
        raise DatasetError(f"{path}: found no name in the first row, expected a header row")
    for name in names:
        if names.count(name) > 1:
            raise DatasetError(f"{path}: column {name}: found twice, expected once")
    if len(names) < 2:
        raise DatasetError(
            f"{path}: found the only column {names[0]}, "
            "expected two or more between commas, semicolons or tabs"
        )


def number(text):
    """`text` as a float, perhaps not finite; None if it is no number."""
    if "_" in text:  # Python would read the label 1_2 as 12
        return None
    try:
        return float(text)
    except ValueError:
        return None


def numbers(table, columns):
    """The cells of `columns` as float64 (T, len(columns)). DatasetError names the first bad one."""
    values = np.empty((table.rows, len(columns)))
    for i, column in enumerate(columns):
        for row, cell in enumerate(table.cells(column)):
            value = number(cell)
            if value is None or not math.isfinite(value):
                raise table.error(column, row, "a finite number, such as -1.5")
            values[row, i] = value
    return values
