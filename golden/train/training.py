# SPDX-License-Identifier: Apache-2.0
"""Train a delta-GRU and write it as an integer model file: ``python -m golden.train --help``.

As in Gao et al. (JETCAS 2020, section V): a float GRU; the same network with quantisation in the
loop, at threshold 0; retrained as a delta-GRU at the wanted thresholds, with a cost on the moves of
h if asked for. The test split is read once, at the end, by the integer model that was written.
"""

import argparse
import contextlib
import copy
import json
import math
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from golden import datasets, fixed
from golden.command import Parser, status_of
from golden.datasets import DatasetError
from golden.datasets import speech_synthesis as synthesis
from golden.datasets.features import FLOOR, SAMPLE_RATES, Channels, Extractor
from golden.datasets.options import add_options
from golden.importers.convert import convert_delta_gru
from golden.model_file import load_model, save_model
from golden.outputs import (
    FORCE,
    FORCE_HELP,
    MADE_BY,
    Output,
    anything,
    beside,
    check_outputs,
    model_of,
    text,
)
from golden.toml_file import read_toml
from golden.train.data_parallel import Shares
from golden.train.delta_gru import DeltaGRU
from golden.train.evaluate import evaluate_items, heading, make_item, prepare
from golden.train.files import (
    LOG_COLUMNS,
    TrainingLog,
    load_checkpoint,
    load_network,
    save_checkpoint,
    save_network,
)
from golden.train.fitness import check_data, still_channels
from golden.train.network import SequenceNet, batches, orthogonal_gru
from golden.train.readout import METRICS, POOLINGS, Score, decode
from golden.train.training_sets import pools_of

RECIPES = Path(__file__).parent / "recipes.toml"
STAGES = ("float", "quantised", "delta")
# Of a recipe: an option's value, or a table of ablations, each with its options.
Option = str | bool | int | float | list[int]
SWEEP = (0, 16, 32, 64, 96, 128)
ONE = 1 << fixed.X_FRAC


def recipes():
    """The written settings of the committed models: name -> options of the command line."""
    return read_toml(RECIPES, dict[str, dict[str, Option | dict[str, dict[str, Option]]]])


