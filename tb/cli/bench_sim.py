# SPDX-License-Identifier: Apache-2.0
"""Measure how fast the simulation is: clock cycles of the core simulated in a second.

The same time steps of the same network run in turn
  loop      in a bare C++ loop around the verilated core and its DRAM model: no Python, no checker
  cocotb    as scripts/simulate.py runs them: protocol checkers, trace, all compared with the model
  no-check  the same with --no-check
  stock     with cocotb's own runner, --public-flat-rw, and cocotbext-axi on every bus
and h of every step of every way is compared with the golden model.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from golden.files import whole_file
from golden.outputs import OutputError, json_with
from tb.checks.compare import MismatchError
from tb.command_line import (
    BAD_INPUT,
    FAILED,
    OK,
    BadInputError,
    Parser,
    add_force,
    check_place,
    check_reports,
    guarded,
    whole_number,
)
from tb.failure import BuildError, SimulationError
from tb.flows.speed import (
    STOCK,
    UNITS,
    WAYS,
    Speed,
    Workload,
    conditions,
    description,
    markdown,
    measure,
    ratio,
    summary,
    text_table,
    workload,
)

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

EPILOG = f"""\
what is shown
  cycles/s       simulated clock cycles in a second of wall clock, the best of the rounds. Time
                 counts from the first x to the last h: without compiling, starting, reading weights
  cycles/CPU s   the same by processor time of the simulating process: the figure to trust where
                 other programs keep the machine busy

the files
  --json FILE    commit, machine, network, and for each way steps, cycles and the figures above
  --page FILE    a page whose text between the lines
                 {BEGIN} and {END} is replaced by the table

exit status
  0  measured   1  a way gave another h than the golden model, or failed   2  bad input, one line

examples
  bench_sim.py                                    three minutes, and one more to compile
  bench_sim.py --ways loop,cocotb --rounds 5      only these two, more often
  bench_sim.py --units 256 --steps 400 --json speed.json
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="bench_sim.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ways", metavar="WAY[,WAY...]", default=",".join(WAYS),
                        help="which to measure (default: %(default)s)")  # fmt: skip
    parser.add_argument("--rounds", metavar="N", default="3",
                        help="times that each is run, in turn (default: %(default)s)")  # fmt: skip
    parser.add_argument("--units", metavar="H", default="768",
                        help="units of each of the two layers (default: %(default)s)")  # fmt: skip
    parser.add_argument("--steps", metavar="N", default="120",
                        help="time steps of a run (default: %(default)s)")  # fmt: skip
    parser.add_argument("--stock-steps", metavar="N", default="2",
                        help="the same for stock, far slower (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", metavar="S", default="2026",
                        help="seed of weights and inputs (default: %(default)s)")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there")
    parser.add_argument("--page", metavar="FILE", type=Path, help="put the table into that page")
    add_force(parser)
    return parser.parse_args(argv)


def chosen_ways(text: str) -> list[str]:
    ways = text.split(",")
    for way in ways:
        if way not in WAYS:
            raise BadInputError(f"--ways: found {way!r}, expected some of {', '.join(WAYS)}")
    if len(set(ways)) != len(ways):
        raise BadInputError(f"--ways: found {text!r}, expected each way once")
    return ways


def read_page(path: Path) -> tuple[str, str]:
    """What comes before and after the measured part of a page."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise BadInputError(f"--page: {path}: {why}, expected a page to put a table into") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise BadInputError(f"--page: {path}: found no {BEGIN} and {END}, expected both")
    return before + begin, end + after


def write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())


def report(load: Workload, speeds: list[Speed], rounds: int, where: str) -> str:
    """The figures as JSON."""
    content = {
        "conditions": where,
        "workload": description(load),
        "rounds": rounds,
        "ways": [
            asdict(speed)
            | {"title": WAYS[speed.way].title, "on": WAYS[speed.way].on}
            | {f"{unit}_of_loop": ratio(speed, speeds, unit) for unit in UNITS}
            for speed in speeds
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


@guarded("bench_sim.py")
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    try:
        ways = chosen_ways(args.ways)
        rounds = whole_number(args.rounds, "--rounds", 1, 100)
        units = whole_number(args.units, "--units", 8, 1024, 8)
        steps = whole_number(args.steps, "--steps", 1, 100_000)
        stock_steps = whole_number(args.stock_steps, "--stock-steps", 1, 100_000)
        seed = whole_number(args.seed, "--seed", 0, 2**31 - 1)
        if args.json:
            ours = json_with("conditions", "ways")
            check_reports({"--json": args.json}, args.force, ours, {"--page": args.page})
        if args.page:
            before, after = read_page(args.page)
            check_place("--page", args.page)
    except (BadInputError, OutputError) as error:
        print(f"bench_sim.py: {error}", file=sys.stderr)
        return BAD_INPUT

    counts = {way: stock_steps if way == STOCK else steps for way in ways}
    load = workload(units, max(counts.values()), seed)
    print(f"{description(load)}\nThe first round compiles, which takes a minute.", file=sys.stderr)
    where = conditions()  # now: writing the page changes the working tree
    every = 0.3 if sys.stderr.isatty() else 10.0  # seconds; a log file wants few lines
    try:
        total = rounds * sum(counts.values())
        with tqdm(total=total, unit="step", mininterval=every, leave=False) as bar:

            def step_done(way: str, count: int) -> None:
                bar.set_description(WAYS[way].title, refresh=False)
                bar.update(count)

            speeds = measure(load, counts, rounds, step_done)
        if args.json:
            write(args.json, report(load, speeds, rounds, where))
        if args.page:
            write(args.page, f"{before}\n{markdown(load, speeds, rounds, where)}{after}")
    except (MismatchError, SimulationError, BuildError, OSError) as error:
        print(f"bench_sim.py: {error}", file=sys.stderr)
        return FAILED
    print(text_table(speeds))
    if verdict := summary(speeds):
        print(f"\n{verdict}")
    print(where)
    return OK
