# SPDX-License-Identifier: Apache-2.0
"""The register slice: order, its two places, flush, a beat every cycle, no path through it."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import FallingEdge, RisingEdge, Timer

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS

PLACES = 2


@pytest.mark.parametrize("sim", SIMULATORS)
def test_stream_register(sim: str, tmp_path: Path) -> None:
    """Words of sixteen bits."""
    module_test(__name__, "stream_register", sim, {"Width": 16}, work_dir=tmp_path)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """Could break: the spare word lost, doubled, out of order or taken for a new one, a flush that
    leaves one. Random pushes, pops and flushes against a deque, all outputs in each cycle.
    """
    rng = rng_for("slice")
    await ModuleBench(dut).start()
    queue: deque[int] = deque()
    seen_full = seen_empty = flushes = 0
    for cycle in range(3000):
        push_rate = (0.9, 0.5, 0.2)[cycle // 100 % 3]
        valid, ready = int(rng.random() < push_rate), int(rng.random() < 0.5)
        flush, data = int(rng.random() < 0.01), int(rng.integers(1 << 16))
        dut.in_valid_i.value, dut.in_data_i.value = valid, data
        dut.out_ready_i.value, dut.flush_i.value = ready, flush
        await RisingEdge(dut.clk_i)
        full = len(queue) == PLACES
        assert int(dut.in_ready_o.value) == (not full)
        assert int(dut.out_valid_o.value) == (len(queue) > 0)
        if queue:
            assert int(dut.out_data_o.value) == queue[0]
        seen_full += full
        seen_empty += not queue
        if ready and queue:
            queue.popleft()
        if valid and not full:
            queue.append(data)
        if flush:
            flushes += len(queue) > 0
            queue.clear()
    assert seen_full > 50 and seen_empty > 50 and flushes > 5


@cocotb.test()
async def registers_on_both_sides(dut: Any) -> None:
    """Could break: a bubble between beats, or a stall or word that goes through within a cycle,
    which is what the slice is there to prevent. A word in each cycle for 50 cycles comes out a
    cycle later; within a cycle, no change of the inputs moves an output.
    """
    await ModuleBench(dut).start()
    dut.in_valid_i.value = dut.out_ready_i.value = 1
    for number in range(50):
        dut.in_data_i.value = number
        await RisingEdge(dut.clk_i)
        assert dut.in_ready_o.value == 1
        if number:
            assert dut.out_valid_o.value == 1 and int(dut.out_data_o.value) == number - 1
    for valid in (0, 1):
        for ready in (0, 1):
            await FallingEdge(dut.clk_i)
            outputs = [dut.in_ready_o.value, dut.out_valid_o.value, dut.out_data_o.value]
            dut.in_valid_i.value, dut.out_ready_i.value = valid, ready
            await Timer(1, "ns")
            assert outputs == [dut.in_ready_o.value, dut.out_valid_o.value, dut.out_data_o.value]
