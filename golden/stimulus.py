# SPDX-License-Identifier: Apache-2.0
"""Random models and input sequences that reach the corners of the arithmetic.

Everything comes from the `numpy.random.Generator` handed in, so that one printed seed makes a
failing case again.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from golden import fixed
from golden.arrays import AnyArray, Int8s, Int16s, Int32s, Int64s, Thetas
from golden.model_file import Model, resolve_theta

Shape = tuple[int, int]
_Draw = Callable[[Generator, Shape], AnyArray]
# Chance of an end value (-128/127, or the two ends of int32): a uniform draw over 2^32 values
# would never meet one.
_END_CHANCE = 1 / 32


def random_model(
    rng: Generator,
    input_size: int,
    hidden_sizes: npt.ArrayLike,
    lut_frac: int = 8,
    weight_scale: float | None = None,
    theta_x: Thetas = 0,
    theta_h: Thetas = 0,
) -> Model:
    """A valid Model of any shape. `theta_x`, `theta_h`: Q8.8, scalar or one per layer.

    With `weight_scale` None, weights span int8 and biases int32, ends included; some rows and
    biases are small so that gates are met in their slopes as well as in saturation. With a
    number, weights and biases are uniform in +-weight_scale (1.0 is one), as in a trained network.
    """
    sizes = tuple(int(h) for h in np.atleast_1d(hidden_sizes))
    input_sizes = (int(input_size), *sizes[:-1])
    layers = len(sizes)
    weight: _Draw
    bias: _Draw
    if weight_scale is None:
        weight, bias = _extreme_weight, _extreme_bias
    else:
        weight = _scaled(weight_scale, fixed.W_FRAC, fixed.W_BITS)
        bias = _scaled(weight_scale, fixed.ACC_FRAC, fixed.ACC_BITS)
    zeros = np.zeros(layers, np.int16)
    model = Model(
        num_layers=layers,
        lut_frac=int(lut_frac),
        weight_ih=tuple(weight(rng, (3 * h, i)) for h, i in zip(sizes, input_sizes, strict=True)),
        weight_hh=tuple(weight(rng, (3 * h, h)) for h in sizes),
        bias=tuple(bias(rng, (4, h)) for h in sizes),
        theta_x=resolve_theta(theta_x, zeros, "theta_x"),
        theta_h=resolve_theta(theta_h, zeros, "theta_h"),
    )
    model.validate()
    return model


def _scaled(scale: float, frac: int, bits: int) -> _Draw:
    return lambda rng, shape: fixed.to_fixed(rng.uniform(-scale, scale, shape), frac, bits)


def _with_ends(rng: Generator, values: Int64s, low: int, high: int) -> Int64s:
    values = np.where(rng.random(values.shape) < _END_CHANCE, low, values)
    return np.where(rng.random(values.shape) < _END_CHANCE, high, values)


def _extreme_weight(rng: Generator, shape: Shape) -> Int8s:
    weights = rng.integers(fixed.W_MIN, fixed.W_MAX + 1, shape)
    weights = _with_ends(rng, weights, fixed.W_MIN, fixed.W_MAX)
    # Half the rows keep the full range; the others shrink by a power of two.
    shift = np.where(rng.random((shape[0], 1)) < 0.5, 0, rng.integers(1, 8, (shape[0], 1)))
    return (weights >> shift).astype(np.int8)


def _extreme_bias(rng: Generator, shape: Shape) -> Int32s:
    bias = rng.integers(fixed.ACC_MIN, fixed.ACC_MAX + 1, shape)
    # Magnitudes even in the logarithm: 2^18 is a gate argument of 8, well into saturation.
    bias = bias >> rng.integers(0, fixed.ACC_BITS, shape)
    return _with_ends(rng, bias, fixed.ACC_MIN, fixed.ACC_MAX).astype(np.int32)


def random_inputs(
    rng: Generator, steps: int, input_size: int, kind: str = "uniform", theta: int = 0
) -> Int16s:
    """An input sequence int16 (steps, input_size), Q8.8, of one of KINDS (DESCRIPTIONS says what).

    `theta`: layer 0's input threshold, Q8.8, which 'edges', 'ramp' and 'quiet_burst' aim at.
    Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(KINDS)}")
    return _MAKERS[kind](rng, (steps, input_size), int(theta)).astype(np.int16)


# The docstrings below are the DESCRIPTIONS. A threshold of 0 acts as 1.


def _uniform(rng: Generator, shape: Shape, _theta: int) -> Int64s:
    """Uniform over int16, both ends among them."""
    values = rng.integers(fixed.X_MIN, fixed.X_MAX + 1, shape)
    return _with_ends(rng, values, fixed.X_MIN, fixed.X_MAX)


def _walk(rng: Generator, shape: Shape, _theta: int) -> Int64s:
    """Drifts a little each step, as features do."""
    start = rng.integers(-256, 257, shape[1])
    moves = rng.integers(-48, 49, shape) * (rng.random(shape) < 0.6)
    return np.clip(start + np.cumsum(moves, axis=0), fixed.X_MIN, fixed.X_MAX)