def parser():
    """The command line. Options without a default here have one in `DEFAULTS` of the task."""
    made = Parser(
        prog="python -m golden.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m golden.train --recipe har-2l128h --data FOLDER --out M.npz\n"
        f"recipes: {', '.join(recipes())}",
    )
    add = made.add_argument
    add("--recipe", choices=recipes(), help="settings of a committed model; options override them")
    add_options(made, datasets.LOADERS, required=False)
    add(
        "--out",
        required=True,
        type=Path,
        help="model file to write (.npz); beside it go the log, its plot, and OUT.dense.npz: "
        "the quantised network before it was retrained",
    )
    add(FORCE, action="store_true", help=FORCE_HELP)
    add("--seed", type=int, default=1, help="of every random choice (default: 1)")
    add("--resume", action="store_true", help="go on where a run with equal settings was cut off")
    add("--start", type=Path, metavar="CKPT", help="skip stages: begin from OUT.quantised.ckpt of "
        "an earlier run")  # fmt: skip
    add("--hidden", type=int, nargs="+", default=[128, 128], help="units of each layer, all equal")
    add("--pooling", choices=POOLINGS, help="what of h over time is read out")
    add("--theta-x", type=int, nargs="+", default=[64], help="input thresholds, Q8.8 (64 = 0.25), "
        "one or one per layer (default: 64)")  # fmt: skip
    add("--theta-h", type=int, nargs="+", default=[64], help="hidden thresholds (default: 64)")
    add("--theta-ramp", type=int, default=0, metavar="N", help="raise thresholds from 0 over the "
        "first N epochs of the delta stage")  # fmt: skip
    add("--move-cost", type=float, default=0.0, help="weight of the L1 cost on moves of h in the "
        "delta stage (default: 0)")  # fmt: skip
    add("--distill", type=float, default=0.0, metavar="W", help="weight of the distance from what "
        "the quantised network answers, in the delta stage (default: 0)")  # fmt: skip
    add("--average", type=int, default=0, metavar="N", help="ship the mean of the weights over the "
        "last N epochs of the delta stage (default: 0, the last ones)")  # fmt: skip
    add("--lut-frac", type=int, default=fixed.LUT_FRAC_MAX, help="fraction bits of tables, 4 to 8")
    add("--floor", type=float, default=FLOOR, help="E0 of log(E + E0) (default: %(default)s)")
    add("--sample-rate", type=int, choices=SAMPLE_RATES, default=8000, help="of sound")
    add("--block", type=int, default=1, help="rows of channel data in a time step (default: 1)")
    add("--smooth", type=int, metavar="N", help="rows of channel data, or frames of sound, that a "
        "step is the mean of (default: those of --block)")  # fmt: skip
    add("--spread", action=argparse.BooleanOptionalAction, default=False,
        help="deviations over those rows as features too")  # fmt: skip
    add("--spread-floor", type=float, default=0.1, metavar="E", help="floor of a deviation before "
        "its logarithm, in deviations of the channel (default: 0.1)")  # fmt: skip
    add("--scale", type=float, default=1.0, help="deviation of the features (default: 1.0)")
    add("--variants", type=int, default=4, help="changed copies of sound, beside the original")
    add("--mask", action=argparse.BooleanOptionalAction, default=True, help="mask bands and times")
    add("--window", type=int, help="steps of a training window of channel data (default: all)")
    add("--jitter", type=float, default=0.0, help="deviation of gain and offset of channel data")
    add("--synthetic", action="store_true", help="add digits spoken by espeak-ng to the training")
    add("--dropout", type=float, default=0.2, help="before the read-out")
    add("--batch", type=int, default=64, help="sequences in a batch")
    add("--batch-delta", type=int, help="the same in the delta stage (default: as --batch)")
    for stage, epochs, rate in zip(STAGES, (28, 6, 4), (3e-3, 1e-3, 3e-4), strict=True):
        add(f"--epochs-{stage}", type=int, default=epochs, help=f"of the {stage} stage")
        add(f"--rate-{stage}", type=float, default=rate, help="peak learning rate of that stage")
    add("--patience", type=int, default=0, metavar="N", help="end a stage after N epochs without "
        "a better validation (default: 0, never); the best epoch is kept")  # fmt: skip
    add("--workers", type=int, default=1, metavar="N", help="share each batch among N processes; "
        "part of what a seed repeats (default: 1)")  # fmt: skip
    add("--device", default="auto", help="torch device; auto takes a GPU if there is one")
    return made


def parse_arguments(arguments=None):
    """The command line as a namespace; exits with status 2 and one line if it is wrong."""
    made = parser()
    named = made.parse_known_args(arguments)[0].recipe if arguments or sys.argv[1:] else None
    if named:
        options = {k.replace("-", "_"): v for k, v in recipes()[named].items()}
        options.pop("ablations", None)
        known = vars(made.parse_known_args(arguments)[0])
        for name in options.keys() - known.keys():
            key = f"{named}.{name.replace('_', '-')}"
            made.error(f"{RECIPES.name}: {key}: found an unknown key, expected an option")
        made.set_defaults(**options)
    args = made.parse_args(arguments)
    layers = len(args.hidden)
    if args.set is None:
        made.error("--set: found none, expected a data set or a --recipe that names one")
    if len(set(args.hidden)) != 1 or layers > fixed.MAX_LAYERS:
        made.error(f"--hidden: found {args.hidden}, expected 1...{fixed.MAX_LAYERS} equal sizes")
    args.batch_delta = args.batch_delta or args.batch
    if args.hidden[0] % fixed.HIDDEN_STEP or not 0 < args.hidden[0] <= fixed.MAX_HIDDEN:
        made.error(f"--hidden: found {args.hidden[0]}, expected a multiple of 8 up to 1024")
    for name in ("theta_x", "theta_h"):
        values = getattr(args, name)
        if len(values) not in (1, layers) or not 0 <= min(values) <= max(values) <= fixed.THETA_MAX:
            option = "--" + name.replace("_", "-")
            made.error(f"{option}: found {values}, expected 1 or {layers} of 0...{fixed.THETA_MAX}")
        setattr(args, name, values * layers if len(values) == 1 else values)
    if args.workers < 1:
        made.error(f"--workers: found {args.workers}, expected 1 or more")
    _check_numbers(made, args)
    if args.synthetic and not synthesis.available():
        made.error("--synthetic: found no espeak-ng, expected it on PATH")
    return args


