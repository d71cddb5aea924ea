"""The weight port: which bytes are read, how, and from a memory of any temper."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest

from golden.stimulus import random_inputs, random_model
from tb.env.image import BIAS, WH, WX
from tb.env.memory import BOUNDARY, Burst
from tb.env.tb import TB, between, pause_of, rng_for
from tb.system import bench


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
    """Could break: the split of bursts at 4 KiB. Regions begin at a page edge or a few beats below
    one, so that columns and biases straddle it at each offset; checkers and memory refuse a
    crossing.
    """
    tb = TB(dut)
    await tb.reset()
    port = tb.width // 8
    for beats_below in (0, 1, 2, 5) if bench.on_icarus() else (0, 1, 2, 3, 4, 5, 7, 11, 23):
        model = random_model(tb.rng, 5, [24], weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 2, 5), edge=beats_below * port)
        await tb.driver.soft_reset()
    assert any(address % BOUNDARY == 0 for address in tb.memory.statistics.addresses), (
        "no burst was split at a page edge"
    )
    await tb.finish(at_least=8)


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
async def memories_of_any_temper(dut: Any) -> None:
    """Could break: a queue that overflows or starves. Long and short latencies, slow first beats,
    one burst at a time, AR and R by turns, hiccups; results exact, never more than Outstanding.
    """
    tb = TB(dut)
    await tb.reset()
    outstanding = (await tb.driver.identify()).outstanding
    tempers: list[dict[str, Any]] = [
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
    for temper in tempers:
        for name, value in {**plain, **temper}.items():
            setattr(tb.memory, name, value)
        model = random_model(tb.rng, 16, [16, 8], weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 2, 16))
        await tb.driver.soft_reset()
    deepest = tb.axi_monitor.deepest
    assert deepest <= outstanding
    if outstanding <= 16:
        assert deepest == outstanding, f"latency of 200 cycles hidden by {deepest} bursts only"
    await tb.finish(at_least=16)


@cocotb.test()
async def long_bursts(dut: Any) -> None:
    """Could break: fetches longer than a burst may be. Biases of many units take several bursts of
    256 beats or of a page; columns of many units too at the narrow port.
    """
    tb = TB(dut)
    await tb.reset()
    most = min((await tb.driver.identify()).max_units, 512)
    model = random_model(tb.rng, 2, [most], weight_scale=0.2, theta_h=32767)
    await tb.run(model, random_inputs(tb.rng, 2, 2), base=256)
    lengths = tb.memory.statistics.lengths
    longest = min(256, BOUNDARY // (tb.width // 8))
    assert max(lengths) <= longest
    if most == 512:
        assert max(lengths) == longest, f"longest burst {max(lengths)}, could be {longest}"
    await tb.finish(at_least=2)


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("only_the_columns_that_fired", "w32 w64 w128 w256 i64 i256 w64+strangers"),
        ("regions_at_page_edges", "w32 w64 w256 i64"),
        ("top_of_the_address_range", "w64 w128 i64 w128+strangers"),
        ("memories_of_any_temper", "w64 w256 w32 i32"),
        ("long_bursts", "w32 w64 w256 i64"),
    ),
)
def test_weight_port(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
