# SPDX-License-Identifier: Apache-2.0
"""Archives of plain arrays, ``.npz``: read whole or refused in one line.

Model files and golden traces are such archives. Each has an error class of its own, which the
functions are handed.
"""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from golden.arrays import AnyArray


class NpzFileError(ValueError):
    """A file that is not what it should be: ``source: key: found ..., expected ...``, one line."""

    @classmethod
    def of(cls, source: object, key: str, found: object, expected: object) -> Self:
        """The error for `key` of `source`."""
        return cls(f"{source}: {key}: found {found}, expected {expected}")


def read_arrays(path: str | Path, error: type[NpzFileError]) -> dict[str, AnyArray]:
    """Every array of the archive `path` by its key. Raises `error`, an NpzFileError class."""
    if not Path(path).is_file():
        found = "a folder" if Path(path).is_dir() else "no such file"
        raise error.of(path, "file", found, "a .npz file")
    # np.load passes on whatever zipfile, zlib, the header's parser or the allocator raise on bytes
    # that are not an archive, so no shorter list of exceptions is complete.
    try:
        archive = np.load(path, allow_pickle=False)
    except Exception:
        raise error.of(path, "file", "something that numpy cannot read", "a .npz archive") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise error.of(path, "file", "a single array", "a .npz archive")
    arrays = {}
    with archive:
        for key in archive.files:
            try:
                arrays[key] = archive[key]
            except Exception:
                raise error.of(
                    path, key, "an unreadable array", "a whole array without Python objects"
                ) from None
            if not isinstance(arrays[key], np.ndarray):
                raise error.of(path, key, "a member that is no array", "an array")
    return arrays


def expect(
    error: type[NpzFileError],
    source: object,
    key: str,
    array: AnyArray,
    dtype: npt.DTypeLike,
    shape: tuple[int | str, ...] | None,
) -> None:
    """Raise `error` unless `array` has this dtype and, where `shape` is not None, this shape."""
    found = getattr(array, "dtype", type(array).__name__)
    if found != np.dtype(dtype):
        raise error.of(source, key, f"dtype {found}", f"dtype {np.dtype(dtype)}")
    if shape is not None and array.shape != shape:
        raise error.of(source, key, f"shape {array.shape}", f"shape {shape}")
