# SPDX-License-Identifier: Apache-2.0
"""What a model file is worth: accuracy and weight traffic of the integer model on a data set."""

from dataclasses import dataclass

import numpy as np

from golden.batch import run_batch
from golden.datasets.features import Channels, features_from_model
from golden.layout import column_bytes
from golden.train.network import Item
from golden.train.readout import METRICS, Score, answer, task_of


@dataclass(frozen=True)
class Evaluation:
    """Totals over sequences. Firing rates are 0...1, (L,); bytes are weight bytes a time step."""

    score: Score
    sequences: int
    steps: int
    firing_x: np.ndarray
    firing_h: np.ndarray
    bytes_per_step: float
    dense_bytes: int

    @property
    def saving(self):
        """How many times fewer weight bytes than a dense GRU, which reads all at every step."""
        return self.dense_bytes / self.bytes_per_step if self.bytes_per_step else float("inf")

    def rates(self):
        """Firing rates of every layer, as cells under `rate_heading`."""
        return " ".join(
            f"{f'{100 * x:.1f} / {100 * h:.1f}':>13}"
            for x, h in zip(self.firing_x, self.firing_h, strict=True)
        )

    def row(self, name):
        """One line of the table that `heading` heads."""
        wrong = f"{self.score.wrong}/{self.score.total}" if self.score.task != "regression" else ""
        return (
            f"{name:<26} {wrong:>12} {self.score.shown:>13} {self.rates()} "
            f"{self.bytes_per_step:>10.0f} {self.saving:>6.1f}x"
        )


def rate_heading(layers):
    """The heading over `Evaluation.rates`."""
    return " ".join(f"{f'L{i} dx/dh %':>13}" for i in range(layers))


def heading(task, layers):
    """The heading of a table of evaluations."""
    return (
        f"{'thresholds':<26} {'wrong':>12} {METRICS[task]:>13} {rate_heading(layers)} "
        f"{'bytes/step':>10} {'saving':>7}"
    )


def prepare(model, examples, progress=lambda items: items):
    """Examples of a data set as Items with the features that `model` was trained with."""
    extract = features_from_model(model)
    return [make_item(extract, example) for example in progress(examples)]


def make_item(extract, example):
    """One Example as an Item: features, and targets at the steps of the features."""
    target = example.target
    if isinstance(extract, Channels):
        target = extract.align(target)
    return Item(extract(example.signal), target)


def evaluate_items(model, items, theta_x=None, theta_h=None, progress=None, keep=None):
    """Run the integer model over Items, each a sequence of its own; return an Evaluation.

    `theta_x`, `theta_h`: Q8.8, None for the model's own. `progress(n)` is called with the number
    of steps done. `keep`: a list to which the BatchTraces are added.
    """
    traces = run_batch(model, [item.x for item in items], theta_x, theta_h, progress=progress)
    task = task_of(model)
    score = Score(task, 0, 0)
    columns_x = np.zeros(model.num_layers, np.int64)
    columns_h = np.zeros(model.num_layers, np.int64)
    for trace, item in zip(traces, items, strict=True):
        score += Score.of(task, answer(model, trace.h), item.target)
        columns_x += trace.columns_x.sum(axis=0)
        columns_h += trace.columns_h.sum(axis=0)
    if keep is not None:
        keep.extend(traces)
    steps = sum(len(item.x) for item in items)
    hidden = np.array(model.hidden_sizes)
    return Evaluation(
        score=score,
        sequences=len(items),
        steps=steps,
        firing_x=columns_x / (steps * np.array(model.input_sizes)),
        firing_h=columns_h / (steps * hidden),
        bytes_per_step=float(((columns_x + columns_h) * column_bytes(hidden)).sum() / steps),
        dense_bytes=model.weight_bytes,
    )


def evaluate(model, examples, theta_x=None, theta_h=None, progress=None):
    """`evaluate_items` on Examples of a data set."""
    return evaluate_items(model, prepare(model, examples), theta_x, theta_h, progress)
