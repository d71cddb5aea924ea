# SPDX-License-Identifier: Apache-2.0
"""The timeline of a run against the performance counters, and against what was done to the core."""

from __future__ import annotations

import dataclasses
from typing import Any

import cocotb
import pytest

from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.debug.timeline.account import by_cause, counters
from tb.debug.timeline.reader import Timeline, read_timeline

FILE = "timeline.txt"


async def equal(tb: TB) -> Timeline:
    """The timeline until now, once each of its sums has equalled the counter of the same name."""
    await tb.driver.freeze()
    await tb.cycles(2)  # the file is flushed
    counted = dataclasses.asdict(await tb.driver.counters())
    timeline = read_timeline(FILE)
    explained = counters(timeline, tb.driver.parameters.max_layers)
    assert explained == {name: counted[name] for name in explained}
    runs = timeline.runs
    assert (runs["end"] > runs["start"]).all() and (runs["end"][:-1] == runs["start"][1:]).all()
    await tb.driver.freeze(False)
    return timeline


def beats_of_columns(timeline: Timeline) -> bool:
    """Whether every pass took as many beats as its columns have, in its layer."""
    runs, columns = timeline.runs, timeline.columns
    for number in set(columns["number"].tolist()):
        mine = columns[columns["number"] == number]
        of_pass = runs[(runs["number"] == number) & ["xhu".find(c) >= 0 for c in runs["cause"]]]
        beats = int((of_pass["end"] - of_pass["start"]).sum())
        if beats % len(mine) or {*of_pass["layer"].tolist()} != {*mine["layer"].tolist()}:
            return False
    return True


@cocotb.test()
async def sums_equal_to_the_counters(dut: Any) -> None:
    """Could break: a cycle of the port put down to the wrong cause, to two, or to none. Random
    networks over several steps, free and under back-pressure and latency on every bus: each sum
    over the timeline equals the core's counter.
    """
    tb = TB(dut)
    await tb.reset()
    layers = (await tb.driver.identify()).max_layers
    steps = 0
    for kind in ("free", "random", "runs"):
        tb.pressure(kind)
        count = int(tb.rng.integers(1, min(layers, 2 if bench.on_icarus() else 4) + 1))
        hidden = [8 * int(h) for h in tb.rng.integers(1, 4, count)]
        model = random_model(
            tb.rng, 10, hidden, weight_scale=0.5, theta_x=[20] * count, theta_h=[10] * count
        )
        await tb.driver.clear_counters()
        await tb.run(model, random_inputs(tb.rng, 5, 10, "walk"))
        await equal(tb)  # in the middle of the work ahead
        await tb.at_rest()
        timeline = await equal(tb)
        assert beats_of_columns(timeline)
        steps += 5
        assert len(timeline.steps) == steps
        await tb.driver.soft_reset()
        await equal(tb)
    await tb.finish(at_least=steps)


@cocotb.test()
async def sums_across_stops(dut: Any) -> None:
    """Could break: the count of a sequence that does not end well. New sequences, thresholds
    changed after the work ahead, a soft reset in the middle, a fault, a hard reset.
    """
    tb = TB(dut)
    await tb.reset()
    tb.pressure("random")
    count = min(2, (await tb.driver.identify()).max_layers)
    model = random_model(tb.rng, 9, [16] * count, weight_scale=0.5, theta_h=[4] * count)
    await tb.run(model, random_inputs(tb.rng, 3, 9))
    await tb.at_rest()
    await tb.driver.set_theta(theta_h=[40] * count)
    await tb.send(random_inputs(tb.rng, 2, 9))
    timeline = await equal(tb)
    assert timeline.columns["undo"].any()
    await tb.driver.new_sequence()
    await tb.send(random_inputs(tb.rng, 2, 9))
    await tb.at_rest()
    await equal(tb)
    tb.source.queue(random_inputs(tb.rng, 1, 9)[0])
    await tb.until(lambda: tb.x_monitor.partial is not None or tb.source.idle, "x begun")
    await tb.cycles(int(tb.rng.integers(1, 100)))
    await tb.driver.soft_reset()
    await tb.drained()
    await equal(tb)
    await tb.open(model)
    await tb.driver.start(wait=False)  # while it runs: a fault
    await tb.driver.wait_error()
    await equal(tb)
    await tb.reset()
    await tb.run(model, random_inputs(tb.rng, 2, 9))
    await tb.at_rest()
    await equal(tb)
    await tb.finish(at_least=9)


@cocotb.test()
async def causes_of_known_stalls(dut: Any) -> None:
    """Could break: sums that agree and names that do not. x withheld, the memory stopped, h not
    taken, each for a known time: that cause grows by it, and no other.
    """
    tb = TB(dut)
    await tb.reset()
    units = 64
    model = random_model(tb.rng, 8, [units], weight_scale=0.5, theta_h=[32767])
    await tb.open(model)

    async def spent(cycles: int) -> dict[str, int]:
        await tb.driver.freeze()
        await tb.cycles(2)
        before = read_timeline(FILE)
        await tb.cycles(cycles)
        await tb.driver.freeze(False)
        await tb.cycles(2)
        after = read_timeline(FILE)
        return by_cause(after, before.end, after.end)

    async def most_is(code: str) -> None:
        causes = await spent(400)
        assert causes[code] >= 400 and causes[code] == sum(causes.values()), causes

    await tb.cycles(50)  # the quiet vectors of the work ahead are walked
    await most_is("w")
    tb.memory.stall()
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: tb.source.idle, "x taken")
    await tb.cycles(80)
    await most_is("m")
    tb.memory.release()
    await tb.settled()
    await tb.at_rest()
    tb.sink.hold = True
    for row in random_inputs(tb.rng, 6, 8):  # more than the output queue holds
        tb.source.queue(row)
    await tb.cycles(6 * 8 * 3 * units // (tb.width // 8) + 400)
    await most_is("o")
    assert (await tb.driver.counters()).stall_out > 400
    tb.sink.hold = False
    await tb.settled()
    await equal(tb)
    await tb.finish(at_least=7)


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("sums_equal_to_the_counters", "w32 w64 w256 tiny i64"),
        ("sums_across_stops", "w64 i64"),
        ("causes_of_known_stalls", "w64 i64"),
    ),
)
def test_timeline(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config, timeline=True)
