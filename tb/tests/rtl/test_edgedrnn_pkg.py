# SPDX-License-Identifier: Apache-2.0
"""Formats and limits: the SystemVerilog package and `golden.fixed` state the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from golden import fixed, timing
from tb.codegen.rtl import compiled, package
from tb.paths import REPO

TEXT = (REPO / "rtl" / "edgedrnn_pkg.sv").read_text(encoding="utf-8")


PACKAGE = package("edgedrnn_pkg")
RTL = PACKAGE.parameters

EQUAL = {
    "ActBits": fixed.X_BITS,
    "ActFrac": fixed.X_FRAC,
    "WeightBits": fixed.W_BITS,
    "WeightFrac": fixed.W_FRAC,
    "AccBits": fixed.ACC_BITS,
    "AccFrac": fixed.ACC_FRAC,
    "GateFrac": fixed.GATE_FRAC,
    "LutFracMin": fixed.LUT_FRAC_MIN,
    "LutFracMax": fixed.LUT_FRAC_MAX,
    "HiddenStep": fixed.HIDDEN_STEP,
    "MinHidden": fixed.MIN_HIDDEN,
    "VecLanes": fixed.VEC_LANES,
    "QuadLanes": fixed.QUAD_LANES,
}


@pytest.mark.parametrize("name", EQUAL)
def test_same_number(name: str) -> None:
    """Could break: a format changed on one side alone. Each constant that has a twin equals it."""
    assert RTL[name] == EQUAL[name]


def test_widths_of_the_limits() -> None:
    """Could break: a width one bit short of a limit that the golden model allows."""
    assert 1 << RTL["UnitBits"] == fixed.MAX_INPUT == fixed.MAX_HIDDEN
    assert (1 << RTL["SizeBits"]) - 1 >= fixed.MAX_HIDDEN
    assert 1 << RTL["LayerBits"] >= fixed.MAX_LAYERS
    assert (1 << RTL["ThetaBits"]) - 1 == fixed.THETA_MAX
    assert RTL["VecLanes"] << RTL["VecBits"] == fixed.MAX_INPUT
    assert RTL["QuadLanes"] << RTL["QuadBits"] == fixed.MAX_HIDDEN
    assert RTL["VecWidth"] == RTL["VecLanes"] * fixed.X_BITS
    assert (1 << RTL["SigBits"]) - 1 >= fixed.GATE_ONE
    assert 1 << (RTL["TanhBits"] - 1) > fixed.GATE_ONE
    # the biases of the largest layer are the longest fetch: 16 bytes a unit, on a port of 4 bytes
    assert (1 << RTL["FetchBits"]) - 1 >= 16 * fixed.MAX_HIDDEN // 4
    assert RTL["AccFrac"] == RTL["ActFrac"] + RTL["WeightFrac"]


def test_formats_of_signed_types() -> None:
    """Could break: act_t and acc_t, written as plain numbers, differ from the constants."""
    for name, bits in (("act_t", "ActBits"), ("acc_t", "AccBits")):
        assert PACKAGE.type_bits[name] == RTL[bits]
        assert re.search(rf"typedef logic signed \[\d+:0\] {name};", TEXT)


def test_clip_limits() -> None:
    """Could break: sat16 clips elsewhere than the golden model."""
    body = TEXT[TEXT.index("sat16") :]
    assert f"a > 36'sd{fixed.X_MAX}" in body
    assert f"a < -36'sd{-fixed.X_MIN}" in body


def test_gate_stages_of_the_timing_model() -> None:
    """Could break: a stage more or less in the gate pipeline, and cycles predicted as before."""
    assert RTL["StageWrite"] == timing._GATES


def test_bank_order_equal_to_bias_order() -> None:
    """Could break: M_r, M_z, M_nx, M_nh of the bias region land in other banks."""
    assert [RTL[name] for name in ("BankR", "BankZ", "BankNx", "BankNh")] == [0, 1, 2, 3]
    assert RTL["Banks"] == 4


def test_changed_packages(tmp_path: Path) -> None:
    """Could break: a reader that finds nothing. A changed number of a copy is another number, and
    a type that is not there is none.
    """
    copy = tmp_path / "changed.sv"
    copy.write_text(TEXT.replace("AccFrac    = 15", "AccFrac    = 14"))
    changed = package("edgedrnn_pkg", compiled([copy]))
    assert changed.parameters["AccFrac"] == fixed.ACC_FRAC - 1
    assert "no_such_e" not in changed.enums and "entry_e" in changed.enums
