# SPDX-License-Identifier: Apache-2.0
"""Make a stimulus, random or adversarial, and write what the golden model expects of it: a golden
trace. Or replay a trace, to see whether model and golden model still agree with it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from golden import fixed
from golden.arrays import Int16s
from golden.edges import hidden_edges
from golden.files import whole_file
from golden.model_file import Model, ModelFileError, load_model
from golden.outputs import OutputError, archive
from golden.stimulus import DESCRIPTIONS, KINDS, random_inputs
from golden.trace import GoldenTrace, TraceFileError, read_trace, record, replay, write_trace
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

KIND, SEED, STEPS = "uniform", "1", "100"
MAX_STEPS = 10**6
MAKING = ("kind", "stimulus", "steps", "seed", "theta_x", "theta_h", "hidden_edges", "x_out",
          "floats", "memories", "gates")  # fmt: skip
KIND_LIST = "\n".join(f"  {kind:<12} {text}" for kind, text in DESCRIPTIONS.items())

EPILOG = f"""\
kinds of stimulus (Θ: the first layer's --theta-x)
{KIND_LIST}

the trace
  x                    int16 (T, I)   the stimulus, Q8.8: 256 is 1.0
  theta_x, theta_h     int16 (L,)     the thresholds it ran with, Q8.8
  l{{i}}.dx, l{{i}}.dh     int16          deltas of layer i, 0 where silent, (T, I) and (T, H)
  l{{i}}.fired_x, .fired_h  bool      which elements fired, the same shapes
  l{{i}}.h               int16 (T, H)   what the layer must put out, Q8.8
  l{{i}}.memory          int32 (T, 4, H)  delta memories, Q17.15 (--memories)
  l{{i}}.r, .z, .n       int16 (T, H)   gates, 2^-8 units (--gates)
  format, kind, seed, model_sha256    what it is and where it comes from

exit status
  0  written; or replayed, and every value is the same
  1  the replay differs (the first difference is named), or writing failed
  2  bad input: one line says what, and what was expected

examples
  stimulus.py --list
  stimulus.py --model m.npz --kind walk --hidden-edges --output t.npz
  stimulus.py --model m.npz --kind ramp --theta-x 64 --theta-h 32 --output t.npz --x-out x.npy
  simulate.py --model m.npz --theta-x 64 --theta-h 32 --stimulus x.npy --output out.npz
  stimulus.py --model m.npz --stimulus mine.npy --memories --output t.npz
  stimulus.py --model m.npz --floats inputs.npy --output t.npz --x-out x.npy
  stimulus.py --model m.npz --replay t.npz
"""


class ListKinds(argparse.Action):
    """Print the kinds and leave, whatever else is missing."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: Any, **_more: Any) -> None:
        print(KIND_LIST)
        parser.exit(OK)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="stimulus.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", action=ListKinds, nargs=0, help="list the kinds of stimulus")
    parser.add_argument("--model", required=True, metavar="M.npz", help="the model")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", metavar="TRACE.npz", help="where the trace goes")
    task.add_argument("--replay", metavar="TRACE.npz",
                      help="run the golden model on this trace again and compare")  # fmt: skip
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--kind", choices=KINDS, metavar="KIND",
                        help=f"what to make (default: {KIND})")  # fmt: skip
    source.add_argument("--stimulus", metavar="X.npy",
                        help="do not make a stimulus, take this one, int16 (T, I)")  # fmt: skip
    source.add_argument("--floats", metavar="X.npy",
                        help="do not make a stimulus, take these inputs of the float network, "
                        "floats (T, I), scaled as the model says and rounded to Q8.8")  # fmt: skip
    parser.add_argument("--steps", metavar="N",
                        help=f"time steps (default: {STEPS}), or the first N rows "
                        "of X.npy")  # fmt: skip
    parser.add_argument("--seed", metavar="S",
                        help=f"the same seed, the same stimulus (default: {SEED})")  # fmt: skip
    add_thresholds(parser, "the model's")
    parser.add_argument("--hidden-edges", action="store_true",
                        help="instead of --theta-h: look for thresholds that hidden states come "
                        "to by Θ-1, Θ and Θ+1, either sign; every Θh, and Θx of all layers but "
                        "the first")  # fmt: skip
    parser.add_argument("--x-out", metavar="X.npy",
                        help="write the stimulus for simulate.py too")  # fmt: skip
    parser.add_argument("--memories", action="store_true", help="keep all delta memories")
    parser.add_argument("--gates", action="store_true", help="keep all gates r, z, n")
    add_force(parser)
    return parser.parse_args(argv)


