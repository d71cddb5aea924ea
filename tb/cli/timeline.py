# SPDX-License-Identifier: Apache-2.0
"""Show what the weight port does in every clock cycle of a run, and when it rests, why: a table, a
picture, and a trace for ui.perfetto.dev. Without arguments: a spoken digit through the demo model.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from golden.datasets.base import DatasetError
from golden.datasets.features import features_from_model
from golden.datasets.fsdd import load_folder
from golden.files import whole_file
from golden.model_file import Model, ModelFileError, load_model
from golden.outputs import OutputError, anything, beside, text
from golden.outputs import picture as is_our_picture
from tb.checks.compare import MismatchError
from tb.checks.trace import TraceError
from tb.command_line import (
    BAD_INPUT,
    FAILED,
    OK,
    BadInputError,
    Output,
    Parser,
    add_force,
    add_thresholds,
    check_outputs,
    guarded,
    load_stimulus,
    thresholds,
    whole_number,
)
from tb.debug.timeline.account import counters, summarise
from tb.debug.timeline.causes import ALL
from tb.debug.timeline.chrome import chrome_trace
from tb.debug.timeline.plot import SUFFIXES, draw, neighbours
from tb.debug.timeline.reader import Step, Timeline, TimelineError, read_timeline
from tb.debug.timeline.table import cause_table, verdict
from tb.device.dram import DramError, load_dram
from tb.device.registers import Counters
from tb.failure import BuildError, SimulationError
from tb.flows.simulation import simulate
from tb.paths import REPO, SIMULATORS

DEMO_MODEL = REPO / "golden/models/digits-2l128h.npz"
DEMO_CLIPS = REPO / "golden/clips"
MAX_INTERVAL = 10**9
TRACE_BEGINS = '{"schema": 1, "displayTimeUnit"'
CAUSES = "\n".join(f"  {cause.name:<17} {cause.why}" for cause in ALL)

EPILOG = f"""\
what the port does in a cycle: exactly one of
{CAUSES}

the outputs
  the table     cycles of each cause over the steps shown; a step's cycles are those from the h
                before it to its own; the step with the longest rest; the one bottleneck
  --json FILE   Trace Event Format: open it in ui.perfetto.dev or chrome://tracing
  --plot FILE   cycles of every step by cause, and the step with the longest rest in full
  --record FILE the events from which both come; --trace reads it again

a failing test
  TIMELINE=1 in front of its REPRODUCE line leaves timeline.txt beside trace.txt in its folder
  under build/run; `timeline.py --trace build/run/.../timeline.txt` shows it.

exit status
  0  done, and the sums over the timeline equal the core's performance counters
  1  they do not, the RTL differs from the golden model, or the simulation failed
  2  bad input: one line says what, and what was expected

examples
  timeline.py
  timeline.py --dram ddr3l --theta-x 0 --theta-h 0 --steps 10:20
  timeline.py --model m.npz --stimulus x.npy --interval 2000 --plot timeline.svg
  timeline.py --trace build/run/edgedrnn_tb-abc/timeline.txt
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="timeline.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", metavar="M.npz", help="the model (default: the demo's)")
    parser.add_argument("--stimulus", metavar="X.npy",
                        help="the input sequence, int16 (T, I), Q8.8 (default: a spoken digit, for "
                        "models that say how they hear)")  # fmt: skip
    parser.add_argument("--trace", metavar="FILE",
                        help="run nothing, show this recorded timeline")  # fmt: skip
    parser.add_argument("--sim", choices=SIMULATORS, default="verilator",
                        help="simulator (default: %(default)s)")  # fmt: skip
    parser.add_argument("--dram", default="ddr3l", metavar="ideal|ddr3l|FILE.toml",
                        help="weight memory (default: %(default)s)")  # fmt: skip
    parser.add_argument("--interval", default="0", metavar="N",
                        help="offer the next input N cycles after the output has left "
                        "(default: 0, at once)")  # fmt: skip
    add_thresholds(parser, "the model's")
    parser.add_argument("--steps", metavar="N|A:B",
                        help="the first N steps, or steps A to before B "
                        "(default: all)")  # fmt: skip
    parser.add_argument("--seed", default="1", metavar="S",
                        help="seed of stalls, padding and random initial values "
                        "(default: 1)")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="default: reports/timeline.json")
    parser.add_argument("--plot", metavar="FILE",
                        help=f"{', '.join(SUFFIXES)} (default: reports/timeline.png)")  # fmt: skip
    parser.add_argument("--record", metavar="FILE", help="default: reports/timeline.txt")
    add_force(parser)
    return parser.parse_args(argv)


