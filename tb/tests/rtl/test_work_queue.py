# SPDX-License-Identifier: Apache-2.0
"""The queue of work for the PEs: order, and the look at the entry behind the head."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.device.streams import WORK
from tb.paths import SIMULATORS

DEPTH = 8
FIELDS = ("op", "layer", "kind", "last", "delta", "last_group")
END = 2


@pytest.mark.parametrize("sim", SIMULATORS)
def test_work_queue(sim: str, tmp_path: Path) -> None:
    """Eight entries behind the two that can be seen."""
    module_test(__name__, "work_queue", sim, {"Depth": DEPTH}, work_dir=tmp_path)


@cocotb.test()
async def random_traffic(dut: Any) -> None:
    """Could break: `next_closes` that sees a stale slot, an EntryEnd without last, or the head
    itself; a field that is swapped; full, empty or few told wrong; a flush that leaves something.
    Random entries of which many are ends, in phases that fill and that empty it, against a deque.
    """
    rng = rng_for("queue")
    await ModuleBench(dut).start()
    queue: deque[tuple[int, ...]] = deque()
    full = empty = closing = few = 0
    ready = True
    for cycle in range(3000):
        push = int(rng.random() < (0.8, 0.4, 0.5)[cycle // 100 % 3])
        pop, flush = int(rng.random() < 0.5), int(rng.random() < 0.01)
        groups = int(
            rng.choice([0, 3, 4, 15, 16, int(rng.integers(1 << 11))])
        )  # of which few depends
        entry = (*(int(rng.integers(n)) for n in (3, 8, 2, 2, 1 << 16)), groups)
        dut.in_valid_i.value = push
        dut.in_i.value = WORK.word(**dict(zip(FIELDS, entry, strict=True)))
        dut.out_ready_i.value = pop
        dut.flush_i.value = flush
        await RisingEdge(dut.clk_i)
        assert int(dut.in_ready_o.value) == ready
        assert int(dut.out_valid_o.value) == (len(queue) > 0)
        assert int(dut.empty_o.value) == (not queue)
        enough = 6 if entry[5] < 4 else 2 if entry[5] < 16 else 0
        assert int(dut.few_o.value) == (len(queue) - 2 <= enough)
        few += len(queue) > 2 and enough >= len(queue) - 2
        closes = len(queue) > 1 and queue[1][0] == END and queue[1][3] == 1
        assert int(dut.next_closes_o.value) == closes
        if queue:
            assert WORK.of(dut.out_o.value, FIELDS) == queue[0]
        full += not ready
        empty += not queue
        closing += closes
        # Whether there is room is told from registers: a pop from a full queue shows a cycle later.
        behind = max(0, len(queue) - 2)
        stored = push and ready and (behind > 0 or (len(queue) == 2 and not pop))
        if pop and queue:
            queue.popleft()
        if push and ready:
            queue.append(entry)
        ready = behind < DEPTH - 1 or (behind == DEPTH - 1 and not stored)
        if flush:
            queue.clear()
            ready = True
    assert full > 50 and empty > 50 and closing > 100 and few > 50
