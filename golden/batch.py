"""The integer model over many sequences at once, for sweeps: the same bits, a hundred times faster.

A delta memory is at any time its bias plus W x_ref + U h_ref, modulo 2^32, whatever the order in
which columns were added. So a whole batch takes one matrix product a step, and the input part of
all steps one in total. `golden/tests/test_batch.py` holds it against `golden.integer`.
"""

from dataclasses import dataclass

import numpy as np

from golden import fixed
from golden.integer import gate_step
from golden.model_file import resolve_theta

_EXACT_IN_FLOAT32 = 1 << 24


@dataclass(frozen=True, eq=False)
class BatchTrace:
    """One sequence: `h` int16 (T, H) of the last layer, Q8.8; for each layer what fired, bool
    `fired_x[l]` (T, I_l), `fired_h[l]` (T, H_l).
    """

    h: np.ndarray
    fired_x: tuple
    fired_h: tuple

    @property
    def columns_x(self):
        """Δx columns read, int64 (T, L)."""
        return np.stack([fired.sum(axis=1) for fired in self.fired_x], axis=1)

    @property
    def columns_h(self):
        """Δh columns read, int64 (T, L)."""
        return np.stack([fired.sum(axis=1) for fired in self.fired_h], axis=1)

    def pattern(self):
        """The firing pattern as `golden.timing.predict` takes it."""
        return [
            [
                (np.flatnonzero(x[t]), np.flatnonzero(h[t]))
                for x, h in zip(self.fired_x, self.fired_h, strict=True)
            ]
            for t in range(len(self.h))
        ]


def run_batch(model, sequences, theta_x=None, theta_h=None, size=128, progress=None):
    """Run sequences of inputs, each int16 (T_i, I), from the zero state; a list of BatchTrace.

    `theta_x`, `theta_h`: Q8.8, one or one per layer, None for the model's. `size`: sequences in a
    batch. `progress(n)` is called with the number of time steps newly finished. Raises
    ModelFileError for a bad model or threshold.
    """
    model.validate()
    theta_x = resolve_theta(theta_x, model.theta_x, "theta_x")
    theta_h = resolve_theta(theta_h, model.theta_h, "theta_h")
    lengths = np.array([len(x) for x in sequences])
    order = np.argsort(-lengths, kind="stable")
    traces = [None] * len(sequences)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        x = np.zeros((lengths[chosen[0]], len(chosen), model.input_size), np.int16)
        for column, i in enumerate(chosen):
            x[: lengths[i], column] = sequences[i]
        fired_x, fired_h = [], []
        for layer in range(model.num_layers):
            x, *fired = _layer(model, layer, x, int(theta_x[layer]), int(theta_h[layer]))
            fired_x.append(fired[0])
            fired_h.append(fired[1])
        for column, i in enumerate(chosen):
            steps = slice(lengths[i])
            traces[i] = BatchTrace(
                x[steps, column].copy(),
                tuple(fired[steps, column].copy() for fired in fired_x),
                tuple(fired[steps, column].copy() for fired in fired_h),
            )
        if progress is not None:
            progress(int(lengths[chosen].sum()))
    return traces


def _layer(model, layer, x, theta_x, theta_h):
    """h (T, B, H) of one layer from its input (T, B, I), and what fired in both."""
    hidden = model.hidden_sizes[layer]
    memory_0 = model.bias[layer].astype(np.int64).reshape(-1)

    held = np.empty_like(x)
    fired_x = np.empty(x.shape, bool)
    reference = np.zeros(x.shape[1:], np.int32)
    for t, row in enumerate(x):
        reference, fired_x[t] = hold(row, reference, theta_x)
        held[t] = reference
    from_x = _product(held, model.weight_ih[layer])
    from_x += memory_0[: 3 * hidden]

    multiply = _multiplier(model.weight_hh[layer])
    outputs = np.empty((*x.shape[:2], hidden), np.int16)
    fired_h = np.empty(outputs.shape, bool)
    h = reference = np.zeros(outputs.shape[1:], np.int32)
    bias_nh = memory_0[3 * hidden :]
    for t in range(len(x)):
        reference, fired_h[t] = hold(h, reference, theta_h)
        from_h = multiply(reference)
        memory = np.empty((4, *h.shape), np.int64)
        memory[:2] = (from_x[t] + from_h)[:, : 2 * hidden].reshape(-1, 2, hidden).swapaxes(0, 1)
        memory[2], memory[3] = from_x[t, :, 2 * hidden :], from_h[:, 2 * hidden :] + bias_nh
        h = gate_step(*fixed.wrap32(memory).astype(np.int64), h, model.lut_frac).h
        outputs[t] = h
    return outputs, fired_x, fired_h


def hold(value, reference, theta):
    """``(new reference, fired)`` of int16 `value` against int32 `reference` of the same shape."""
    delta = fixed.sat16(value.astype(np.int32) - reference)
    fired = np.abs(delta) >= max(theta, 1)
    return np.where(fired, reference + delta, reference), fired


def _multiplier(weight):
    """The exact product of integers (B, N), within int16, with a weight matrix (M, N): int64."""
    wide = weight.T.astype(np.float64)
    narrow = weight.T.astype(np.float32)
    row = int(np.abs(weight.astype(np.int64)).sum(axis=1).max())

    def multiply(values):
        # Sums below 2^24 are exact in float32, in whatever order they are made.
        if row * int(np.abs(values).max(initial=0)) < _EXACT_IN_FLOAT32:
            return (values.astype(np.float32) @ narrow).astype(np.int64)
        return (values.astype(np.float64) @ wide).astype(np.int64)

    return multiply


def _product(values, weight):
    """The exact product of (T, B, N) with a weight matrix (M, N), step by step: int64 (T, B, M)."""
    multiply = _multiplier(weight)
    out = np.empty((*values.shape[:2], len(weight)), np.int64)
    for t, row in enumerate(values):
        out[t] = multiply(row)
    return out
