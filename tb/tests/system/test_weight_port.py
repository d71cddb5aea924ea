# SPDX-License-Identifier: Apache-2.0
"""The weight port: which bytes are read, how, and under which memory latency profiles."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest

from golden import fixed
from golden.stimulus import random_inputs, random_model
from tb.agents.memory import BOUNDARY, Burst
from tb.bench import case as bench
from tb.bench.testbench import TB, between, pause_of, rng_for
from tb.coverage.functional import bins
from tb.coverage.functional.collector import collector_of
from tb.device.image import BIAS, WH, WX


@cocotb.test()
async def only_the_columns_that_fired(dut: Any) -> None:
    """Could break: a column read twice, too early, or not at all. The beats read in each step are
    exactly those of the inputs that fired and of the hidden units that fire in the step to come,
    each once; the biases are read once a sequence.
    """
    tb = TB(dut)
    await tb.reset()
    beats: list[int] = []

    def note(burst: Burst) -> None:
        beats.extend(range(burst.address, burst.address + burst.length * burst.size, burst.size))

    tb.axi_monitor.add_callback(note)
    model = random_model(tb.rng, 12, [16, 8], weight_scale=0.5, theta_x=30, theta_h=20)
    image = await tb.load(model, base=4096 - 64)
    await tb.driver.start()
    await tb.drained()
    expected = [
        address
        for layer in range(2)
        for address in range(
            image.addr_bias[layer],
            image.addr_bias[layer] + image.bias_bytes(layer),
            image.port_bytes,
        )
    ]
    assert sorted(beats) == sorted(expected), "biases"
    for number, x in enumerate(random_inputs(tb.rng, 4 if bench.on_icarus() else 12, 12, "walk")):
        beats.clear()
        await tb.send(x[None])
        await tb.at_rest()
        expected = []
        for layer, trace in enumerate(tb.scoreboard.history[-1].layers):
            for kind, fired in ((WX, trace.fired_x), (WH, tb.scoreboard.ahead()[layer])):
                for index in fired:
                    start = image.column_address(layer, kind, int(index))
                    end = start + image.column_bytes(layer)
                    expected.extend(range(start, end, image.port_bytes))
        assert sorted(beats) == sorted(expected), f"step {number}"
    await tb.finish(at_least=4)


@cocotb.test()
async def regions_at_page_edges(dut: Any) -> None:
    """Could break: the split of bursts at 4 KiB. Regions begin a few beats below a page edge, so
    that columns and biases straddle it at each offset, and then at the edge itself; checkers and
    memory refuse a crossing.
    """
    tb = TB(dut)
    await tb.reset()
    port = tb.width // 8
    for beats_below in (1, 2, 3, 5) if bench.on_icarus() else (1, 2, 3, 4, 5, 7, 11, 23):
        model = random_model(tb.rng, 5, [24], weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 2, 5), edge=beats_below * port)
        await tb.driver.soft_reset()
    assert any(address % BOUNDARY == 0 for address in tb.memory.statistics.addresses), (
        "no burst was split at a page edge"
    )
    model = random_model(tb.rng, 5, [24], weight_scale=0.5)
    model.bias[0][1:3, 0] = [-4 << fixed.ACC_FRAC, 1 << fixed.ACC_FRAC]  # h of unit 0 moves
    image = await tb.open(model, edge=0)
    await tb.send(np.zeros((2, 5), np.int16))
    assert image.addr_bias[0] % BOUNDARY == image.addr_wh[0] % BOUNDARY == 0
    assert {image.addr_bias[0], image.addr_wh[0]} <= set(tb.memory.statistics.addresses)
    await tb.finish(at_least=10)


@cocotb.test()
async def top_of_the_address_range(dut: Any) -> None:
    """Could break: addresses that overflow. Each region in turn ends at the very last byte of the
    address range; that is no CFG_RANGE fault, and the last column is read.
    """
    tb = TB(dut)
    await tb.reset()
    for kind in (WX, WH, BIAS):
        model = random_model(tb.rng, 6, [16], weight_scale=0.5)
        size = len(tb.place(model).region(0, kind).data)
        await tb.run(
            model,
            random_inputs(tb.rng, 3, 6),
            addresses={(0, kind): (1 << bench.parameters()["AxiAddrWidth"]) - size},
        )
        await tb.driver.soft_reset()
    await tb.finish(at_least=9)


@cocotb.test()
async def random_memory_latency_profiles(dut: Any) -> None:
    """Could break: a queue that overflows or starves. Long and short latencies, slow first beats,
    one burst at a time, AR and R by turns, hiccups; results exact, never more than Outstanding.
    """
    tb = TB(dut)
    await tb.reset()
    outstanding = (await tb.driver.identify()).outstanding
    latency_profiles: list[dict[str, Any]] = [
        {"latency": between(rng_for("a"), 1, 1)},
        {"latency": between(rng_for("b"), 200, 200)},
        {"latency": between(rng_for("c"), 1, 90)},
        {"depth": 1},
        {"alternate": True},
        {"ar_pause": pause_of("heavy", rng_for("d"))},
        {"r_pause": pause_of("heavy", rng_for("e"))},
        {"r_pause": pause_of("hiccup", rng_for("f")), "ar_pause": pause_of("runs", rng_for("g"))},
    ]
    plain = {
        "latency": between(rng_for("h"), 1, 1),
        "depth": 64,
        "alternate": False,
        "ar_pause": pause_of("free", tb.rng),
        "r_pause": pause_of("free", tb.rng),
    }
    for profile in latency_profiles:
        for name, value in {**plain, **profile}.items():
            setattr(tb.memory, name, value)
        model = random_model(tb.rng, 16, [16, 8], weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 2, 16))
        await tb.driver.soft_reset()
    deepest = tb.axi_monitor.deepest
    assert deepest <= outstanding
    if outstanding <= 16:
        assert deepest == outstanding, f"latency of 200 cycles hidden by {deepest} bursts only"
    await tb.finish(at_least=16)


def bursts_of(address: int, beats: int, port: int) -> list[int]:
    """Lengths of the bursts that a fetch of `beats` from byte `address` takes: none of them goes
    beyond a multiple of 256 beats or of 4 KiB. `port`: bytes of a beat.
    """
    longest = min(256, BOUNDARY // port)
    first = min(beats, longest - address // port % longest)
    rest = beats - first
    return [first, *[longest] * (rest // longest), *[rest % longest] * (rest % longest > 0)]


@cocotb.test()
async def bursts_of_every_length(dut: Any) -> None:
    """Could break: fetches that take several bursts, each of them of any length. Biases that begin
    where a burst begins, or a chosen number of beats before its end; at the narrow port, columns of
    more than 256 beats. The lengths are exactly those that the addresses ask for.
    """
    tb = TB(dut)
    await tb.reset()
    port = tb.width // 8
    longest = min(256, BOUNDARY // port)
    most = (await tb.driver.identify()).max_units
    units = min(20 * port, 320, most)
    shapes = [(first, units) for first in (1, 9, 16, 100, 200, longest) if first <= longest]
    if most >= 344 and port == 4:
        shapes.append((1, 344))
    seen: set[int] = set()
    for first, hidden in shapes:
        model = random_model(tb.rng, 2, [hidden], weight_scale=0.2, theta_h=32767)
        place = (1 << 20) + (longest - first) * port
        image = await tb.load(model, addresses={(0, BIAS): place})
        before = len(tb.memory.statistics.lengths)
        await tb.driver.start()
        await tb.send(random_inputs(tb.rng, 1, 2))
        expected = bursts_of(place, image.bias_bytes(0) // port, port)
        for index in tb.scoreboard.history[-1].layers[0].fired_x:
            start = image.column_address(0, WX, int(index))
            expected += bursts_of(start, image.column_bytes(0) // port, port)
        found = tb.memory.statistics.lengths[before:]
        assert found == expected, f"{first} beats before the end of a burst"
        seen.update(found)
        await tb.driver.soft_reset()
    assert {1, 9, 16, 100} <= seen and (longest in seen or most < units * 2)
    await tb.finish(at_least=len(shapes))


@cocotb.test()
async def memory_latency_profiles_at_every_width(dut: Any) -> None:
    """Could break: a queue that overflows, starves or loses its place at a width of the port. Dense
    steps from a memory that answers at once, late, with gaps, and not before Outstanding bursts are
    under way; each has been met while columns of either kind came in.
    """
    tb = TB(dut)
    await tb.reset()
    hits = collector_of(tb).hits
    limit = (await tb.driver.identify()).outstanding
    free, pauses = pause_of("free", tb.rng), pause_of("random", rng_for("r"))
    for profile in ("ideal", "latency", "stalls", "outstanding"):
        tb.memory.latency = between(tb.rng, *((40, 40) if profile == "latency" else (1, 1)))
        tb.memory.r_pause = pauses if profile == "stalls" else free
        size = 8 if profile == "ideal" else limit + 8
        model = random_model(tb.rng, size, [size], weight_scale=0.5)
        await tb.open(model)
        x = random_inputs(tb.rng, 2, size)
        await tb.send(x[:1])
        if profile == "outstanding":
            tb.memory.stall(ar=False)
            tb.source.queue(x[1])
            await tb.until(lambda: len(tb.axi_monitor.pending) == limit, "all bursts under way")
            tb.memory.release()
            await tb.settled()
        else:
            await tb.send(x[1:])
        await tb.driver.soft_reset()
    left = {at for at in hits.open("port") if at[1] == str(tb.width)}
    assert not left, f"not met: {sorted(left)}"
    assert not hits.open("outstanding") or limit < 16
    await tb.finish(at_least=8)


@cocotb.test()
async def stalled_channels(dut: Any) -> None:
    """Could break: a beat or an address lost or doubled where a channel is stalled for long.
    AR and R held by the memory; R held by the core, whose gates wait for the output while columns
    for the same layer are there already. Each for a few, some and many cycles.
    """
    tb = TB(dut)
    await tb.reset()
    hits = collector_of(tb).hits
    model = random_model(tb.rng, 8, [16], weight_scale=0.5)
    await tb.open(model)
    for cycles in (8, 32, 80):
        for channel in ("ar", "r"):
            tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
            await tb.until(lambda: in_a_burst(tb), "a burst under way")
            tb.memory.stall(ar=channel == "ar", r=channel == "r")
            if channel == "ar":
                await tb.until(lambda: dut.m_axi_arvalid.value == 1, "an address")
            await tb.cycles(cycles)
            tb.memory.release()
            await tb.settled()
            await tb.at_rest()
    await tb.driver.soft_reset()
    large = random_model(tb.rng, 2, [320], weight_scale=0.2)  # more than the output queue holds
    for cycles in (6, 20, 80):
        await tb.open(large)
        tb.sink.hold = True
        tb.source.queue(random_inputs(tb.rng, 1, 2)[0])
        await tb.until(
            lambda: dut.m_axi_rvalid.value == 1 and dut.m_axi_rready.value == 0,
            "a beat that the core does not take",
            hold=cycles,
        )
        tb.sink.hold = False
        await tb.settled()
        await tb.driver.soft_reset()
    long = {at for at in hits.open("stall") if at[1] in bins.STALL.labels[3:]}
    assert not long, f"not met: {sorted(long)}"
    await tb.finish(at_least=9)


def in_a_burst(tb: TB) -> bool:
    """Whether the burst under way has given its first beat and owes more."""
    pending = tb.axi_monitor.pending
    return bool(pending) and 0 < len(pending[0].responses) < pending[0].length - 2


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("only_the_columns_that_fired", "w32 w64 w128 w256 i64 i256 w64+cocotbext"),
        ("regions_at_page_edges", "w32 w64 w256 i64"),
        ("top_of_the_address_range", "w64 w128 i64 w128+cocotbext"),
        ("random_memory_latency_profiles", "w64 w256 w32 i32"),
        ("bursts_of_every_length", "w32 w64 w128 w256 i64"),
        ("memory_latency_profiles_at_every_width", "w32 w64 w128 w256"),
        ("stalled_channels", "w64"),
    ),
)
def test_weight_port(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
