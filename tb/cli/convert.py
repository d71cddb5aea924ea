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
from pathlib import Path

import numpy as np

from golden import fixed
from golden.files import whole_file
from golden.importers.convert import ConversionError, QuantReport, convert_layers
from golden.importers.importing import FORMATS, read_network
from golden.model_file import Model, ModelFileError, save_model
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
                 without running code from it: the tensors of a torch.nn.GRU (weight_ih_l0, ...) or
                 of this repository's DeltaGRU (weight_ih.0, ...), under any one prefix
  ONNX           GRU nodes in a chain, as torch.onnx.export writes a torch.nn.GRU of any number of
                 layers: forward, linear_before_reset = 1, sigmoid and tanh, initial state zero
  One direction, no projection, at most {fixed.MAX_LAYERS} layers, hidden sizes in steps of \
{fixed.HIDDEN_STEP} up to {fixed.MAX_HIDDEN}.
  What else is in the file, such as a read-out, is named and left out.

what comes out
  M.npz          int8 weights (units of 2^-7: -1 to 0.992, the rest is clipped), int32 biases
                 (2^-15), thresholds; scripts/simulate.py runs it, and its --help has the keys
  the report     for each tensor: values, how many were clipped, largest and rms error in the
                 tensor's own units, signal-to-noise ratio; --report writes it to a file

exit status
  0  the model file was written
  1  it could not be written
  2  bad input: one line says what was found and what was expected, and nothing is written

examples
  convert.py --input net.safetensors --output m.npz
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
                        help="what the names of the GRU's tensors begin with, such as 'rnn.' "
                        "(default: found, if there is only one)")  # fmt: skip
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
    check_outputs(outputs, {"--input": args.input}, args.force)


def convert(args: argparse.Namespace) -> tuple[Model, QuantReport, tuple[str, ...]]:
    """The model, what quantisation cost, and notes on what was left out."""
    lut_frac = whole_number(args.lut_frac, "--lut-frac", fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX)
    form = None if args.format == "auto" else args.format
    network = read_network(args.input, form, args.prefix)
    model, report = convert_layers(
        network.layers,
        thresholds(args.theta_x, "--theta-x", len(network.layers)) or 0,
        thresholds(args.theta_h, "--theta-h", len(network.layers)) or 0,
        lut_frac,
        pad=args.pad,
        source=str(args.input),
        extras={MADE_BY: np.array("convert")},
    )
    return model, report, network.notes


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
        model, report, notes = convert(args)
    except (BadInputError, ConversionError, ModelFileError, OutputError) as error:
        print(f"convert.py: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    try:
        write(args, model, report)
    except OSError as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return FAILED
    print(report.table())
    for note in notes:
        print(f"note: {' '.join(note.split())}")
    if report.clipped_weights > CLIPPED_LIMIT:
        print(
            f"convert.py: warning: {100 * report.clipped_weights:.2f} % of the weights were "
            "clipped to -1...0.992; keep them there in training (DeltaGRU.clamp_weights)",
            file=sys.stderr,
        )
    print(f"{args.output}: {summary(model)}")
    return OK
