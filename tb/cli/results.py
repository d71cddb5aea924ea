# SPDX-License-Identifier: Apache-2.0
"""Measure the trained models of golden/models again, from the recordings to the RTL.

For every model whose recordings are given: error and weight bytes of the integer model, beside the
same quantised network at Θ = 0 before it was retrained at its thresholds (NAME.dense.npz); then the
longest test sequence, whole, through the RTL with every value compared. Writes docs/results.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from golden.files import write_text
from golden.outputs import text
from tb.paths import REPO
from tb.settings import use_one_blas_thread

use_one_blas_thread()  # before numpy is imported

from tqdm import tqdm

from golden import datasets
from golden.model_file import load_model
from golden.train import training as train
from golden.train.evaluate import prepare
from golden.tuning.operating_point import OperatingPoint, Platform, measure
from golden.tuning.search import loss_of
from tb.command_line import BadInputError, Parser, add_force, check_reports, status_of
from tb.device.dram import load_dram
from tb.flows.confirm import RTL_FAILURES, confirm

MODELS = REPO / "golden" / "models"
FOLDER_OF = {"fsdd": "fsdd", "connected": "fsdd", "har": "har", "skab": "skab"}
DRAM = "ddr3l"


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="results.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python scripts/results.py --fsdd DIGITS --har WRISTS --skab WATER",
    )
    for name in sorted(set(FOLDER_OF.values())):
        parser.add_argument(f"--{name}", type=Path, metavar="FOLDER", help=f"recordings of {name}")
    parser.add_argument("--only", metavar="NAME", help="one model, such as har-2l128h")
    parser.add_argument("--output", type=Path, default=REPO / "docs" / "results.md",
                        help="page to write (default: docs/results.md)")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def thetas(point: OperatingPoint) -> str:
    """Thresholds as a cell of a table."""
    return str(point.name).replace("x ", "Θx ").replace("h ", "Θh ")


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("results.py", lambda: write_page(args), RTL_FAILURES)


def write_page(args: argparse.Namespace) -> None:
    """Everything the command does; raises what it ends in otherwise."""
    recipes = train.recipes()
    names = [args.only] if args.only else list(recipes)
    unknown = [name for name in names if name not in recipes]
    if unknown:
        raise BadInputError(f"--only: found {unknown[0]!r}, expected {', '.join(recipes)}")
    names = [name for name in names if getattr(args, FOLDER_OF[recipes[name]["set"]])]
    if not names:
        raise BadInputError("--fsdd, --har, --skab: found none, expected a folder")
    folders = {f"--{name}": getattr(args, name) for name in set(FOLDER_OF.values())}
    check_reports({"--output": args.output}, args.force, text("# Results"), folders)
    lines, runs = [], []
    for name in tqdm(names, unit="model"):
        measured, ran = results_of(name, recipes[name]["set"], args)
        lines += measured
        runs.append(ran)
    page = "\n".join([*HEAD, *lines, *RTL_HEAD, *runs]) + "\n"
    write_text(args.output, page)
    print(page)


HEAD = """\
# Results on real recordings

`python scripts/results.py --fsdd FOLDER --har FOLDER --skab FOLDER` writes this page. Settings were
chosen on the validation split.

* *error*: of the integer model, which the RTL equals bit for bit.
* *loss*: relative to the same quantised network at Θ = 0, before it was retrained at its
  thresholds; in percentage points, or in percent of the RMSE.
* *bytes*: the weight bytes of a dense GRU, which reads all of them in every step, divided by the
  weight bytes that were read.
* *µs*: mean latency of a step at 125 MHz with a 64-bit port and DDR3L, by the analytic model.

| model | split | sequences, steps | metric | at Θ = 0 | thresholds | error | loss | bytes | µs |
| --- | --- | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: |""".splitlines()
RTL_HEAD = """
The longest test sequence of each model ran completely through the RTL, under Verilator with the
DDR3L model. Every firing element, delta memory, gate and hidden state equalled the golden model's:

| model | steps | values equal | cycles a step | predicted | weight bytes a step |
| --- | ---: | ---: | ---: | ---: | ---: |""".splitlines()


def results_of(name: str, kind: str, args: argparse.Namespace) -> tuple[list[str], str]:
    """Table rows of one model for both splits, and one for its run on the RTL."""
    model = load_model(MODELS / f"{name}.npz")
    dense = load_model(MODELS / f"{name}.dense.npz")
    dataset = datasets.load(kind, getattr(args, FOLDER_OF[kind]))
    platform = Platform(memory=load_dram(DRAM).timing())
    rows = []
    for split in ("validation", "test"):
        items = prepare(model, dataset.of_split(split))
        reference = measure(dense, items, 0, 0, platform)
        point = measure(model, items, platform=platform)
        seen = point.evaluation
        rows.append(
            f"| {name} | {split} | {seen.sequences:,}, {seen.steps:,} | {seen.score.name} | "
            f"{reference.error:.2f} | {thetas(point)} | {point.error:.2f} | "
            f"{loss_of(point, reference):+.2f} | {seen.saving:.1f}x | {point.latency_us:.2f} |"
        )
    x = max((item.x for item in items), key=len)
    done = confirm(model, x, point.theta_x, point.theta_h, dram=DRAM)
    return rows, (
        f"| {name} | {done.steps:,} | {done.compared:,} | {done.cycles:.1f} | "
        f"{done.predicted_cycles:.1f} | {done.bytes:,.0f} |"
    )