def _check_numbers(made, args):
    """Exit with one line for a number that no training can have."""
    least = dict.fromkeys(("batch", "batch_delta", "block", "smooth", "window"), 1)
    least |= dict.fromkeys((f"epochs_{stage}" for stage in STAGES), 0)
    least |= dict.fromkeys(("variants", "theta_ramp", "average", "patience", "seed"), 0)
    for name, low in least.items():
        value = getattr(args, name)
        if value is not None and value < low:
            made.error(f"--{name.replace('_', '-')}: found {value}, expected {low} or more")
    above = ("floor", "scale", *(f"rate_{stage}" for stage in STAGES))
    for name in (*above, "move_cost", "distill", "jitter", "spread_floor", "dropout"):
        value, option = getattr(args, name), f"--{name.replace('_', '-')}"
        if not (math.isfinite(value) and (value > 0 if name in above else value >= 0)):
            limit = "above 0" if name in above else "from 0 up"
            made.error(f"{option}: found {value:g}, expected a number {limit}")
    if args.dropout >= 1:
        made.error(f"--dropout: found {args.dropout:g}, expected less than 1")
    if not fixed.LUT_FRAC_MIN <= args.lut_frac <= fixed.LUT_FRAC_MAX:
        made.error(
            f"--lut-frac: found {args.lut_frac}, expected {fixed.LUT_FRAC_MIN} to "
            f"{fixed.LUT_FRAC_MAX}"
        )