def output_path(named: str | None, name: str) -> Path:
    """Where an output goes: as given, or under reports/, which is made."""
    if named is None:
        folder = REPO / "reports"
        folder.mkdir(exist_ok=True)
        return folder / name
    return Path(named)


def outputs_of(trace: Path, picture: Path, record: Path | None) -> list[Output]:
    """What is written. Those under reports/ are always ours."""
    found = [
        Output("--json", trace, text(TRACE_BEGINS)),
        Output("--plot", picture, is_our_picture),
    ]
    if record is not None:
        found.append(Output("--record", record, beside(trace, text(TRACE_BEGINS))))
    return [replace(one, made=anything) if one.path.parent == REPO / "reports" else one
            for one in found]  # fmt: skip


def sources_of(args: argparse.Namespace) -> dict[str, str | None]:
    """What is read, by option."""
    memory = args.dram if Path(args.dram).is_file() else None
    return {
        "--model": args.model or str(DEMO_MODEL),
        "--stimulus": args.stimulus,
        "--trace": args.trace,
        "--dram": memory,
    }


def step_range(named: str | None, count: int) -> tuple[int, int]:
    """``N`` or ``A:B`` as (first, one past the last) of ``count`` steps; BadInputError."""
    if named is None:
        return 0, count
    first, colon, last = named.rpartition(":")
    begin = whole_number(first, "--steps", 0, count - 1) if colon and first else 0
    end = count if colon and not last else whole_number(last, "--steps", begin + 1, count)
    return begin, end


def demo_stimulus(model: Model, path: str) -> np.ndarray:
    """Features of the first clip of the repository; BadInputError if the model hears nothing."""
    try:
        features: np.ndarray = features_from_model(model)(load_folder(DEMO_CLIPS)[0].samples)
    except (ValueError, KeyError, DatasetError) as error:
        raise BadInputError(f"--stimulus: missing, and {path} cannot hear: {error}") from None
    return features


class Job(NamedTuple):
    """What the command line asks for, checked."""

    model: Model
    stimulus: np.ndarray
    options: dict[str, Any]
    steps: tuple[int, int]


def job_of(args: argparse.Namespace) -> Job:
    path = args.model or str(DEMO_MODEL)
    interval = whole_number(args.interval, "--interval", 0, MAX_INTERVAL)
    seed = whole_number(args.seed, "--seed", 0, 2**31 - 1)
    model = load_model(path)
    if args.stimulus is None:
        stimulus = demo_stimulus(model, path)
    else:
        stimulus = load_stimulus(args.stimulus, model, path)
    model = model.with_theta(
        thresholds(args.theta_x, "--theta-x", model.num_layers),
        thresholds(args.theta_h, "--theta-h", model.num_layers),
    )
    steps = step_range(args.steps, len(stimulus))
    options = {"sim": args.sim, "dram": load_dram(args.dram), "interval": interval, "seed": seed}
    return Job(model, stimulus[: steps[1]], options, steps)


