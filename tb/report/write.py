# SPDX-License-Identifier: Apache-2.0
"""Writes the page and its exports below a folder of reports, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from golden.files import write_text
from tb.report.load import PARTS, ReportError, load
from tb.report.page import render
from tb.report.ucis import to_ucis
from tb.report.verdict import Verdict, judge

UCIS_NAME = "coverage.ucis.xml"


def write_report(
    reports: Path,
    output: Path,
    *,
    root: Path,
    required: Collection[str] = PARTS,
    tree: str | None = None,
) -> Verdict:
    """Read the results in `reports`, write the page to `output`, and return the verdict.

    With `tree`, the hash of a checkout, results of other files are not shown, and the page says
    that they are of others. Functional coverage goes to `reports`/coverage.ucis.xml too. Raises
    ReportError for a damaged file, before anything is written.
    """
    results = load(reports, tree)
    judged = judge(results, required)
    if results.functional is not None:
        _write(reports / UCIS_NAME, to_ucis(results.functional))
    else:  # one of an earlier run would speak of what was not measured
        (reports / UCIS_NAME).unlink(missing_ok=True)
    _write(output, render(results, judged, root=root, reports=reports, output=output))
    return judged


def _write(path: Path, text: str) -> None:
    if path.is_dir():
        raise ReportError(f"{path}: found a folder, expected a file name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError as error:
        raise ReportError(
            f"{path}: {error.strerror}, expected a file that can be written"
        ) from None
