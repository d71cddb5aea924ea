# SPDX-License-Identifier: Apache-2.0
"""Number formats, limits and rounding of the accelerator: the one Python source of both.

Formats are written Qm.n: two's complement with n fraction bits, so Q8.8 is an int16 in units of
2^-8. The hardware takes the same numbers from its SystemVerilog package.

The delta-GRU is that of Gao et al., "EdgeDRNN: Recurrent Neural Network Accelerator for Edge
Inference", IEEE JETCAS 2020 (arXiv 2012.13600), section III.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from golden.arrays import AnyArray, Floats, Int16s, Int32s, Int64s

# Inputs, hidden state, references, deltas and thresholds: Q8.8.
X_BITS = 16
X_FRAC = 8
# Weights: Q1.7.
W_BITS = 8
W_FRAC = 7
# Delta memories and biases: Q17.15. A product of a weight and a delta has this many fraction bits.
ACC_BITS = 32
ACC_FRAC = X_FRAC + W_FRAC
# Gate values r, z, n: held with 8 fraction bits, whatever the precision of the tables.
GATE_FRAC = 8
GATE_ONE = 1 << GATE_FRAC
# Fraction bits to which the sigmoid and tanh tables are rounded (a property of the model).
LUT_FRAC_MIN = 4
LUT_FRAC_MAX = 8

X_MIN = -(1 << (X_BITS - 1))
X_MAX = (1 << (X_BITS - 1)) - 1
W_MIN = -(1 << (W_BITS - 1))
W_MAX = (1 << (W_BITS - 1)) - 1
ACC_MIN = -(1 << (ACC_BITS - 1))
ACC_MAX = (1 << (ACC_BITS - 1)) - 1

# Elements that move together: a beat of the streams and a step of the delta encoder; the gates.
VEC_LANES = 8
QUAD_LANES = 4

# Sizes of a network.
MIN_HIDDEN = 8
HIDDEN_STEP = 8
MAX_HIDDEN = 1024
MAX_INPUT = 1024
MAX_LAYERS = 4

# The largest threshold, Q8.8. Only a saturated delta reaches it.
THETA_MAX = X_MAX

_DTYPE_OF_BITS = {8: np.int8, 16: np.int16, 32: np.int32}


def rne(a: npt.ArrayLike, s: int) -> Int64s:
    """Arithmetic right shift of integer `a` by `s` >= 0 bits, rounding half to even (int64)."""
    wide: Int64s = np.asarray(a, dtype=np.int64)
    if s == 0:
        return wide
    # Adding half-1 carries for all above a tie; the quotient's own last bit decides the tie.
    half_less_1 = (1 << (s - 1)) - 1
    rounded: Int64s = (wide + half_less_1 + ((wide >> s) & 1)) >> s
    return rounded


def sat16(a: npt.ArrayLike) -> Int64s:
    """Clip integer `a` to the int16 range [-32768, 32767] (int64)."""
    return np.clip(np.asarray(a, dtype=np.int64), X_MIN, X_MAX)


def wrap32(a: npt.ArrayLike) -> Int32s:
    """Integer `a` modulo 2^32, as int32: what a 32-bit accumulator holds after the sum `a`."""
    return (np.asarray(a, dtype=np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def q(memory: npt.ArrayLike) -> Int64s:
    """A delta memory (Q17.15) as a table index (Q8.8): ``sat16(rne(memory, 7))``, int64."""
    return sat16(rne(memory, ACC_FRAC - X_FRAC))


def _check_lut_frac(lut_frac: int) -> None:
    if not LUT_FRAC_MIN <= lut_frac <= LUT_FRAC_MAX:
        raise ValueError(f"lut_frac: found {lut_frac}, expected {LUT_FRAC_MIN}...{LUT_FRAC_MAX}")


def _rounded_table(values: Floats, lut_frac: int) -> Int16s:
    # np.rint rounds half to even, as the definition asks.
    table = (np.rint(values * (1 << lut_frac)) * (1 << (GATE_FRAC - lut_frac))).astype(np.int16)
    table.flags.writeable = False
    return table


def _table_arguments() -> Floats:
    return np.arange(X_MIN, X_MAX + 1) / (1 << X_FRAC)


@cache
def sigmoid_table(lut_frac: int) -> Int16s:
    """Sigmoid of every Q8.8 value `a`, at index a + 32768: read-only int16 (65536,), 2^-8 units.

    Each entry is the float64 value rounded half to even to a multiple of 2^-lut_frac.
    Raises ValueError unless lut_frac is in 4...8.
    """
    _check_lut_frac(lut_frac)
    return _rounded_table(1.0 / (1.0 + np.exp(-_table_arguments())), lut_frac)


@cache
def tanh_table(lut_frac: int) -> Int16s:
    """Tanh of every Q8.8 value, laid out, rounded and checked like `sigmoid_table`."""
    _check_lut_frac(lut_frac)
    return _rounded_table(np.tanh(_table_arguments()), lut_frac)


def sigmoid(a: npt.ArrayLike, lut_frac: int) -> Int16s:
    """Table sigmoid of int16-range `a` (Q8.8): int16 in 0...256, 2^-8 units."""
    return sigmoid_table(lut_frac)[np.asarray(a, dtype=np.int64) - X_MIN]


def tanh(a: npt.ArrayLike, lut_frac: int) -> Int16s:
    """Table tanh of int16-range `a` (Q8.8): int16 in -256...256, 2^-8 units."""
    return tanh_table(lut_frac)[np.asarray(a, dtype=np.int64) - X_MIN]


def to_fixed(x: npt.ArrayLike, frac: int, bits: int) -> AnyArray:
    """Float `x` rounded half to even to units of 2^-frac and clipped to `bits` (8, 16 or 32)."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    scaled = np.rint(np.asarray(x, dtype=np.float64) * (1 << frac))
    return np.clip(scaled, low, high).astype(_DTYPE_OF_BITS[bits])


def to_float(a: npt.ArrayLike, frac: int) -> Floats:
    """Integer `a` in units of 2^-frac as float64."""
    return np.asarray(a, dtype=np.float64) / (1 << frac)
