# SPDX-License-Identifier: Apache-2.0
"""Run tests × builds × simulators × seeds in parallel, within a budget, and say what holds."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tb.command_line import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    OK,
    BadInputError,
    Parser,
    guarded,
    whole_number,
)
from tb.paths import REPO, SIMULATORS
from tb.regress.cuts import CutError
from tb.regress.jobs import CollectError
from tb.regress.regression import Request, RunReport, regress

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}

EPILOG = """\
order
  First each mandatory test with its first seed, then further seeds until the time or the count is
  used up. What passed before on the same files is not run again; --no-resume does.

a cluster
  On each machine, in a checkout of the same files, with the same requirements:
    PYTHONPATH=. .venv/bin/dask worker tcp://HOST:8786 --nthreads 4
  Its scheduler is `dask scheduler`. A worker whose files differ refuses the work.

exit status
  0  all tests passed, every mandatory one ran, the cut's coverage goals are reached
  1  something is red: a test, a lost worker, a mandatory test left out, a coverage goal
  2  bad input: one line says what was found and what was expected

examples
  regress.py                                      the cut `quick`
  regress.py --cut full --time 25m                as many seeds as fit
  regress.py --cut full --only '*test_networks*' --config w64 --count 50
  regress.py --cut full --dask tcp://10.0.0.5:8786
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="regress.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cut", default="quick", metavar="NAME",
                        help="cut of tb/tables/regress.toml (default: %(default)s)")  # fmt: skip
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--time", metavar="25m", help="start nothing after this time: 90s, 25m, 2h")
    budget.add_argument("--count", metavar="N", help="run at most N jobs")
    parser.add_argument("--workers", metavar="N",
                        help="tests at once (default: the cores of this machine)")  # fmt: skip
    parser.add_argument("--dask", metavar="tcp://HOST:PORT",
                        help="hand the jobs to the Dask cluster of this scheduler")  # fmt: skip
    parser.add_argument("--first-seed", default="1", metavar="S",
                        help="seeds count up from here (default: 1)")  # fmt: skip
    parser.add_argument("--only", metavar="PATTERN",
                        help="only tests whose id fits; * is any text")  # fmt: skip
    parser.add_argument(
        "--config", help="only tests on this configuration of tb/tables/configs.toml"
    )
    parser.add_argument("--sim", choices=SIMULATORS, help="only tests on this simulator")
    parser.add_argument("--resume", action=argparse.BooleanOptionalAction, default=True,
                        help="skip what passed before on the same files")  # fmt: skip
    parser.add_argument("--waves-on-failure", action=argparse.BooleanOptionalAction, default=True,
                        help="run the first failures again with waves")  # fmt: skip
    parser.add_argument(
        "--localise-on-failure",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find and draw the first wrong value of the first failures",
    )
    parser.add_argument("--list", action="store_true", help="name the jobs and run none")
    parser.add_argument("--reports", default="reports", metavar="FOLDER",
                        help="where results go (default: %(default)s)")  # fmt: skip
    parser.add_argument("--root", default=str(REPO), metavar="FOLDER",
                        help="the checkout to test (default: this one)")  # fmt: skip
    parser.add_argument("--patience", default="60", metavar="SECONDS",
                        help="how long to wait when there is no worker (default: 60)")  # fmt: skip
    return parser.parse_args(argv)


def seconds(text: str) -> float:
    """A length of time such as 90s, 25m or 2h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise BadInputError(f"--time: found {text!r}, expected a time such as 90s, 25m or 2h")
    return float(found[1]) * UNITS[found[2]]


def request_of(args: argparse.Namespace) -> Request:
    root = Path(args.root).resolve()
    if not root.is_dir():
        raise BadInputError(f"--root: found no folder {root}, expected one")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Request(
        root=root,
        cut=args.cut,
        reports=root / args.reports,
        time_s=seconds(args.time) if args.time else None,
        count=whole_number(args.count, "--count", 1, 10**9) if args.count else None,
        workers=whole_number(args.workers or str(cores or 1), "--workers", 1, 1024),
        dask=args.dask,
        first_seed=whole_number(args.first_seed, "--first-seed", 0, 2**31 - 1),
        only=args.only,
        config=args.config,
        simulator=args.sim,
        resume=args.resume,
        waves=args.waves_on_failure,
        localise=args.localise_on_failure,
        dry=args.list,
        patience_s=whole_number(args.patience, "--patience", 1, 86400),
    )


def judge(request: Request, ran: RunReport) -> bool:
    """Coverage against the cut's goals, then the page; whether all goals are reached."""
    if ran.filtered:
        print("a part of a cut: coverage is not judged, the history not written")
        return True
    reached = [
        follow_up(request.root, "coverage.py", ran.functional_words),
        follow_up(request.root, "code_coverage.py", ran.code_words),
    ]
    ran.remember()
    return all([*reached, follow_up(request.root, "report.py", ["--reports", request.reports])])


def follow_up(root: Path, name: str, words: list[Any] | None) -> bool:
    """Run another script on what this run left; whether it ended well, or is not asked for."""
    script = root / "scripts" / name
    if words is None:
        return True
    if not script.is_file():
        print(f"skipped: scripts/{name} is not there")
        return True
    done = subprocess.run([sys.executable, str(script), *map(str, words)], cwd=root, check=False)
    if done.returncode != 0:
        print(f"red: scripts/{name} ended with exit status {done.returncode}", file=sys.stderr)
    return done.returncode == 0


@guarded("regress.py")
def main(argv: list[str] | None = None) -> int:
    """The exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        request = request_of(parse_arguments(argv))
        ran = regress(request)
        if request.dry:
            return OK
        reached = judge(request, ran)
    except KeyboardInterrupt:
        print("regress.py: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except CollectError as error:
        print(f"regress.py: {error}", file=sys.stderr)
        return FAILED
    except (CutError, ValueError, OSError) as error:
        print(f"regress.py: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    return OK if ran.green and reached else FAILED