def _edges(rng: Generator, shape: Shape, theta: int) -> Int64s:
    """Each element exactly Θ-1, Θ or Θ+1 from its reference, either sign."""
    theta = max(theta, 1)
    values = np.empty(shape, np.int64)
    reference = np.zeros(shape[1], np.int64)
    for t in range(shape[0]):
        size = theta + rng.integers(-1, 2, shape[1])
        values[t] = _moved(reference, size * rng.choice([-1, 1], shape[1]))
        reached = reference + fixed.sat16(values[t] - reference)
        reference = np.where(size >= theta, reached, reference)
    return values


def _quiet(rng: Generator, shape: Shape, _theta: int) -> Int64s:
    """A constant with rare changes."""
    level = rng.integers(-512, 513, shape[1])
    changes = rng.integers(-256, 257, shape) * (rng.random(shape) < 0.02)
    return level + np.cumsum(changes, axis=0)


def _burst(rng: Generator, shape: Shape, _theta: int) -> Int64s:
    """0 and, one step in eight, every element new."""
    active = rng.permutation(shape[0]) % 8 == 0
    return np.where(active[:, None], rng.integers(-1024, 1025, shape), 0)


def _saturate(rng: Generator, shape: Shape, _theta: int) -> Int64s:
    """From end to end of int16 and back, each step or every third: Δ itself saturates."""
    # Held for three steps, what saturation cut off follows in the second and third.
    held = np.array([1, 3])[rng.permutation(shape[1]) % 2]
    phase = rng.permutation(shape[1]) % 2
    odd = (np.arange(shape[0])[:, None] // held + phase) % 2
    return np.where(odd, fixed.X_MAX, fixed.X_MIN)


def _ramp(rng: Generator, shape: Shape, theta: int) -> Int64s:
    """Creeps by less than Θ a step, often by 1 LSB, up or down: fires by what has added up."""
    # An encoder that compares with the previous value, not with the reference, never fires (but for
    # theta <= 1, where there is no move below the threshold and each move of 1 LSB fires).
    theta = max(theta, 1)
    values = np.empty(shape, np.int64)
    value = reference = np.zeros(shape[1], np.int64)
    stride = rng.integers(1, max(theta, 2), shape[1])
    direction = rng.choice([-1, 1], shape[1])
    for t in range(shape[0]):
        direction = np.where(rng.random(shape[1]) < 1 / 16, -direction, direction)
        edge = reference + direction * theta
        inside = (edge >= fixed.X_MIN) & (edge <= fixed.X_MAX)
        direction = np.where(inside, direction, -direction)
        left = theta - direction * (value - reference)
        # By 1 LSB, by the element's stride, to Θ - 1, or to Θ exactly.
        choice = rng.choice(4, shape[1], p=(0.5, 0.2, 0.15, 0.15))
        move = np.choose(choice, (np.ones_like(left), stride, left - 1, left))
        move = np.clip(move, 0, max(theta - 1, 1))
        value = np.clip(value + direction * move, fixed.X_MIN, fixed.X_MAX)
        delta = fixed.sat16(value - reference)
        reference = np.where(np.abs(delta) >= theta, reference + delta, reference)
        values[t] = value
    return values


def _quiet_burst(rng: Generator, shape: Shape, theta: int) -> Int64s:
    """4 to 7 steps in which nothing moves, then one in which every element moves by Θ or more."""
    values = np.empty(shape, np.int64)
    level = np.zeros(shape[1], np.int64)
    silence = rng.integers(4, 8)
    for t in range(shape[0]):
        if silence:
            silence -= 1
        else:
            # Never a saturated delta: its rest would fire in the silence that follows.
            size = np.minimum(max(theta, 1) + rng.integers(0, 512, shape[1]), fixed.X_MAX)
            level = _moved(level, size * rng.choice([-1, 1], shape[1]))
            silence = rng.integers(4, 8)
        values[t] = level
    return values


def _moved(value: Int64s, move: Int64s) -> Int64s:
    """value + move, or value - move where that leaves 16 bits; of |move| <= 2^15 one stays."""
    moved = value + move
    return np.where((moved < fixed.X_MIN) | (moved > fixed.X_MAX), value - move, moved)


_MAKERS: dict[str, Callable[[Generator, Shape, int], Int64s]] = {
    "uniform": _uniform,
    "walk": _walk,
    "edges": _edges,
    "quiet": _quiet,
    "burst": _burst,
    "saturate": _saturate,
    "ramp": _ramp,
    "quiet_burst": _quiet_burst,
}
KINDS = tuple(_MAKERS)
"""What `random_inputs` can make."""
DESCRIPTIONS = {kind: maker.__doc__ for kind, maker in _MAKERS.items()}
"""One line for each of KINDS."""
