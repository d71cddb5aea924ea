# SPDX-License-Identifier: Apache-2.0
"""The performance counters: what counts, freeze, clear, and the carry into the high word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("counters", [4, 24])
def test_perf_counters(counters: int, sim: str, tmp_path: Path) -> None:
    """As many as the largest core has, and so few that Verilator counts the toggles of each bit."""
    result = module_test(__name__, "perf_counters", sim, {"Counters": counters}, work_dir=tmp_path)
    assert len(result.passed) == 2


def counts(dut: Any) -> list[int]:
    """All counters."""
    word = int(dut.count_o.value)
    return [word >> 64 * i & (1 << 64) - 1 for i in range(len(dut.event_i))]


@cocotb.test()
async def random_events(dut: Any) -> None:
    """Could break: a counter that takes its neighbour's event, counts while frozen, or is not
    cleared while frozen. Random events with freezes and clears, compared in each cycle.
    """
    rng = rng_for("events")
    await ModuleBench(dut).start()
    number = len(dut.event_i)
    expected = [0] * number
    frozen_clears = 0
    freeze = 0
    for _ in range(1500):
        freeze = int(rng.random() < 0.1) ^ freeze
        clear, events = int(rng.random() < 0.02), int(rng.integers(1 << number))
        dut.freeze_i.value = freeze
        dut.clear_i.value = clear
        dut.event_i.value = events
        await RisingEdge(dut.clk_i)
        assert counts(dut) == expected
        frozen_clears += freeze & clear
        for i in range(number):
            expected[i] = 0 if clear else expected[i] + (0 if freeze else events >> i & 1)
    assert frozen_clears > 2


@cocotb.test()
async def carry(dut: Any) -> None:
    """Could break: a counter narrower than 64 bits or one that is cut into halves, which nobody
    would see for a minute of real time. Every other counter is put just below each power of two
    and counts on, its neighbours hold what they have.
    """
    await ModuleBench(dut).start()
    await RisingEdge(dut.clk_i)
    number = len(dut.event_i)
    for bit in range(65):
        for counting in (0, 1):
            most = (1 << bit) - 1
            dut.count_q.value = sum(most << 64 * i for i in range(number))
            dut.event_i.value = sum(1 << i for i in range(counting, number, 2))
            await RisingEdge(dut.clk_i)
            dut.event_i.value = 0
            await RisingEdge(dut.clk_i)
            beyond = (most + 1) % (1 << 64)
            assert counts(dut) == [(most, beyond)[i % 2 == counting] for i in range(number)]
