# SPDX-License-Identifier: Apache-2.0
"""Which files a run is about: a hash of the checkout's content, and the commit it is based on.

Results are kept by this hash, and a worker whose own checkout has another one refuses the work.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tb import checkout

NOT_CONTENT = {"build", "reports", "__pycache__", ".git", ".venv", ".pytest_cache", ".ruff_cache"}


def tree_hash(root: Path) -> str:
    """16 hex digits over names and contents of all files that git tracks or would track.

    Without git (an unpacked archive): of all files outside folders that hold no content.
    """
    digest = hashlib.sha256()
    for name in _names(root):
        path = root / name
        if path.is_file():  # a tracked file may be deleted
            digest.update(f"{name}\0{int(os.access(path, os.X_OK))}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def commit(root: Path) -> str:
    """Abbreviated commit of the checkout, with a + when files differ from it; or 'unknown'."""
    found = checkout.revision(root)
    if found is None:
        return "unknown"
    return found.commit + ("+" if found.changed else "")


def _names(root: Path) -> list[str]:
    if (root / ".git").exists():
        listed = checkout.git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        if listed:
            return sorted(set(filter(None, listed.split("\0"))))
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in NOT_CONTENT]
        names += [(Path(folder) / f).relative_to(root).as_posix() for f in files]
    return sorted(n for n in names if not n.endswith(".pyc"))
