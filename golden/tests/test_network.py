# SPDX-License-Identifier: Apache-2.0
"""The network in training: every task learns, and is decoded the same in torch and in integers."""

import dataclasses

import numpy as np
import pytest
import torch

from golden import fixed
from golden.datasets.features import Channels
from golden.importers.convert import convert_delta_gru
from golden.train.delta_gru import DeltaGRU
from golden.train.evaluate import evaluate_items
from golden.train.network import Item, SequenceNet, batches
from golden.train.training import validate

LABELS = ("a", "b", "c")


def sequence(rng, task):
    """Three signals, one of them on at a time, with rests between; the target by `task`."""
    on = [int(rng.integers(3)) for _ in range(rng.integers(1, 4))]
    frames = [3]
    for label in on:
        frames += [label] * int(rng.integers(2, 4)) + [3] * int(rng.integers(2, 4))
    x = (np.eye(4)[frames][:, :3] * 512 + rng.normal(0, 20, (len(frames), 3))).astype(np.int16)
    target = {
        "label": on[-1],
        "ctc": tuple(on),
        "frames": np.minimum(frames, 2),
        "regression": np.array(frames, float)[:, None] * 10 - 7,
    }[task]
    return Item(x, target)


def loss_of(net, batch):
    x, lengths, target = batch
    return net.loss(net(x, lengths), lengths, target)


@pytest.mark.parametrize(
    ("task", "pooling", "most"),
    [
        ("label", "last", 10.0),
        ("label", "mean", 60.0),  # the mean forgets which came last
        ("ctc", "none", 10.0),
        ("frames", "none", 5.0),
        ("regression", "none", 3.0),
    ],
)
def test_learning_of_every_task(task, pooling, most):
    """Two thirds wrong would be chance, a deviation of 12 that of the regression's target."""
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    items = [sequence(rng, task) for _ in range(120)]
    labels = ("level",) if task == "regression" else LABELS
    recurrent = DeltaGRU(3, [16], 0.1, 0.1, quantised=True)
    net = SequenceNet(recurrent, 16, task, labels, pooling, dropout=0.0)
    if task == "regression":
        net.scale_targets([item.target for item in items])
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for _ in range(40):
        for batch in batches(items, task, 30, rng):
            loss = loss_of(net, batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            net.recurrent.clamp_weights()
    unseen = [sequence(rng, task) for _ in range(60)]
    found = validate(net, unseen, "cpu")
    assert found < most

    extract = Channels(("p", "q", "r"), np.zeros(3), np.ones(3))
    model, _ = convert_delta_gru(net.recurrent, {**extract.extras(), **net.extras()})
    result = evaluate_items(model, unseen)
    assert result.score.value == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("task", ["label", "ctc", "frames", "regression"])
def test_loss_without_effect_of_padding(task):
    """A batch of two lengths has the loss of its sequences by themselves."""
    torch.manual_seed(4)
    rng = np.random.default_rng(4)
    items = [sequence(rng, task) for _ in range(2)]
    while len(items[0].x) == len(items[1].x):
        items[1] = sequence(rng, task)
    net = SequenceNet(DeltaGRU(3, [8]), 8, task, LABELS[:1] if task == "regression" else LABELS,
                      "last" if task == "label" else "none", dropout=0.0)  # fmt: skip
    (together,) = batches(items, task, 2)
    alone = [loss_of(net, batch).item() for batch in batches(items, task, 1)]
    weights = [1, 1]
    if task in ("frames", "regression"):  # a mean over steps
        weights = sorted(len(item.x) for item in items)
    found = loss_of(net, together).item()
    assert found == pytest.approx(np.average(alone, weights=weights), rel=1e-5)


@pytest.mark.parametrize("task", ["label", "ctc", "frames", "regression"])
def test_distance_from_a_teacher(task):
    """And padding has no part in it: where the teacher's answers differ there, nothing changes."""
    torch.manual_seed(5)
    rng = np.random.default_rng(5)
    items = [sequence(rng, task) for _ in range(3)]
    labels = LABELS[:1] if task == "regression" else LABELS
    net = SequenceNet(
        DeltaGRU(3, [8]), 8, task, labels, "last" if task == "label" else "none", dropout=0.0
    )
    ((x, lengths, _),) = batches(items, task, 3)
    logits = net(x, lengths).detach()
    assert net.distance(logits, logits, lengths).item() == pytest.approx(0, abs=1e-6)
    other = logits.clone()
    other[..., 0] += 1.0
    assert net.distance(logits, other, lengths).item() > 0.01
    if task != "label":
        padded = logits.clone()
        padded[lengths.min() :, lengths.argmin(), 0] += 1.0
        assert lengths.min() < lengths.max()
        assert net.distance(logits, padded, lengths).item() == pytest.approx(0, abs=1e-6)


def test_feature_scale_at_the_network():
    (batch,) = batches([Item(np.array([[256, -128]], np.int16), 0)], "label", 4)
    assert batch[0].tolist() == [[[1.0, -0.5]]]
    assert fixed.X_FRAC == 8


def test_default_task():
    """Files from before there were other tasks say nothing."""
    from golden.stimulus import random_model
    from golden.train.readout import task_of

    model = random_model(np.random.default_rng(5), 3, 8)
    assert task_of(model) == "label"
    extras = {"readout.task": np.array("ctc")}
    assert task_of(dataclasses.replace(model, extras=extras)) == "ctc"
