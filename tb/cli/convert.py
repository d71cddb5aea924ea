# SPDX-License-Identifier: Apache-2.0
"""Convert a trained GRU, from PyTorch or ONNX, to a model file, and show what rounding cost."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden import fixed
from golden.files import whole_file
from golden.importers.convert import ConversionError, QuantReport
from golden.importers.importing import FORMATS, Network, read_network
from golden.importers.quality import (
    REFUSE_DB,
    WARN_DB,
    Quality,
    checked_input,
    clipped_inputs,
    clipped_weights,
    coarse_inputs,
    convert_checked,
    listing,
    scaled_layers,
    threshold_db,
)
from golden.model_file import INPUT_SCALE, Model, ModelFileError, save_model
from golden.outputs import MADE_BY, OutputError, model_of, text
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
    thresholds,
    whole_number,
)

CLIPPED_LIMIT = 0.001  # share of the weights from which clipping is worth a warning
REPORTS = (".csv", ".json")

EPILOG = f"""\
what can be read
  a state_dict   .safetensors, or .pt and the like from torch.save(network.state_dict(), FILE), read
                 without running code from it: the tensors of a torch.nn.GRU (weight_ih_l0, ...), of
                 a torch.nn.GRUCell or of this repository's DeltaGRU (weight_ih.0, ...), under any
                 one prefix, or of several modules in a chain (--prefix rnn1,rnn2). Pruned, weight-
                 normed and spectrally normed weights are put together. One shard of several, or
                 their index (.index.json), stands for all of them
  ONNX           GRU nodes in a chain, as torch.onnx.export writes a torch.nn.GRU of any number of
                 layers: linear_before_reset = 1, sigmoid and tanh, initial state zero; --prefix
                 names the nodes, if not all
  One direction, no projection, at most {fixed.MAX_LAYERS} layers, hidden sizes in steps of \
{fixed.HIDDEN_STEP} up to {fixed.MAX_HIDDEN}.
  What else is in the file, such as a read-out, is named and left out.

what comes out
  M.npz          int8 weights (units of 2^-7: -1 to 0.992, the rest is clipped), int32 biases
                 (2^-15), thresholds; scripts/simulate.py runs it, and its --help has the keys
  the error      of h beside the float network's, layer by layer, on a calibration input
                 (--calibrate), as signal-to-noise ratio: below 20 dB a warning names the cause and
                 what helps, below 6 dB nothing is written (--min-snr)
  input scale    with --calibrate, inputs that leave -128 to 128, or are tiny, are scaled by powers
                 of two, and their weights the other way, which is exact. The key input_scale_log2
                 int64 (I,) of M.npz says so: x_j 2^-k_j is what the device takes, and what
                 golden.model_file.Model.quantise_input makes; --theta-x counts in scaled inputs
  the report     for each tensor: values, how many were clipped, largest and rms error in the
                 tensor's own units, signal-to-noise ratio; --report writes it to a file

exit status
  0  the model file was written
  1  it could not be written
  2  bad input: one line says what was found and what was expected, and nothing is written

