# SPDX-License-Identifier: Apache-2.0
"""The network in training: a recurrent stack, a linear read-out, and the loss of its task."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from golden import fixed
from golden.train.readout import BLANK


@dataclass(frozen=True, eq=False)
class Item:
    """One sequence: features `x` int16 (T, I), Q8.8, and a `target` as in `Example.target`."""

    x: np.ndarray
    target: object


def orthogonal_gru(inputs, hidden, layers):
    """A torch.nn.GRU with orthogonal recurrent weights, gate by gate: what training begins with."""
    gru = nn.GRU(inputs, hidden, layers)
    for i in range(layers):
        for gate in getattr(gru, f"weight_hh_l{i}").data.split(hidden):
            nn.init.orthogonal_(gate)
    return gru


class SequenceNet(nn.Module):
    """`recurrent` is a torch.nn.GRU or a DeltaGRU with output (T, B, H), not batch_first.

    `task`: as in `golden.datasets`. `pooling`: 'last' reads out the last h, 'mean' the mean of h
    over time, 'none' h of every step. `labels`: names of classes or regression targets; a 'ctc'
    read-out has one output more, for the blank, in front.
    """

    def __init__(self, recurrent, hidden_size, task, labels, pooling="none", dropout=0.2):
        super().__init__()
        self.task, self.pooling = task, pooling
        self.labels = ((BLANK,) if task == "ctc" else ()) + tuple(labels)
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden_size, len(self.labels))
        self.shares = (
            None  # a `golden.train.data_parallel.Shares` of `recurrent` to run in its place
        )
        # A regression is trained on targets of mean 0 and deviation 1.
        self.register_buffer("target_mean", torch.zeros(len(labels)))
        self.register_buffer("target_std", torch.ones(len(labels)))

    @property
    def stack(self):
        """What runs sequences: `recurrent`, or its shares."""
        return self.recurrent if self.shares is None else self.shares

    def scale_targets(self, targets):
        """Fit the scale of a regression to `targets`, arrays (T, targets)."""
        rows = np.concatenate(targets)
        mean, std = rows.mean(axis=0), rows.std(axis=0)
        if ((std < 1e-3 * np.abs(mean)) | (std < 1e-30) | (std > 1e30)).any():
            # float32 would round away what moves, or the unit itself.
            self.target_mean, self.target_std = self.target_mean.double(), self.target_std.double()
        self.target_mean.copy_(torch.from_numpy(mean))
        self.target_std.copy_(torch.from_numpy(std))

    def forward(self, x, lengths):
        """Logits of sequences x (T, B, I), padded at the end, of `lengths` (B,).

        (B, outputs) if pooled, else (T, B, outputs).
        """
        h, _ = self.stack(x)
        if self.pooling == "last":
            h = h[lengths - 1, torch.arange(len(lengths), device=h.device)]
        elif self.pooling == "mean":
            valid = torch.arange(len(x), device=h.device)[:, None] < lengths
            h = (h * valid[:, :, None]).sum(dim=0) / lengths[:, None]
        return self.readout(self.dropout(h))

    def loss(self, logits, lengths, target):
        """Mean loss of a batch from its `logits`: cross entropy, CTC, or squared error."""
        if self.task == "ctc":
            labels, counts = target
            scores = logits.log_softmax(dim=2)
            # Per label, so that long utterances do not outweigh short ones.
            return nn.functional.ctc_loss(scores, labels, lengths, counts, zero_infinity=True)
        if self.task == "regression":
            valid = torch.isfinite(target)
            wanted = (target.to(self.target_mean.dtype) - self.target_mean) / self.target_std
            return nn.functional.mse_loss(logits[valid], wanted[valid].to(logits.dtype))
        if self.task == "frames":
            logits, target = logits.flatten(0, 1), target.flatten()
        return nn.functional.cross_entropy(logits, target, ignore_index=_PADDING)

    def distance(self, logits, wanted, lengths):
        """How far `logits` are from those of a teacher: mean over steps, or sequences if pooled.

        KL divergence of the two distributions, in nats; squared error for a regression (Hinton et
        al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531).
        """
        if self.pooling == "none":
            valid = torch.arange(len(logits), device=logits.device)[:, None] < lengths
            logits, wanted = logits[valid], wanted[valid]
        if self.task == "regression":
            return nn.functional.mse_loss(logits, wanted)
        scores, wanted = logits.log_softmax(dim=1), wanted.log_softmax(dim=1)
        return nn.functional.kl_div(scores, wanted, reduction="batchmean", log_target=True)

    def extras(self):
        """The read-out as `golden.train.readout` wants it in a model file."""
        extras = {
            "readout.task": np.array(self.task),
            "readout.pooling": np.array(self.pooling),
            "readout.labels": np.array(self.labels),
            "readout.weight": self.readout.weight.detach().cpu().numpy().copy(),
            "readout.bias": self.readout.bias.detach().cpu().numpy().copy(),
        }
        if self.task == "regression":
            extras["readout.mean"] = self.target_mean.cpu().double().numpy()
            extras["readout.std"] = self.target_std.cpu().double().numpy()
        return extras


_PADDING = -100  # what cross_entropy leaves out


def batches(items, task, size, rng=None, device="cpu"):
    """Padded batches ``(x (T, B, I) float, lengths (B,), target)`` of Items of similar length.

    `target`: (B,) for 'label', (labels joined, counts (B,)) for 'ctc', (T, B) for 'frames',
    (T, B, targets) with NaN in the padding for 'regression'. With `rng`, the order is random; with
    None, fixed.
    """
    lengths = np.array([len(item.x) for item in items])
    jitter = rng.uniform(0, 10, len(lengths)) if rng is not None else 0
    order = np.argsort(lengths + jitter, kind="stable")
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    if rng is not None:
        rng.shuffle(groups)
    for group in groups:
        chosen = [items[i] for i in group]
        x = np.zeros((lengths[group].max(), len(group), chosen[0].x.shape[1]), np.float32)
        for column, item in enumerate(chosen):
            x[: len(item.x), column] = fixed.to_float(item.x, fixed.X_FRAC)
            x[len(item.x) :, column] = x[len(item.x) - 1, column]  # rest, so that h comes to rest
        target = _joined(chosen, task, len(x))
        target = tuple(t.to(device) for t in target) if task == "ctc" else target.to(device)
        yield torch.from_numpy(x).to(device), torch.from_numpy(lengths[group]).to(device), target


def _joined(items, task, steps):
    targets = [item.target for item in items]
    if task == "label":
        return torch.tensor(targets)
    if task == "ctc":
        counts = torch.tensor([len(t) for t in targets])
        return torch.tensor([label + 1 for t in targets for label in t]), counts
    padding = _PADDING if task == "frames" else np.nan
    joined = np.full((steps, len(items), *np.shape(targets[0])[1:]), padding)
    for column, target in enumerate(targets):
        joined[: len(target), column] = target
    return torch.from_numpy(joined.astype(np.int64 if task == "frames" else np.float64))
