# SPDX-License-Identifier: Apache-2.0
"""How much of rtl/ the tests reached: lines, branches, toggles and expressions, file by file.

Run tests first, under Verilator, with their coverage kept in a folder:

    COVER_CODE=1 COVER_DIR=build/cover python -m pytest tb/tests -k "not icarus"
    python scripts/code_coverage.py --require

Merges all files of the folder, counts a point as covered when any run, build or instance reached
it, and prints a table. What cannot be reached is excluded in tb/tables/coverage_holes.toml with
its reason; --holes lists it with whatever else was not reached.

Exit status: 0 fine, 1 with --require: a goal (98 % of lines, 95 % of branches, 90 % of toggles) is
missed or a hole has no reason; 2 no coverage there, damaged, or from other RTL than that in rtl/.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from golden.files import write_text
from golden.outputs import any_of, json_with
from golden.outputs import text as text_of
from tb.command_line import BadInputError, Parser, add_force, check_reports, guarded, status_of
from tb.coverage import code as code_coverage
from tb.paths import REPO
from tb.regress.tree import tree_hash
from tb.sim import coverage_dat

SHOWN = 20  # complaints


class NotEnoughError(Exception):
    """A goal is missed, or a hole has no reason."""


@guarded("code_coverage.py")
def main() -> int:
    """Merge, report; the exit status."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cover-dir", nargs="+", type=Path, metavar="DIR",
                        default=[REPO / "build" / "cover"],
                        help="folders of coverage files (default: build/cover)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="PATH", default=REPO / "reports/code.json",
                        help="all counts and holes (default: reports/code.json)")  # fmt: skip
    parser.add_argument("--lcov", type=Path, metavar="PATH", default=REPO / "reports/code.info",
                        help="lines and branches as LCOV (default: reports/code.info)")  # fmt: skip
    parser.add_argument("--holes", action="store_true", help="list what was not reached, and why")
    parser.add_argument("--require", action="store_true",
                        help="fail unless goals are met and each hole has a reason")  # fmt: skip
    add_force(parser)
    args = parser.parse_args()
    return status_of(parser.prog, lambda: work(args), (NotEnoughError,))


def work(args: argparse.Namespace) -> None:
    """All of it; raises what `status_of` turns into an exit status."""
    for folder in args.cover_dir:
        if not folder.is_dir():
            raise BadInputError(f"--cover-dir: {folder}: found no folder, expected one")
    paths = sorted(p for folder in args.cover_dir for p in folder.glob("code-*.dat.gz"))
    if not paths:
        names = ", ".join(map(str, args.cover_dir))
        raise BadInputError(f"--cover-dir: {names}: found no code-*.dat.gz (see --help)")
    for path in (args.json, args.lcov):
        path.parent.mkdir(parents=True, exist_ok=True)
    ours = any_of(json_with("schema", "goals", "files"), text_of("TN:edgedrnn"))
    check_reports({"--json": args.json, "--lcov": args.lcov}, args.force, ours)
    from tqdm import tqdm

    progress = tqdm(paths, unit="run", desc="merging", disable=None, leave=False)
    points = coverage_dat.read(progress, coverage_dat.rtl_digest())
    report = code_coverage.measure(points, code_coverage.load_exclusions(), whole=args.require)
    content = {**code_coverage.as_json(report), "tree": tree_hash(REPO)}
    for path, text in (
        (args.json, json.dumps(content, indent=1) + "\n"),
        (args.lcov, code_coverage.as_lcov(report)),
    ):
        write_text(path, text)
    if args.holes:
        for file in report.files:
            for hole in file.holes:
                reason = hole.reason or "NO REASON"
                print(f"{file.file}:{hole.line}: {hole.metric} {hole.what}: {reason}")
        for exclusion in report.no_holes:
            print(f"note: {exclusion.title}: all of it was reached this time")
        print()
    print(code_coverage.as_table(report))
    print(f"{len(paths)} runs")
    complaints = report.complaints()
    if args.require and complaints:
        for line in complaints[:SHOWN]:
            print(line, file=sys.stderr)
        raise NotEnoughError(f"{len(complaints)} complaints, the first: {complaints[0]}")
