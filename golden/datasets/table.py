# SPDX-License-Identifier: Apache-2.0
"""A user's own series: one CSV file, or a folder of them, each a sequence of its own.

A file has a header row, a row for each time step, a column for each channel, and one column to tell
from them; `golden.datasets.csv_file` has the format. docs/data.md shows how. `Dataset.notes` say
what each column was taken for. What could be read in two ways is refused, with the option that
decides.
"""

import math
from pathlib import Path

import numpy as np

from golden.datasets.base import SPLITS, Dataset, DatasetError, Example, label_indices
from golden.datasets.csv_file import (
    DECIMALS,
    DELIMITERS,
    almost_number,
    is_time,
    numbers,
    read,
    truth,
)
from golden.datasets.split_file import SPLIT_COLUMN, SPLIT_FILE, parts_of

TARGETS = ("label", "target", "y")  # in this order, so that channels x, y, z go with a label
TIMES = ("time", "timestamp", "datetime", "date", "epoch", "unixtime", "unix_time", "t")
ROW_NAMES = ("index", "idx", "row", "row_number", "rownumber", "id", "no", "nr", "#", "sample")
MAX_CLASSES = 20  # whole numbers of more values than this are a quantity, not classes
MAX_LABELS = 100  # more different texts than this are no labels, unless `task` says so
COUNTING_ROWS = 8  # so many rows in equal steps upwards are a row number or a clock
RISING_ROWS = 20  # so many that rise without exception may be one


