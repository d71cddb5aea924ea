# SPDX-License-Identifier: Apache-2.0
"""The integer model over many sequences at once, for sweeps: the same bits, a hundred times faster.

A delta memory is at any time its bias plus W x_ref + U h_ref, modulo 2^32, whatever the order in
which columns were added. So a whole batch takes one matrix product a step, and the input part of
all steps one in total. `golden/tests/test_batch.py` holds it against `golden.integer`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from golden import fixed
from golden.arrays import Bools, Int8s, Int16s, Int32s, Int64s, Integers, Thetas
from golden.integer import gate_step
from golden.model_file import Model, resolve_theta

_EXACT_IN_FLOAT32 = 1 << 24


@dataclass(frozen=True, eq=False)
class BatchTrace:
    """One sequence: `h` int16 (T, H) of the last layer, Q8.8; for each layer what fired, bool
    `fired_x[l]` (T, I_l), `fired_h[l]` (T, H_l).
    """

    h: Int16s
    fired_x: tuple[Bools, ...]
    fired_h: tuple[Bools, ...]

    @property
    def columns_x(self) -> Int64s:
        """Δx columns read, int64 (T, L)."""
        return np.stack([fired.sum(axis=1) for fired in self.fired_x], axis=1)

    @property
    def columns_h(self) -> Int64s:
        """Δh columns read, int64 (T, L)."""
        return np.stack([fired.sum(axis=1) for fired in self.fired_h], axis=1)

    def pattern(self) -> list[list[tuple[Int64s, Int64s]]]:
        """The firing pattern as `golden.timing.predict` takes it."""
        return [
            [
                (np.flatnonzero(x[t]), np.flatnonzero(h[t]))
                for x, h in zip(self.fired_x, self.fired_h, strict=True)
            ]
            for t in range(len(self.h))
        ]


def run_batch(
    model: Model,
    sequences: Sequence[Int16s],
    theta_x: Thetas = None,
    theta_h: Thetas = None,
    size: int = 128,
    progress: Callable[[int], object] | None = None,
) -> list[BatchTrace]:
    """Run sequences of inputs, each int16 (T_i, I), from the zero state; a list of BatchTrace.

    `theta_x`, `theta_h`: Q8.8, one or one per layer, None for the model's. `size`: sequences in a
    batch. `progress(n)` is called with the number of time steps newly finished. Raises
    ModelFileError for a bad model or threshold.
    """
    model.validate()
    thetas_x = resolve_theta(theta_x, model.theta_x, "theta_x")
    thetas_h = resolve_theta(theta_h, model.theta_h, "theta_h")
    lengths = np.array([len(x) for x in sequences])
    order = np.argsort(-lengths, kind="stable")
    traces: dict[int, BatchTrace] = {}
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        x = np.zeros((lengths[chosen[0]], len(chosen), model.input_size), np.int16)
        for column, i in enumerate(chosen):
            x[: lengths[i], column] = sequences[i]
        fired_x, fired_h = [], []
        for layer in range(model.num_layers):
            x, of_x, of_h = _layer(model, layer, x, int(thetas_x[layer]), int(thetas_h[layer]))
            fired_x.append(of_x)
            fired_h.append(of_h)
        for column, i in enumerate(chosen):
            steps = slice(lengths[i])
            traces[i] = BatchTrace(
                x[steps, column].copy(),
                tuple(fired[steps, column].copy() for fired in fired_x),
                tuple(fired[steps, column].copy() for fired in fired_h),
            )
        if progress is not None:
            progress(int(lengths[chosen].sum()))
    return [traces[i] for i in range(len(sequences))]


def _layer(
    model: Model, layer: int, x: Int16s, theta_x: int, theta_h: int
) -> tuple[Int16s, Bools, Bools]:
    """h (T, B, H) of one layer from its input (T, B, I), and what fired in both."""
    hidden = model.hidden_sizes[layer]
    memory_0 = model.bias[layer].astype(np.int64).reshape(-1)

    held = np.empty_like(x)
    fired_x = np.empty(x.shape, bool)
    reference: Int32s = np.zeros(x.shape[1:], np.int32)
    for t, row in enumerate(x):
        reference, fired_x[t] = hold(row, reference, theta_x)
        held[t] = reference
    from_x = _product(held, model.weight_ih[layer])
    from_x += memory_0[: 3 * hidden]

    multiply = _multiplier(model.weight_hh[layer])
    outputs = np.empty((*x.shape[:2], hidden), np.int16)
    fired_h = np.empty(outputs.shape, bool)
    h: Integers = np.zeros(outputs.shape[1:], np.int32)
    reference = np.zeros(outputs.shape[1:], np.int32)
    bias_nh = memory_0[3 * hidden :]
    for t in range(len(x)):
        reference, fired_h[t] = hold(h, reference, theta_h)
        from_h = multiply(reference)
        memory = np.empty((4, *h.shape), np.int64)
        memory[:2] = (from_x[t] + from_h)[:, : 2 * hidden].reshape(-1, 2, hidden).swapaxes(0, 1)
        memory[2], memory[3] = from_x[t, :, 2 * hidden :], from_h[:, 2 * hidden :] + bias_nh
        m_r, m_z, m_nx, m_nh = fixed.wrap32(memory).astype(np.int64)
        h = gate_step(m_r, m_z, m_nx, m_nh, h, model.lut_frac).h
        outputs[t] = h
    return outputs, fired_x, fired_h


def hold(value: Integers, reference: Int32s, theta: int) -> tuple[Int32s, Bools]:
    """``(new reference, fired)`` of int16 `value` against int32 `reference` of the same shape."""
    delta = fixed.sat16(value.astype(np.int32) - reference)
    fired = np.abs(delta) >= max(theta, 1)
    return np.where(fired, reference + delta, reference), fired


def _multiplier(weight: Int8s) -> Callable[[Integers], Int64s]:
    """The exact product of integers (B, N), within int16, with a weight matrix (M, N): int64."""
    wide = weight.T.astype(np.float64)
    narrow = weight.T.astype(np.float32)
    row = int(np.abs(weight.astype(np.int64)).sum(axis=1).max())

    def multiply(values: Integers) -> Int64s:
        # Sums below 2^24 are exact in float32, in whatever order they are made.
        if row * int(np.abs(values).max(initial=0)) < _EXACT_IN_FLOAT32:
            return (values.astype(np.float32) @ narrow).astype(np.int64)
        return (values.astype(np.float64) @ wide).astype(np.int64)

    return multiply


def _product(values: Integers, weight: Int8s) -> Int64s:
    """The exact product of (T, B, N) with a weight matrix (M, N), step by step: int64 (T, B, M)."""
    multiply = _multiplier(weight)
    out = np.empty((*values.shape[:2], len(weight)), np.int64)
    for t, row in enumerate(values):
        out[t] = multiply(row)
    return out
