# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all: a reader sees the old file or all of the new one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_path(path: str | Path) -> Iterator[Path]:
    """A scratch path beside `path`, with its suffix, for a library that writes to a name.

    The scratch file becomes `path` when the block ends and vanishes if the block fails. Raises
    OSError if the folder does not take files.
    """
    path = Path(path)
    # mkstemp: no two writers, threads of one process included, share a scratch file. It opens the
    # file to its owner alone, so the mode is put right afterwards.
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    scratch = Path(name)
    try:
        scratch.chmod(0o666 & ~_UMASK)
        yield scratch
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write, which becomes `path` when the block ends and vanishes if it fails.

    Raises OSError if it cannot be written.
    """
    with whole_path(path) as scratch, scratch.open("wb") as file:
        yield file


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` as the whole of `path`. Raises OSError if it cannot be written."""
    with whole_file(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write `text`, as UTF-8, as the whole of `path`. Raises OSError if it cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _umask()
