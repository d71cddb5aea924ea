"""Data sets behind one interface: ``load(name, folder)`` gives a `Dataset` with its split.

Nothing is fetched from anywhere. A missing set ends in a `DatasetError` that says where to get it.
"""

from golden.datasets import connected, fsdd, har, skab
from golden.datasets.base import SPLITS, TASKS, Dataset, DatasetError, Example

__all__ = ["LOADERS", "SPLITS", "TASKS", "Dataset", "DatasetError", "Example", "load"]

# Name of a set: what makes it from a folder.
LOADERS = {
    "fsdd": lambda folder: fsdd.dataset(fsdd.load_folder(folder)),
    "connected": lambda folder: connected.dataset(fsdd.load_folder(folder)),
    "har": har.dataset,
    "skab": skab.dataset,
}


def load(name, folder):
    """The data set `name` (a key of `LOADERS`) from `folder`. Raises DatasetError."""
    if name not in LOADERS:
        raise DatasetError(f"data set: found {name!r}, expected one of {', '.join(LOADERS)}")
    return LOADERS[name](folder)
