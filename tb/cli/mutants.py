# SPDX-License-Identifier: Apache-2.0
"""Mutation score: changes the RTL in one place at a time and runs the tests until one fails.

Each test's simulation is built once with all mutants of the sample in it, and a mutant is chosen
when it starts; so hundreds take minutes. What was found is kept in build/mutation by content: after
a break or an edit only the rest runs. A mutant that is still alive after all tests of its file is a
survivor. Give it a test, or explain in tb/tables/mutants.toml why nobody could ever notice.

Exit status: 0 the goal is reached and each survivor is explained, 1 not, 2 bad input.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from golden.files import write_text
from golden.outputs import any_of, json_with, text
from tb.command_line import BadInputError, Parser, add_force, check_reports, status_of, whole_number
from tb.paths import REPO, TABLES

if TYPE_CHECKING:
    from tb.mutation.campaign import Verdict
    from tb.mutation.mutant import Mutant
    from tb.mutation.sample import Plan

PLAN = REPO / "tb" / "tables" / "mutants.toml"
JSON = REPO / "reports" / "mutants.json"
EXAMPLES = """examples:
  python scripts/mutants.py                          the sample of tb/tables/mutants.toml
  python scripts/mutants.py --only h_egress.sv       that file's share of it
  python scripts/mutants.py --sample 2000 --seed 7   more of them, others
  python scripts/mutants.py --list                   what can be changed; * is in the sample
  python scripts/mutants.py --diff h_egress-1a2b3c4d | patch -p1    plant one by hand
