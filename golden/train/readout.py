# SPDX-License-Identifier: Apache-2.0
"""From the accelerator's output to an answer: a linear layer on h, and what its outputs mean.

The layer and the task travel in `Model.extras`; it runs on the processor beside the accelerator.
"""

from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from golden import fixed
from golden.datasets.features import extra
from golden.model_file import ModelFileError

POOLINGS = ("last", "mean", "none")  # how a read-out sees h over time
BLANK = "<blank>"  # output 0 of a CTC read-out: no label in this frame


@dataclass(frozen=True, eq=False)
class Decision:
    """What a network has heard: `logits` float64 (T, classes), row t from frames 0...t alone."""

    logits: np.ndarray
    labels: tuple

    @property
    def label(self):
        """The decision after the last frame, one of `labels`."""
        return self.labels[int(self.logits[-1].argmax())]

    @property
    def running(self):
        """The decision after each frame, a list of T labels."""
        return [self.labels[i] for i in self.logits.argmax(axis=1)]

    @property
    def probabilities(self):
        """Softmax of the logits, float64 (T, classes)."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)


def readout(model, h):
    """Decide from the network's outputs `h` int16 (T, H), T >= 1, Q8.8; return a Decision.

    The read-out is linear, and causal: on h itself if ``readout.pooling`` is 'last', on the mean
    of h over the frames so far if it is 'mean'. It takes ``readout.weight`` (classes, H),
    ``readout.bias`` (classes,) and ``readout.labels`` from the extras. Raises ModelFileError if
    they lack one or pool otherwise, ValueError for another shape of h.
    """
    pooling = str(extra(model.extras, "readout.pooling"))
    if pooling not in POOLINGS:
        raise ModelFileError(
            f"model: readout.pooling: found {pooling!r}, expected one of {', '.join(POOLINGS)}"
        )
    weight = extra(model.extras, "readout.weight")
    bias = extra(model.extras, "readout.bias")
    labels = tuple(str(label) for label in extra(model.extras, "readout.labels"))
    h = np.asarray(h)
    if h.ndim != 2 or h.shape[1] != weight.shape[1] or not len(h):
        raise ValueError(f"h: found shape {h.shape}, expected (T, {weight.shape[1]}), T >= 1")
    pooled = fixed.to_float(h, fixed.X_FRAC)
    if pooling == "mean":
        pooled = np.cumsum(pooled, axis=0) / np.arange(1, len(h) + 1)[:, None]
    return Decision(pooled @ weight.T.astype(np.float64) + bias, labels)


def task_of(model):
    """The task in the extras: 'label', 'ctc', 'frames' or 'regression'."""
    return str(model.extras.get("readout.task", "label"))


def answer(model, h):
    """What the outputs `h` int16 (T, H), Q8.8, say, in the form of `Example.target`.

    An index into the labels ('label'), a tuple of them by best path ('ctc', Graves et al., ICML
    2006), an index a step int64 (T,) ('frames'), or values a step float64 (T, targets)
    ('regression'). Raises as `readout` does.
    """
    extras = model.extras
    scale = extras.get("readout.mean"), extras.get("readout.std")
    return decode(task_of(model), readout(model, h).logits, *scale)


def decode(task, logits, mean=None, std=None):
    """An answer from `logits` (T, outputs): see `answer`. `mean`, `std`: of regression targets."""
    if task == "regression":
        return logits * std + mean
    best = logits.argmax(axis=1)
    if task == "label":
        return int(best[-1])
    if task == "frames":
        return best
    starts = np.flatnonzero(np.diff(best, prepend=0))
    return tuple(int(best[i]) - 1 for i in starts if best[i])


@dataclass(frozen=True)
class Score:
    """How wrong answers are: `wrong` of `total`, or a sum of squares over values of a regression.

    Scores of several sequences add up.
    """

    task: str
    wrong: float
    total: int

    @classmethod
    def of(cls, task, found, target):
        """The score of one answer against its target.

        'label' counts sequences, 'ctc' edits (Levenshtein) against labels, 'frames' steps.
        """
        if task == "label":
            return cls(task, int(found != target), 1)
        if task == "ctc":
            return cls(task, Levenshtein.distance(found, target), len(target))
        if task == "frames":
            return cls(task, int(np.count_nonzero(found != target)), len(target))
        return cls(task, float(np.square(found - target).sum()), int(np.size(target)))

    def __add__(self, other):
        return Score(self.task, self.wrong + other.wrong, self.total + other.total)

    @property
    def value(self):
        """Error in percent, or the RMSE in units of the target."""
        if self.task == "regression":
            return float(np.sqrt(self.wrong / self.total))
        return 100.0 * self.wrong / self.total

    @property
    def shown(self):
        """`value` in digits: percent with two decimals, an RMSE, in any unit, with four digits."""
        return f"{self.value:.4g}" if self.task == "regression" else f"{self.value:.2f}"

    @property
    def name(self):
        """What `value` is."""
        return METRICS[self.task]


METRICS = {
    "label": "error %",
    "ctc": "label error %",
    "frames": "step error %",
    "regression": "RMSE",
}
