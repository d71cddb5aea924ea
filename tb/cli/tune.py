# SPDX-License-Identifier: Apache-2.0
"""Find thresholds per layer for a budget, and write them into a model file.

Give what must hold: a mean latency (--latency-us), or what the error may rise by over that of the
reference at Θ = 0 (--max-loss). Optuna searches Θx and Θh of every layer on the integer model; the
thresholds found are measured on the test split and run on the RTL.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from tb.settings import use_one_blas_thread

use_one_blas_thread()  # before numpy is imported

import numpy as np
from tqdm import tqdm

from golden.model_file import save_model
from golden.outputs import MADE_BY, model_of
from golden.tuning.operating_point import heading, measure, row
from golden.tuning.search import Budget, TuningError, tune
from tb.cli import study
from tb.command_line import (
    BadInputError,
    Output,
    Parser,
    add_force,
    check_outputs,
    status_of,
    whole_number,
)
from tb.flows.confirm import RTL_FAILURES

EXAMPLES = """examples:
  python scripts/tune.py --model M.npz --set har --data FOLDER --latency-us 5 --output TUNED.npz
  python scripts/tune.py --model M.npz --set csv --data my.csv --max-loss 0.5 --output TUNED.npz
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="tune.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    study.add_study_options(parser)
    add = parser.add_argument
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--latency-us", type=float, metavar="US",
                        help="mean latency of a step to keep, microseconds; the error is then made "
                        "small")  # fmt: skip
    budget.add_argument("--max-loss", type=float, metavar="L",
                        help="what the error may rise by over that of --reference at Θ = 0, "
                        "percentage points (regression: percent of the RMSE); the latency is then "
                        "made small")  # fmt: skip
    add("--trials", default="80", metavar="N", help="thresholds to try (default: 80)")
    add("--largest", default="256", metavar="V", help="highest threshold to try, Q8.8 "
        "(default: 256, which is 1.0)")  # fmt: skip
    add("--output", required=True, type=Path, metavar="TUNED.npz", help="model file to write")
    add_force(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("tune.py", lambda: tune_file(args), (TuningError, *RTL_FAILURES))


def tune_file(args: argparse.Namespace) -> None:
    """Everything the command does; raises what it ends in otherwise."""
    for option, value in (("--latency-us", args.latency_us), ("--max-loss", args.max_loss)):
        if value is not None and not 0 <= value < float("inf"):
            raise BadInputError(f"{option}: found {value:g}, expected a number from 0 up")
    trials = whole_number(args.trials, "--trials", 1, 100_000)
    largest = whole_number(args.largest, "--largest", 4, 32764)
    sources = study.sources(args)
    check_outputs([Output("--output", args.output, model_of("tune"))], sources, args.force)
    budget = Budget(args.latency_us, args.max_loss)
    asked = study.load(args)
    reference = None  # its own at Θ = 0, which the search measures anyway
    if asked.reference is not asked.model:
        reference = measure(asked.reference, asked.items, 0, 0, asked.platform)
    with tqdm(total=trials, unit="trial", desc="integer model", leave=False) as bar:
        tuned = tune(
            asked.model,
            asked.items,
            budget,
            asked.platform,
            trials,
            asked.seed,
            largest,
            lambda _: bar.update(),
            reference,
        )
    best, zero = tuned.best, tuned.reference
    model = asked.model.with_theta(best.theta_x, best.theta_h)
    said = {**tuned.extras(budget, trials, asked.seed, args.on), MADE_BY: np.array("tune")}
    save_model(args.output, dataclasses.replace(model, extras={**model.extras, **said}))
    print(f"{len(tuned.tried)} choices of thresholds tried; budget: {budget}")
    for split, items in ((args.on, None), ("test", asked.test)):
        print(f"\n{split} split:\n{heading([best])}")
        for name, net, point in (
            ("reference, Θ = 0", asked.reference, zero),
            ("tuned", asked.model, best),
        ):
            if items is not None:
                theta = point.theta_x, point.theta_h
                point = measure(net, items, *theta, asked.platform)
            print(f"{row(point)}   {name}")
    confirmed = study.confirmations(asked, [(asked.model, best)])
    print("\n" + "\n".join(confirmed))
    print(f"\n{args.output}: thresholds x {best.theta_x}, h {best.theta_h}")
