# SPDX-License-Identifier: Apache-2.0
"""The halves of sigma and tanh in ROM: every entry on both ports, and what they are good for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from golden import fixed
from tb.bench.module_bench import ModuleBench, module_test
from tb.device.constants import SIGMA_ENTRIES, TANH_ENTRIES
from tb.paths import SIMULATORS

DEPTH = {"sigmoid": SIGMA_ENTRIES, "tanh": TANH_ENTRIES}


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x)."""
    return 1 / (1 + math.exp(-x))


def truncated(function: str) -> list[int]:
    """floor(2^9 f(k / 2^8)) for each entry, with a proof that float64 is good enough to tell."""
    entries = []
    for k in range(DEPTH[function]):
        value = 512 * (sigmoid if function == "sigmoid" else math.tanh)(k / 256)
        assert k == 0 or min(value % 1, 1 - value % 1) > 1e-9, f"{function}({k}/256) is too close"
        entries.append(math.floor(value))
    return entries


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("function", DEPTH)
def test_activation_rom(function: str, sim: str, tmp_path: Path) -> None:
    """Both tables."""
    parameters = {"IsTanh": int(function == "tanh")}
    module_test(__name__, "activation_rom", sim, parameters, work_dir=tmp_path)


@pytest.mark.parametrize("lut_frac", range(fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX + 1))
@pytest.mark.parametrize("function", DEPTH)
def test_rounding_of_truncated_entries(function: str, lut_frac: int) -> None:
    """Could break: nine truncated bits are too few for some lut_frac, or the table ends before f
    rounds to 1. Rounding the entries gives each value of the golden table from 0 to 32767.
    """
    entries = truncated(function)
    golden = getattr(fixed, f"{function}_table")(lut_frac)
    drop = fixed.GATE_FRAC - lut_frac
    for argument in range(fixed.X_MAX + 1):
        entry = entries[min(argument, len(entries) - 1)]
        rounded = ((entry >> drop) + 1) >> 1 << drop
        assert rounded == golden[argument - fixed.X_MIN], argument


@cocotb.test()
async def every_entry(dut: Any) -> None:
    """Could break: a digit of the constants, the width of the elaboration arithmetic, a port that
    reads the other's address. A new address on both ports in each cycle, upwards on one and
    downwards on the other, compared with floor(2^9 f).
    """
    depth = 1 << len(dut.addr_a_i)
    entries = truncated("sigmoid" if depth == DEPTH["sigmoid"] else "tanh")
    await ModuleBench(dut).start()
    for k in range(depth + 1):
        dut.addr_a_i.value = k % depth
        dut.addr_b_i.value = (depth - 1 - k) % depth
        await RisingEdge(dut.clk_i)
        if k:
            assert int(dut.data_a_o.value) == entries[k - 1]
            assert int(dut.data_b_o.value) == entries[depth - k]
