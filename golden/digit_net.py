"""The spoken-digit network in training: a recurrent stack, pooled over time, a linear layer."""

import numpy as np
import torch
from torch import nn

from golden import fixed

CLASSES = 10


class DigitNet(nn.Module):
    """`recurrent` is a torch.nn.GRU or a DeltaGRU with output (T, B, H), not batch_first.

    `pooling`: 'last' reads out the last h, 'mean' the mean of h over time.
    """

    def __init__(self, recurrent, hidden_size, pooling="last", dropout=0.2):
        super().__init__()
        self.pooling = pooling
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)
        self.readout = nn.Linear(hidden_size, CLASSES)

    def forward(self, x, lengths):
        """Logits (B, 10) of sequences x (T, B, I), padded at the end, of `lengths` (B,)."""
        h, _ = self.recurrent(x)
        if self.pooling == "last":
            pooled = h[lengths - 1, torch.arange(len(lengths))]
        else:
            valid = torch.arange(len(x))[:, None] < lengths
            pooled = (h * valid[:, :, None]).sum(dim=0) / lengths[:, None]
        return self.readout(self.dropout(pooled))

    def extras(self):
        """The read-out as `golden.features.readout` wants it in a model file."""
        return {
            "readout.pooling": np.array(self.pooling),
            "readout.labels": np.array([str(digit) for digit in range(CLASSES)]),
            "readout.weight": self.readout.weight.detach().numpy().copy(),
            "readout.bias": self.readout.bias.detach().numpy().copy(),
        }


def batches(features, labels, size, rng):
    """Padded batches ``(x (T, B, I) float, lengths (B,), labels (B,))``, similar lengths together.

    `features`: int16 (T_i, I) arrays, Q8.8. With `rng`, the order is random; with None, fixed.
    """
    lengths = np.array([len(f) for f in features])
    jitter = rng.uniform(0, 10, len(lengths)) if rng is not None else 0
    order = np.argsort(lengths + jitter, kind="stable")
    groups = [order[i : i + size] for i in range(0, len(order), size)]
    if rng is not None:
        rng.shuffle(groups)
    for group in groups:
        x = np.zeros((lengths[group].max(), len(group), features[0].shape[1]), np.float32)
        for column, i in enumerate(group):
            x[: lengths[i], column] = fixed.to_float(features[i], fixed.X_FRAC)
        yield (
            torch.from_numpy(x),
            torch.from_numpy(lengths[group]),
            torch.tensor([labels[i] for i in group]),
        )


def train_epoch(net, optimizer, schedule, examples, size, rng):
    """One pass over ``examples = (features, labels)``; returns the mean loss.

    Weights are kept within Q1.7 if the network's recurrent part can clamp them.
    """
    net.train()
    total = 0.0
    for x, lengths, labels in batches(*examples, size, rng):
        loss = nn.functional.cross_entropy(net(x, lengths), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if hasattr(net.recurrent, "clamp_weights"):
            net.recurrent.clamp_weights()
        total += loss.item() * len(labels)
    return total / len(examples[1])


@torch.no_grad()
def accuracy(net, examples, size=128):
    """Share of ``examples = (features, labels)`` that the network labels right, 0...1."""
    net.eval()
    right = sum(
        int((net(x, lengths).argmax(dim=1) == labels).sum())
        for x, lengths, labels in batches(*examples, size, None)
    )
    return right / len(examples[1])
