# SPDX-License-Identifier: Apache-2.0
"""Features and a linear read-out for a network that was trained elsewhere.

A converted network has neither, so nothing says what its inputs are or what its outputs mean.
`attach` puts both into `Model.extras`, in the form that training leaves; sweep, tune and the demo
then take the model like one of ours.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

from golden import fixed
from golden.batch import run_batch
from golden.datasets.base import DatasetError
from golden.datasets.features import BANDS, FLOOR, SAMPLE_RATE, Channels, Extractor
from golden.outputs import MADE_BY
from golden.train.evaluate import make_item
from golden.train.readout import POOLINGS, Score

FEATURES = ("raw", "standard")
POOLING_OF_TASK = {"label": ("last", "mean"), "frames": ("none",), "regression": ("none",)}
L2 = 1e-3  # of a fitted classifier, per sequence or step
ITERATIONS = 200


class HeadError(ValueError):
    """Features or a read-out that cannot be attached; one line."""


def extractor(dataset, scale, inputs):
    """What makes the network's `inputs` from a signal of `dataset`: a Channels or an Extractor.

    `scale`: 'raw', the channels in their own units; 'standard', mean 0 and deviation 1 over the
    training split; or a pair (mean, std) of float64 (inputs,). Raises HeadError if the data have
    another width than the network.
    """
    width = len(dataset.channels) or BANDS
    if width != inputs:
        raise HeadError(
            f"{dataset.name}: found {width} channels, expected {inputs}, the network's inputs"
        )
    signals = [example.signal for example in dataset.of_split("train")]
    if not signals:
        raise HeadError(f"{dataset.name}: found an empty training split, expected sequences")
    if isinstance(scale, str) and scale == "standard":
        if dataset.channels:
            return Channels.fitted(dataset.channels, signals)
        return Extractor.fitted(signals, sample_rate=_rate(dataset))
    mean, std = (np.zeros(inputs), np.ones(inputs)) if isinstance(scale, str) else scale
    if dataset.channels:
        return Channels(dataset.channels, mean, std)
    return Extractor(mean, std, FLOOR, _rate(dataset))


def _rate(dataset):
    return int(dataset.rate) or SAMPLE_RATE


def read_scale(path, inputs):
    """`mean` and `std`, float64 (inputs,), of the .npz file `path`. HeadError if it lacks them."""
    arrays = _npz(path)
    found = []
    for name in ("mean", "std"):
        if name not in arrays:
            _refuse(path, f"no array {name!r}", f"mean and std of {inputs} inputs")
        values = np.asarray(arrays[name])
        if values.shape != (inputs,) or values.dtype.kind not in "fiu":
            _refuse(path, f"{name} of shape {values.shape}", f"({inputs},), one for each input")
        values = values.astype(np.float64)
        if not np.isfinite(values).all() or (name == "std" and not (values > 0).all()):
            _refuse(path, f"{name} with a value that no scale has", "finite ones, std above 0")
        found.append(values)
    return tuple(found)


def read_head(path, hidden):
    """A linear layer on `hidden` units from a file: weight float64 (C, hidden), bias (C,).

    .npz with `weight` and `bias`; .safetensors, or what torch.save wrote of a state_dict, with one
    two-dimensional `...weight` of `hidden` columns (a torch.nn.Linear). No bias is a bias of 0.
    Code in a file is never run. Raises HeadError, of one line.
    """
    path = Path(path)
    arrays = _npz(path) if path.suffix == ".npz" else _tensors(path)
    fits = {
        name: np.asarray(values)
        for name, values in arrays.items()
        if name.rpartition(".")[2] == "weight" and np.ndim(values) == 2
        and np.shape(values)[1] == hidden
    }  # fmt: skip
    if len(fits) != 1:
        shapes = ", ".join(f"{name} {np.shape(values)}" for name, values in arrays.items())
        _refuse(
            path,
            f"{len(fits) or 'no'} weights of a layer on {hidden} units in {shapes or 'it'}",
            f"one weight of shape (outputs, {hidden})",
        )
    [(name, weight)] = fits.items()
    bias = np.asarray(arrays.get(name.removesuffix("weight") + "bias", np.zeros(len(weight))))
    if bias.shape != (len(weight),):
        _refuse(path, f"a bias of shape {bias.shape}", f"({len(weight)},) as {name} has")
    weight, bias = weight.astype(np.float64), bias.astype(np.float64)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        _refuse(path, "a weight or bias that is not finite", "finite numbers")
    return weight, bias


def identity_head(outputs, hidden):
    """The first `outputs` units of the last layer as the outputs: weight, bias. Else HeadError."""
    if outputs > hidden:
        raise HeadError(f"readout: found {hidden} units, expected at least {outputs}: one a label")
    return np.eye(outputs, hidden), np.zeros(outputs)


def fitted_head(model, items, task, outputs, pooling, seed=1, progress=None):
    """A linear layer fitted on h of the integer `model` over Items: weight float64 (C, H), bias.

    Multinomial logistic regression with a small penalty for classes, least squares for a
    regression. `progress(n)`: n steps were run. Raises HeadError for a task that is neither.
    """
    if task not in POOLING_OF_TASK:
        raise HeadError(
            f"readout: found the task {task!r}, which no linear fit solves; give a file"
        )
    traces = run_batch(model, [item.x for item in items], progress=progress)
    states = [_pooled(fixed.to_float(trace.h, fixed.X_FRAC), pooling) for trace in traces]
    h = np.concatenate(states)
    target = [np.atleast_1d(np.asarray(item.target)) for item in items]
    wanted = np.concatenate(target)
    if task == "regression":
        return _least_squares(h, wanted.reshape(len(wanted), -1))
    return _logistic(h, wanted.astype(np.int64), outputs, seed)


def _pooled(h, pooling):
    if pooling == "none":
        return h
    return h[-1:] if pooling == "last" else h.mean(axis=0, keepdims=True)


def _least_squares(h, wanted):
    known = np.isfinite(wanted).all(axis=1)
    rows = np.column_stack([h[known], np.ones(known.sum())])
    penalty = L2 * len(rows) * np.diag([1.0] * h.shape[1] + [0.0])
    solution = np.linalg.solve(rows.T @ rows + penalty + 1e-9 * np.eye(len(penalty)),
                               rows.T @ wanted[known])  # fmt: skip
    return solution[:-1].T, solution[-1]


def _logistic(h, classes, outputs, seed):
    torch.manual_seed(seed)
    x, y = torch.from_numpy(h), torch.from_numpy(classes)
    weight = torch.zeros(outputs, h.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(outputs, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(x @ weight.T + bias, y)
        loss = loss + L2 * weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return weight.detach().numpy(), bias.detach().numpy()


def check_pooling(task, pooling):
    """HeadError unless a read-out of `task` can see h in this way."""
    allowed = POOLING_OF_TASK.get(task, POOLINGS)
    if pooling not in allowed:
        raise HeadError(
            f"pooling: found {pooling!r}, expected {' or '.join(allowed)} for the task {task!r}"
        )


def attach(model, extract, task, labels, weight, bias, pooling):
    """`model` with these features and this read-out in its extras.

    `labels`: names of the outputs, in order. A weight over the units before padding is filled up
    with zeros. Raises HeadError if a size or the pooling does not fit.
    """
    check_pooling(task, pooling)
    if len(weight) != len(labels):
        raise HeadError(
            f"readout: found {len(weight)} outputs, expected {len(labels)}: {', '.join(labels)}"
        )
    hidden = model.hidden_sizes[-1]
    weight = np.pad(weight, ((0, 0), (0, hidden - weight.shape[1])))
    extras = {
        **model.extras,
        **extract.extras(),
        MADE_BY: np.array("attach"),
        "readout.task": np.array(task),
        "readout.pooling": np.array(pooling),
        "readout.labels": np.array(labels),
        "readout.weight": weight,
        "readout.bias": np.asarray(bias, np.float64),
    }
    if task == "regression":
        extras["readout.mean"] = np.zeros(len(labels))
        extras["readout.std"] = np.ones(len(labels))
    return replace(model, extras=extras)


def units_of(model):
    """Units of the last layer that are real: those before padding."""
    sizes = model.extras.get("unpadded_hidden_sizes", model.hidden_sizes)
    return int(sizes[-1])


def chance(task, train, judged):
    """The Score on Items `judged` of the best constant answer to Items `train`."""
    if task == "regression":
        rows = np.concatenate([item.target for item in train])
        constant = np.nanmean(rows, axis=0)
        scores = [Score.of(task, np.broadcast_to(constant, item.target.shape), item.target)
                  for item in judged]  # fmt: skip
    else:
        values = np.concatenate([np.atleast_1d(np.asarray(item.target)) for item in train])
        most = int(np.bincount(values.astype(np.int64)).argmax())
        scores = [
            Score.of(
                task, most if task == "label" else np.full_like(item.target, most), item.target
            )
            for item in judged
        ]
    total = scores[0]
    for score in scores[1:]:
        total = total + score
    return total


def items_of(dataset, split, extract):
    """Items of a split. DatasetError if it is empty."""
    examples = dataset.of_split(split)
    if not examples:
        raise DatasetError(f"{dataset.name}: found an empty {split} split, expected sequences")
    return [make_item(extract, example) for example in examples]


def _npz(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, KeyError) as error:
        reason = getattr(error, "strerror", None) or "something that numpy cannot read"
        _refuse(path, reason, "a .npz file")


def _tensors(path):
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        return {
            str(name): value.detach().to(torch.float64).numpy()
            for name, value in content.items()
            if isinstance(value, torch.Tensor)
        }
    except OSError as error:
        _refuse(path, error.strerror or "nothing that can be read", "a read-out")
    except Exception:
        _refuse(path, "something that cannot be read", "a .npz, .safetensors or state_dict file")


def _refuse(path, found, expected) -> NoReturn:
    raise HeadError(f"{path}: found {found}, expected {expected}")