class Training:
    """A network, what it is trained on, and how far it has come."""

    def __init__(self, args):
        self.args = args
        torch.manual_seed(args.seed)
        torch.set_num_threads(1)  # more are slower: the products of one step are small
        self.device = _device(args.device)
        self.dataset = datasets.load_as_typed(args)
        check_data(self.dataset, args.data, args.block, args.spread)
        self.task = self.dataset.task
        self.extract = self._fit_features()
        self.validation = [make_item(self.extract, e) for e in self.dataset.of_split("validation")]
        more = synthesis.training_examples(_synthesis_bar) if args.synthetic else ()
        # Pools have a seed of their own, so that a resumed run finds them as they were.
        pool_rng = np.random.default_rng([args.seed, 1])
        self.pools = pools_of(self.dataset, more, self.extract, args, pool_rng)
        self.rng = np.random.default_rng(args.seed)
        self.net = self._float_network().to(self.device)
        self.settings = settings(args)
        self.dense = None  # integer model of the quantised stage: what thresholds are judged by
        self.seconds = {}  # wall clock of each stage that this process ran

    def _fit_features(self):
        # The scale of the features comes from real recordings alone.
        args, dataset = self.args, self.dataset
        signals = [example.signal for example in dataset.of_split("train")]
        if dataset.channels:
            options = (args.block, args.scale, args.smooth, args.spread, args.spread_floor)
            return Channels.fitted(dataset.channels, signals, *options)
        if dataset.rate != args.sample_rate:
            raise DatasetError(
                f"--sample-rate: found {args.sample_rate}, expected that of the set: "
                f"{dataset.rate:g}"
            )
        options = (args.floor, args.sample_rate, args.scale, args.smooth or 1)
        return Extractor.fitted(signals, *options)

    def _float_network(self):
        """A torch GRU and its read-out."""
        args, hidden = self.args, self.args.hidden[0]
        gru = orthogonal_gru(self.validation[0].x.shape[1], hidden, len(args.hidden))
        pooling = args.pooling or ("last" if self.task == "label" else "none")
        net = SequenceNet(gru, hidden, self.task, self.dataset.labels, pooling, args.dropout)
        if self.task == "regression":
            net.scale_targets([e.target for e in self.dataset.of_split("train")])
        return net

    def run(self):
        """All stages, or those that are left after ``--resume`` or ``--start``."""
        out, saved = self.args.out, None
        checkpoint, quantised = out.with_suffix(".ckpt"), out.with_suffix(".quantised.ckpt")
        first = "delta" if self.args.start else "float"
        if self.args.resume and checkpoint.is_file():
            saved = load_checkpoint(checkpoint, self.settings, self.device)
            first = saved["stage"]
        if first == "delta":
            self._quantise()
            self.net.load_state_dict(load_network(self.args.start or quantised, self.device))
            self.dense = self.model()[0]
        with TrainingLog(out, METRICS[self.task], saved["rows"] if saved else ()) as log:
            for stage in STAGES[STAGES.index(first) :]:
                if stage != "float":
                    self._quantise()
                began = time.monotonic()
                self._stage(stage, log, checkpoint, saved)
                self.seconds[stage] = time.monotonic() - began
                saved = None
                if stage == "quantised":
                    save_network(quantised, self.net)
                    self.dense = self.model()[0]
        checkpoint.unlink(missing_ok=True)

    def _quantise(self):
        """From a torch GRU to a quantised DeltaGRU at threshold 0, if it is not one yet."""
        if not isinstance(self.net.recurrent, DeltaGRU):
            options = {"quantised": True, "lut_frac": self.args.lut_frac}
            self.net.recurrent = DeltaGRU.from_gru(self.net.recurrent, **options).to(self.device)
            self.net.recurrent.clamp_weights()

    def _stage(self, stage, log, checkpoint, saved):
        """Train one stage, from epoch ``saved["epoch"]`` on if it was cut off."""
        net, patience = self.net, self.args.patience
        epochs = getattr(self.args, f"epochs_{stage}")
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
        done, best, best_state, waited = 0, float("inf"), None, 0
        average = AveragedModel(net) if stage == "delta" and self.args.average else None
        teacher = None
        if stage == "delta" and self.args.distill:
            teacher = copy.deepcopy(net).eval()
            teacher.recurrent.set_theta(0, 0)
        if stage == "delta":
            # So that ``--start`` gives what a whole run does, and ablations differ in one thing.
            self.rng = np.random.default_rng([self.args.seed, 2])
            torch.manual_seed(self.args.seed + 2)
        if saved:
            net.load_state_dict(saved["net"])
            optimizer.load_state_dict(saved["optimizer"])
            self.rng.bit_generator.state = json.loads(saved["rng"])
            torch.set_rng_state(saved["torch_rng"].cpu())
            done, best, best_state, waited = (
                saved[key] for key in ("epoch", "best", "best_state", "waited")
            )
            if average:
                average.load_state_dict(saved["average"])
        bar = tqdm(range(done, epochs), desc=stage, unit="epoch", mininterval=1)
        with bar, self._shares():
            for epoch in bar:
                if waited > patience > 0:
                    break
                settled = self._set_thresholds(stage, epoch)
                last = average if epoch >= epochs - self.args.average else None
                loss, moves = self._epoch(
                    stage, epoch / epochs, 1 / epochs, optimizer, last, teacher
                )
                wrong = validate(net, self.validation, self.device)
                log.row(stage, epoch + 1, loss, wrong, moves)
                bar.set_postfix(loss=f"{loss:.4f}", validation=f"{wrong:.2f}")
                if patience and settled:
                    waited = 0 if wrong < best else waited + 1
                    if wrong < best:
                        best, best_state = (
                            wrong,
                            {k: v.clone() for k, v in net.state_dict().items()},
                        )
                save_checkpoint(
                    checkpoint,
                    settings=self.settings,
                    stage=stage,
                    epoch=epoch + 1,
                    net=net.state_dict(),
                    optimizer=optimizer.state_dict(),
                    rng=json.dumps(self.rng.bit_generator.state),
                    torch_rng=torch.get_rng_state(),
                    rows=log.rows,
                    best=best,
                    best_state=best_state,
                    waited=waited,
                    average=average.state_dict() if average else None,
                )
        if average:
            net.load_state_dict(average.module.state_dict())
        elif best_state is not None:
            net.load_state_dict(best_state)

    @contextlib.contextmanager
    def _shares(self):
        """The processes of a stage, if more than one was asked for and it runs on the processor."""
        if self.args.workers == 1 or self.device.type != "cpu":
            yield
            return
        with Shares(self.net.recurrent, self.args.workers) as self.net.shares:
            try:
                yield
            finally:
                self.net.shares = None

    def _set_thresholds(self, stage, epoch):
        """Thresholds of an epoch; whether they are those of the stage already."""
        if stage != "delta":
            return True
        share = min(1.0, (epoch + 1) / (self.args.theta_ramp + 1))
        scaled = (
            [share * theta / ONE for theta in t] for t in (self.args.theta_x, self.args.theta_h)
        )
        self.net.recurrent.set_theta(*scaled)
        return share == 1.0

    def _epoch(self, stage, begin, span, optimizer, average=None, teacher=None):
        """One pass over an epoch's draw; ``(mean loss, mean move of h)``.

        `average`: an AveragedModel that takes in the weights after each batch. `teacher`: a network
        whose answers are to be kept.

        The learning rate falls as half a cosine over the stage, `begin` to `begin` + `span` of it.
        """
        net, rate = self.net, getattr(self.args, f"rate_{stage}")
        net.train()
        delta = isinstance(net.recurrent, DeltaGRU)
        if delta:
            net.recurrent.track_moves = True
        size = self.args.batch_delta if stage == "delta" else self.args.batch
        drawn = list(batches(self.pools.draw(self.rng), self.task, size, self.rng, self.device))
        losses, moves = [], []
        for i, (x, lengths, target) in enumerate(drawn):
            at = begin + span * i / len(drawn)
            optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * at))
            logits = net(x, lengths)
            loss = net.loss(logits, lengths, target)
            losses.append(loss.item())
            if teacher:
                with torch.no_grad():
                    wanted = teacher(x, lengths)
                loss = loss + self.args.distill * net.distance(logits, wanted, lengths)
            if delta:
                move = sum(net.stack.moves)
                moves.append(move.item())
                if stage == "delta":
                    loss = loss + self.args.move_cost * move
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            if delta:
                net.recurrent.clamp_weights()
            if average:
                average.update_parameters(net)
        return float(np.mean(losses)), float(np.mean(moves)) if moves else float("nan")

    def model(self):
        """``(integer Model, quantisation report)`` of the network as it is, at ``--theta-*``."""
        thetas = ([t / ONE for t in theta] for theta in (self.args.theta_x, self.args.theta_h))
        self.net.recurrent.set_theta(*thetas)
        described = np.array(json.dumps({**self.settings, **self._circumstances()}))
        extras = {
            **self.extract.extras(),
            **self.net.extras(),
            "training": described,
            MADE_BY: np.array("train"),
        }
        return convert_delta_gru(self.net.recurrent, extras)

    def _circumstances(self):
        return {"torch": torch.__version__, "data": self.dataset.summary()}


