# SPDX-License-Identifier: Apache-2.0
"""Give a converted network features and a read-out, so that sweep, tune and the demo take it.

A network from elsewhere says nothing of how its inputs were scaled or what its outputs mean. Name
a data set, the scale of the inputs, and a linear read-out: a file, the network's own last layer, or
one that is fitted here on the training split. The error on the validation split is shown beside
that of always giving the same answer.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tb.settings import use_one_blas_thread

use_one_blas_thread()  # before numpy is imported

from tqdm import tqdm

from golden import datasets
from golden.datasets.features import with_input_scale
from golden.datasets.options import add_options
from golden.model_file import Model, load_model, save_model
from golden.outputs import model_of
from golden.train.evaluate import evaluate_items
from golden.train.heads import (
    FEATURES,
    POOLING_OF_TASK,
    attach,
    chance,
    check_pooling,
    extractor,
    fitted_head,
    identity_head,
    items_of,
    read_head,
    read_scale,
    units_of,
)
from golden.train.readout import METRICS
from tb.command_line import (
    BadInputError,
    Output,
    Parser,
    add_force,
    check_outputs,
    status_of,
    whole_number,
)

FIT, IDENTITY = "fit", "identity"
EPILOG = """\
the read-out
  FILE       .npz with weight (outputs, units) and bias (outputs,); or .safetensors, or a state_dict
             from torch.save, with one such weight (a torch.nn.Linear)
  identity   the first units of the last layer are the outputs, in the order of --labels
  fit        a linear layer is fitted on h of the training split: logistic regression for classes,
             least squares for a regression

examples
  python scripts/attach.py --model M.npz --set csv --data my.csv --features standard \\
      --readout fit --output READY.npz
  python scripts/attach.py --model M.npz --set har --data FOLDER --features scale.npz \\
      --readout head.safetensors --labels rest,move --output READY.npz
"""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="attach.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", required=True, metavar="M.npz", help="converted model file (convert.py)")
    add_options(parser, datasets.LOADERS)
    add("--features", required=True, metavar="SCALE", help="scale of the inputs: raw (the channels "
        "in their own units), standard (mean 0, deviation 1 over the training split), or FILE.npz "
        "with the mean and std that the network was trained with")  # fmt: skip
    add("--readout", required=True, metavar="HEAD", help=f"FILE, {IDENTITY} or {FIT}, see below")
    add("--labels", metavar="A,B,...", help="names of the outputs, in their order; those of the "
        "data set (default: the data set's order)")  # fmt: skip
    add("--pooling", choices=("last", "mean", "none"), help="what the read-out sees of a sequence "
        "with one label: its last h, or the mean (default: last; none where every step has a "
        "target)")  # fmt: skip
    add("--seed", default="1", metavar="S", help="seed of the fit (default: 1)")
    add("--output", required=True, type=Path, metavar="READY.npz", help="model file to write")
    add_force(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    return status_of("attach.py", lambda: attach_file(args), ())


def attach_file(args: argparse.Namespace) -> None:
    """Everything the command does; raises what it ends in otherwise."""
    seed = whole_number(args.seed, "--seed", 0, 2**31 - 1)
    sources = {"--model": args.model, "--data": args.data}
    files = {"--features": args.features, "--readout": args.readout}
    sources |= {option: name for option, name in files.items() if Path(name).is_file()}
    check_outputs([Output("--output", args.output, model_of("attach"))], sources, args.force)
    model = load_model(args.model)
    dataset = datasets.load_as_typed(args)
    print(dataset.summary())
    if dataset.task not in POOLING_OF_TASK:
        raise BadInputError(
            f"--set: {args.set}: found the task {dataset.task!r}, expected one of "
            f"{', '.join(POOLING_OF_TASK)}, which a linear read-out without a blank solves"
        )
    pooling = args.pooling or POOLING_OF_TASK[dataset.task][0]
    check_pooling(dataset.task, pooling)
    scale = args.features if args.features in FEATURES else read_scale(
        args.features, model.input_size
    )  # fmt: skip
    extract = extractor(dataset, scale, model.input_size)
    scaled = with_input_scale(extract, model)
    train, judged = (items_of(dataset, split, scaled) for split in ("train", "validation"))
    labels = tuple(dataset.labels)
    order = _order(args.labels, labels)
    if args.readout == FIT:
        steps = sum(len(item.x) for item in train)
        with tqdm(total=steps, unit="step", desc="integer model", leave=False) as bar:
            weight, bias = fitted_head(
                model, train, dataset.task, len(labels), pooling, seed, bar.update
            )
    else:
        units = units_of(model)
        weight, bias = (
            identity_head(len(labels), units)
            if args.readout == IDENTITY
            else read_head(args.readout, units)
        )
        if len(weight) == len(order):  # else `attach` says what was expected
            weight, bias = weight[order], bias[order]
    ready = attach(model, extract, dataset.task, labels, weight, bias, pooling)
    said = _compared(ready, dataset.task, train, judged)
    save_model(args.output, ready)
    print(said)
    print(f"\n{args.output}: {len(labels)} outputs: {', '.join(labels)}")


def _order(text: str | None, labels: tuple[str, ...]) -> list[int]:
    """Where each of the data set's `labels` is among the outputs that `text` names in order."""
    if text is None:
        return list(range(len(labels)))
    named = text.split(",")
    if sorted(named) != sorted(labels):
        raise BadInputError(
            f"--labels: found {text!r}, expected those of the data set in the order of the "
            f"outputs: {', '.join(labels)}"
        )
    return [named.index(label) for label in labels]


def _compared(model: Model, task: str, train: list[Any], judged: list[Any]) -> str:
    """The error on the validation split beside that of a constant answer, in words."""
    found = evaluate_items(model, judged).score
    constant = chance(task, train, judged)
    said = (
        f"validation split, {METRICS[task]}: {found.shown} (always the same answer: "
        f"{constant.shown})"
    )
    if found.value >= constant.value:
        said += (
            "\nwarning: the network is no better than always giving the same answer; check "
            "--features and the order of --labels"
        )
    return said
