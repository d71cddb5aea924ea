# SPDX-License-Identifier: Apache-2.0
"""Makes the page of a regression: one HTML file from the results in a folder.

Reads what is there of jobs.json, plan.json, functional.json, code.json, mutants.json and
history.jsonl (tb/report/schema says what each holds) and writes a page with the verdict on
top, then failures with their rerun lines, the plan, functional coverage as heat maps, code
coverage, mutants, trends and the slowest tests. Results of other files than those of this checkout
are not shown. The page needs no server and no network. Beside the results it writes functional
coverage as coverage.ucis.xml; junit.xml and code.info are linked.

What the parts must show to be green:
  jobs        every job passed, and no mandatory one was left out
  plan        every intent holds; no test, group or name is an orphan
  functional  every group reaches its goal; no excluded bin was hit
  code        line, branch and toggle reach their goals; every hole has a reason
  mutants     the score reaches its goal and no mutant survived; equivalent ones have a reason
After a quick cut (jobs.json says so) groups that are not key may be open, and intents not run.

Exit status: 0 the page was written, 1 with --require a required part is missing or does not hold
(the page is written and says why), 2 a file is damaged or cannot be written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from golden.outputs import OutputError, text
from tb.command_line import FAILED, OK, Parser, add_force, check_reports, guarded, status_of
from tb.paths import REPO
from tb.regress.tree import tree_hash
from tb.report.load import PARTS, ReportError
from tb.report.verdict import Verdict
from tb.report.write import write_report


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The options of the command."""
    parser = Parser(
        prog="report.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--reports", type=Path, default=REPO / "reports", metavar="FOLDER",
                        help="where the results are (default: reports)")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE",
                        help="the page (default: index.html in FOLDER)")  # fmt: skip
    parser.add_argument("--require", nargs="*", metavar="PART", choices=PARTS,
                        help="parts that must be there and hold, else exit status 1: any of "
                        f"{', '.join(PARTS)} (without a name: all of them)")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


@guarded("report.py")
def main(argv: list[str] | None = None) -> int:
    """Make the page; the exit status."""
    args = parse(argv)
    output = args.output or args.reports / "index.html"
    found: list[Verdict] = []

    def work() -> None:
        if args.output is not None:
            check_reports({"--output": args.output}, args.force, text("<!doctype html>"))
        found.append(write_report(args.reports, output, root=REPO, required=args.require or PARTS,
                                  tree=tree_hash(REPO)))  # fmt: skip

    status = status_of("report.py", work, failures=(), mistakes=(ReportError, OutputError))
    if status != OK:
        return status
    verdict = found[0]
    print(f"{output}: {verdict.state}")
    for part in verdict.parts:
        if part.state != "holds":
            print(f"  {part.title}: {part.state}{'; '.join(['', *part.reasons])}")
    return FAILED if args.require is not None and verdict.failures else OK
