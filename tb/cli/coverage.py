# SPDX-License-Identifier: Apache-2.0
"""Merges functional coverage of many runs and says which bins are open.

Runs write coverage when COVERAGE=1 and COVER_DIR are set:

    COVERAGE=1 COVER_DIR=build/cover python -m pytest tb/tests/system -n 2
    python scripts/coverage.py --cover-dir build/cover

prints a line a group with the share of bins that were hit, and names the open ones. The groups are
defined in tb/coverage/functional/groups.py; what cannot be reached is listed with its reason in
tb/tables/coverage_excluded.toml; tb/tables/plan.toml says which intent needs which group.

Exit status: 0 as asked, 1 open bins where --require forbids them, an excluded bin that was hit, or
a plan with orphans, 2 bad input.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from golden.files import write_text
from golden.outputs import json_with
from tb.command_line import BadInputError, Parser, add_force, check_reports, status_of
from tb.coverage.functional.merge import Merged, merge, read_exclusions
from tb.paths import REPO
from tb.regress import intents as plan
from tb.regress.tree import tree_hash

NAMED = 12
"""Open bins of a group that are printed; --all prints every one."""


class OpenError(Exception):
    """Coverage is not what was asked for."""


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--cover-dir",
        action="append",
        type=Path,
        metavar="DIR",
        help="folder of functional-*.json; more than once for several (default: build/cover)",
    )
    add(
        "--json",
        type=Path,
        metavar="FILE",
        help="write hits of every bin, for the page (usually reports/functional.json)",
    )
    add(
        "--plan",
        type=Path,
        metavar="FILE",
        help="write the plan with the status of each intent (usually reports/plan.json)",
    )
    add(
        "--jobs",
        type=Path,
        metavar="FILE",
        help="results of a regression, from which --plan "
        "takes which tests passed (usually reports/jobs.json)",
    )
    add(
        "--require",
        choices=("key", "all"),
        help="exit status 1 unless all bins of the key groups, or of all groups, were hit",
    )
    add("--all", action="store_true", help=f"name every open bin, not the first {NAMED} of a group")
    add_force(parser)
    return parser.parse_args(argv)  # fmt: skip


def read_jobs(path: Path | None) -> list[Mapping[str, Any]]:
    """The jobs of a regression; none without a file."""
    if path is None:
        return []
    try:
        jobs: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["jobs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"--jobs: {path}: {error}, expected what make regress wrote") from None
    return jobs


def print_groups(merged: Merged, everything: bool) -> None:
    """A line a group, and the names of its open bins."""
    for name, group in merged.hits.groups.items():
        left = merged.open(name)
        total = sum(merged.reason(name, at) is None for at in group.bins)
        key = "key" if group.key else ""
        print(f"{name:16} {key:3}  {total - len(left):5} of {total:5} bins  {group.title}")
        shown = left if everything else left[:NAMED]
        for at in shown:
            print(f"    open: {', '.join(f'{a} {v}' for a, v in zip(group.axes, at, strict=True))}")
        if len(shown) < len(left):
            print(f"    and {len(left) - len(shown)} more (--all names them)")


def work(options: argparse.Namespace) -> None:
    """Merge, print, write, judge."""
    folders = options.cover_dir or [Path("build/cover")]
    for folder in folders:
        if not folder.is_dir():
            raise BadInputError(
                f"--cover-dir: found no folder {folder}, expected one with coverage"
            )
    outputs = {"--json": options.json, "--plan": options.plan}
    for path in outputs.values():
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    check_reports(outputs, options.force, json_with("schema"))
    jobs = read_jobs(options.jobs)
    merged = merge(folders, read_exclusions())
    if not merged.runs:
        raise BadInputError(f"--cover-dir: found no functional-*.json in {folders[0]}, expected "
                            "some: run tests with COVERAGE=1 COVER_DIR=folder")  # fmt: skip
    print_groups(merged, options.all)
    intents = plan.read_plan()
    lost = plan.orphans(intents, plan.collect_tests(), merged.hits.groups)
    still_open = {name for name in merged.hits.groups if merged.open(name)}
    for path, content in (
        (options.json, merged.report()),
        (options.plan, plan.report(intents, lost, jobs, still_open)),
    ):
        if path is not None:
            content["tree"] = tree_hash(REPO)
            write_text(path, json.dumps(content, ensure_ascii=False))
    judge(merged, lost, still_open, options.require)


def judge(merged: Merged, lost: plan.Orphans, still_open: set[str], require: str | None) -> None:
    """OpenError unless all is as it must be."""
    refuted = merged.refuted()
    if refuted:
        raise OpenError(f"excluded bins were hit: {'; '.join(refuted[:5])}")
    if lost:
        raise OpenError(f"plan: orphans: {', '.join([*lost.tests, *lost.groups, *lost.intents])}")
    groups = merged.hits.groups
    missing = [n for n in groups if n in still_open and (require == "all" or groups[n].key)]
    if require and missing:
        raise OpenError(f"open bins in {', '.join(missing)}, required: {require}")


def main(argv: list[str] | None = None) -> int:
    """Exit status of the command."""
    options = parse(argv)
    return status_of("coverage.py", lambda: work(options), (OpenError,))