def dataset(
    path,
    target=None,
    columns=None,
    task=None,
    split=None,
    rate=1.0,
    delimiter=None,
    decimal=None,
):
    """The series at `path`, a CSV file or a folder of them, as a Dataset.

    `target`: the column to be told; by default the first of `TARGETS` that is there, in any case.
    `columns`: the channels; by default every column of numbers, or of true and false, but the
    target, time stamps, row numbers and ``split``. `task`: 'frames' or 'regression'. By default,
    over all files, it is 'frames' if no cell of the target is a number, or if all are whole numbers
    of at most `MAX_CLASSES` different values; it is 'regression' if all are numbers otherwise.
    `split`: a file as `write_split` writes it. `rate`: rows per second. `delimiter`, `decimal`:
    marks of the files; by default what each of them shows.

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
    for name, mark, known in (
        ("delimiter", delimiter, DELIMITERS),
        ("decimal", decimal, DECIMALS),
    ):
        if mark not in (None, *known):
            raise DatasetError(f"{name}: found {mark!r}, expected one of {' '.join(known)}")
    tables = [read(file, delimiter, decimal) for file in _files(path)]
    target = _default_target(tables[0]) if target is None else target
    for table in tables:
        table.cells(target)
    if columns is None:
        channels, notes = _channels(tables, target)
    else:
        channels, notes = _chosen(columns, target), []
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
    notes = [
        f"channels: {', '.join(channels)}",
        f"target: {target}, "
        + (f"one of {len(labels)} classes" if task == "frames" else "a value"),
        *notes,
    ]
    if any(table.decimal == "," for table in tables):
        notes.append("decimal commas")
    if task == "frames":
        notes += _check_classes(path, target, labels, examples)
    else:
        _check_values(path, target, examples)
    source = f"{target!r} in {path}, split {rule}"
    return Dataset("csv", task, labels, examples, float(rate), source, channels, notes=tuple(notes))


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
    """Columns of numbers in any file, in order, and in words what the others were taken for."""
    names = dict.fromkeys(name for table in tables for name in table.columns)
    channels, notes = [], []
    for name in names:
        if name in (target, SPLIT_COLUMN):
            continue
        role = _role(tables, name)
        if role is None:
            channels.append(name)
        else:
            notes.append(f"{name}: left out, {role}")
    if not channels:
        raise DatasetError(
            f"{tables[0].path}: found no column of numbers beside {target!r}, expected one or more"
        )
    return tuple(channels), notes


def _role(tables, name):
    """None for a channel, else in words what a column is. DatasetError if it could be either."""
    if name.casefold() in TIMES:
        return "a time stamp by its name"
    if name.casefold() in ROW_NAMES:
        return "a row number by its name"
    cells = [cell for table in tables for cell in table.columns.get(name, ())]
    known = [
        table.number(cell) is not None for table in tables for cell in table.columns.get(name, ())
    ]
    if not any(cells):
        return "empty"
    if any(known):
        if all(known):
            rising = _rising(tables, name)
            if rising == "equal steps":
                return "a row number or a clock: it rises by the same step in every row"
            if rising:
                first = next(table for table in tables if name in table.columns)
                raise first.error(
                    name,
                    0,
                    "a channel: it rises in every row, as a time stamp does; name the channels "
                    "with --columns",
                )
        return None  # a cell that is no number has its place where the numbers are read
    filled = [cell for cell in cells if cell]
    if all(truth(cell) is not None for cell in filled):
        return None
    if all(is_time(cell) for cell in filled):
        return "a time stamp"
    for table in tables:
        for row, cell in enumerate(table.columns.get(name, ())):
            found = almost_number(cell)
            if found and not is_time(cell):
                raise table.error(name, row, f"a number (this is {found}), or --columns without it")
    return "text"


def _rising(tables, name):
    """'equal steps' if a column of numbers rises by one step in all rows of all files, 'yes' if it
    rises in all; empty if it does not, or the files are too short to tell.
    """
    series = [
        np.array([table.number(cell) for cell in table.columns[name]])
        for table in tables
        if name in table.columns
    ]
    steps = np.concatenate([np.diff(values) for values in series])
    if not len(steps) or not np.isfinite(steps).all() or steps.min() <= 0:
        return ""
    longest = max(map(len, series))
    largest = max(np.abs(values).max() for values in series)
    if longest >= COUNTING_ROWS and np.ptp(steps) <= 1e-6 * steps.max() + 1e-12 * largest:
        return "equal steps"
    return "yes" if longest >= RISING_ROWS else ""


def _chosen(columns, target):
    columns = tuple(columns)
    if not columns or target in columns or len(set(columns)) < len(columns):
        raise DatasetError(
            f"columns: found {', '.join(columns) or 'none'}, "
            f"expected some, each once, without the target {target}"
        )
    return columns


def _task(tables, target):
    first = tables[0].number(tables[0].cells(target)[0])
    values = set()
    for table in tables:
        for row, cell in enumerate(table.cells(target)):
            value = table.number(cell)
            if (value is None) != (first is None):
                kind = "text" if first is None else "a number"
                raise table.error(target, row, f"{kind} as in row 1, or the option --task")
            if value is not None and not math.isfinite(value):
                raise table.error(target, row, "a finite number")
            found = almost_number(cell) if value is None and not is_time(cell) else None
            if found and found != "a number with a unit":
                raise table.error(target, row, f"a number or a label (this is {found})")
            values.add(cell if value is None else value)
    if first is None:
        if len(values) > MAX_LABELS:
            raise DatasetError(
                f"{tables[0].path}: column {target}: found {len(values)} different texts, such as "
                f"{tables[0].cells(target)[0]!r}, expected at most {MAX_LABELS} labels, or "
                "numbers; the option --task frames takes them as labels"
            )
        return "frames"
    few = len(values) <= MAX_CLASSES
    return "frames" if few and all(value.is_integer() for value in values) else "regression"


def _classes(tables, target):
    """The labels over all `tables`, and for each table their indices int64 (T,)."""
    for table in tables:
        for row, cell in enumerate(table.cells(target)):
            value = table.number(cell)
            if not cell or (value is not None and not math.isfinite(value)):
                raise table.error(target, row, "a label")
    cells = {cell: table.number(cell) for table in tables for cell in table.cells(target)}
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
    """Notes on classes that training does not see. DatasetError if it sees fewer than two."""
    seen = {
        split: set(np.concatenate([e.target for e in examples if e.split == split]).tolist())
        for split in SPLITS
    }
    if len(seen["train"]) < 2:
        [only] = seen["train"]
        raise DatasetError(
            f"{path}: column {target}: found one class in train, {labels[only]!r}, "
            "expected two or more"
        )
    missing = sorted((seen["validation"] | seen["test"]) - seen["train"])
    if not missing:
        return []
    names = ", ".join(labels[index] for index in missing)
    return [f"warning: no row of train has {names}, which validation or test has"]


def _check_values(path, target, examples):
    values = np.concatenate([e.target for e in examples if e.split == "train"])
    if np.ptp(values) == 0:
        raise DatasetError(
            f"{path}: column {target}: found the constant {values[0, 0]:g} in train, expected a "
            "value that changes"
        )
