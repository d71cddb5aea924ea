# SPDX-License-Identifier: Apache-2.0
"""The two-port memory: reads, writes by lane, lanes that collide, an output that holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS

WIDTH, DEPTH, LANES = 32, 16, 4
LANE = WIDTH // LANES


@pytest.mark.parametrize("sim", SIMULATORS)
def test_ram_1r1w(sim: str, tmp_path: Path) -> None:
    """A word of four lanes, sixteen deep."""
    parameters = {"Width": WIDTH, "Depth": DEPTH, "WriteLanes": LANES}
    module_test(__name__, "ram_1r1w", sim, parameters, work_dir=tmp_path)


@cocotb.test()
async def random_accesses(dut: Any) -> None:
    """Could break: lanes that write each other's bits, a lane that is lost because another one of
    its word is written, a collision that passes for a value, an output that moves without a read.
    Random accesses, a quarter of them colliding, against a list of words; a lane read while it is
    written must show the complement of the old value.
    """
    rng = rng_for("ram")
    await ModuleBench(dut).start()
    words = [0] * DEPTH
    for address in range(DEPTH):
        words[address] = int(rng.integers(1 << WIDTH))
        dut.we_i.value = (1 << LANES) - 1
        dut.waddr_i.value = address
        dut.wdata_i.value = words[address]
        await RisingEdge(dut.clk_i)
    output: int | None = None
    collisions = held = 0
    for _ in range(2000):
        read = int(rng.random() < 0.7)
        lanes = int(rng.integers(1 << LANES))
        where, data = int(rng.integers(DEPTH)), int(rng.integers(1 << WIDTH))
        source = where if rng.random() < 0.25 else int(rng.integers(DEPTH))
        dut.re_i.value = read
        dut.raddr_i.value = source
        dut.we_i.value = lanes
        dut.waddr_i.value = where
        dut.wdata_i.value = data
        await RisingEdge(dut.clk_i)
        if output is not None:
            assert int(dut.rdata_o.value) == output
        mask = sum(((1 << LANE) - 1) << LANE * i for i in range(LANES) if lanes >> i & 1)
        if read:
            output = words[source] ^ (mask if source == where else 0)
            collisions += source == where and lanes != 0
        elif output is not None:
            held += 1
        words[where] = words[where] & ~mask | data & mask
    assert collisions > 100 and held > 100