def recorded(job: Job, record: Path, words: list[str]) -> tuple[Timeline, Counters]:
    """Run the job on the RTL; its timeline and the core's counters."""
    with tqdm(total=len(job.stimulus), unit="step", disable=None, leave=False) as bar:
        result = simulate(
            job.model,
            job.stimulus,
            timeline_file=record,
            progress=bar.update,
            reproduce=shlex.join(words),
            **job.options,
        )
    return read_timeline(record), result.counters


def compared(timeline: Timeline, core: Counters) -> str:
    """One line: sums equal counters. Raises SimulationError at the first that does not."""
    sums = counters(timeline, len(core.columns_x), freezes=1)
    for name, value in sums.items():
        found = getattr(core, name)
        if found != value:
            raise SimulationError(f"counter {name}: {found} in the core, {value} in the file")
    text = ", ".join(
        f"{name.upper()} {sums[name]}"
        for name in ("cycles", "beats", "stall_mem", "stall_out", "idle")
    )
    return f"sums equal the core's {len(sums)} performance counters, among them {text}"


def show(timeline: Timeline, steps: list[Step], title: str, trace: Path, picture: Path) -> None:
    """Print the table and write trace and picture."""
    summary = summarise(timeline, steps)
    with whole_file(trace) as file:
        file.write(json.dumps(chrome_trace(timeline, steps)).encode())
    draw(picture, timeline, summary, neighbours(steps, summary.worst.step), title)
    print(f"{cause_table(summary)}\n\n{verdict(summary)}")
    print(f"trace for ui.perfetto.dev: {short(trace)}; picture: {short(picture)}")


def short(path: Path) -> Path:
    """Relative to the current folder where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def of_trace(args: argparse.Namespace) -> tuple[Timeline, list[Step]]:
    """A recorded timeline and the steps asked for; BadInputError, TimelineError."""
    clash = [n for n in ("model", "stimulus", "theta_x", "theta_h", "record") if getattr(args, n)]
    if clash:
        option = f"--{clash[0].replace('_', '-')}"
        raise BadInputError(f"{option}: found beside --trace, which runs nothing")
    timeline = read_timeline(args.trace)
    if not timeline.steps:
        raise TimelineError(f"{args.trace}: found no finished step, expected one or more")
    begin, end = step_range(args.steps, len(timeline.steps))
    return timeline, timeline.steps[begin:end]


@guarded("timeline.py")
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    words = ["python", "scripts/timeline.py", *(argv if argv is not None else sys.argv[1:])]

    def one_line(error: Exception, status: int) -> int:
        print(f"timeline.py: {' '.join(str(error).split())}", file=sys.stderr)
        return status

    try:
        trace = output_path(args.json, "timeline.json")
        picture = output_path(args.plot, "timeline.png")
        if picture.suffix not in SUFFIXES:
            raise BadInputError(
                f"--plot: found {picture.name!r}, expected a name with {', '.join(SUFFIXES)}"
            )
        record = output_path(args.record, "timeline.txt")
        outputs = outputs_of(trace, picture, None if args.trace else record)
        check_outputs(outputs, sources_of(args), args.force)
        if args.trace is not None:
            timeline, steps = of_trace(args)
        else:
            job = job_of(args)
    except (BadInputError, ModelFileError, DramError, OutputError, TimelineError) as error:
        return one_line(error, BAD_INPUT)

    try:
        if args.trace is not None:
            show(timeline, steps, f"{args.trace}", trace, picture)
            return OK
        timeline, core = recorded(job, record, words)
        verdict_of_counters = compared(timeline, core)
        units = " + ".join(map(str, job.model.hidden_sizes))
        title = f"{units} units, {args.sim}, DRAM {args.dram}, 64-bit port"
        show(timeline, timeline.steps[slice(*job.steps)], title, trace, picture)
        print(verdict_of_counters)
    except MismatchError as error:
        return one_line(error, FAILED)
    except (SimulationError, BuildError, TraceError, TimelineError, OSError) as error:
        print(f"timeline.py: {error}", file=sys.stderr)
        return FAILED
    return OK