examples
  convert.py --input net.safetensors --output m.npz
  convert.py --input net.pt --output m.npz --calibrate inputs.npy
  convert.py --input checkpoint.pt --prefix model.rnn --output m.npz --theta-x 32 --theta-h 64
  convert.py --input net.onnx --output m.npz --pad --report cost.csv
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="convert.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files")
    files.add_argument("--input", required=True, metavar="FILE", type=Path, help="the network")
    files.add_argument("--output", required=True, metavar="M.npz", type=Path,
                       help="where the model goes")  # fmt: skip
    files.add_argument("--report", metavar="FILE", type=Path,
                       help=f"write the report there too ({' or '.join(REPORTS)})")  # fmt: skip
    parser.add_argument("--format", choices=("auto", *FORMATS), default="auto",
                        help="what the input is (default: %(default)s, by its suffix)")  # fmt: skip
    parser.add_argument("--prefix", metavar="P",
                        help="what the names of the GRU's tensors begin with, such as 'rnn.', or "
                        "the name of the ONNX node; several, with commas, for a chain in that "
                        "order (default: found, if there is only one)")  # fmt: skip
    parser.add_argument("--direction", choices=("forward", "reverse"),
                        help="which direction of a bidirectional GRU to take; for the reverse, the "
                        "device must be fed from the end to the start")  # fmt: skip
    parser.add_argument("--calibrate", metavar="X.npy", type=Path,
                        help="inputs of the float network, floats (T, I) or (N, T, I), on which to "
                        "measure the error (default: random inputs of deviation 1)")  # fmt: skip
    parser.add_argument("--input-scale", choices=("auto", "off"), default="auto",
                        help="scale inputs by powers of two where --calibrate shows that it helps "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--min-snr", metavar="DB", default=f"{REFUSE_DB:g}",
                        help="refuse a network whose error is larger (default: %(default)s dB; "
                        "'off' takes all)")  # fmt: skip
    add_thresholds(parser, "0, a dense GRU")
    parser.add_argument("--lut-frac", default=str(fixed.LUT_FRAC_MAX), metavar="F",
                        help="fraction bits of the sigmoid and tanh tables, "
                        f"{fixed.LUT_FRAC_MIN} to {fixed.LUT_FRAC_MAX} "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--pad", action="store_true",
                        help=f"fill hidden sizes up to a multiple of {fixed.HIDDEN_STEP} with "
                        "units that stay 0, which changes no result")  # fmt: skip
    add_force(parser)
    return parser.parse_args(argv)


def check_files(args: argparse.Namespace) -> None:
    outputs = [Output("--output", args.output, model_of("convert"))]
    if args.report:
        if args.report.suffix not in REPORTS:
            raise BadInputError(f"--report: found {args.report}, expected {' or '.join(REPORTS)}")
        ours = text('[\n {\n  "tensor"') if args.report.suffix == ".json" else text("tensor,")
        outputs.append(Output("--report", args.report, ours))
    check_outputs(outputs, {"--input": args.input, "--calibrate": args.calibrate}, args.force)


@dataclass(frozen=True)
class Converted:
    """The model, what quantisation cost its tensors and its h, and what there is to say of it."""

    model: Model
    report: QuantReport
    quality: Quality
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def convert(args: argparse.Namespace) -> Converted:
    """Read, quantise and measure. BadInputError for a network below --min-snr."""
    lut_frac = whole_number(args.lut_frac, "--lut-frac", fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX)
    least = decibels(args.min_snr, "--min-snr")
    form = None if args.format == "auto" else args.format
    network = read_network(args.input, form, args.prefix, args.direction)
    calibration, words = None, "random inputs of deviation 1"
    if args.calibrate is not None:
        inputs = network.layers[0][0].shape[-1]
        calibration, words = checked_input(args.calibrate, load_array(args.calibrate), inputs)
    theta_x = thresholds(args.theta_x, "--theta-x", len(network.layers)) or 0
    theta_h = thresholds(args.theta_h, "--theta-h", len(network.layers)) or 0
    model, report, quality = convert_checked(
        network.layers,
        calibration,
        words,
        scale=args.input_scale == "auto",
        theta_x=theta_x,
        theta_h=theta_h,
        lut_frac=lut_frac,
        pad=args.pad,
        source=str(args.input),
        extras={MADE_BY: np.array("convert")},
    )
    if quality.snr_db < least:
        raise BadInputError(
            f"{args.input}: found a network that quantisation spoils: {quality.complaint()}; "
            f"expected {least:g} dB or more (--min-snr lowers the limit)"
        )
    notes, warnings = remarks(network, model, report, quality, calibration)
    if model.theta_x.any() or model.theta_h.any():
        ratio = threshold_db(network.layers, model, calibration)
        said = f"at the thresholds given, h is {ratio:.1f} dB above its error on {words}"
        # Random inputs move as no signal does, and thresholds are chosen for signals.
        (warnings if calibration is not None and ratio < WARN_DB else notes).append(said)
    return Converted(model, report, quality, tuple(notes), tuple(warnings))


