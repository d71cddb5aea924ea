"""Train the spoken-digit model: ``python -m golden.train --data FOLDER --out MODEL.npz``.

Three stages: a float GRU; the same network quantised, at threshold 0; retraining at the thresholds
that ship. Progress goes to a CSV file beside the model. The test split is read once, at the end,
by the integer model that was written.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from golden import fixed, fsdd, synthesis
from golden.augment import masked, variant
from golden.convert import convert_delta_gru
from golden.delta_gru import DeltaGRU
from golden.digit_net import DigitNet, accuracy, train_epoch
from golden.evaluate import HEADING, evaluate
from golden.features import BANDS, FLOOR, POOLINGS, Extractor
from golden.model_file import load_model, save_model

VARIANTS = 5  # changed copies of each training recording, beside the recording itself
SWEEP = (0, 16, 32, 64, 96, 128)


def parse_arguments(arguments=None):
    """The command line as a namespace; exits with status 2 and one line if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m golden.train",
        description="Train a delta-GRU on spoken digits and write it as an integer model file.",
        epilog=f"The recordings are at {fsdd.SOURCE}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of the FSDD recordings")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("golden/models/digits-2l128h.npz"),
        help="model file to write (.npz)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of every random choice")
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=[128, 128], help="units of each layer, all equal"
    )
    parser.add_argument(
        "--pooling", choices=POOLINGS, default=POOLINGS[0], help="what of h over time is read out"
    )
    parser.add_argument("--theta-x", type=int, default=64, help="input threshold, Q8.8 (64 = 0.25)")
    parser.add_argument("--theta-h", type=int, default=64, help="hidden threshold, Q8.8")
    parser.add_argument(
        "--lut-frac", type=int, default=fixed.LUT_FRAC_MAX, help="fraction bits of the tables, 4-8"
    )
    parser.add_argument("--floor", type=float, default=FLOOR, help="E0 of log(E + E0)")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of torch; their number is part of what a seed repeats",
    )
    parser.add_argument("--batch", type=int, default=64, help="utterances in a batch")
    parser.add_argument("--epochs-float", type=int, default=28, help="epochs of the float GRU")
    parser.add_argument("--epochs-quantised", type=int, default=6, help="epochs at threshold 0")
    parser.add_argument("--epochs-delta", type=int, default=4, help="epochs at the thresholds")
    parser.add_argument(
        "--synthetic", action="store_true", help="add digits spoken by espeak-ng to the training"
    )
    args = parser.parse_args(arguments)
    if len(set(args.hidden)) != 1 or len(args.hidden) > fixed.MAX_LAYERS:
        parser.error(f"--hidden: found {args.hidden}, expected 1...{fixed.MAX_LAYERS} equal sizes")
    if args.hidden[0] % fixed.HIDDEN_STEP or not 0 < args.hidden[0] <= fixed.MAX_HIDDEN:
        parser.error(f"--hidden: found {args.hidden[0]}, expected a multiple of 8 up to 1024")
    if not args.out.parent.is_dir():
        parser.error(f"--out: found no folder {args.out.parent}, expected one to write to")
    if args.synthetic and not synthesis.available():
        parser.error("--synthetic: found no espeak-ng, expected it on PATH")
    return args


class Examples:
    """Features of the training recordings in several variants, made once."""

    def __init__(self, recordings, extract, rng):
        self.labels = [recording.digit for recording in recordings]
        self._features = []
        for recording in tqdm(recordings, desc="features", unit="recording"):
            copies = [variant(recording.samples, rng) for _ in range(VARIANTS)]
            self._features.append([extract(s) for s in (recording.samples, *copies)])

    def draw(self, rng):
        """``(features, labels)`` with one variant of each recording, drawn and masked anew."""
        chosen = (copies[rng.integers(len(copies))] for copies in self._features)
        return [masked(features, rng) for features in chosen], self.labels


class Log:
    """The CSV of the training: one row an epoch. It holds no clock, so equal runs are equal."""

    def __init__(self, path):
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(["stage", "epoch", "loss", "validation_accuracy"])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def row(self, stage, epoch, loss, validation):
        """Write one epoch and flush, so that a training can be watched."""
        self._writer.writerow([stage, epoch, f"{loss:.5f}", f"{validation:.5f}"])
        self._file.flush()


