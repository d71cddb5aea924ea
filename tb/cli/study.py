# SPDX-License-Identifier: Apache-2.0
"""What sweep.py and tune.py share: a model, its data, a platform, and confirmation on the RTL."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from golden import datasets
from golden.datasets.options import add_options, given
from golden.model_file import Model, load_model
from golden.timing import CLOCK_MHZ
from golden.train.evaluate import prepare
from golden.train.network import Item
from golden.tuning.operating_point import OperatingPoint, Platform
from tb.command_line import BadInputError, whole_number
from tb.device.dram import load_dram
from tb.flows.confirm import Confirmation, confirm


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Options for model, data, platform and confirmation."""
    add = parser.add_argument
    add("--model", required=True, metavar="M.npz", help="trained model file (golden/models)")
    add_options(parser, datasets.LOADERS)
    add("--reference", metavar="DENSE.npz", help="network whose error at Θ = 0 a loss is over "
        "(default: M.dense.npz beside the model, where training leaves the network before it was "
        "retrained; else the model itself)")  # fmt: skip
    add("--on", choices=datasets.SPLITS, default="validation",
        help="what thresholds are judged on (default: validation; the test split is for the "
        "figures at the end)")  # fmt: skip
    add("--limit", metavar="N", help="use only N sequences of a split, spread over it")
    add("--dram", default="ddr3l", metavar="NAME", help="ideal, ddr3l, far or FILE.toml, as in "
        "simulate.py (default: ddr3l)")  # fmt: skip
    add(
        "--clock",
        type=float,
        default=CLOCK_MHZ,
        metavar="MHZ",
        help=f"clock (default: {CLOCK_MHZ:g})",
    )
    add("--sim", choices=("verilator", "icarus"), default="verilator",
        help="simulator of the confirmation (default: verilator)")  # fmt: skip
    add("--confirm", default="200", metavar="N",
        help="confirm chosen points on the RTL over N steps of one test sequence; 0: do not "
        "(default: 200)")  # fmt: skip
    add("--jobs", default="2", metavar="N", help="processes (default: 2)")
    add("--seed", default="1", metavar="S", help="seed of whatever is random (default: 1)")


def sources(args: argparse.Namespace) -> dict[str, str | Path | None]:
    """What a study reads, by option, for `check_outputs`."""
    dense = Path(args.reference or Path(args.model).with_suffix(".dense.npz"))
    memory = args.dram if Path(args.dram).is_file() else None
    return {
        "--model": args.model,
        "--data": args.data,
        "--reference": dense,
        "--dram": memory,
    }


@dataclass(frozen=True)
class Study:
    """What was asked for, read and checked. `reference`: the Model that losses are over."""

    model: Model
    reference: Model
    items: list[Item]
    test: list[Item]
    platform: Platform
    dram: str
    sim: str
    confirm_steps: int
    jobs: int
    seed: int