def remarks(
    network: Network,
    model: Model,
    report: QuantReport,
    quality: Quality,
    calibration: np.ndarray | None,
) -> tuple[list[str], list[str]]:
    """Notes, and warnings, on what was left out, scaled, clipped and rounded."""
    notes, warnings = list(network.notes), []
    scale = model.input_scale_log2
    if scale.any():
        notes.append(
            f"inputs are scaled, x_j 2^-k_j: k = {','.join(map(str, scale))} ({INPUT_SCALE} in the "
            "model file; Model.quantise_input applies it, and --theta-x counts in scaled inputs)"
        )
    if quality.poor:
        warnings.append(quality.complaint())
    else:
        notes += clipped_weights(scaled_layers(network.layers, scale))
    outside = [] if calibration is None else clipped_inputs(model, calibration)
    if outside and "beyond +-128" not in "".join(warnings):
        warnings.append(
            f"{len(outside)} inputs ({listing(outside)}) leave -128 to 128 and are clipped; "
            "--input-scale auto scales them"
        )
    if report.clipped_weights > CLIPPED_LIMIT:
        warnings.append(
            f"{100 * report.clipped_weights:.2f} % of the weights were clipped to -1...0.992; "
            "keep them there in training (DeltaGRU.clamp_weights)"
        )
    coarse = coarse_inputs(scaled_layers(network.layers, scale)[0][0])
    if calibration is None and coarse:
        warnings.append(
            f"l0.weight_ih: the weights of {len(coarse)} inputs ({listing(coarse)}) are so small "
            f"that rounding costs more than {WARN_DB:.0f} dB, as for inputs that are far from "
            "deviation 1 and may leave -128 to 128; --calibrate X.npy scales such inputs"
        )
    return notes, warnings


def load_array(path: Path) -> np.ndarray:
    """The array in a .npy file, or BadInputError."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise BadInputError(f"--calibrate: {path}: found {found}, expected a .npy file")
    try:
        array = np.load(path, allow_pickle=False)
    except Exception:  # whatever numpy's parsers raise on bytes that are no array
        found = "something that numpy cannot read"
        raise BadInputError(f"--calibrate: {path}: found {found}, expected a .npy file") from None
    if not isinstance(array, np.ndarray):
        raise BadInputError(f"--calibrate: {path}: found an archive, expected a .npy file")
    return array


def decibels(text: str, option: str) -> float:
    """``text`` as a number, or -inf for 'off'; else BadInputError."""
    try:
        value = -math.inf if text == "off" else float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value) or value == math.inf:
        raise BadInputError(f"{option}: found {text!r}, expected a number of decibels or 'off'")
    return value


def report_text(report: QuantReport, suffix: str) -> str:
    """The report as CSV or JSON, which has no infinity: a ratio without noise is null there."""
    records = report.records()
    if suffix == ".json":
        finite = [
            {k: None if v == math.inf else v for k, v in record.items()} for record in records
        ]
        return json.dumps(finite, indent=1) + "\n"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def write(args: argparse.Namespace, model: Model, report: QuantReport) -> None:
    """Both files or neither: the report gets its name once the model has its own."""
    with contextlib.ExitStack() as stack:
        if args.report:
            file = stack.enter_context(whole_file(args.report))
            file.write(report_text(report, args.report.suffix).encode())
        save_model(args.output, model)


def summary(model: Model) -> str:
    sizes = "-".join(map(str, (model.input_size, *model.hidden_sizes)))
    text = f"{model.num_layers} layers, sizes {sizes}, {model.parameters} parameters"
    real = model.extras.get("unpadded_hidden_sizes")
    return text if real is None else f"{text}, padded from {'-'.join(map(str, real))} units"


@guarded("convert.py")
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    try:
        check_files(args)
        done = convert(args)
    except (BadInputError, ConversionError, ModelFileError, OutputError) as error:
        print(f"convert.py: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    try:
        write(args, done.model, done.report)
    except OSError as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return FAILED
    print(done.report.table())
    print(done.quality.table())
    for note in done.notes:
        print(f"note: {' '.join(note.split())}")
    for warning in done.warnings:
        print(f"convert.py: warning: {' '.join(warning.split())}", file=sys.stderr)
    print(f"{args.output}: {summary(done.model)}")
    return OK
