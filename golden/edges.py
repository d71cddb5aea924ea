"""How far each element was from its threshold, and thresholds that hidden states land on.

x can be aimed at Θx of the first layer. Hidden states are what the network makes of them, so for
those the threshold is aimed instead.
"""

from dataclasses import replace

import numpy as np

from golden.integer import IntegerGru

# Largest first: at small thresholds anything lands on an edge. |Δh| is at most 512, since h stays
# within +-256.
_CANDIDATES = np.unique(np.geomspace(2, 512, 48).astype(np.int16))[::-1]


def distances(values, deltas):
    """value - reference of each element and step, before saturation and threshold: int64 (T, N).

    `values` int16 (T, N): what a delta encoder was given from the start of a sequence on. `deltas`
    int16 (T, N): what it sent on, 0 where silent. All Q8.8.
    """
    sent = deltas.astype(np.int64)
    reference = np.cumsum(sent, axis=0) - sent
    return values - reference


def edge_hits(distance, theta):
    """How often |distance| is Θ-1, Θ, Θ+1 (rows), below and above 0 (columns): int64 (3, 2).

    `distance`: as `distances` returns it. Θ = max(theta, 1), Q8.8; a distance of 0 has either sign.
    """
    edge = max(int(theta), 1) + np.arange(-1, 2)
    return np.stack([[np.sum(distance == sign * e) for sign in (-1, 1)] for e in edge])


def hidden_edges(model, x):
    """`model` with thresholds such that its hidden states land on Θ-1, Θ and Θ+1 with either sign.

    Every Θh, and every Θx but the first, becomes the largest candidate at which each of the six
    occurs in a run of `x` int16 (T, I), Q8.8. Each candidate is run, as thresholds change h.
    Raises ValueError where none does: T is too small, or h hardly moves.
    """
    theta_x, theta_h = model.theta_x.copy(), model.theta_h.copy()
    values = x
    for i, layer in enumerate(IntegerGru(model).layers):
        if i > 0:
            theta_x[i] = _largest(layer, values, None, theta_h[i], f"layer {i}, theta_x")
        theta_h[i] = _largest(layer, values, theta_x[i], None, f"layer {i}, theta_h")
        values = _run(layer, values, theta_x[i], theta_h[i])[2]
    return replace(model, theta_x=theta_x, theta_h=theta_h)


def _run(layer, values, theta_x, theta_h):
    """A fresh sequence through one layer: dx (T, I), dh (T, H), h (T, H)."""
    layer.reset()
    steps = [layer.step(row, theta_x, theta_h) for row in values]
    return tuple(np.array([getattr(step, name) for step in steps]) for name in ("dx", "dh", "h"))


def _largest(layer, values, theta_x, theta_h, name):
    """The largest threshold, of x or of h, whichever is None, that all six distances occur at."""
    for theta in _CANDIDATES:
        if theta_x is None:
            dx, _, _ = _run(layer, values, theta, theta_h)
            distance = distances(values, dx)
        else:
            _, dh, h = _run(layer, values, theta_x, theta)
            distance = distances(np.vstack([np.zeros_like(h[:1]), h[:-1]]), dh)
        if edge_hits(distance, theta).all():
            return theta
    raise ValueError(
        f"{name}: found no threshold that {len(values)} steps come to both sides of, with either "
        "sign; expected more steps, or inputs and weights that move h more"
    )
