# SPDX-License-Identifier: Apache-2.0
"""The input stream: one packet per open, its length checked, all of it dropped after a fault."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import FallingEdge, RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS

STORED = 2  # beats that fit behind the input


@pytest.mark.parametrize("sim", SIMULATORS)
def test_x_ingress(sim: str, tmp_path: Path) -> None:
    """The module as it is."""
    module_test(__name__, "x_ingress", sim, work_dir=tmp_path)


class Bench(ModuleBench):
    """Drives the ports for one cycle at a time and says what was seen in it."""

    async def cycle(self, beat: int | None = None, last: int = 0, **inputs: int) -> dict[str, int]:
        """One cycle; `beat` is offered if given. Inputs without a value are 0."""
        dut = self.dut
        for name in ("flush", "open", "drop", "x_ready"):
            getattr(dut, f"{name}_i").value = inputs.get(name, 0)
        dut.s_axis_x_tvalid.value = int(beat is not None)
        dut.s_axis_x_tdata.value = beat or 0
        dut.s_axis_x_tlast.value = last
        await RisingEdge(dut.clk_i)
        seen = {name: int(getattr(dut, f"{name}_o").value) for name in ("first", "x_valid")}
        seen["x_data"] = int(dut.x_data_o.value) if seen["x_valid"] else 0
        seen["ready"] = int(dut.s_axis_x_tready.value)
        await FallingEdge(dut.clk_i)  # these are told a cycle later
        return seen | {n: int(getattr(dut, f"{n}_o").value) for n in ("short", "long", "beat")}


@cocotb.test()
async def packets(dut: Any) -> None:
    """Could break: a packet that enters while closed, a second one after one open, a beat
    lost at a full queue, the count of beats for a size that does not fill its last. Random sizes,
    open, and stalls on both sides, against a model of the input and the queue in each cycle.
    """
    bench, rng = Bench(dut), rng_for("packets")
    await bench.start()
    queue: deque[int] = deque()
    packets = waited = 0
    sizes = [1, 7, 8, 9, 16, 1023, 1024, *(int(n) for n in rng.integers(1, 60, 25))]
    for size in sizes:
        dut.size_i.value = size
        beats = -(-size // 8)
        sent = 0
        stall = float(rng.choice([0.0, 0.3, 0.8]))
        while sent < beats:
            opened = int(sent == 0 and rng.random() < 0.3)
            offer = rng.random() >= stall / 2
            data = int.from_bytes(rng.bytes(16), "little")
            last = int(sent == beats - 1)
            ready = int(rng.random() >= stall)
            seen = await bench.cycle(data if offer else None, last, open=opened, x_ready=ready)
            may = (sent > 0 or opened == 1) and len(queue) < STORED
            assert seen["ready"] == may
            taken = offer and may
            waited += offer and not may
            assert seen["first"] == (taken and sent == 0)
            assert seen["short"] == seen["long"] == 0
            assert seen["beat"] == sent
            assert seen["x_valid"] == (len(queue) > 0)
            if queue:
                assert seen["x_data"] == queue[0]
                if ready:
                    queue.popleft()
            if taken:
                queue.append(data)
                sent += 1
        packets += 1
        # the same open does not let the next packet in
        seen = await bench.cycle(1, 1)
        assert seen["ready"] == seen["first"] == 0
    assert packets == len(sizes) and waited > 50


@cocotb.test()
async def wrong_lengths(dut: Any) -> None:
    """Could break: tlast too early or missing goes unseen, is seen twice, or names another beat.
    Each position of an early tlast and a missing one, for several sizes; a flush in between.
    """
    bench = Bench(dut)
    await bench.start()
    cases = 0
    for size in (1, 8, 9, 30, 64):
        dut.size_i.value = size
        beats = -(-size // 8)
        for wrong in range(beats):
            for number in range(wrong + 1):
                last = int(number == wrong < beats - 1)
                seen = await bench.cycle(number, last, open=1, x_ready=1)
                assert seen["ready"] == 1
                assert seen["short"] == (number == wrong < beats - 1)
                assert seen["long"] == (number == wrong == beats - 1)
                assert seen["beat"] == number
            await bench.cycle(flush=1)
            cases += 1
            if wrong == beats - 1:  # too long: it has still to end
                assert (await bench.cycle(1, 1))["ready"] == 1
            seen = await bench.cycle()
            assert seen["x_valid"] == seen["ready"] == seen["beat"] == 0
    assert cases == 1 + 1 + 2 + 4 + 8


@cocotb.test()
async def drop_of_everything(dut: Any) -> None:
    """Could break: a source that hangs after a fault, or dropped beats that count or come out. Drop
    while a packet is open and the queue is full: each beat is taken, none appears, none is first.
    """
    bench = Bench(dut)
    await bench.start()
    dut.size_i.value = 64
    for number in range(STORED):
        assert (await bench.cycle(number, open=1))["ready"] == 1
    assert (await bench.cycle(9))["ready"] == 0
    for number in range(20):
        seen = await bench.cycle(number, number % 3 == 1, drop=1, flush=1, open=number % 2)
        assert seen["ready"] == 1
        assert seen["first"] == seen["short"] == seen["long"] == 0
        if number:
            assert seen["x_valid"] == 0
    seen = await bench.cycle(5, open=1)
    assert (seen["first"], seen["beat"], seen["x_valid"]) == (1, 0, 0)
    assert (await bench.cycle(x_ready=1))["x_data"] == 5


@cocotb.test()
async def rest_of_a_cut_packet(dut: Any) -> None:
    """Could break: the rest of a packet that a reset has cut is taken for the next one, or a whole
    packet is dropped for it. A flush before, in and after each beat of a packet, or together with
    it; what follows up to tlast is taken and goes nowhere, open or closed, and the next packet
    comes through. A flush between packets drops nothing.
    """
    bench = Bench(dut)
    await bench.start()
    beats = 4
    dut.size_i.value = 8 * beats
    for taken in range(beats + 1):  # beats that are on the bus before or with the flush
        for together in (0, 1):
            for number in range(taken):
                flush = int(together and number == taken - 1)
                seen = await bench.cycle(
                    number, number == beats - 1, open=1, x_ready=1, flush=flush
                )
                assert seen["ready"] == 1
            if not together or taken == 0:
                await bench.cycle(flush=1, x_ready=1)
            rest = range(taken, beats) if taken else ()
            for number in rest:
                idle = await bench.cycle(open=number % 2)
                assert idle["ready"] == 1 and idle["first"] == 0
                seen = await bench.cycle(number, number == beats - 1, open=number % 2)
                assert seen["ready"] == 1, "the rest is not taken"
                assert seen["first"] == seen["short"] == seen["long"] == seen["x_valid"] == 0
            assert (await bench.cycle(9))["ready"] == 0, "closed"
            out = []
            for number in range(beats):
                seen = await bench.cycle(50 + number, number == beats - 1, open=1, x_ready=1)
                assert seen["ready"] == 1 and seen["first"] == (number == 0)
                out += [seen["x_data"]] if seen["x_valid"] else []
            seen = await bench.cycle(x_ready=1)
            assert [*out, seen["x_data"]] == [50, 51, 52, 53]


@cocotb.test()
async def every_size(dut: Any) -> None:
    """Could break: the number of beats for some size, so that the end of its packet is expected a
    beat off. Each size from 1 to 40: a right packet, one whose tlast comes a beat early, and one
    without tlast on its last beat; a pulse at that beat alone, with its index.
    """
    bench = Bench(dut)
    await bench.start()
    pulses = 0
    for size in range(1, 41):
        dut.size_i.value = size
        beats = -(-size // 8)
        for kind in ("right", "short", "long"):
            if kind == "short" and beats == 1:
                continue
            end = beats - 2 if kind == "short" else beats - 1
            for number in range(end + 1):
                last = int(number == end and kind != "long")
                seen = await bench.cycle(number, last, open=int(number == 0), x_ready=1)
                assert seen["ready"] == 1 and seen["beat"] == number
                assert seen["first"] == (number == 0)
                assert seen["short"] == (number == end and kind == "short")
                assert seen["long"] == (number == end and kind == "long")
                pulses += seen["short"] + seen["long"]
            if kind == "right":
                assert (await bench.cycle(1, 1, x_ready=1))["ready"] == 0, "a second packet"
                continue
            await bench.cycle(flush=1)
            if kind == "long":
                assert (await bench.cycle(1, 1))["ready"] == 1, "the rest is not taken"
    assert pulses == 40 + 32


@cocotb.test()
async def packet_stalled_while_closed(dut: Any) -> None:
    """Could break: a packet whose first beat is offered, but not taken, taken for the rest of a cut
    one. A flush while a beat waits while closed: it waits on, and all of it comes through.
    """
    bench = Bench(dut)
    await bench.start()
    dut.size_i.value = 16
    for waits in (0, 1, 3):
        for _ in range(waits):
            assert (await bench.cycle(7))["ready"] == 0
        assert (await bench.cycle(7, flush=1))["ready"] == 0
        for _ in range(2):
            assert (await bench.cycle(7))["ready"] == 0, "dropped"
        seen = await bench.cycle(7, open=1)
        assert (seen["ready"], seen["first"]) == (1, 1)
        seen = await bench.cycle(8, 1, x_ready=1)
        assert (seen["ready"], seen["x_data"]) == (1, 7)
        assert (await bench.cycle(x_ready=1))["x_data"] == 8
