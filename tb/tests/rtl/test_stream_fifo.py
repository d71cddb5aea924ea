# SPDX-License-Identifier: Apache-2.0
"""The stream queue: order, full and empty, flush, a beat every cycle."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("depth", [2, 8])
def test_stream_fifo(depth: int, sim: str, tmp_path: Path) -> None:
    """The register slice, and a queue whose pointers have several bits."""
    parameters = {"Width": 16, "Depth": depth}
    module_test(__name__, "stream_fifo", sim, parameters, work_dir=tmp_path)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """Could break: full or empty told wrong, an element lost, doubled or out of order, a flush that
    leaves something. Random pushes, pops and flushes in phases that fill and that empty it, against
    a deque; all outputs checked in each cycle.
    """
    rng = rng_for("fifo")
    depth = 1 << (len(dut.head_q) - 1)
    await ModuleBench(dut).start()
    queue: deque[int] = deque()
    seen_full = seen_empty = flushes = 0
    for cycle in range(3000):
        push_rate = (0.9, 0.5, 0.2)[cycle // 100 % 3]
        valid, ready = int(rng.random() < push_rate), int(rng.random() < 0.5)
        flush, data = int(rng.random() < 0.01), int(rng.integers(1 << 16))
        dut.in_valid_i.value = valid
        dut.in_data_i.value = data
        dut.out_ready_i.value = ready
        dut.flush_i.value = flush
        await RisingEdge(dut.clk_i)
        full = len(queue) == depth
        assert int(dut.in_ready_o.value) == (not full)
        assert int(dut.out_valid_o.value) == (len(queue) > 0)
        assert int(dut.empty_o.value) == (len(queue) == 0)
        if queue:
            assert int(dut.out_data_o.value) == queue[0]
        seen_full += full
        seen_empty += not queue
        if valid and not full:
            queue.append(data)
        if ready and queue and dut.out_valid_o.value == 1:
            queue.popleft()
        if flush:
            flushes += len(queue) > 0
            queue.clear()
    assert seen_full > 50 and seen_empty > 50 and flushes > 5


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Could break: a bubble between beats, which halves the rate of every stream it sits in. Valid
    and ready up for 50 cycles: one element in and one out in each of them, one cycle later.
    """
    await ModuleBench(dut).start()
    dut.in_valid_i.value = 1
    dut.out_ready_i.value = 1
    for number in range(50):
        dut.in_data_i.value = number
        await RisingEdge(dut.clk_i)
        assert dut.in_ready_o.value == 1
        if number:
            assert dut.out_valid_o.value == 1
            assert int(dut.out_data_o.value) == number - 1
