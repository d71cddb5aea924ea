# SPDX-License-Identifier: Apache-2.0
"""Performance counters against what the monitors on the buses saw."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest

from golden.layout import column_beats
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB, pause_of
from tb.device import registers as regs
from tb.device.registers import Counters, PerfCtrl, Reg


def seen(tb: TB) -> tuple[int, int, int]:
    """(steps, beats, bias beats) that the monitors have counted."""
    biases = sum(n for name, n in tb.axi_monitor.region_beats.items() if name and "bias" in name)
    return tb.scoreboard.compared, tb.axi_monitor.beats, biases


@cocotb.test()
async def counters_equal_to_the_monitors(dut: Any) -> None:
    """Could break: any counter, by one or by kind. Random networks under back-pressure; columns by
    layer and kind, beats, bias beats and steps equal what the monitors and the model counted, those
    read for the step to come included.
    """
    tb = TB(dut)
    await tb.reset()
    layers = (await tb.driver.identify()).max_layers
    for kind in ("free", "random", "runs"):
        tb.pressure(kind)
        count = int(tb.rng.integers(1, min(layers, 2 if bench.on_icarus() else 4) + 1))
        hidden = [8 * int(h) for h in tb.rng.integers(1, 4, count)]
        model = random_model(
            tb.rng, 10, hidden, weight_scale=0.5, theta_x=[20] * count, theta_h=[10] * count
        )
        await tb.driver.clear_counters()
        before = seen(tb)
        await tb.run(model, random_inputs(tb.rng, 4, 10, "walk"))
        await tb.at_rest()
        counters = await tb.driver.counters()
        after = seen(tb)
        grown = tuple(b - a for a, b in zip(before, after, strict=True))
        assert (counters.steps, counters.beats, counters.bias_beats) == grown
        unused = (0,) * (layers - count)
        assert counters.columns_x == (*tb.scoreboard.columns_x, *unused)
        ahead = [len(indices) for indices in tb.scoreboard.ahead()]
        columns_h = [h + a for h, a in zip(tb.scoreboard.columns_h, ahead, strict=True)]
        assert counters.columns_h == (*columns_h, *unused)
        assert counters.columns_undone == 0, "no threshold was changed"
        lanes = tb.width // 8
        columns = sum(
            (x + h) * column_beats(units, lanes)
            for x, h, units in zip(counters.columns_x, counters.columns_h, hidden, strict=False)
        )
        assert counters.beats == counters.bias_beats + columns
        await tb.driver.soft_reset()
    await tb.finish(at_least=12)


@cocotb.test()
async def accounted_cycles(dut: Any) -> None:
    """Could break: the cycle counters. Wait for x, hold the output and stop the memory for known
    times: IDLE, STALL_OUT and STALL_MEM grow by them, CYCLES by all, and by nothing when idle.
    """
    tb = TB(dut)
    await tb.reset()

    async def measure(cycles: int) -> tuple[Counters, Counters]:
        before = await tb.driver.counters()
        await tb.cycles(cycles)
        return before, await tb.driver.counters()

    model = random_model(tb.rng, 8, [64 if bench.parameters()["MaxUnits"] == 64 else 512])
    assert (await tb.driver.counters()).cycles == 0
    await tb.open(model)
    slack = 60 + 2 * 6 * (14 + 4 * tb.driver.parameters.max_layers)  # reading all counters once
    before, after = await measure(500)
    assert 500 <= after.idle - before.idle <= 500 + slack
    assert 500 <= after.cycles - before.cycles <= 500 + slack
    assert after.stall_mem == before.stall_mem and after.stall_out == before.stall_out

    tb.memory.stall()
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: tb.source.idle, "x taken")
    await tb.cycles(50)
    before, after = await measure(500)
    assert 500 <= after.stall_mem - before.stall_mem <= 500 + slack
    assert after.idle == before.idle
    tb.memory.release()
    await tb.settled()

    if model.hidden_size > 8 * 40:  # more than the output queue holds
        tb.sink.hold = True
        tb.source.queue(random_inputs(tb.rng, 1, 8, "quiet")[0])
        await tb.until(lambda: dut.m_axis_h_tvalid.value == 1, "h on offer")
        await tb.cycles(200)
        before, after = await measure(500)
        assert 500 <= after.stall_out - before.stall_out <= 500 + slack
        tb.sink.hold = False
        await tb.settled()

    await tb.driver.soft_reset()
    before, after = await measure(300)
    assert before == after, "a counter moved in idle"
    await tb.finish(at_least=1)


@cocotb.test()
async def freeze_and_clear(dut: Any) -> None:
    """Could break: FREEZE must hold all counters and lose nothing else, CLEAR must clear all,
    frozen or not, and a soft reset must clear none.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [8, 8], weight_scale=0.5)
    await tb.run(model, random_inputs(tb.rng, 2, 8))
    await tb.driver.freeze()
    frozen = await tb.driver.counters()
    assert frozen.steps == 2 and frozen.columns_x[1] > 0
    await tb.send(random_inputs(tb.rng, 2, 8))
    assert await tb.driver.counters() == frozen, "a frozen counter moved"
    await tb.driver.freeze(False)
    await tb.send(random_inputs(tb.rng, 3, 8))
    await tb.drained()
    assert (await tb.driver.counters()).steps == 5
    await tb.driver.soft_reset()
    kept = await tb.driver.counters()
    assert kept.steps == 5
    await tb.driver.write(Reg.PERF_CTRL, PerfCtrl.FREEZE | PerfCtrl.CLEAR)
    assert await tb.driver.read(Reg.PERF_CTRL) == PerfCtrl.FREEZE, "CLEAR reads 0"
    cleared = await tb.driver.counters()
    zero = (0,) * tb.driver.parameters.max_layers
    general: list[Any] = [0] * len(regs.COUNTERS)
    by_layer: list[Any] = [zero] * len(regs.LAYER_COUNTERS)
    assert cleared == Counters(*general, *by_layer)
    await tb.driver.freeze(False)
    await tb.finish(at_least=7)


@cocotb.test()
async def counting_under_output_pressure(dut: Any) -> None:
    """Could break: a step counted when it is computed and not when its last beat is taken."""
    tb = TB(dut)
    await tb.reset()
    await tb.open(random_model(tb.rng, 8, [8], weight_scale=0.5))
    tb.sink.hold = True
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: dut.m_axis_h_tvalid.value == 1, "h on offer")
    await tb.cycles(100)
    assert (await tb.driver.counters()).steps == 0
    tb.sink.hold = False
    tb.sink.pause = pause_of("random", tb.rng)
    await tb.settled()
    await tb.cycles(2)
    assert (await tb.driver.counters()).steps == 1
    await tb.finish()


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("counters_equal_to_the_monitors", "w32 w64 w256 tiny i64 w64+cocotbext"),
        ("accounted_cycles", "w64 i64"),
        ("freeze_and_clear", "w64 i64 w64+cocotbext"),
        ("counting_under_output_pressure", "w64 i128 w64+cocotbext"),
    ),
)
def test_counters(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
