# SPDX-License-Identifier: Apache-2.0
"""How far each element was from its threshold, and thresholds that hidden states land on.

x can be aimed at Θx of the first layer. Hidden states are what the network makes of them, so for
those the threshold is aimed instead.
"""

from dataclasses import replace
from typing import Literal, SupportsInt

import numpy as np

from golden.arrays import Int16s, Int64s, Integers
from golden.integer import IntegerGru, LayerState
from golden.model_file import Model

# Largest first: at small thresholds anything lands on an edge. |Δh| is at most 512, since h stays
# within +-256.
_CANDIDATES = np.unique(np.geomspace(2, 512, 48).astype(np.int16))[::-1]


def distances(values: Integers, deltas: Integers) -> Int64s:
    """value - reference of each element and step, before saturation and threshold: int64 (T, N).

    `values` int16 (T, N): what a delta encoder was given from the start of a sequence on. `deltas`
    int16 (T, N): what it sent on, 0 where silent. All Q8.8.
    """
    sent = deltas.astype(np.int64)
    reference = np.cumsum(sent, axis=0) - sent
    return values.astype(np.int64) - reference


def edge_hits(distance: Int64s, theta: SupportsInt) -> Int64s:
    """How often |distance| is Θ-1, Θ, Θ+1 (rows), below and above 0 (columns): int64 (3, 2).

    `distance`: as `distances` returns it. Θ = max(theta, 1), Q8.8; a distance of 0 has either sign.
    """
    edge = max(int(theta), 1) + np.arange(-1, 2)
    return np.stack([[np.sum(distance == sign * e) for sign in (-1, 1)] for e in edge])


def hidden_edges(model: Model, x: Int16s) -> Model:
    """`model` with thresholds such that its hidden states land on Θ-1, Θ and Θ+1 with either sign.

    Every Θh, and every Θx but the first, becomes the largest candidate at which each of the six
    occurs in a run of `x` int16 (T, I), Q8.8. Each candidate is run, as thresholds change h.
    Raises ValueError where none does: T is too small, or h hardly moves.
    """
    theta_x, theta_h = model.theta_x.copy(), model.theta_h.copy()
    values = x
    for i, layer in enumerate(IntegerGru(model).layers):
        if i > 0:
            theta_x[i] = _largest(layer, values, "x", theta_h[i], f"layer {i}, theta_x")
        theta_h[i] = _largest(layer, values, "h", theta_x[i], f"layer {i}, theta_h")
        values = _run(layer, values, theta_x[i], theta_h[i])[2]
    return replace(model, theta_x=theta_x, theta_h=theta_h)


def _run(
    layer: LayerState, values: Int16s, theta_x: SupportsInt, theta_h: SupportsInt
) -> tuple[Int16s, Int16s, Int16s]:
    """A fresh sequence through one layer: dx (T, I), dh (T, H), h (T, H)."""
    layer.reset()
    steps = [layer.step(row, theta_x, theta_h) for row in values]
    return (
        np.array([step.dx for step in steps]),
        np.array([step.dh for step in steps]),
        np.array([step.h for step in steps]),
    )


def _largest(
    layer: LayerState,
    values: Int16s,
    side: Literal["x", "h"],
    other: SupportsInt,
    name: str,
) -> int:
    """The largest threshold of `side` that all six distances occur at; `other`: that of the other
    side.
    """
    for theta in _CANDIDATES.tolist():
        if side == "x":
            dx, _, _ = _run(layer, values, theta, other)
            distance = distances(values, dx)
        else:
            _, dh, h = _run(layer, values, other, theta)
            distance = distances(np.vstack([np.zeros_like(h[:1]), h[:-1]]), dh)
        if edge_hits(distance, theta).all():
            return int(theta)
    raise ValueError(
        f"{name}: found no threshold that {len(values)} steps come to both sides of, with either "
        "sign; expected more steps, or inputs and weights that move h more"
    )
