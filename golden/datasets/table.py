# SPDX-License-Identifier: Apache-2.0
"""A user's own series: one CSV file, or a folder of them, each a sequence of its own.

A file has a header row; commas, semicolons or tabs; a row for each time step, a column for each
channel, and one column to tell from them. It may be gzipped (``.csv.gz``). docs/data.md shows how.
Rows are counted from 1 after the header, without blank lines.
"""

import math
from pathlib import Path

import numpy as np

from golden.datasets.base import SPLITS, Dataset, DatasetError, Example, label_indices
from golden.datasets.csv_file import number, numbers, read
from golden.datasets.split_file import SPLIT_COLUMN, SPLIT_FILE, parts_of

TARGETS = ("label", "target", "y")  # in this order, so that channels x, y, z go with a label
TIMES = ("time", "timestamp", "datetime", "date")
MAX_CLASSES = 20  # whole numbers of more values than this are a quantity, not classes


def dataset(path, target=None, columns=None, task=None, split=None, rate=1.0):
    """The series at `path`, a CSV file or a folder of them, as a Dataset.

    `target`: the column to be told; by default the first of `TARGETS` that is there, in any case.
    `columns`: the channels; by default every column with a number in it, but the target, `TIMES`
    and ``split``. `task`: 'frames' or 'regression'. By default, over all files, it is 'frames' if
    no cell of the target is a number, or if all are whole numbers of at most `MAX_CLASSES`
    different values; it is 'regression' if all are numbers otherwise. `split`: a file as
    `write_split` writes it. `rate`: rows per second.

    Without `split`, the split is that of a column ``split``; or else of a file ``split.csv``
    beside the files; or else the last 15 % of the files in alphabetical order test and the 15 %
    before them validate; or, for a single file, the last 15 % of its rows and the 15 % before
    them. `Dataset.source` says which. Labels are in order of number or of the alphabet. A signal
    is float64 (T, I), a target int64 (T,) or float64 (T, 1).

    Raises DatasetError, one line with file, column and row, for what cannot be used.
    """
    path = Path(path)
    if task not in (None, "frames", "regression"):
        raise DatasetError(f"task: found {task!r}, expected frames or regression")
    if not (math.isfinite(rate) and rate > 0):
        raise DatasetError(f"rate: found {rate}, expected rows per second, above 0")
    tables = [read(file) for file in _files(path)]
    target = _default_target(tables[0]) if target is None else target
    for table in tables:
        table.cells(target)
    channels = _channels(tables, target) if columns is None else _chosen(columns, target)
    signals = {table: numbers(table, channels) for table in tables}
    task = task or _task(tables, target)
    if task == "frames":
        labels, targets = _classes(tables, target)
    else:
        labels, targets = (target,), {table: numbers(table, [target]) for table in tables}
    parts, rule = parts_of(path, tables, split)
    examples = tuple(
        Example(
            part.name,
            part.split,
            signals[part.table][part.first - 1 : part.last],
            targets[part.table][part.first - 1 : part.last],
            part.name,
        )
        for part in parts
    )
    for name in SPLITS:
        if not any(example.split == name for example in examples):
            raise DatasetError(
                f"{path}: found no rows in {name} (split {rule}), expected some in each split"
            )
    if task == "frames":
        _check_classes(path, target, labels, examples)
    source = f"{target!r} in {path}, split {rule}"
    return Dataset("csv", task, labels, examples, float(rate), source, channels)


def _files(path):
    if path.is_file():
        return [path]
    expected = "a CSV file, or a folder of CSV files (.csv, .csv.gz), of your own"
    if not path.is_dir():
        raise DatasetError(f"{path}: found no such file or folder, expected {expected}")
    found = [*path.glob("*.csv"), *path.glob("*.csv.gz")]
    files = sorted(file for file in found if file.name != SPLIT_FILE)
    if not files:
        raise DatasetError(f"{path}: found no CSV file, expected {expected}")
    return files


def _default_target(table):
    names = {name.casefold(): name for name in table.columns}
    for name in TARGETS:
        if name in names:
            return names[name]
    raise DatasetError(
        f"{table.path}: found columns {', '.join(table.columns)}, "
        f"expected one named {', '.join(TARGETS)}, or an option target that names one"
    )


def _channels(tables, target):
    """Columns of any file that have a number in any file, in order."""
    others = (target, SPLIT_COLUMN)
    names = dict.fromkeys(name for table in tables for name in table.columns)
    channels = tuple(
        name
        for name in names
        if name not in others
        and name.casefold() not in TIMES
        and any(
            number(cell) is not None for table in tables for cell in table.columns.get(name, ())
        )
    )
    if not channels:
        raise DatasetError(
            f"{tables[0].path}: found no column of numbers beside {target!r}, expected one or more"
        )
    return channels


def _chosen(columns, target):
    columns = tuple(columns)
    if not columns or target in columns or len(set(columns)) < len(columns):
        raise DatasetError(
            f"columns: found {', '.join(columns) or 'none'}, "
            f"expected some, each once, without the target {target}"
        )
    return columns


def _task(tables, target):
    first = number(tables[0].cells(target)[0])
    values = set()
    for table in tables:
        for row, cell in enumerate(table.cells(target)):
            value = number(cell)
            if (value is None) != (first is None):
                kind = "text" if first is None else "a number"
                raise table.error(target, row, f"{kind} as in row 1, or the option task")
            if value is not None and not math.isfinite(value):
                raise table.error(target, row, "a finite number")
            values.add(value)
    if first is None:
        return "frames"
    few = len(values) <= MAX_CLASSES
    return "frames" if few and all(value.is_integer() for value in values) else "regression"


def _classes(tables, target):
    """The labels over all `tables`, and for each table their indices int64 (T,)."""
    for table in tables:
        for row, cell in enumerate(table.cells(target)):
            value = number(cell)
            if not cell or (value is not None and not math.isfinite(value)):
                raise table.error(target, row, "a label")
    cells = {cell: number(cell) for table in tables for cell in table.cells(target)}
    if None in cells.values():
        names = {cell: cell for cell in cells}
        labels = tuple(sorted(cells))
    else:  # 1 and 1.0 are one class
        names = {cell: _name(value) for cell, value in cells.items()}
        labels = tuple(_name(value) for value in sorted(set(cells.values())))
    indices = {
        table: label_indices([names[cell] for cell in table.cells(target)], labels, table.path)
        for table in tables
    }
    return labels, indices


def _name(value):
    return str(int(value)) if value.is_integer() else repr(value)


def _check_classes(path, target, labels, examples):
    trained = [example.target for example in examples if example.split == "train"]
    found = np.unique(np.concatenate(trained))
    if len(found) < 2:
        raise DatasetError(
            f"{path}: column {target}: found one class in train, {labels[found[0]]!r}, "
            "expected two or more"
        )
