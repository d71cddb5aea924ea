# SPDX-License-Identifier: Apache-2.0
"""A CSV file as named columns of text, and its cells as numbers: where each mistake has a place.

Commas, semicolons, tabs or bars; a header row; perhaps gzipped; UTF-8, or UTF-16 with its mark.
Rows are counted from 1 after the header, without blank lines. The csv module reads in its strict
mode: pandas fills up rows that are too short, and joins lines behind a quote that nobody closed.

A number is written with digits, a decimal point and an exponent (e, E, d or D); in a file of
decimal commas, which `decimal_mark` finds, with a comma. Whatever else has a digit in front, such
as 12 %, 3.3 V or 1,234.5, is no number, and `almost_number` says what it may be.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import math
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from golden.datasets.base import DatasetError

DELIMITERS = (",", ";", "\t", "|")
DECIMALS = (".", ",")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NUMBER = {
    mark: re.compile(rf"[+-]?(\d+{point}?\d*|{point}\d+)([eEdD][+-]?\d+)?")
    for mark, point in ((".", r"\."), (",", ","))
}
_SPECIAL = {"nan", "inf", "infinity"}
_BOOLEANS = {"true": 1.0, "false": 0.0}
_POINT = re.compile(r"[+-]?\d*\.\d+([eEdD][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d*,\d+([eEdD][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # one comma: decimal or a thousands mark
_THOUSANDS = re.compile(
    r"[+-]?[1-9]\d{0,2}((,\d{3})+(\.\d*)?|([ '’]\d{3})+([.,]\d*)?"
    r"|(\.\d{3}){2,}(,\d*)?|(\.\d{3})+,\d+)"
)
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ T].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?"
    r"|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?"
)


@dataclass(frozen=True, eq=False)
class Table:
    """One file: its cells as text, by column, all of `rows` rows; `decimal`: its decimal mark."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    rows: int
    decimal: str = "."

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
        shown = found if len(found) <= 60 else f"{found[:60]}..."
        return DatasetError(
            f"{self.path}: column {column}: row {row + 1}: found {shown!r}, expected {expected}"
        )

    def number(self, text: str) -> float | None:
        """`text` as a float, perhaps not finite; None if it is no number."""
        return number(text, self.decimal)


def read(path: Path, delimiter: str | None = None, decimal: str | None = None) -> Table:
    """A file as a Table. `delimiter` and `decimal`: one of `DELIMITERS` and `DECIMALS`; None: as
    the file shows. DatasetError if it is no table, or shows neither.
    """
    text = _text(path)
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise DatasetError(f"{path}: found an empty file, expected a header row")
    delimiter = delimiter or _delimiter(path, first)
    lines = _lines(path, text, delimiter)
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
        for cell in row:
            if "\n" in cell or "\r" in cell:
                raise DatasetError(
                    f"{path}: row {count}: found a cell over several lines, {cell[:20]!r}..., "
                    "expected a row in a line: is a quote not closed?"
                )
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns.pop("", None)
    table = Table(path, columns, len(rows))
    return replace(table, decimal=decimal or decimal_mark(table))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
        text = data.decode(encoding)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path}: found {found}, expected a CSV file in UTF-8") from None
    if "\0" in text:
        raise DatasetError(
            f"{path}: found a zero byte, expected a CSV file in UTF-8, or in UTF-16 with its mark"
        )
    return text


def _lines(path: Path, text: str, delimiter: str) -> list[list[str]]:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    lines = []
    try:
        for line in reader:
            cells = [cell.strip() for cell in line]
            if line and (len(line) > 1 or cells[0]):
                lines.append(cells)
    except csv.Error as error:
        raise DatasetError(
            f"{path}: line {reader.line_num}: found {error}, expected quotes that open and close "
            "around a cell"
        ) from None
    return lines


def _delimiter(path: Path, header: str) -> str:
    """The mark that cuts the header into most cells."""
    counts = {mark: len(_split_line(header, mark)) for mark in DELIMITERS}
    most = max(counts.values())
    best = [mark for mark, count in counts.items() if count == most]
    if len(best) > 1 and most > 1:
        raise DatasetError(
            f"{path}: found a header that {' and '.join(map(repr, best))} cut alike, expected one "
            "of them, or the option --delimiter"
        )
    return best[0]


def _split_line(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _check_header(path: Path, header: list[str]) -> None:
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
            "expected two or more between commas, semicolons, tabs or bars"
        )


def decimal_mark(table: Table) -> str:
    """The decimal mark that the cells of a table show: a comma where some can be nothing else, and
    no cell has a decimal point.

    DatasetError where every comma could as well be a thousands mark.
    """
    unclear, commas = None, False
    for column, cells in table.columns.items():
        for row, cell in enumerate(cells):
            if _POINT.fullmatch(cell):
                return "."  # a comma is a mistake then, and has its place where it is met
            if _COMMA.fullmatch(cell):
                commas = commas or not _GROUPED.fullmatch(cell)
                unclear = unclear or (column, row)
    if commas:
        return ","
    if unclear is not None:
        raise table.error(*unclear, "a number: is the comma decimal? The option --decimal says so")
    return "."


def number(text: str, decimal: str = ".") -> float | None:
    """`text` as a float, perhaps not finite; None if it is no number."""
    if text.lstrip("+-").casefold() in _SPECIAL:
        return float(text)
    if not _NUMBER[decimal].fullmatch(text) or not text.isascii():
        return None
    return float(text.replace(",", ".").replace("d", "e").replace("D", "e"))


def truth(text: str) -> float | None:
    """1 for true, 0 for false, in any case; None for other text."""
    return _BOOLEANS.get(text.casefold())


def is_time(text: str) -> bool:
    """Whether `text` is a date, a time of day or both."""
    return _DATE.fullmatch(text) is not None


def almost_number(text: str) -> str | None:
    """What a cell that is no number, but has a digit in front, may be; None for plain text."""
    body = text.lstrip("+-$€£~<>≈").strip()
    if not body[:1].isdigit() and not re.match(r"[.,]\d", body):
        return None
    if _THOUSANDS.fullmatch(text):
        return "a number with thousands marks"
    if "%" in text:
        return "a percentage"
    if re.fullmatch(r"0[xXbBoO][0-9a-fA-F]+", body):
        return "a number of another base"
    if re.fullmatch(r"[\d_]+(\.\d*)?", body) and "_" in body:
        return None  # a label, such as 1_2
    if _COMMA.fullmatch(text) or "," in text:
        return "a number with a comma"
    if re.fullmatch(r"[\d.]+([eEdD][+-]?\d+)?\s*[^\d\s].*", body):
        return "a number with a unit"
    return None


def numbers(table: Table, columns: list[str] | tuple[str, ...]) -> np.ndarray:
    """The cells of `columns` as float64 (T, len(columns)). DatasetError names the first bad one."""
    values = np.empty((table.rows, len(columns)))
    for i, column in enumerate(columns):
        cells = table.cells(column)
        booleans = all(truth(cell) is not None for cell in cells)
        for row, cell in enumerate(cells):
            value = truth(cell) if booleans else table.number(cell)
            if value is None or not math.isfinite(value):
                found = almost_number(cell)
                hint = f" (this is {found})" if found else ""
                raise table.error(column, row, f"a finite number, such as -1.5{hint}")
            values[row, i] = value
    return values
