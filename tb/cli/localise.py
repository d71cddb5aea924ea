# SPDX-License-Identifier: Apache-2.0
"""From a red test to the first wrong value: which module, which signal, when, and the waves there.

Runs a failing system test again with its seed and a deep trace, holds every value that one module
hands to the next against the golden model, and prints the first wrong one: step, layer, kind,
column, unit, gate, expected and actual, cycle and time, the signal's path, the module, and the
inputs of that stage. Then runs it once more with waves from the step before until shortly after,
the golden values beside the core's in the same dump (instance u_golden).

    localise.py 'tb/tests/system/test_networks.py::test_networks[size_limits-i64]' --seed 7
    localise.py --faults          # plant known faults, see that each is named right

Files go to reports/localise/<test>/: divergence.json, the dump, deep.txt, expected.txt.

Exit status: 0 localised, 1 nothing to localise (the test passes) or a fault was named wrong, 2 bad
arguments.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tb.command_line import BAD_INPUT, FAILED, OK, Parser, guarded, status_of
from tb.debug.divergence import planted
from tb.debug.divergence.replay import LocaliseError, UnknownTestError, localise
from tb.paths import REPO


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The arguments; one line and exit status 2 when they do not fit together."""
    parser = Parser(
        prog="localise.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("node", nargs="?", help="pytest node of a test in tb/tests/system")
    parser.add_argument(
        "--seed", type=int, help="seed of the failing run (default: SEED, or fresh)"
    )
    parser.add_argument(
        "--out", type=Path, help="folder for the files (default: reports/localise/)"
    )
    parser.add_argument("--no-waves", action="store_true", help="leave out the run with waves")
    parser.add_argument(
        "--faults",
        action="store_true",
        help="plant each fault of tb/tables/localise.toml in a copy and localise it",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="with --faults: this fault (may be repeated)",
    )
    args = parser.parse_args(argv)
    if args.faults == bool(args.node):
        parser.error("expected a pytest node, or --faults")
    if args.only and not args.faults:
        parser.error("--only goes with --faults")
    if args.node:
        file = REPO / args.node.split("::")[0]
        if not file.is_file():
            parser.error(
                f"node: no file {file}, expected a node such as "
                "tb/tests/system/test_networks.py::test_networks[random_networks-i64]"
            )
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        parser.error(f"--out: {args.out} is a file, expected a folder")
    return args


@guarded("localise.py")
def main(argv: list[str] | None = None) -> int:
    """The exit status."""
    args = parse(argv)
    if args.faults:
        try:
            cases = planted.load(args.only)
        except ValueError as error:
            print(f"localise.py: {error}", file=sys.stderr)
            return BAD_INPUT
        return OK if planted.run(cases, waves=not args.no_waves) else FAILED

    def work() -> None:
        found = localise(args.node, args.seed, args.out, waves=not args.no_waves)
        print(found.text())

    return status_of("localise.py", work, (LocaliseError,), (UnknownTestError, OSError))
