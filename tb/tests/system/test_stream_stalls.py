# SPDX-License-Identifier: Apache-2.0
"""Stalled streams: each for a chosen number of cycles, before a packet and inside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.stimulus import random_inputs, random_model
from tb.agents.stream import Packet
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.coverage.functional.collector import collector_of

STANDS = (0, 1, 2, 8, 32, 80)
"""Cycles: one for each bin of the coverage group."""
INPUTS, UNITS = 16, 64


async def begun(dut: Any, stream: str) -> tuple[TB, list[Packet], Iterator[np.ndarray]]:
    """A bench with a model in which nothing fires, so that all its steps take the same time; the
    packets of a stream ("x" or "h") as they come, and inputs to send.
    """
    tb = TB(dut)
    await tb.reset()
    collector_of(tb)
    packets: list[Packet] = []
    getattr(tb, f"{stream}_monitor").add_callback(packets.append)
    inputs = iter(random_inputs(tb.rng, 40, INPUTS, "walk"))
    await tb.open(random_model(tb.rng, INPUTS, [UNITS], theta_x=32767, theta_h=32767))
    return tb, packets, inputs


def still_open(tb: TB, stream: str) -> list[Any]:
    """Bins of a stream that were not met."""
    return sorted(at for at in collector_of(tb).hits.open("stream") if at[0].startswith(stream))


@cocotb.test()
async def stalled_x(dut: Any) -> None:
    """Could break: an x beat lost or taken twice where the core is not ready, or where the source
    is not. x is offered that many cycles too early, halts inside, or waits for the biases.
    """
    tb, packets, inputs = await begun(dut, "x")

    async def stalled_after(late: int) -> int:
        """How long the second of two packets stalled that was offered that much after the first."""
        await tb.settled()
        await tb.at_rest()
        tb.source.queue(next(inputs))
        await tb.until(lambda: tb.source.idle, "x taken")
        await tb.cycles(late)
        tb.source.queue(next(inputs))
        await tb.settled()
        return packets[-1].first - packets[-1].offered

    most = 1 + await stalled_after(1)
    assert most > STANDS[4]
    for cycles in STANDS[:5]:
        assert await stalled_after(most - cycles) == cycles
    for cycles in STANDS:
        tb.source.pause = itertools.chain([False], [True] * cycles, itertools.repeat(False))
        await tb.send(next(inputs)[None])
        assert packets[-1].last - packets[-1].first - 1 == cycles
    await tb.driver.soft_reset()
    tb.memory.stall()
    await tb.driver.start(wait=False)
    tb.source.queue(next(inputs))
    await tb.cycles(STANDS[5] + 4)
    tb.memory.release()
    await tb.settled()
    assert packets[-1].first - packets[-1].offered > STANDS[5]
    assert not still_open(tb, "x")
    await tb.finish(at_least=19)


def stalled(dut: Any, before: int, inside: int) -> Iterator[bool]:
    """Pauses of the sink: so many cycles from the first beat on offer, and so many behind it."""
    valid, ready = dut.m_axis_h_tvalid, dut.m_axis_h_tready
    while before:
        before -= valid.value == 1
        yield before > 0
    while not (valid.value == 1 and ready.value == 1):
        yield False
    yield from itertools.repeat(True, inside)
    yield from itertools.repeat(False)


@cocotb.test()
async def stalled_h(dut: Any) -> None:
    """Could break: an h beat lost, doubled or changed where the sink is not ready, at the first
    beat of a packet, which may pass its queue, and behind it.
    """
    tb, packets, inputs = await begun(dut, "h")
    for cycles in STANDS:
        tb.sink.pause = stalled(dut, cycles, 0)
        await tb.send(next(inputs)[None])
        assert packets[-1].first - packets[-1].offered == cycles
        tb.sink.pause = stalled(dut, UNITS, cycles)  # by then all beats are queued
        await tb.send(next(inputs)[None])
        assert packets[-1].last - packets[-1].first + 1 - len(packets[-1].beats) == cycles
    assert not still_open(tb, "h")
    await tb.finish(at_least=2 * len(STANDS))


@pytest.mark.parametrize(
    ("test", "config"), bench.matrix(("stalled_x", "w64"), ("stalled_h", "w64"))
)
def test_stream_stalls(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
