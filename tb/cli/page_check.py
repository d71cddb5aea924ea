# SPDX-License-Identifier: Apache-2.0
"""Looks at the page of a regression in headless Chromium: laptop and phone, light and dark.

Without --page it makes pages from sample results: one green, one with something of every kind
wrong, and one where nothing was measured. A page is wrong if the console says anything, if it asks
the network for anything, if it scrolls sideways (360 px is the narrowest), or if its controls do
nothing.

Exit status: 0 all is well, 1 something is wrong (one line each), 2 no Chromium or no such page.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from tb.command_line import BadInputError, Parser, guarded, status_of
from tb.paths import REPO
from tb.report import sample
from tb.report.browser import VIEWS, BrowserError, chromium, complaints
from tb.report.write import write_report

SAMPLES = {"green": sample.good, "red": sample.red, "nothing": dict}


class PageError(RuntimeError):
    """Something is wrong with a page."""


@guarded("page_check.py")
def main(argv: list[str] | None = None) -> int:
    """Look at the pages; the exit status."""
    parser = Parser(
        prog="page_check.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--page", type=Path, metavar="FILE",
                        help="the page to look at (default: pages of sample results)")  # fmt: skip
    parser.add_argument("--pictures", type=Path, metavar="FOLDER",
                        help="leave a PNG of each view here (default: none)")  # fmt: skip
    args = parser.parse_args(argv)
    return status_of(
        "page_check.py",
        lambda: check(args.page, args.pictures),
        failures=(PageError,),
        mistakes=(BadInputError, BrowserError, OSError),
    )


def check(page: Path | None, pictures: Path | None) -> None:
    """Look at one page or the samples. Raises PageError with what is wrong."""
    if page is not None and not page.is_file():
        raise BadInputError(f"--page: found no file {page}, expected an HTML file")
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgedrnn-page-") as folder, chromium() as browser:
        pages = [page] if page is not None else make_samples(Path(folder))
        said = []
        for one in tqdm(pages, unit="page", desc="looking", disable=None):
            for view in VIEWS:
                picture = pictures and pictures / f"{one.parent.name}-{view.name}.png"
                said += complaints(browser, one, view, picture)
    for line in said:
        print(line, file=sys.stderr)
    if said:
        raise PageError(f"{len(said)} complaints about {len(pages)} pages")
    print(f"{len(pages)} pages in {len(VIEWS)} views: nothing to complain about")


def make_samples(folder: Path) -> list[Path]:
    """Pages of sample results below a folder."""
    pages = []
    for name, made in SAMPLES.items():
        reports = sample.write(made(), folder / name)
        write_report(reports, reports / "index.html", root=REPO)
        pages.append(reports / "index.html")
    return pages
