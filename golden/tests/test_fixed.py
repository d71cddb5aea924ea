# SPDX-License-Identifier: Apache-2.0
"""Rounding, saturation, wrap-around and the tables, against their definitions."""

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from golden import fixed

PRECISIONS = range(fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX + 1)


@pytest.mark.parametrize("shift", [0, 1, 2, 7, 8])
def test_rne_half_to_even(shift):
    values = np.arange(-1100, 1101)
    expected = [round(Fraction(int(a), 2**shift)) for a in values]
    assert fixed.rne(values, shift).tolist() == expected


@pytest.mark.parametrize(("a", "expected"), [(-3, -2), (-1, 0), (1, 0), (3, 2), (5, 2), (-5, -2)])
def test_rne_ties_of_either_sign(a, expected):
    assert fixed.rne(a, 1) == expected


def test_rne_of_a_33_bit_sum():
    assert fixed.rne(2**33 - 1, 8) == 2**25
    assert fixed.rne(-(2**33), 8) == -(2**25)


def test_sat16_at_both_ends():
    assert fixed.sat16([-32769, -32768, 32767, 32768]).tolist() == [-32768, -32768, 32767, 32767]


def test_wrap32_modulo():
    values = [2**31 - 1, 2**31, -(2**31) - 1, 2**32, 3 * 2**31]
    assert fixed.wrap32(values).tolist() == [2**31 - 1, -(2**31), 2**31 - 1, 0, -(2**31)]
    assert fixed.wrap32(values).dtype == np.int32


def test_q_rounding_and_saturation():
    assert fixed.q([64, 192, -64, -192, 2**31 - 1, -(2**31)]).tolist() == [
        0, 2, 0, -2, 32767, -32768,
    ]  # fmt: skip


@pytest.mark.parametrize("f", PRECISIONS)
@pytest.mark.parametrize(
    ("table", "function"),
    [
        (fixed.sigmoid_table, lambda x: 1 / (1 + math.exp(-x))),
        (fixed.tanh_table, math.tanh),
    ],
)
def test_tables_equal_to_float64_definition(table, function, f):
    expected = [2 ** (8 - f) * round(2**f * function(a / 256)) for a in range(-32768, 32768)]
    assert table(f).tolist() == expected


@pytest.mark.parametrize("f", PRECISIONS)
def test_table_entries_robust_to_math_library(f):
    """Away from 0, no value lies within 1e-9 of a rounding tie, so all libraries agree."""
    x = np.arange(1, 32768) / 256
    for values in (1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x)), np.tanh(x)):
        scaled = values * 2**f
        assert np.abs(scaled - np.floor(scaled) - 0.5).min() > 1e-9


@pytest.mark.parametrize("f", PRECISIONS)
def test_table_symmetry(f):
    """tanh is odd and sigmoid(-a) = 1 - sigmoid(a), also after rounding."""
    a = np.arange(-32767, 32768)
    assert np.array_equal(fixed.tanh(-a, f), -fixed.tanh(a, f))
    assert np.array_equal(fixed.sigmoid(-a, f), 256 - fixed.sigmoid(a, f))
    assert (fixed.sigmoid(0, f), fixed.tanh(0, f)) == (128, 0)


def test_shared_read_only_tables():
    assert fixed.tanh_table(8) is fixed.tanh_table(8)
    assert fixed.sigmoid_table(8).dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        fixed.tanh_table(8)[0] = 1


@pytest.mark.parametrize("f", [3, 9])
def test_table_precision_out_of_range(f):
    with pytest.raises(ValueError, match=f"lut_frac: found {f}, expected 4...8"):
        fixed.sigmoid_table(f)


def test_fixed_float_round_trip():
    assert fixed.to_fixed([0.5 / 256, 1.5 / 256, 1e9, -1e9], 8, 16).tolist() == [
        0, 2, 32767, -32768,
    ]  # fmt: skip
    weights = np.arange(-128, 128, dtype=np.int8)
    assert np.array_equal(fixed.to_fixed(fixed.to_float(weights, 7), 7, 8), weights)


def test_arithmetic_without_torch():
    code = (
        "import sys, golden.integer, golden.model_file, golden.stimulus, golden.datasets.features;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
