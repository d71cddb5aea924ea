# SPDX-License-Identifier: Apache-2.0
"""Runs the tests that the change under way can break, in at most a minute on two cores.

The change is what differs from the merge base with --base, uncommitted and new files included. What
did not fit into the time is named: `make test` runs all.

Exit status: 0 all passed, or nothing can break, 1 a test failed, 2 bad input.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from tb.command_line import Parser, status_of, whole_number
from tb.mutation.sample import load_plan
from tb.paths import REPO, TABLES
from tb.regress import affected

EXAMPLES = """examples:
  python scripts/quick.py                 what differs from main
  python scripts/quick.py --list          which tests, why, and how long; run none
  python scripts/quick.py --base HEAD     uncommitted changes alone
  python scripts/quick.py rtl/h_egress.sv    as if this file had changed
"""


class RedError(RuntimeError):
    """A test failed."""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="quick.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="take these as changed and do not ask git")
    add("--base", default="main", metavar="REV", help="compare with this (default: main)")
    add("--list", action="store_true", help="say which tests and why, and run none")
    add("--jobs", default="2", metavar="N", help="tests at once (default: 2)")
    return parser.parse_args(argv)


def work(args: argparse.Namespace) -> None:
    """Select and run; RedError when a test fails."""
    jobs = whole_number(args.jobs, "--jobs", 1, 1024)
    changed = args.files or affected.changed_files(REPO, args.base)
    gone = [file for file in changed if not (REPO / file).exists()]
    if args.files and gone:
        raise affected.SelectionError(f"{gone[0]}: found no such file in the repository")
    selection = affected.select(
        changed,
        affected.Tree(REPO, gone),
        load_plan(TABLES / "mutants.toml").tests,
        affected.Budget.read(TABLES / "quick.toml"),
        jobs,
    )
    if args.list:
        print(table(selection))
        return
    print(f"{len(changed)} files changed, expected: {selection.seconds:.0f} s")
    status = 0
    if selection.chosen:
        nodes = [choice.node for choice in selection.chosen]
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(jobs), "--dist", "worksteal"]
        status = subprocess.run([*command, *nodes], cwd=REPO, check=False).returncode
    else:
        print("no test depends on them")
    if selection.left_out:
        files = sorted({choice.node.split("::")[0] for choice in selection.left_out})
        print(f"left out for time, `make test` runs them: {', '.join(files)}")
    if status != 0:
        raise RedError("a test failed, see above")


def table(selection: affected.Selection) -> str:
    """One line for each test or file of tests: expected CPU seconds, name, reason."""
    lines = []
    for mark, choices in (("run ", selection.chosen), ("left", selection.left_out)):
        lines += [f"{mark} {c.seconds:5.1f} s  {c.node}  ({c.why})" for c in choices]
    lines.append(
        f"{len(selection.chosen)} chosen, {len(selection.left_out)} left out, "
        f"expected {selection.seconds:.0f} s"
    )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    args = parse_arguments(argv)
    return status_of("quick.py", lambda: work(args), (RedError,), (ValueError, OSError))
