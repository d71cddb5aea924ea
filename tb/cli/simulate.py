# SPDX-License-Identifier: Apache-2.0
"""Run a model on the RTL, compare it with the golden model, and write what was measured."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from golden.files import whole_file, write_text
from golden.model_file import ModelFileError, load_model
from golden.outputs import OutputError, archive, beside, text
from golden.timing import CLOCK_MHZ
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
from tb.debug.divergence.replay import LocaliseError, localise_command
from tb.device.dram import DramError, load_dram
from tb.failure import BuildError, SimulationError, failure_of
from tb.flows.simulation import Result, simulate
from tb.paths import REPO, SIMULATORS
from tb.records import to_json
from tb.settings import settings

MAX_INTERVAL = 10**9
WAVE_SUFFIXES = (".fst", ".vcd")

EPILOG = """\
the input files
  M.npz      format, num_layers, lut_frac, and for each layer i l{i}.weight_ih int8 (3H, I),
             l{i}.weight_hh int8 (3H, H), l{i}.bias int32 (4, H); theta_x, theta_h int16 (L,)
  X.npy      int16 (T, I), Q8.8: 256 is 1.0
  FILE.toml  timing of a weight memory; tb/tables/dram holds examples of all keys

the output file
  h            int16 (T, H)  hidden state of the last layer, Q8.8
  latency      int64 (T,)    cycles from x offered to the last beat of h taken
  period       int64 (T,)    cycles between the last beats of two steps; period[0] = latency[0]
  columns_x    int64 (T, L)  weight columns read for inputs that moved by at least theta_x
  columns_h    int64 (T, L)  the same for hidden units and theta_h
  dram_bytes   int64 (T,)    bytes of those columns
  wall_seconds, cycles       of the simulation loop

exit status
  0  the run ended and, unless --no-check was given, equals the golden model bit for bit
  1  it does not (the first difference is named), or the simulation failed
  2  bad input: one line says which file and key, and what was expected

examples
  simulate.py --model m.npz --stimulus x.npy --output out.npz
  simulate.py --model m.npz --stimulus x.npy --output out.npz --dram ddr3l --theta-x 32 --theta-h 64
  simulate.py --model m.npz --stimulus x.npy --output out.npz --sim icarus --steps 5 --waves
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="simulate.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument("--model", required=True, metavar="M.npz", help="the model")
    files.add_argument("--stimulus", required=True, metavar="X.npy", help="the input sequence")
    files.add_argument("--output", required=True, metavar="OUT.npz", help="where results go")
    files.add_argument("--failure", metavar="FILE.json",
                       help="where to write why the run failed, as data")  # fmt: skip
    parser.add_argument("--sim", choices=SIMULATORS, default="verilator",
                        help="simulator (default: %(default)s, by far the faster)")  # fmt: skip
    parser.add_argument("--dram", default="ideal", metavar="ideal|ddr3l|FILE.toml",
                        help="weight memory: ideal gives a beat every cycle, the first one cycle "
                        "after the address; ddr3l is the memory of a MiniZed")  # fmt: skip
    parser.add_argument("--interval", default="0", metavar="N",
                        help="offer the next input N cycles after the output has left "
                        "(default: 0, at once)")  # fmt: skip
    add_thresholds(parser, "the model's")
    parser.add_argument("--steps", metavar="N", help="run only the first N rows of the stimulus")
    parser.add_argument("--seed", default="1", metavar="S",
                        help="seed of stalls, padding and random initial values "
                        "(default: 1)")  # fmt: skip
    parser.add_argument("--waves", action="store_true",
                        help="write waveforms beside the output, as OUT.fst, or as OUT.vcd where "
                        "Verilator lacks lz4.h and zlib.h")  # fmt: skip
    parser.add_argument("--no-check", action="store_true",
                        help="do not compare with the golden model")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def write_output(path: Path, result: Result) -> None:
    with whole_file(path) as file:
        np.savez(
            file,
            h=result.h,
            latency=result.latency,
            period=result.period,
            columns_x=result.columns_x,
            columns_h=result.columns_h,
            dram_bytes=result.dram_bytes,
            wall_seconds=np.float64(result.wall_seconds),
            cycles=np.int64(result.cycles),
        )