def _device(name):
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _synthesis_bar(jobs):
    return tqdm(jobs, desc="synthesis", unit="word")


def settings(args):
    """The options that decide the result, without anything of the machine."""
    left_out = ("data", "out", "force", "resume", "start", "device", "recipe")
    return {key: value for key, value in vars(args).items() if key not in left_out}


@torch.no_grad()
def validate(net, items, device, size=256):
    """Error of the torch network on Items: percent, or RMSE."""
    net.eval()
    score = Score(net.task, 0, 0)
    scale = net.target_mean.cpu().numpy(), net.target_std.cpu().numpy()
    order = sorted(range(len(items)), key=lambda i: len(items[i].x))  # as `batches` has them
    chosen = iter(order)
    for x, lengths, _ in batches(items, net.task, size, None, device):
        logits = net(x, lengths).cpu().numpy()
        for column, length in enumerate(lengths.tolist()):
            item = items[next(chosen)]
            rows = logits[column][None] if net.pooling != "none" else logits[:length, column]
            score += Score.of(net.task, decode(net.task, rows, *scale), item.target)
    return score.value


def times(seconds):
    """One line on how long the stages took."""
    parts = ", ".join(f"{stage} {spent / 60:.1f}" for stage, spent in seconds.items())
    return f"trained in {sum(seconds.values()) / 60:.1f} min: {parts}"


