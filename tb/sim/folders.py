# SPDX-License-Identifier: Apache-2.0
"""Folders that processes share: locks, what is old and goes, the end of a log."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tb.paths import BUILD_ROOT

LOG_TAIL_LINES = 40
RUN_KEPT_S = 24 * 3600  # logs of runs under build/run


@contextlib.contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold a file lock: released by the kernel even when the process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run_folder(name: str) -> Path:
    """A new folder under ``build/run`` for a run of ``name``; those of past days are removed."""
    root = BUILD_ROOT / "run"
    root.mkdir(parents=True, exist_ok=True)
    prune(root, RUN_KEPT_S)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))


def prune(root: Path, age_s: float) -> None:
    """Remove folders and files that nobody has touched for ``age_s`` seconds."""
    oldest = time.time() - age_s
    for path in root.iterdir():
        with contextlib.suppress(OSError):  # another process may be pruning too
            used = path / "done" if (path / "done").exists() else path
            if used.stat().st_mtime < oldest:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def remove_all_but(folder: Path, names: set[str]) -> None:
    """Empty ``folder`` but for the entries called ``names``."""
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def log_tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a file, or a placeholder if there is none."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"
