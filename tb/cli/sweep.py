# SPDX-License-Identifier: Apache-2.0
"""How much latency does which threshold buy, and what does it cost in accuracy?

Runs the integer model over real recordings at many thresholds, predicts cycles and energy, and
draws the Pareto front. The cheapest thresholds within --max-loss of the reference at Θ = 0 are run
on the RTL in the same go, and measured on the test split. Writes OUTPUT.csv, OUTPUT.md, OUTPUT.png.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from tb.settings import use_one_blas_thread

use_one_blas_thread()  # before numpy is imported

from tqdm import tqdm

from golden.files import write_records, write_text
from golden.outputs import beside, text
from golden.tuning.operating_point import OperatingPoint, grid, heading, measure, pareto, row
from golden.tuning.search import loss_of
from golden.tuning.sweep import measure_all, picture
from tb.cli import study
from tb.command_line import (
    Output,
    Parser,
    add_force,
    check_outputs,
    status_of,
    whole_number,
)
from tb.flows.confirm import RTL_FAILURES

DEFAULT_THETAS = "0,16,32,48,64,96,128"
EXAMPLES = """examples:
  python scripts/sweep.py --model golden/models/har-2l128h.npz --set har --data FOLDER
  python scripts/sweep.py --model M.npz --set csv --data my.csv --theta-x 0,32,64 --theta-h 64
  each layer by itself, on 100 sequences:
  python scripts/sweep.py ... --per-layer --theta-x 32,64,96 --theta-h 32,64,96 --limit 100
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="sweep.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    study.add_study_options(parser)
    for name, what in (("x", "inputs"), ("h", "hidden states")):
        parser.add_argument(f"--theta-{name}", default=DEFAULT_THETAS, metavar="V,V,...",
                            help=f"thresholds of {what} to try, Q8.8; 256 is 1.0 "
                            f"(default: {DEFAULT_THETAS})")  # fmt: skip
    parser.add_argument("--per-layer", action="store_true",
                        help="each combination over the layers, not one for all")  # fmt: skip
    parser.add_argument("--max-loss", type=float, default=0.5, metavar="L",
                        help="what the error may rise by over that of --reference at Θ = 0: "
                        "percentage points, or percent of the RMSE (default: 0.5)")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("reports/sweep"), metavar="PATH",
                        help="results, without their suffix (default: reports/sweep)")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def values(text: str, option: str) -> list[int]:
    return sorted({whole_number(word, option, 0, 32767) for word in text.split(",")})


def cheapest(
    points: list[OperatingPoint], reference: OperatingPoint, most: float
) -> OperatingPoint | None:
    """The point of fewest bytes whose loss over the reference is at most `most`; else None."""
    within = [p for p in points if loss_of(p, reference) <= most]
    return min(within, key=lambda p: p.evaluation.bytes_per_step, default=None)


def write_csv(path: Path, points: list[OperatingPoint], front: list[OperatingPoint]) -> None:
    write_records(path, [{**p.fields(), "pareto": int(any(p is f for f in front))} for p in points])


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("sweep.py", lambda: sweep(args), RTL_FAILURES)


def sweep(args: argparse.Namespace) -> None:
    """Everything the command does; raises what it ends in otherwise."""
    started = time.monotonic()
    theta_x, theta_h = values(args.theta_x, "--theta-x"), values(args.theta_h, "--theta-h")
    study.output_folder(args.output)
    table, page, drawn = (args.output.with_suffix(end) for end in (".csv", ".md", ".png"))
    ours = text("theta_x0,")
    outputs = [
        Output("--output", table, ours),
        Output("--output", page, beside(table, ours)),
        Output("--output", drawn, beside(table, ours)),
    ]
    check_outputs(outputs, study.sources(args), args.force)
    asked = study.load(args)
    model = asked.model
    thetas = grid(theta_x, theta_h, model.num_layers, args.per_layer)
    own = tuple(tuple(map(int, theta)) for theta in (model.theta_x, model.theta_h))
    thetas = list(dict.fromkeys([own, *thetas]))
    with tqdm(total=len(thetas), unit="point", desc="integer model", leave=False) as bar:
        points = measure_all(model, asked.items, thetas, asked.platform, asked.jobs, bar.update)
    at = dict(zip(thetas, points, strict=True))
    reference, shipped = measure(asked.reference, asked.items, 0, 0, asked.platform), at[own]
    chosen = cheapest(points, reference, args.max_loss)
    front = pareto(points)
    marked = [
        ("reference, Θ = 0", asked.reference, reference),
        ("in the model file", model, shipped),
    ]
    if chosen not in (None, shipped):
        marked.append((f"cheapest within {args.max_loss:g}", model, chosen))
    test = [
        (name, measure(net, asked.test, p.theta_x, p.theta_h, asked.platform))
        for name, net, p in marked
    ]
    none = [] if chosen else [f"none of them within {args.max_loss:g} of the reference"]
    title = (
        f"{Path(args.model).name}: {len(points)} choices of thresholds on "
        f"{len(asked.items)} sequences, {args.on} split"
    )
    lines = [
        f"{title}; {asked.platform.clock_mhz:g} MHz, DRAM {args.dram}, 64-bit port",
        "",
        "Pareto front of error and weight bytes:",
        heading(points),
        *map(row, front),
        "",
        f"chosen, {args.on} split:",
        heading(points),
        *(f"{row(p)}   {name}" for name, _, p in marked),
        *none,
        "",
        "the same on the test split:",
        heading(points),
        *(f"{row(p)}   {name}" for name, p in test),
    ]
    write_csv(table, points, front)
    picture(drawn, title, points, [(p, n) for n, _, p in marked])
    report = "\n".join(lines)
    write_text(page, f"```\n{report}\n```\n")
    print(report)
    confirmed = "\n".join(study.confirmations(asked, [(net, p) for _, net, p in marked]))
    write_text(page, f"```\n{report}\n\n{confirmed}\n```\n")
    print(f"\n{confirmed}")
    print(f"\n{args.output}.csv, .md, .png; {time.monotonic() - started:.0f} s")
