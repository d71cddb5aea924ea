# SPDX-License-Identifier: Apache-2.0
"""How the modules are joined: what only shows where one of them tells another one something."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.utils import get_sim_time

from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB, between, rng_for
from tb.device.clock import BENCH_CLOCK_NS

DENSE_STEP = 1872  # cycles at 64 bits a beat


@cocotb.test()
async def biases_read_before_x(dut: Any) -> None:
    """Could break: a sequence that says it waits for x while its biases are still being read. A
    slow memory; when WAIT_X is seen, all bytes of all biases have come and none is owed.
    """
    tb = TB(dut)
    await tb.reset()
    assert tb.memory is not None
    tb.memory.latency = between(rng_for("latency"), 300, 300)
    lanes = tb.width // 8
    for hidden in ([16, 8], [8]):  # the encoder is done with the smallest layer first
        model = random_model(tb.rng, 8, hidden, weight_scale=0.5)
        await tb.load(model)
        before = tb.axi_monitor.beats
        await tb.driver.start()
        beats = sum(16 * -(-units // lanes) for units in hidden)
        assert tb.axi_monitor.beats - before == beats and not tb.axi_monitor.pending
        await tb.send(random_inputs(tb.rng, 2, 8))
        await tb.driver.soft_reset()
    await tb.finish(at_least=4)


@cocotb.test()
async def soft_reset_while_columns_leave(dut: Any) -> None:
    """Could break: a column that is on its way from encoder to port when a soft reset falls, while
    the bus owes nothing: all modules on the way must forget it. A soft reset in each cycle after x
    is offered; then nothing is read any more, and the next sequence is exact.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [8], weight_scale=0.5)
    await tb.load(model)
    for delay in range(16):
        await tb.driver.start()
        tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        await tb.cycles(delay)
        await tb.driver.soft_reset()
        await tb.drained()
        read = tb.axi_monitor.beats
        await tb.cycles(40)
        assert tb.axi_monitor.beats == read, "a column is read in idle"
    await tb.run(model, random_inputs(tb.rng, 3, 8))
    await tb.finish(at_least=3)


@cocotb.test()
async def gates_close_behind_the_encoder(dut: Any) -> None:
    """Could break: gates that wait for the end of the last column, an encoder that waits for the
    end of the gates below. A dense step of two layers takes as many cycles as it always did.
    """
    tb = TB(dut)
    await tb.reset()
    rng = np.random.default_rng(5)
    model = random_model(rng, 16, [64, 64], weight_scale=0.5)
    await tb.open(model)
    x = rng.integers(100, 2000, (1, 16)).astype(np.int16)
    begin = get_sim_time("ns")
    await tb.send(x)
    cycles = round((get_sim_time("ns") - begin) / BENCH_CLOCK_NS)
    assert cycles == DENSE_STEP, f"{cycles} cycles, expected {DENSE_STEP}"
    await tb.finish()


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("biases_read_before_x", "w64 i64"),
        ("soft_reset_while_columns_leave", "w64 i64"),
        ("gates_close_behind_the_encoder", "w64 i64"),
    ),
)
def test_joints(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
