"""Formats and limits: the SystemVerilog package and `golden.fixed` state the same numbers."""

from __future__ import annotations

import re

import pytest

from golden import fixed
from tb.agents.stream import LANES
from tb.device.registers import State
from tb.paths import REPO

TEXT = (REPO / "rtl" / "edgedrnn_pkg.sv").read_text(encoding="utf-8")


def constants(text: str) -> dict[str, int]:
    """The package's integer constants, which may refer to earlier ones."""
    found: dict[str, int] = {}
    for name, value in re.findall(r"localparam int (\w+)\s*= ([^;]+);", text):
        words = re.sub(r"\b[A-Z]\w+", lambda match: str(found[match[0]]), value)
        assert re.fullmatch(r"[\d +*/()-]+", words), f"{name} = {value}"
        found[name] = eval(words)
    return found


def enum(text: str, name: str) -> dict[str, int]:
    """The members of one enum of the package."""
    body = re.search(rf"typedef enum [^{{]*\{{([^}}]*)\}} {name};", text)
    assert body, f"{name}: no such enum in the package"
    return {n: int(v) for n, v in re.findall(r"(\w+)\s*= \d+'d(\d+)", body[1])}


RTL = constants(TEXT)

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
    "VecLanes": LANES,
}


@pytest.mark.parametrize("name", EQUAL)
def test_same_number(name: str) -> None:
    """Could break: a format changed on one side alone. Each constant that has a twin equals it."""
    assert RTL[name] == EQUAL[name]


def test_widths_hold_the_limits() -> None:
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


def test_signed_types_have_the_formats() -> None:
    """Could break: act_t and acc_t, written as plain numbers, differ from the constants."""
    for name, bits in (("act_t", "ActBits"), ("acc_t", "AccBits")):
        found = re.search(rf"typedef logic signed \[(\d+):0\] {name};", TEXT)
        assert found and int(found[1]) == RTL[bits] - 1


def test_clip_has_the_limits() -> None:
    """Could break: sat16 clips elsewhere than the golden model."""
    body = TEXT[TEXT.index("sat16") :]
    assert f"a > 36'sd{fixed.X_MAX}" in body
    assert f"a < -36'sd{-fixed.X_MIN}" in body


def test_banks_are_in_the_order_of_the_bias() -> None:
    """Could break: M_r, M_z, M_nx, M_nh of the bias region land in other banks."""
    assert [RTL[name] for name in ("BankR", "BankZ", "BankNx", "BankNh")] == [0, 1, 2, 3]
    assert RTL["Banks"] == 4


def test_states_are_those_of_the_register_map() -> None:
    """Could break: STATUS.STATE shows a code that the register map gives another name."""
    names = {
        name.removeprefix("Seq").upper(): code for name, code in enum(TEXT, "seq_state_e").items()
    }
    assert names == {state.name.replace("_", ""): int(state) for state in State}


def test_the_comparison_can_fail() -> None:
    """Could break: a parser that finds nothing. A changed number and a missing enum are noticed."""
    changed = TEXT.replace("AccFrac    = 15", "AccFrac    = 14")
    assert constants(changed)["AccFrac"] == fixed.ACC_FRAC - 1
    with pytest.raises(AssertionError, match="no such enum"):
        enum(TEXT, "no_such_e")