def train_stage(stage, net, epochs, rate, examples, validation, args, rng, log):
    """Train `net` for `epochs` with AdamW and a cosine to 0; one log row an epoch."""
    if not epochs:
        return
    steps = epochs * -(-len(examples.labels) // args.batch)
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with tqdm(range(1, epochs + 1), desc=stage, unit="epoch") as bar:
        for epoch in bar:
            loss = train_epoch(net, optimizer, schedule, examples.draw(rng), args.batch, rng)
            right = accuracy(net, validation)
            bar.set_postfix(loss=f"{loss:.4f}", validation=f"{100 * right:.2f} %")
            log.row(stage, epoch, loss, right)


def float_network(args):
    """A torch GRU with orthogonal recurrent weights, gate by gate, and its read-out."""
    hidden = args.hidden[0]
    gru = nn.GRU(BANDS, hidden, len(args.hidden))
    for i in range(gru.num_layers):
        for gate in getattr(gru, f"weight_hh_l{i}").data.split(hidden):
            nn.init.orthogonal_(gate)
    return DigitNet(gru, hidden, args.pooling)


def train(args):
    """Run all stages; return ``(model, quantisation report)``. Deterministic for one seed."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(args.seed)
    recordings = fsdd.load_folder(args.data)
    training = fsdd.of_split(recordings, "train")
    # The scale of the features comes from real speech alone.
    extract = Extractor.fitted([r.samples for r in training], args.floor)
    held_out = fsdd.of_split(recordings, "validation")
    validation = [extract(r.samples) for r in held_out], [r.digit for r in held_out]
    if args.synthetic:
        training = training + synthesis.training_recordings(
            lambda jobs: tqdm(jobs, desc="synthesis", unit="word")
        )
    examples = Examples(training, extract, rng)

    net = float_network(args)
    shared = (examples, validation, args, rng)
    with Log(args.out.with_suffix(".log.csv")) as log:
        train_stage("float", net, args.epochs_float, 3e-3, *shared, log)
        net.recurrent = DeltaGRU.from_gru(net.recurrent, quantised=True, lut_frac=args.lut_frac)
        net.recurrent.clamp_weights()
        train_stage("quantised", net, args.epochs_quantised, 1e-3, *shared, log)
        one = 1 << fixed.X_FRAC
        net.recurrent.set_theta(args.theta_x / one, args.theta_h / one)
        train_stage("delta", net, args.epochs_delta, 3e-4, *shared, log)

    extras = {**extract.extras(), **net.extras(), "training": np.array(describe(args, training))}
    return convert_delta_gru(net.recurrent, extras)


def describe(args, training):
    """How the model was trained, as JSON text without anything of the machine."""
    settings = {k: v for k, v in vars(args).items() if k not in ("data", "out")}
    return json.dumps(
        {
            **settings,
            "training_recordings": len(training),
            "torch": torch.__version__,
            "split": "test 0-4, validation 5-9, train from 10 (index of each digit and speaker)",
            "data": fsdd.SOURCE,
        }
    )


def report(model, recordings):
    """Print the integer model's figures: a sweep on validation, then the test split."""
    shipped = f"x {model.theta_x[0]}, h {model.theta_h[0]}"

    def bar(items):
        return tqdm(items, desc="integer model", unit="recording", leave=False)

    dense = sum(weight.nbytes for weight in (*model.weight_ih, *model.weight_hh))
    print(f"weight bytes of a dense step: {dense}")
    print("validation split (indices 5-9), integer model:")
    print(HEADING)
    held_out = fsdd.of_split(recordings, "validation")
    for theta in SWEEP:
        print(evaluate(model, held_out, theta, theta, bar).row(f"x {theta}, h {theta}"))
    print("test split (indices 0-4), integer model:")
    print(HEADING)
    test = fsdd.of_split(recordings, "test")
    print(evaluate(model, test, 0, 0, bar).row("x 0, h 0"))
    print(evaluate(model, test, progress=bar).row(f"{shipped} (shipped)"))


def main(arguments=None):
    """Entry point of ``python -m golden.train``; returns the exit status."""
    args = parse_arguments(arguments)
    try:
        model, quantisation = train(args)
        save_model(args.out, model)
    except (ValueError, OSError) as error:
        print(f"golden.train: {error}", file=sys.stderr)
        return 2
    print(quantisation.table())
    report(load_model(args.out), fsdd.load_folder(args.data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
