# SPDX-License-Identifier: Apache-2.0
"""Look at a series before training: would a delta network help?

Shows which share of the inputs moves by a threshold or more, at several thresholds and frame rates,
and what an untrained network driven by them would read. Fast inputs, where most elements fire at
every step even at Θ = 128 (half a standard deviation), gain little; see docs/choosing_theta.md.
Writes OUTPUT.png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tb.settings import use_one_blas_thread

use_one_blas_thread()  # before numpy is imported

from tqdm import tqdm

from golden import datasets
from golden.datasets.features import BANDS, FLOOR, Channels, Extractor
from golden.datasets.options import add_options
from golden.outputs import picture as picture_of_ours
from golden.train.fitness import check_width, still_channels
from golden.tuning.activity import activities, picture, table
from tb.command_line import (
    BadInputError,
    Output,
    Parser,
    add_force,
    check_outputs,
    status_of,
    whole_number,
)

EXAMPLES = """examples:
  python scripts/activity.py --set csv --data my.csv
  python scripts/activity.py --set har --data FOLDER --block 1,5,20
  python scripts/activity.py --set connected --data FOLDER --floor 0.002
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="activity.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_options(parser, datasets.LOADERS)
    add("--theta", default="8,16,32,64,96,128,256", metavar="V,V,...",
        help="thresholds, Q8.8; 256 is one standard deviation of a feature "
        "(default: %(default)s)")  # fmt: skip
    add("--block", default="1", metavar="N,N,...",
        help="rows of channel data in a time step, one or several (default: 1)")  # fmt: skip
    add("--floor", type=float, default=FLOOR, help="E0 of log(E + E0), for sound "
        "(default: %(default)s)")  # fmt: skip
    add("--hidden", default="128,128", metavar="H,H", help="units of each layer, all equal, of the "
        "untrained network (default: %(default)s)")  # fmt: skip
    add("--limit", default="100", metavar="N", help="training sequences to look at (default: 100)")
    add("--output", type=Path, default=Path("activity.png"), metavar="FILE.png",
        help="picture of the first block size (default: %(default)s)")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("activity.py", lambda: show(args), ())


def show(args: argparse.Namespace) -> None:
    """Everything the command does; raises what it ends in otherwise."""
    thetas = [whole_number(word, "--theta", 0, 32767) for word in args.theta.split(",")]
    blocks = [whole_number(word, "--block", 1, 100_000) for word in args.block.split(",")]
    hidden = [whole_number(word, "--hidden", 8, 1024, 8) for word in args.hidden.split(",")]
    limit = whole_number(args.limit, "--limit", 1, 10**9)
    if len(set(hidden)) != 1 or len(hidden) > 4:
        raise BadInputError(f"--hidden: found {args.hidden}, expected 1 to 4 equal sizes")
    drawn = Output("--output", args.output, picture_of_ours)
    check_outputs([drawn], {"--data": args.data}, args.force)
    dataset = datasets.load_as_typed(args)
    print(dataset.summary())
    examples = dataset.of_split("train")
    check_width(len(dataset.channels), args.data)
    if dataset.channels:
        extract = Channels.fitted(dataset.channels, [e.signal for e in examples])
        for warning in still_channels(dataset, extract, args.data):
            print(f"activity.py: {warning}", file=sys.stderr)
    signals = [e.signal for e in examples[:: max(1, len(examples) // limit)]][:limit]
    for block in blocks if dataset.channels else [1]:
        if dataset.channels:
            extract, rate = (
                Channels.fitted(dataset.channels, signals, block),
                dataset.rate / block,
            )
            names = list(dataset.channels)
        else:
            extract, rate = Extractor.fitted(signals, args.floor), 100.0
            names = [f"band {i}" for i in range(BANDS)]
        found = activities(
            [extract(signal) for signal in signals],
            thetas,
            hidden,
            lambda t: tqdm(t, unit="Θ", leave=False),
        )
        if block == blocks[0]:
            picture(args.output, f"{args.set}: {len(signals)} sequences", names, found, rate)
        print(f"\n{rate:g} steps a second, {len(hidden)} layers of {hidden[0]} units:")
        print(table(found))
    print(f"\n{args.output}")