"""


class RedError(RuntimeError):
    """The score is below its goal, or a mutant needs a test or an explanation."""


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="mutants.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sample", metavar="N", help="mutants to draw (default: that of the plan)")
    add("--seed", metavar="S", help="which ones (default: that of the plan)")
    add("--only", action="append", metavar="FILE", help="of the sample only those of this file "
        "(name of a file in rtl/; may be repeated)")  # fmt: skip
    add("--list", action="store_true", help="list all possible mutants and run none")
    add("--diff", metavar="ID", help="print one mutant as a patch and run none")
    add("--jobs", metavar="N", help="simulations at once (default: all cores)")
    add("--json", type=Path, default=JSON, metavar="PATH",
        help="where the result goes (default: reports/mutants.json)")  # fmt: skip
    add("--markdown", type=Path, metavar="PATH", help="write it as a page too")
    add("--plan", type=Path, default=PLAN, help="another plan than tb/tables/mutants.toml")
    add("--work", type=Path, help="where outcomes are kept (default: build/mutation)")
    add_force(parser)
    return parser.parse_args(argv)


def work(args: argparse.Namespace) -> None:
    """List, show or run."""
    from tb.mutation import sample as plans

    plan = plans.load_plan(args.plan)
    count = whole_number(args.sample or str(plan.sample), "--sample", 1, 1_000_000)
    seed = whole_number(args.seed or str(plan.seed), "--seed", 0, 2**31 - 1)
    jobs = whole_number(args.jobs or str(os.cpu_count() or 1), "--jobs", 1, 1024)
    possible = plans.possible_mutants(REPO, plan.tests)
    reasons = plans.explanations(plan, possible)
    planted = plans.sample(possible, count, plan.least, seed)
    if args.diff:
        print(patch_of(args.diff, possible), end="")
        return
    mutants, shown = planted, possible
    if args.only:
        files = {Path(file).name: file for file in plan.tests}
        for name in args.only:
            if Path(name).name not in files:
                raise BadInputError(
                    f"--only: found {name!r}, expected one of {', '.join(sorted(files))}"
                )
        wanted = {files[Path(name).name] for name in args.only}
        mutants = [m for m in planted if m.file in wanted]
        shown = [m for m in possible if m.file in wanted]
    if args.list:
        drawn = {m.id for m in planted}
        for m in shown:
            mark = "*" if m.id in drawn else "=" if m.id in reasons else " "
            print(f"{mark} {m.id}  {m.file}:{m.line}  {m.edit.operator}: {m.before}  ->  {m.after}")
        print(f"{len(shown)} possible, {len(mutants)} in the sample")
        return
    if args.json == JSON:
        JSON.parent.mkdir(exist_ok=True)
    figures = None if args.only else args.json
    ours = any_of(json_with("schema", "possible", "mutants"), text("# Mutants"))
    check_reports({"--json": figures, "--markdown": args.markdown}, args.force, ours)
    run(args, plan, mutants, planted, reasons, seed=seed, jobs=jobs, possible=len(possible))


def patch_of(name: str, mutants: Sequence[Mutant]) -> str:
    """A mutant as a unified diff."""
    found = next((m for m in mutants if m.id == name), None)
    if found is None:
        raise BadInputError(f"--diff: found {name!r}, expected an ID that --list prints")
    old = (REPO / found.file).read_text(encoding="utf-8")
    new = old[: found.edit.start] + found.edit.text + old[found.edit.end :]
    before, after = (text.splitlines(keepends=True) for text in (old, new))
    return "".join(difflib.unified_diff(before, after, f"a/{found.file}", f"b/{found.file}"))


def run(
    args: argparse.Namespace,
    plan: Plan,
    mutants: Sequence[Mutant],
    planted: Sequence[Mutant],
    reasons: Mapping[str, str],
    *,
    seed: int,
    jobs: int,
    possible: int,
) -> None:
    """Run the campaign, report it; RedError unless all is well."""
    from tqdm import tqdm

    from tb.mutation import report
    from tb.mutation.campaign import Campaign
    from tb.mutation.simulations import WORK, record
    from tb.regress.affected import Budget, rtl_nodes
    from tb.regress.tree import tree_hash

    tree = tree_hash(REPO)
    files = dict.fromkeys(m.file for m in mutants)
    budget = Budget.read(TABLES / "quick.toml")
    quick = {file: rtl_nodes(file, plan.tests, budget) for file in files}
    # Those of make quick come first: who kills a mutant then says whether they do.
    tests = {file: list(dict.fromkeys([*quick[file], *plan.tests[file]])) for file in files}
    nodes = list(dict.fromkeys(node for file in files for node in tests[file]))
    benches = record(nodes)
    with tqdm(total=len(mutants), unit="mutant", disable=None, smoothing=0.1) as bar:
        killed = 0

        def tell(verdict: Verdict) -> None:
            nonlocal killed
            killed += verdict.by is not None
            bar.update()

        verdicts = Campaign(
            mutants,
            {file: [b for node in tests[file] for b in benches[node]] for file in files},
            planted=planted,
            work=args.work or WORK,
            seed=seed,
            jobs=jobs,
            tell=tell,
            say=lambda text: bar.set_postfix_str(f"{killed} killed; {text[-50:]}"),
        ).run()
    found = report.summary(
        verdicts, reasons, seed=seed, possible=possible, goal=plan.goal, quick=quick
    )
    found["tree"] = tree
    if not args.only:  # a part must not be taken for the whole
        report.write(found, args.json)
    if args.markdown:
        write_text(args.markdown, report.page(found))
    print(report.table(found))
    print(f"score {found['score']:.1%} (goal {plan.goal:.0%}): {found['counts']}")
    print(f"make quick alone: {found['quick']:.1%} (goal {plan.goal:.0%})")
    wrong = report.complaints(found)
    for line in wrong:
        print(f"mutants.py: {line}", file=sys.stderr)
    if wrong:
        raise RedError(f"{len(wrong)} complaints, see above")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status of the command."""
    args = parse_arguments(argv)
    from tb.failure import BuildError
    from tb.mutation.simulations import BenchError

    return status_of("mutants.py", lambda: work(args), (RedError, BuildError), (
        ValueError, OSError, BenchError))  # fmt: skip