def report(model, dense, dataset):
    """Print the integer models' figures: a sweep on validation, then the test split.

    `dense`: the quantised network before it was retrained at thresholds.
    """
    shipped = "x {}, h {}".format(
        *(",".join(map(str, theta.tolist())) for theta in (model.theta_x, model.theta_h))
    )
    print(f"weight bytes of a dense step: {model.weight_bytes}")
    before = "quantised stage, x 0, h 0"
    print("validation split, integer model:")
    print(heading(dataset.task, model.num_layers))
    items = prepare(model, dataset.of_split("validation"))
    print(evaluate_items(dense, items, 0, 0).row(before))
    for theta in SWEEP:
        print(evaluate_items(model, items, theta, theta).row(f"x {theta}, h {theta}"))
    print(evaluate_items(model, items).row(shipped))
    print("test split, integer model:")
    print(heading(dataset.task, model.num_layers))
    items = prepare(model, dataset.of_split("test"))
    print(evaluate_items(dense, items, 0, 0).row(before))
    print(evaluate_items(model, items, 0, 0).row("x 0, h 0"))
    print(evaluate_items(model, items).row(f"{shipped} (shipped)"))


def main(arguments=None):
    """Entry point of ``python -m golden.train``; returns the exit status."""
    args = parse_arguments(arguments)
    # A process that died is nothing that was typed.
    return status_of("golden.train", lambda: train(args), (BrokenProcessPool,))


def outputs_of(out, resume=False):
    """The files that a training writes beside the model `out`, for `check_outputs`. With `resume`
    its checkpoint is there to go on from.
    """
    log = out.with_suffix(".log.csv")
    ours = text(",".join(LOG_COLUMNS))
    rest = [out.with_suffix(end) for end in (".log.png", ".quantised.ckpt")]
    return [
        Output("--out", out, model_of("train")),
        Output("--out", out.with_suffix(".dense.npz"), model_of("train")),
        Output("--out", log, ours),
        *(Output("--out", path, beside(log, ours)) for path in rest),
        Output("--out", out.with_suffix(".ckpt"), anything if resume else beside(log, ours)),
    ]


def train(args):
    """Everything the command does; raises what it ends in otherwise."""
    outputs = outputs_of(args.out, args.resume)
    check_outputs(outputs, {"--data": args.data, "--start": args.start}, args.force)
    training = Training(args)
    print(training.dataset.summary())
    for warning in still_channels(training.dataset, training.extract, args.data):
        print(f"golden.train: {warning}", file=sys.stderr)
    training.run()
    model, quantisation = training.model()
    save_model(args.out.with_suffix(".dense.npz"), training.dense.with_theta(0, 0))
    save_model(args.out, model)
    print(times(training.seconds))
    print(quantisation.table())
    report(load_model(args.out), training.dense, training.dataset)


if __name__ == "__main__":
    sys.exit(main())
