# SPDX-License-Identifier: Apache-2.0
"""Options that say how a data set is read, the same in every command."""

from __future__ import annotations

import argparse
from typing import Any

from golden.datasets.csv_file import DECIMALS, DELIMITERS

NAMES = ("target", "columns", "task", "split", "rate", "delimiter", "decimal")
"""Options of `add_options`, in the namespace; None where they were not given."""


def add_options(parser: argparse.ArgumentParser, sets: Any, required: bool = True) -> None:
    """Options ``--set``, ``--data`` and those of some sets."""
    add = parser.add_argument
    add("--set", required=required, choices=sets, help="kind of data set (docs/data.md)")
    add("--data", required=True, metavar="PATH", help="folder or file of the data set")
    add_set_options(parser)


def add_set_options(parser: Any) -> None:
    """The options of some sets alone."""
    add = parser.add_argument
    add("--target", metavar="NAME", help="csv, skab: the column to tell from the others")
    add("--columns", metavar="NAME", nargs="+", help="csv: the channels (default: all columns of "
        "numbers but the target, time stamps and row numbers)")  # fmt: skip
    add("--task", choices=("frames", "regression"), help="csv: a class or a value for each row")
    add("--split", metavar="FILE", help="csv: which rows train, validate and test: a CSV file with "
        "the columns file and split")  # fmt: skip
    add("--rate", type=float, metavar="HZ", help="csv: rows per second (default: 1)")
    add("--delimiter", choices=(*DELIMITERS, "tab"), metavar="MARK",
        help="csv: what is between cells: , ; | or tab (default: as the header shows)")  # fmt: skip
    add("--decimal", choices=DECIMALS, metavar="MARK",
        help="csv: the decimal mark, . or , (default: as the cells show)")  # fmt: skip


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What was given of `NAMES`, for `golden.datasets.load`."""
    found = {name: getattr(args, name, None) for name in NAMES}
    if found["delimiter"] == "tab":
        found["delimiter"] = "\t"
    return {name: value for name, value in found.items() if value is not None}