def summary(result: Result, checked: bool) -> str:
    steps = len(result.latency)
    columns = result.columns_x.sum(1).mean() + result.columns_h.sum(1).mean()
    speed = result.cycles / max(result.wall_seconds, 1e-9)
    verdict = f"equal to the golden model in {result.compared} values" if checked else "not checked"
    return (
        f"{steps} steps, {verdict}\n"
        f"latency {result.latency.mean():.1f} cycles a step "
        f"({result.latency.mean() / CLOCK_MHZ:.1f} us at {CLOCK_MHZ:g} MHz), "
        f"period {result.period.mean():.1f}\n"
        f"{columns:.1f} weight columns and {result.dram_bytes.mean():.0f} bytes a step\n"
        f"{result.cycles} cycles in {result.wall_seconds:.2f} s: {speed:.0f} cycles/s"
    )


def localised(words: list[str], mismatch: MismatchError, seed: int) -> str:
    """How to localise a mismatch; with LOCALISE=1, the first wrong value."""
    again = f"LOCALISE=1 {shlex.join(words)}"
    if not settings().localise:
        return f"LOCALISE: {again}"
    folder = REPO / "reports" / "localise" / "simulate"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(REPO / "scripts" / "simulate.py"), *words[2:], "--no-check"]
    command += ["--steps", str((mismatch.step or 0) + 1), "--output", str(folder / "out.npz")]
    try:
        found = localise_command(command, seed, folder, rerun=again)
        return replace(found, message=str(mismatch)).text()
    except LocaliseError as error:
        return f"not localised: {' '.join(str(error).split())}"


def outputs_of(args: argparse.Namespace, output: Path) -> list[Output]:
    """What is written; the waves of an earlier run are ours if its results are."""
    ours = archive("h", "latency", "period", "dram_bytes")
    outputs = [Output("--output", output, ours)]
    if args.waves:
        waves = [output.with_suffix(suffix) for suffix in WAVE_SUFFIXES]
        outputs += [Output("--waves", path, beside(output, ours)) for path in waves]
    if args.failure is not None:
        outputs.append(Output("--failure", Path(args.failure), text('{\n "kind"')))
    return outputs


def sources_of(args: argparse.Namespace) -> dict[str, str | None]:
    """What is read, by option."""
    memory = args.dram if Path(args.dram).is_file() else None
    return {"--model": args.model, "--stimulus": args.stimulus, "--dram": memory}


def leave_failure(file: str | None, error: Exception) -> None:
    """Write what ended the run where ``--failure`` wants it."""
    if file is not None:
        write_text(file, to_json(failure_of(error)) + "\n")


@guarded("simulate.py")
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    output = Path(args.output)
    try:
        interval = whole_number(args.interval, "--interval", 0, MAX_INTERVAL)
        seed = whole_number(args.seed, "--seed", 0, 2**31 - 1)
        model = load_model(args.model)
        stimulus = load_stimulus(args.stimulus, model, args.model)
        model = model.with_theta(
            thresholds(args.theta_x, "--theta-x", model.num_layers),
            thresholds(args.theta_h, "--theta-h", model.num_layers),
        )
        if args.steps is not None:
            stimulus = stimulus[: whole_number(args.steps, "--steps", 1, len(stimulus))]
        dram = load_dram(args.dram)
        check_outputs(outputs_of(args, output), sources_of(args), args.force)
        if args.failure is not None:
            Path(args.failure).unlink(missing_ok=True)
    except (BadInputError, ModelFileError, DramError, OutputError) as error:
        print(f"simulate.py: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT

    words = ["python", "scripts/simulate.py", *(argv if argv is not None else sys.argv[1:])]
    try:
        with tqdm(total=len(stimulus), unit="step", disable=None, leave=False) as bar:
            result = simulate(
                model,
                stimulus,
                sim=args.sim,
                dram=dram,
                interval=interval,
                seed=seed,
                check=not args.no_check,
                waves_file=output if args.waves else None,
                progress=bar.update,
                reproduce=shlex.join(words),
            )
        write_output(output, result)
    except MismatchError as error:
        leave_failure(args.failure, error)
        print(f"simulate.py: mismatch: {error}", file=sys.stderr)
        print(
            f"REPRODUCE: {shlex.join(words)} --steps {(error.step or 0) + 1} --waves",
            file=sys.stderr,
        )
        print(localised(words, error, seed), file=sys.stderr)
        return FAILED
    except (SimulationError, BuildError, TraceError, OSError) as error:
        leave_failure(args.failure, error)
        print(f"simulate.py: {error}", file=sys.stderr)
        return FAILED
    print(summary(result, not args.no_check))
    return OK