def make(args: argparse.Namespace, model: Model) -> GoldenTrace:
    """The trace that the arguments ask for."""
    model = model.with_theta(
        thresholds(args.theta_x, "--theta-x", model.num_layers),
        thresholds(args.theta_h, "--theta-h", model.num_layers),
    )
    kind = args.kind or KIND
    seed = whole_number(args.seed or SEED, "--seed", 0, 2**31 - 1)
    if args.stimulus is not None or args.floats is not None:
        if args.seed is not None:
            option = "--stimulus" if args.floats is None else "--floats"
            raise BadInputError(f"--seed: found beside {option}, expected one of them")
        if args.floats is not None:
            x = quantised(args.floats, model)
        else:
            x = load_stimulus(args.stimulus, model, args.model)
        kind, seed = "file", 0
        if args.steps is not None:
            x = x[: whole_number(args.steps, "--steps", 1, len(x))]
    else:
        steps = whole_number(args.steps or STEPS, "--steps", 1, MAX_STEPS)
        rng = np.random.default_rng(seed)
        x = random_inputs(rng, steps, model.input_size, kind, int(model.theta_x[0]))
    if args.hidden_edges:
        if args.theta_h is not None:
            raise BadInputError("--theta-h: found beside --hidden-edges, expected one of them")
        try:
            model = hidden_edges(model, x)
        except ValueError as error:
            raise BadInputError(f"--hidden-edges: {error}") from None
    return record(model, x, kind=kind, seed=seed, memories=args.memories, gates=args.gates)


def quantised(path: str, model: Model) -> Int16s:
    """The floats (T, I) of a .npy file as ``model`` takes them; a warning if any are clipped."""
    expected = f"finite floats (T, {model.input_size})"
    if not Path(path).is_file():
        found = "a folder" if Path(path).is_dir() else "no such file"
        raise BadInputError(f"--floats: {path}: found {found}, expected {expected}")
    try:
        values = np.load(path, allow_pickle=False)
    except Exception:  # whatever numpy's parsers raise on bytes that are no array
        found = "something that numpy cannot read"
        raise BadInputError(f"--floats: {path}: found {found}, expected {expected}") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:
        found = "an archive"
        if isinstance(values, np.ndarray):
            found = f"{values.dtype} of shape {values.shape}"
        raise BadInputError(f"--floats: {path}: found {found}, expected {expected}")
    if values.shape[1] != model.input_size or not len(values):
        found = f"shape {values.shape}"
        raise BadInputError(f"--floats: {path}: found {found}, expected {expected}")
    if not np.isfinite(values).all():
        raise BadInputError(f"--floats: {path}: found values not finite, expected {expected}")
    x = model.quantise_input(values)
    clipped = int(np.count_nonzero((x == fixed.X_MIN) | (x == fixed.X_MAX)))
    if clipped:
        print(
            f"stimulus.py: warning: {path}: {clipped} of {x.size} values are clipped to "
            "-128...127.996; convert.py --calibrate scales inputs",
            file=sys.stderr,
        )
    return x


def summary(trace: GoldenTrace) -> str:
    """What was made, and how often it fires."""
    lines = [f"{len(trace.x)} steps of {trace.kind}, {trace.x.shape[1]} inputs"]
    for i, layer in enumerate(trace.layers):
        fired = ", ".join(
            f"{100 * layer[f'fired_{side}'].mean():.1f} % of Δ{side} fire at Θ{side} = {theta[i]}"
            for side, theta in (("x", trace.theta_x), ("h", trace.theta_h))
        )
        lines.append(f"layer {i}: {fired}")
    return "\n".join(lines)


def write(args: argparse.Namespace, trace: GoldenTrace) -> None:
    """All or nothing, each file."""
    if args.x_out is not None:
        with whole_file(Path(args.x_out)) as file:
            np.save(file, trace.x)
    write_trace(args.output, trace)


def sources_of(args: argparse.Namespace) -> dict[str, str | None]:
    """What is read, by option."""
    return {"--model": args.model, "--stimulus": args.stimulus, "--floats": args.floats}


def outputs_of(args: argparse.Namespace) -> list[Output]:
    """What is written. X.npy is ours if the trace beside it holds the same stimulus."""
    trace = Path(args.output)

    def of_trace(path: Path) -> bool:
        try:
            found = np.load(path, allow_pickle=False)
            return isinstance(found, np.ndarray) and np.array_equal(read_trace(trace).x, found)
        except (OSError, ValueError, EOFError):
            return False

    outputs = [Output("--output", trace, archive("x", "kind", "model_sha256"))]
    if args.x_out is not None:
        outputs.append(Output("--x-out", Path(args.x_out), of_trace))
    return outputs


def compare(path: str, trace: GoldenTrace, model: Model) -> int:
    """Replay a trace: the exit status."""
    difference = replay(model, trace)
    if difference:
        print(f"stimulus.py: {path}: {difference}", file=sys.stderr)
        return FAILED
    print(f"{summary(trace)}\nreplayed: every value is the same")
    return OK


@guarded("stimulus.py")
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    try:
        model = load_model(args.model)
        if args.replay is not None:
            for name in MAKING:
                if getattr(args, name) not in (None, False):
                    option = f"--{name.replace('_', '-')}"
                    raise BadInputError(f"{option}: found beside --replay, expected --output")
            return compare(args.replay, read_trace(args.replay), model)
        check_outputs(outputs_of(args), sources_of(args), args.force)
        trace = make(args, model)
        write(args, trace)
    except (BadInputError, ModelFileError, OutputError, TraceFileError) as error:
        print(f"stimulus.py: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        print(f"stimulus.py: {error}", file=sys.stderr)
        return FAILED
    print(summary(trace))
    return OK