def load(args: argparse.Namespace) -> Study:
    """Read what the options name. Raises BadInputError, ModelFileError, DatasetError, DramError."""
    confirm_steps = whole_number(args.confirm, "--confirm", 0, 100_000)
    jobs = whole_number(args.jobs, "--jobs", 1, 1024)
    seed = whole_number(args.seed, "--seed", 0, 2**31 - 1)
    limit = None if args.limit is None else whole_number(args.limit, "--limit", 1, 10**9)
    if not 1 <= args.clock <= 10_000:
        raise BadInputError(f"--clock: found {args.clock:g}, expected 1 to 10000 MHz")
    model = load_model(args.model)
    memory = load_dram(args.dram).timing()
    if args.split in datasets.SPLITS:  # what --on is was called --split before
        args.on, args.split = args.split, None
    dataset = datasets.load(args.set, args.data, **(_as_trained(args, model) | given(args)))
    _check_answers(args, model, dataset)
    print(dataset.summary())
    items = []
    for split in (args.on, "test"):
        examples = dataset.of_split(split)
        if not examples:
            raise BadInputError(f"--data: {args.data}: found nothing in the {split} split")
        if limit is not None and limit < len(examples):
            examples = [examples[i * len(examples) // limit] for i in range(limit)]
        items.append(prepare(model, examples, lambda e: tqdm(e, desc="features", leave=False)))
    if items[0][0].x.shape[1] != model.input_size:
        raise BadInputError(
            f"--data: {args.data}: found {items[0][0].x.shape[1]} features a step, expected "
            f"{model.input_size}, since {args.model} has {model.input_size} inputs"
        )
    platform = Platform(memory=memory, clock_mhz=args.clock)
    reference = _reference(args, model)
    chosen, test = items
    return Study(
        model, reference, chosen, test, platform, args.dram, args.sim, confirm_steps, jobs, seed
    )


def _as_trained(args: argparse.Namespace, model: Model) -> dict[str, object]:
    """Options of a user's own series that the model file knows: its channels, task and target."""
    if args.set != "csv" or str(model.extras.get("features.kind")) != "channels":
        return {}
    options: dict[str, object] = {
        "columns": [str(name) for name in model.extras["features.names"]],
    }
    if str(model.extras.get("readout.task")) in ("frames", "regression"):
        options["task"] = str(model.extras["readout.task"])
    if options.get("task") == "regression" and "readout.labels" in model.extras:
        options["target"] = str(model.extras["readout.labels"][0])
    return options


def _check_answers(args: argparse.Namespace, model: Model, dataset: Any) -> None:
    """BadInputError if the model answers something else than the data set asks."""
    task = str(model.extras.get("readout.task", dataset.task))
    if task != dataset.task:
        raise BadInputError(
            f"--data: {args.data}: found the task {dataset.task}, expected {task} as {args.model} "
            "was trained for (--task, --target)"
        )
    labels = tuple(str(label) for label in model.extras.get("readout.labels", ()))
    if labels and task != "ctc" and labels != dataset.labels:
        raise BadInputError(
            f"--data: {args.data}: found {_some(dataset.labels)}, expected {_some(labels)} as "
            f"{args.model} was trained for (--target)"
        )


def _some(labels: tuple[str, ...]) -> str:
    return f"{len(labels)} labels ({', '.join(labels[:8])}{', ...' if len(labels) > 8 else ''})"


def _reference(args: argparse.Namespace, model: Model) -> Model:
    """The network that losses are over."""
    path = Path(args.reference or Path(args.model).with_suffix(".dense.npz"))
    if args.reference is None and not path.is_file():
        return model
    found = load_model(path)
    if found.input_size != model.input_size:
        raise BadInputError(
            f"--reference: {path}: found {found.input_size} inputs, expected {model.input_size} "
            f"as in {args.model}"
        )
    return found


def confirmations(study: Study, points: list[tuple[Model, OperatingPoint]]) -> list[str]:
    """Run points on the RTL, on one test sequence; a line for each. Nothing for 0 steps.

    Raises what `tb.flows.confirm.confirm` raises at the first difference to the golden model.
    """
    if not study.confirm_steps:
        return []
    longest = max(study.test, key=lambda item: len(item.x))
    x = longest.x[: study.confirm_steps]
    lines = [
        f"on the RTL ({study.sim}, DRAM {study.dram}), {len(x)} steps of one test sequence:",
        f"{'thresholds':<26} {'values equal':>12} {'cycles/step':>11} {'predicted':>10} "
        f"{'off by':>7} {'bytes/step':>10} {'predicted':>10}",
    ]
    with tqdm(total=len(x) * len(points), unit="step", desc="on the RTL", leave=False) as bar:
        for model, point in points:
            done: Confirmation = confirm(
                model,
                x,
                point.theta_x,
                point.theta_h,
                sim=study.sim,
                dram=study.dram,
                seed=study.seed,
                progress=bar.update,
            )
            lines.append(
                f"{point.name:<26} {done.compared:>12,} {done.cycles:>11.1f} "
                f"{done.predicted_cycles:>10.1f} {done.deviation:>6.2f}% {done.bytes:>10.0f} "
                f"{done.predicted_bytes:>10.0f}"
            )
    return lines


def output_folder(path: Path) -> None:
    """BadInputError unless the folder that results go to exists or can be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(
            f"--output: {path}: found {error.strerror}, expected a folder"
        ) from None
