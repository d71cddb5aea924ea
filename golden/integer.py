# SPDX-License-Identifier: Apache-2.0
"""The delta-GRU in integers, bit for bit what the accelerator computes.

Gao et al., JETCAS 2020 (arXiv 2012.13600), section III, with the formats of `golden.fixed`. A
delta memory accumulates weight columns times deltas, so a column whose delta stays below the
threshold is neither read nor multiplied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, SupportsInt

import numpy as np
import numpy.typing as npt

from golden import fixed
from golden.arrays import AnyArray, Int8s, Int16s, Int32s, Int64s, Integers, Thetas
from golden.layout import column_bytes
from golden.model_file import Model, resolve_theta


@dataclass(frozen=True, eq=False)
class LayerTrace:
    """What one layer did in one time step (I inputs, H units).

    `dx` int16 (I,), `dh` int16 (H,): deltas, Q8.8, 0 where not firing. `fired_x`, `fired_h`:
    indices of the firing elements, ascending. `memory` int32 (4, H), Q17.15: M_r, M_z, M_nx, M_nh
    after the step. `q_r`, `q_z`, `q_nh`, `pre_n` int16 (H,), Q8.8: arguments of the tables and of
    the reset product. `r`, `z`, `n`, `h` int16 (H,), 2^-8 units. `x_ref` int16 (I,), `h_ref` int16
    (H,), Q8.8: references after the step.
    """

    dx: Int16s
    dh: Int16s
    fired_x: Int64s
    fired_h: Int64s
    memory: Int32s
    q_r: Int16s
    q_z: Int16s
    q_nh: Int16s
    pre_n: Int16s
    r: Int16s
    z: Int16s
    n: Int16s
    h: Int16s
    x_ref: Int16s
    h_ref: Int16s

    @property
    def columns_x(self) -> int:
        """Input weight columns read."""
        return len(self.fired_x)

    @property
    def columns_h(self) -> int:
        """Recurrent weight columns read."""
        return len(self.fired_h)

    @property
    def dram_bytes(self) -> int:
        """Weight bytes read: 3H for each column."""
        return (self.columns_x + self.columns_h) * column_bytes(len(self.h))


@dataclass(frozen=True, eq=False)
class StepTrace:
    """What the network did in one time step: one `LayerTrace` per layer, first layer first."""

    layers: tuple[LayerTrace, ...]

    @property
    def h(self) -> Int16s:
        """The network's output, int16 (H,), Q8.8: the last layer's hidden state."""
        return self.layers[-1].h

    @property
    def dram_bytes(self) -> int:
        """Weight bytes read by all layers."""
        return sum(layer.dram_bytes for layer in self.layers)


def encode_delta(value: Int16s, reference: Int16s, theta: SupportsInt) -> tuple[Int16s, Int64s]:
    """The delta encoder: ``(delta, fired)`` of int16 (N,) `value` against `reference`, Q8.8.

    `delta` is int16 (N,), 0 where |delta| < max(theta, 1); `fired` holds the firing indices. The
    new reference is ``reference + delta``.
    """
    delta = fixed.sat16(value.astype(np.int64) - reference)
    # int64 here: |-32768| does not fit in 16 bits.
    fires = np.abs(delta) >= max(int(theta), 1)
    return np.where(fires, delta, 0).astype(np.int16), np.flatnonzero(fires)


class Gates(NamedTuple):
    """What the gates of a layer compute in a step, all int16 of one shape; as in `LayerTrace`."""

    q_r: Int16s
    q_z: Int16s
    q_nh: Int16s
    pre_n: Int16s
    r: Int16s
    z: Int16s
    n: Int16s
    h: Int16s


def gate_step(
    m_r: Int64s, m_z: Int64s, m_nx: Int64s, m_nh: Int64s, h: Integers, lut_frac: int
) -> Gates:
    """Gates from delta memories (int64 within int32, Q17.15) and the state before, of any shape."""
    q_r, q_z, q_nh = fixed.q(m_r), fixed.q(m_z), fixed.q(m_nh)
    r = fixed.sigmoid(q_r, lut_frac)
    z = fixed.sigmoid(q_z, lut_frac)
    # M_nx has 15 fraction bits and r * q(M_nh) has 16: align, add, and round once.
    align = 1 << (fixed.GATE_FRAC + fixed.X_FRAC - fixed.ACC_FRAC)
    pre_n = fixed.sat16(fixed.rne(align * m_nx + r * q_nh, fixed.GATE_FRAC))
    n = fixed.tanh(pre_n, lut_frac)
    z64 = z.astype(np.int64)
    new, old = fixed.rne((fixed.GATE_ONE - z64) * n, fixed.GATE_FRAC), z64 * h
    h_new = new + fixed.rne(old, fixed.GATE_FRAC)
    return Gates(*(a.astype(np.int16) for a in (q_r, q_z, q_nh, pre_n, r, z, n, h_new)))


class LayerState:
    """State and weights of one layer. `memory`, `x_ref`, `h_ref` and `h` are its whole state."""

    def __init__(self, weight_ih: Int8s, weight_hh: Int8s, bias: Int32s, lut_frac: int) -> None:
        # A column is a row of the transpose, so gathering the firing ones copies whole rows. In
        # float64 the product runs in BLAS and is exact: |sum| <= 1024 * 2^15 * 2^7 = 2^32 < 2^53.
        self._columns_x = np.ascontiguousarray(weight_ih.T, dtype=np.float64)
        self._columns_h = np.ascontiguousarray(weight_hh.T, dtype=np.float64)
        self._bias = bias
        self._lut_frac = lut_frac
        self.reset()

    def reset(self) -> None:
        inputs, hidden = len(self._columns_x), len(self._columns_h)
        self.x_ref = np.zeros(inputs, np.int16)
        self.h_ref = np.zeros(hidden, np.int16)
        self.h = np.zeros(hidden, np.int16)
        self.memory = self._bias.copy()

    def step(self, x: Int16s, theta_x: SupportsInt, theta_h: SupportsInt) -> LayerTrace:
        dx, fired_x = encode_delta(x, self.x_ref, theta_x)
        dh, fired_h = encode_delta(self.h, self.h_ref, theta_h)
        # Each step makes new arrays, so a trace keeps its own without copying.
        self.x_ref = self.x_ref + dx
        self.h_ref = self.h_ref + dh
        self.memory = self._accumulate(dx[fired_x], fired_x, dh[fired_h], fired_h)

        m_r, m_z, m_nx, m_nh = self.memory.astype(np.int64)
        gates = gate_step(m_r, m_z, m_nx, m_nh, self.h, self._lut_frac)
        self.h = gates.h
        return LayerTrace(
            dx=dx,
            dh=dh,
            fired_x=fired_x,
            fired_h=fired_h,
            memory=self.memory,
            x_ref=self.x_ref,
            h_ref=self.h_ref,
            **gates._asdict(),
        )

    def _accumulate(self, dx: Int16s, fired_x: Int64s, dh: Int16s, fired_h: Int64s) -> Int32s:
        hidden = len(self.h)
        from_x = (dx.astype(np.float64) @ self._columns_x[fired_x]).astype(np.int64)
        from_h = (dh.astype(np.float64) @ self._columns_h[fired_h]).astype(np.int64)
        change = np.zeros((4, hidden), np.int64)
        change[:2] = (from_x + from_h)[: 2 * hidden].reshape(2, hidden)
        # The candidate's two halves stay apart: r multiplies the recurrent one only.
        change[2] = from_x[2 * hidden :]
        change[3] = from_h[2 * hidden :]
        return fixed.wrap32(self.memory + change)


class IntegerGru:
    """A running integer delta-GRU.

    `layers[i]` holds the state of layer i: `x_ref` int16 (I,), `h_ref` and `h` int16 (H,), Q8.8,
    and `memory` int32 (4, H), Q17.15. Raises ModelFileError if `model` is not valid.
    """

    def __init__(self, model: Model) -> None:
        model.validate()
        self.model = model
        self.layers = tuple(
            LayerState(*tensors, model.lut_frac)
            for tensors in zip(model.weight_ih, model.weight_hh, model.bias, strict=True)
        )

    @property
    def x_ref(self) -> tuple[Int16s, ...]:
        """Input references, one int16 (I,) per layer."""
        return tuple(layer.x_ref for layer in self.layers)

    @property
    def h_ref(self) -> tuple[Int16s, ...]:
        """Hidden references, one int16 (H,) per layer."""
        return tuple(layer.h_ref for layer in self.layers)

    @property
    def h(self) -> tuple[Int16s, ...]:
        """Hidden states, one int16 (H,) per layer."""
        return tuple(layer.h for layer in self.layers)

    @property
    def memory(self) -> tuple[Int32s, ...]:
        """Delta memories, one int32 (4, H) per layer."""
        return tuple(layer.memory for layer in self.layers)

    def reset(self) -> None:
        """Start a new sequence: references and states to 0, memories to the biases."""
        for layer in self.layers:
            layer.reset()

    def step(self, x: npt.ArrayLike, theta_x: Thetas = None, theta_h: Thetas = None) -> StepTrace:
        """Run one time step on `x` (I,), integers of the int16 range, Q8.8; return a StepTrace.

        `theta_x`, `theta_h` (Q8.8, scalar or one per layer) replace the model's for this step.
        Raises ValueError if x is not such a vector, ModelFileError for a bad threshold.
        """
        values = _checked_input(x, (self.model.input_size,), "x")
        thetas_x = resolve_theta(theta_x, self.model.theta_x, "theta_x")
        thetas_h = resolve_theta(theta_h, self.model.theta_h, "theta_h")
        traces = []
        for layer, layer_x, layer_h in zip(self.layers, thetas_x, thetas_h, strict=True):
            traces.append(layer.step(values, layer_x, layer_h))
            values = layer.h
        return StepTrace(tuple(traces))


def _checked_input(values: npt.ArrayLike, shape: tuple[int, ...], name: str) -> Int16s:
    x: AnyArray = np.asarray(values)
    if x.dtype.kind not in "iu" or x.shape != shape:
        found = f"{x.dtype} {x.shape}"
        raise ValueError(f"{name}: found {found}, expected integers of shape {shape}")
    if x.size and (x.min() < fixed.X_MIN or x.max() > fixed.X_MAX):
        raise ValueError(
            f"{name}: found values {x.min()}...{x.max()}, expected {fixed.X_MIN}...{fixed.X_MAX}"
        )
    return x.astype(np.int16)


def run(
    model: Model,
    x: npt.ArrayLike,
    theta_x: Thetas = None,
    theta_h: Thetas = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[StepTrace]:
    """Run a fresh sequence `x` (T, I), Q8.8, and return its T StepTraces.

    `theta_x`, `theta_h` as in `IntegerGru.step`. `progress(done, total)` is called after each
    step. Raises ValueError and ModelFileError as `IntegerGru` does.
    """
    gru = IntegerGru(model)
    given = np.asarray(x)
    rows = _checked_input(given, (given.shape[0] if given.ndim else 0, model.input_size), "x")
    traces: list[StepTrace] = []
    for row in rows:
        traces.append(gru.step(row, theta_x, theta_h))
        if progress is not None:
            progress(len(traces), len(rows))
    return traces
