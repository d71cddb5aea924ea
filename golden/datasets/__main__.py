# SPDX-License-Identifier: Apache-2.0
"""Load a data set and print what is in it; perhaps write its split down.

SET is fsdd, connected, tidigits, har, skab, or csv for series of your own. Nothing is fetched:
without the data in FOLDER, the command says where to get it. Exit status 0; 2 and one line for
what cannot be used.
"""

import argparse
import sys
from pathlib import Path

from golden.command import Parser, status_of
from golden.datasets import LOADERS, SPLITS, load, write_split
from golden.datasets.options import add_set_options, given
from golden.datasets.split_file import SPLIT_COLUMNS
from golden.outputs import FORCE, FORCE_HELP, Output, check_outputs, text


def parser():
    """The command line."""
    made = Parser(
        prog="python -m golden.datasets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m golden.datasets csv runs --target load --rate 50 "
        "--write-split runs/split.csv",
    )
    made.add_argument("set", metavar="SET", choices=LOADERS, help="kind of data set (docs/data.md)")
    made.add_argument("folder", metavar="FOLDER", type=Path, help="its folder, or for csv its file")
    made.add_argument("--write-split", type=Path, metavar="FILE",
                      help="write which sequence belongs to which split, as CSV; csv reads it "
                      "with --split, or as FOLDER/split.csv")  # fmt: skip
    made.add_argument(FORCE, action="store_true", help=FORCE_HELP)
    options = made.add_argument_group("options of some sets")

    add_set_options(options)
    options.add_argument("--speakers", metavar="GROUP", nargs="+",
                         help="tidigits: man, woman, boy, girl")  # fmt: skip
    return made


def description(data):
    """What is in the Dataset `data`, in lines of text."""
    unit = "rows" if data.channels else "samples"
    lines = [
        data.summary(),
        f"{'split':<10} {'sequences':>10} {'groups':>7} {unit:>12} {'minutes':>8}",
    ]
    for split in SPLITS:
        examples = data.of_split(split)
        groups = len({example.group for example in examples} - {""})
        rows = sum(len(example.signal) for example in examples)
        lines.append(
            f"{split:<10} {len(examples):>10,} {groups or '':>7} {rows:>12,} "
            f"{rows / data.rate / 60:>8.1f}"
        )
    lines.append(f"rate: {data.rate:g} {unit} per second")
    if data.channels:
        lines.append(f"channels: {', '.join(data.channels)}")
    lines.append(f"{'target' if data.task == 'regression' else 'labels'}: {', '.join(data.labels)}")
    return lines


def main(arguments=None):
    """Run the command; returns the exit status."""
    made = parser()
    args = made.parse_args(arguments)
    name, folder, file = args.set, args.folder, args.write_split
    options = given(args) | ({"speakers": args.speakers} if args.speakers else {})

    def work():
        if file:
            split = Output("--write-split", file, text(",".join(SPLIT_COLUMNS)))
            check_outputs([split], {"FOLDER": folder, "--split": args.split}, args.force)
        data = load(name, folder, **options)
        if file:
            write_split(file, data)
        print("\n".join(description(data)))
        if file:
            print(f"split written to {file}")

    return status_of(made.prog, work)


if __name__ == "__main__":
    sys.exit(main())
