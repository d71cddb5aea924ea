# SPDX-License-Identifier: Apache-2.0
"""Where results lie: ``build/regress/<tree hash>/<job id>/``, and how they get there whole."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from golden.files import write_text

KEPT_S = 7 * 24 * 3600  # results of trees that nobody has run since
DURATIONS = "durations.json"


def read_json(path: Path) -> Any:
    """A JSON file's content; None when it is absent or not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def results_folder(root: Path, tree: str) -> Path:
    """Folder of a tree's results, made if need be; old trees' are removed on the way."""
    base = root / "build" / "regress"
    folder = base / tree
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for other in base.iterdir():
        if other.is_dir() and other.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(other, ignore_errors=True)
    return folder


def read_durations(root: Path) -> dict[str, float]:
    """Seconds of past jobs by `Job.duration_key`."""
    found = read_json(root / "build" / "regress" / DURATIONS)
    return found if isinstance(found, dict) else {}


def add_durations(root: Path, new: dict[str, float]) -> None:
    """Remember what jobs took."""
    merged = read_durations(root) | new
    path = root / "build" / "regress" / DURATIONS
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(merged, indent=0, sort_keys=True))


def pack(folder: Path, jobs: Iterable[str]) -> bytes:
    """Folders of finished jobs as one ZIP archive, for a machine that does not see this disk."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for job in jobs:
            if (folder / job / "result.json").is_file():
                for path in sorted((folder / job).rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Put packed jobs in place: ``result.json`` last, since it says that the rest is there."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = sorted(archive.namelist(), key=lambda name: name.endswith("/result.json"))
        for name in names:  # zipfile keeps names below the folder
            archive.extract(name, folder)
