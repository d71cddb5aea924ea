# SPDX-License-Identifier: Apache-2.0
"""What git says about a checkout of the repository."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Revision:
    """A commit, abbreviated to 12 digits; `changed`: files looked at differ from it."""

    commit: str
    changed: bool


def git(root: Path, *words: str) -> str | None:
    """What a git command prints; None where it fails, or where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def revision(root: Path, *paths: str) -> Revision | None:
    """The commit of the checkout at `root`, and whether files, below `paths` if any, differ.

    None outside a checkout.
    """
    commit = git(root, "rev-parse", "--short=12", "HEAD")
    changed = git(root, "status", "--porcelain", "--", *paths)
    if commit is None or changed is None:
        return None
    return Revision(commit.strip(), bool(changed.strip()))
