# SPDX-License-Identifier: Apache-2.0
"""Thresholds for a budget: an optimiser tries thresholds per layer on the integer model.

Optuna's tree-structured Parzen estimator (Akiba et al., KDD 2019) proposes Θx and Θh of every
layer; a choice outside the budget counts as a violated constraint, so the search keeps to its edge.
"""

import json
from dataclasses import dataclass

import numpy as np
import optuna

from golden.tuning.operating_point import OperatingPoint, measure

STEP = 4  # Q8.8: finer thresholds make no difference that an error rate could show
STARTS = (0, 16, 32, 48, 64, 96, 128)  # one Θ for all, tried first


class TuningError(RuntimeError):
    """No thresholds keep the budget; one line that says how near the search came."""


@dataclass(frozen=True)
class Budget:
    """What must hold; one of the two. The other quantity is then made as small as possible.

    `latency_us`: mean latency of a step. `loss`: what the error may rise by over a reference, in
    percentage points, or in percent of the RMSE for a regression.
    """

    latency_us: float | None = None
    loss: float | None = None

    def __post_init__(self):
        if (self.latency_us is None) == (self.loss is None):
            raise ValueError("budget: found none or both, expected a latency or a loss")

    def excess(self, point, reference):
        """By how much a point is over the budget; 0 or less is within."""
        if self.latency_us is not None:
            return point.latency_us - self.latency_us
        return loss_of(point, reference) - self.loss

    def goal(self, point, reference):
        """What is to be small."""
        return loss_of(point, reference) if self.latency_us is not None else point.latency_us

    def __str__(self):
        if self.latency_us is not None:
            return f"latency of at most {self.latency_us:g} us a step"
        return f"loss of at most {self.loss:g}"


def loss_of(point, reference):
    """What thresholds cost: percentage points of error, or percent of RMSE, over `reference`."""
    return loss_of_scores(point.evaluation.score, reference.evaluation.score)


def loss_of_scores(score, reference):
    """`loss_of` for Scores."""
    if score.task == "regression":
        if not reference.value:
            return 0.0 if not score.value else float("inf")
        return 100.0 * (score.value / reference.value - 1.0)
    return score.value - reference.value


@dataclass(frozen=True)
class Tuned:
    """The best thresholds, the reference, and every point that was tried."""

    best: OperatingPoint
    reference: OperatingPoint
    tried: tuple

    def extras(self, budget, trials, seed, split):
        """What a tuned model file says about its thresholds, as JSON text."""
        said = {
            "budget": str(budget),
            "metric": self.best.evaluation.score.name,
            "error": self.best.error,
            "error_at_theta_0": self.reference.error,
            "latency_us": self.best.latency_us,
            "saving": self.best.evaluation.saving,
            "split": split,
            "trials": trials,
            "seed": seed,
        }
        return {"tuning": np.array(json.dumps(said))}


def tune(
    model,
    items,
    budget,
    platform,
    trials=80,
    seed=1,
    largest=256,
    progress=lambda p: None,
    reference=None,
):
    """Search thresholds of `model` on Items of a data set for a Budget; a `Tuned`.

    `largest`: highest threshold tried, Q8.8. `progress(point)` is called after each trial.
    `reference`: the OperatingPoint that a loss is over; None for the model's own at Θ = 0. Equal
    seeds find equal thresholds. Raises TuningError if no trial kept the budget.
    """
    layers = model.num_layers
    names = [f"theta_{kind}{layer}" for kind in "xh" for layer in range(layers)]
    zero = measure(model, items, 0, 0, platform)
    reference = reference or zero
    tried = {(zero.theta_x, zero.theta_h): zero}

    def objective(trial):
        values = [trial.suggest_int(name, 0, largest, step=STEP) for name in names]
        key = tuple(values[:layers]), tuple(values[layers:])
        if key not in tried:
            tried[key] = measure(model, items, *key, platform)
        point = tried[key]
        progress(point)
        trial.set_constraint("budget", budget.excess(point, reference))
        return budget.goal(point, reference)

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # not a trial that Ctrl-C ends
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        multivariate=True,
        n_startup_trials=2 * len(STARTS),
    )
    study = optuna.create_study(sampler=sampler)
    own = [*map(int, model.theta_x), *map(int, model.theta_h)]
    starts = [own, *([theta] * len(names) for theta in STARTS)]
    for start in starts:
        if max(start) <= largest and not any(value % STEP for value in start):
            study.enqueue_trial(dict(zip(names, start, strict=True)), skip_if_exists=True)
    study.optimize(objective, n_trials=trials)

    within = [p for p in tried.values() if budget.excess(p, reference) <= 0]
    if not within:
        nearest = min(tried.values(), key=lambda p: budget.excess(p, reference))
        raise TuningError(
            f"found no thresholds up to {largest} with a {budget}; nearest: {nearest.name} with "
            f"{nearest.latency_us:.2f} us and {nearest.evaluation.score.name} {nearest.error:.3f}"
        )
    best = min(within, key=lambda p: (budget.goal(p, reference), p.evaluation.bytes_per_step))
    return Tuned(best, reference, tuple(tried.values()))
