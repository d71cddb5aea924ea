# SPDX-License-Identifier: Apache-2.0
"""Where things are in the repository, and what the two simulators are called.

Simulators, compilers, make and lists of folders such as PYTHONPATH each trip over some characters
of a path: blanks, quotes, # : , ; = $ % and letters beyond ASCII; and over long ones. So a path
that has any is used through a link with a short and harmless name, see `harmless`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

_HARMLESS = re.compile(r"[A-Za-z0-9_./+-]{1,160}")
_LINK_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def harmless(path: Path) -> Path:
    """`path`, absolute, by a name that every tool takes: itself, or a link to it in a folder for
    temporary files (TMPDIR moves it). Itself, too, where no link can be made.
    """
    path = path.absolute()
    if _HARMLESS.fullmatch(str(path)):
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    for folder in (tempfile.gettempdir(), *_LINK_FOLDERS):
        if _HARMLESS.fullmatch(folder):
            with contextlib.suppress(OSError):
                return _link(Path(folder) / f"edgedrnn-{os.getuid()}", name, path)
    return path


def _link(folder: Path, name: str, path: Path) -> Path:
    """The link `name` to `path` in a folder of our own. OSError where there can be none."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise OSError(f"{folder}: somebody else's")
    link = folder / name
    if not link.is_symlink() or link.readlink() != path:
        scratch = folder / f"{name}.{os.getpid()}"
        scratch.symlink_to(path)
        scratch.replace(link)
    return link


def python_executable() -> str:
    """This Python, of the same virtual environment, by a harmless name."""
    executable = Path(sys.executable)
    prefix = Path(sys.prefix)
    if not executable.is_relative_to(prefix):
        return str(executable)
    return str(harmless(prefix) / executable.relative_to(prefix))


REPO = harmless(Path(__file__).resolve().parents[1])
BUILD_ROOT = REPO.with_name(f"{REPO.name}-build") if REPO.is_symlink() else REPO / "build"
"""Builds, runs and their logs. GNU make looks behind a link, so that they get a real folder."""
RTL_DIR = REPO / "rtl"
RTL_FILELIST = RTL_DIR / "edgedrnn.f"
SV_DIR = REPO / "tb" / "sv"
TOPS = SV_DIR / "tops"
CHECKERS = SV_DIR / "checkers"
MEMORIES = SV_DIR / "memories"
MONITORS = SV_DIR / "monitors"
CPP_DIR = SV_DIR / "cpp"
TABLES = REPO / "tb" / "tables"
TESTS = REPO / "tb" / "tests"
TEST_FOLDERS = ("golden/tests", "tb/tests/rtl", "tb/tests/tools", "tb/tests/system")

SIMULATORS = ("verilator", "icarus")
