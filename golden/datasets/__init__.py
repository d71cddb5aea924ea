# SPDX-License-Identifier: Apache-2.0
"""Data sets behind one interface: ``load(name, folder)`` gives a `Dataset` with its split.

Nothing is fetched from anywhere. A missing set ends in a `DatasetError` that says where to get it.
"""

import inspect

from golden.datasets import connected, fsdd, har, skab, table, tidigits
from golden.datasets.base import SPLITS, TASKS, Dataset, DatasetError, Example
from golden.datasets.options import given
from golden.datasets.split_file import write_split

__all__ = [
    "LOADERS",
    "SPLITS",
    "TASKS",
    "Dataset",
    "DatasetError",
    "Example",
    "load",
    "load_as_typed",
    "options_of",
    "write_split",
]

# Name of a set: what makes it from a folder and perhaps from options.
LOADERS = {
    "fsdd": lambda folder: fsdd.dataset(fsdd.load_folder(folder)),
    "connected": lambda folder: connected.dataset(fsdd.load_folder(folder)),
    "tidigits": tidigits.dataset,
    "har": har.dataset,
    "skab": skab.dataset,
    "csv": table.dataset,
}


def load(name, folder, **options):
    """The data set `name` (a key of `LOADERS`) from `folder`, for 'csv' perhaps a file.

    `options` are those of the set's own function, such as `target` of 'csv' and 'skab'. Raises
    DatasetError for a set or an option that there is not, and for data that cannot be used.
    """
    if name not in LOADERS:
        raise DatasetError(f"data set: found {name!r}, expected one of {', '.join(LOADERS)}")
    known = options_of(name)
    for option in options:
        if option not in known:
            raise DatasetError(
                f"{name}: found the option {option!r}, expected {', '.join(known) or 'none'}"
            )
    return LOADERS[name](folder, **options)


def load_as_typed(args):
    """The data set that the options of `golden.datasets.options` name; raises as `load` does."""
    return load(args.set, args.data, **given(args))


def options_of(name):
    """Names of the options that the data set `name` takes."""
    return tuple(inspect.signature(LOADERS[name]).parameters)[1:]
