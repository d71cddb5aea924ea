# SPDX-License-Identifier: Apache-2.0
"""Files that appear whole or not at all: a reader sees the old file or all of the new one."""

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from golden.outputs import picture_metadata


@contextmanager
def whole_path(path: str | Path) -> Iterator[Path]:
    """A scratch path beside `path`, with its suffix, for a library that writes to a name.

    The scratch file becomes `path` when the block ends and vanishes if the block fails. Raises
    OSError if the folder does not take files.
    """
    path = Path(path)
    # mkstemp: no two writers, threads of one process included, share a scratch file. It opens the
    # file to its owner alone, so the mode is put right afterwards.
    handle, name = tempfile.mkstemp(prefix=".part.", suffix=path.suffix, dir=path.parent)
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
        _write(file, data)


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())  # only now is it known that the disk had room


def write_text(path: str | Path, text: str) -> None:
    """Write `text`, as UTF-8, as the whole of `path`. Raises OSError if it cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def write_rows(path: str | Path, rows: Iterable[Sequence[object]]) -> None:
    """Write `rows` as the whole of a CSV file. Raises OSError if it cannot be written."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


def write_records(path: str | Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write `records`, one or more of the same keys, as the whole of a CSV file with a header."""
    write_rows(path, [list(records[0]), *(list(record.values()) for record in records)])


def save_figure(figure: Any, path: str | Path, **options: Any) -> None:
    """Save a matplotlib figure as the whole of `path`, with the mark of `golden.outputs`."""
    with whole_path(path) as scratch:
        figure.savefig(scratch, metadata=picture_metadata(path), **options)


def move_file(source: Path, path: str | Path) -> None:
    """Move a file to `path`, whole or not at all even from one file system to another."""
    with whole_path(path) as scratch:
        shutil.copyfile(source, scratch)
    source.unlink()


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _umask()
