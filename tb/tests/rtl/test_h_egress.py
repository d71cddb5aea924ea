# SPDX-License-Identifier: Apache-2.0
"""The output stream: room for each quad under way, packets in order, and how a flush ends one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import FallingEdge, RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import never, pause_of, rng_for
from tb.device.beats import pack
from tb.paths import SIMULATORS

DEPTH = 8
PIPELINE = 12  # cycles from the reservation of a quad to the quad itself
Beat = tuple[int, int, int]  # data, last, user


@pytest.mark.parametrize("sim", SIMULATORS)
def test_h_egress(sim: str, tmp_path: Path) -> None:
    """Room for eight beats."""
    module_test(__name__, "h_egress", sim, {"Depth": DEPTH}, work_dir=tmp_path)


class Bench(ModuleBench):
    """Quads in as the gates send them, packets out.

    The gates enter a quad when there is room, one a cycle at best; it arrives `PIPELINE` cycles
    later. `sent` are the beats of whole packets that the gates were given.
    """

    def __init__(self, dut: Any, name: str) -> None:
        super().__init__(dut)
        self.rng = rng_for(name)
        self.pause: Iterator[bool] = never()  # of the taker
        self.gate_pause: Iterator[bool] = never()
        self.todo: deque[tuple[int, int, int]] = deque()  # quads: data, odd, last
        self.pipeline: deque[tuple[int, int, int] | None] = deque([None] * PIPELINE)
        self.taken: list[Beat] = []
        self.offered: Beat | None = None
        self.done = 0  # pulses of packet_done
        self.reserved = 0

    async def start(self, *, driven: tuple[str, ...] = ()) -> None:
        """Reset with every input at 0."""
        await super().start(driven=driven)
        await self.clock_edge()

    def packet(self, beats: int) -> list[Beat]:
        """Give the gates a packet of random numbers."""
        packet = []
        for number in range(beats):
            elements = self.rng.integers(-(2**15), 2**15, 8).astype(np.int16)
            last = int(number == beats - 1)
            self.todo.append((pack(elements[:4])[0], 0, 0))
            self.todo.append((pack(elements[4:])[0], 1, last))
            packet.append((pack(elements)[0], last, 0))
        return packet

    async def cycle(self, flush: int = 0) -> None:
        """One clock cycle; a flush empties the gates as well."""
        dut = self.dut
        dut.flush_i.value = flush
        await FallingEdge(dut.clk_i)  # room_o is settled, and a register's output alone
        room = dut.room_o.value == 1
        reserve = bool(self.todo) and room and not flush and not next(self.gate_pause)
        dut.reserve_i.value = int(reserve)
        self.reserved += reserve
        self.pipeline.append(self.todo.popleft() if reserve else None)
        quad = self.pipeline.popleft()
        dut.quad_valid_i.value = int(quad is not None)
        if quad is not None:
            dut.quad_data_i.value, dut.quad_odd_i.value, dut.quad_last_i.value = quad
        ready = int(not next(self.pause))
        dut.m_axis_h_tready.value = ready
        await RisingEdge(dut.clk_i)
        beat = None
        if dut.m_axis_h_tvalid.value == 1:
            names = ("tdata", "tlast", "tuser")
            data, last, user = (int(getattr(dut, f"m_axis_h_{n}").value) for n in names)
            beat = (data, last, user)
        assert self.offered in (None, beat), "an offered beat changed or was taken back"
        self.offered = None if ready else beat
        done = beat is not None and ready == 1 and beat[1] == 1 and beat[2] == 0
        assert dut.packet_done_o.value == done
        self.done += done
        if beat is not None and ready:
            self.taken.append(beat)
        if flush:
            self.todo.clear()
            self.pipeline = deque([None] * PIPELINE)


@cocotb.test()
async def random_packets(dut: Any) -> None:
    """Could break: halves of a beat that are swapped or mixed with the next, a beat lost when the
    queue is full, tlast on another beat, a step counted twice, room that leaks. Packets of all
    lengths under every kind of stall of the taker and of the gates; then all the room is there.
    """
    for kind in ("free", "random", "runs", "heavy", "hiccup"):
        bench = Bench(dut, kind)
        await bench.start()
        bench.pause, bench.gate_pause = pause_of(kind, bench.rng), pause_of("random", bench.rng)
        lengths = [1, 1, 2, 20, *(int(n) for n in bench.rng.integers(1, 12, 8))]
        expected = [beat for length in lengths for beat in bench.packet(length)]
        for _ in range(3000):
            await bench.cycle()
            if len(bench.taken) >= len(expected):
                break
        for _ in range(5):
            await bench.cycle()
        assert bench.taken == expected
        assert bench.done == len(lengths)
        bench.pause, bench.gate_pause = iter(lambda: True, None), never()
        before = bench.reserved
        bench.packet(2 * DEPTH)
        for _ in range(8 * DEPTH):
            await bench.cycle()
        assert bench.reserved - before == 2 * (DEPTH + 1), "room has leaked away"


@cocotb.test()
async def room(dut: Any) -> None:
    """Could break: room for one beat too many, which is lost, or too few, which slows the gates.
    With a stalled consumer, quads for the queue and the offered beat enter, and no more; one
    beat taken lets two quads in. With one that does not, a quad enters in each cycle.
    """
    bench = Bench(dut, "room")
    await bench.start()
    bench.pause = iter(lambda: True, None)
    expected = bench.packet(40)
    for _ in range(60):
        await bench.cycle()
    assert bench.reserved == 2 * (DEPTH + 1)
    for taken in range(1, 6):
        bench.pause = iter([False, *[True] * 30])
        for _ in range(30):
            await bench.cycle()
        assert bench.reserved == 2 * (DEPTH + 1 + taken)
    bench.pause = never()
    for _ in range(120):
        await bench.cycle()
    assert bench.taken == expected
    await bench.start()
    before = bench.reserved
    bench.packet(60)
    for _ in range(100):
        await bench.cycle()
    assert bench.reserved - before == 100


@cocotb.test()
async def straight_through(dut: Any) -> None:
    """Could break: a cycle more between the gates and the taker. With nothing queued, a beat is
    offered in the cycle after its second half.
    """
    bench = Bench(dut, "straight")
    await bench.start()
    bench.packet(1)
    for _ in range(PIPELINE + 2):  # two quads enter, and the second leaves the pipeline
        await bench.cycle()
        assert bench.offered is None and not bench.taken
    await bench.cycle()
    assert len(bench.taken) == 1


@cocotb.test()
async def flush_inside_a_packet(dut: Any) -> None:
    """Could break: a flush that takes back an offered beat, leaves a packet open, closes it twice
    or closes one that is whole, loses its place by half a beat, or keeps a beat for the next
    packet. Flush at every moment of a few packets, for one cycle or many, with all kinds of takers;
    what is taken is a beginning of what was sent, then one closing beat if a packet was left open.
    """
    closed = whole = 0
    for when in range(1, 90):
        bench = Bench(dut, f"flush {when}")
        await bench.start()
        kind = ("free", "random", "heavy")[when % 3]
        bench.pause = pause_of(kind, bench.rng)
        sent = bench.packet(3) + bench.packet(1) + bench.packet(9)
        for _ in range(when):
            await bench.cycle()
        for _ in range((1, 2, 40)[when // 3 % 3]):
            await bench.cycle(flush=1)
        after = bench.packet(2)
        for _ in range(400):
            await bench.cycle()
            if bench.taken[-2:] == after:
                break
        assert bench.taken[-2:] == after, "the packet after the flush"
        old = bench.taken[:-2]
        is_closed = bool(old) and old[-1][2] == 1
        closing = old.pop() if is_closed else None
        assert closing in (None, (0, 1, 1))
        assert old == sent[: len(old)]
        assert is_closed == (bool(old) and old[-1][1] == 0), "open packet, or a whole one closed"
        assert bench.done == sum(beat[1] for beat in old) + 1
        closed += is_closed
        whole += not is_closed
    assert closed > 15 and whole > 15


@cocotb.test()
async def flush_twice_while_held(dut: Any) -> None:
    """Could break: a second flush, while the taker still holds the beat of the first, that closes
    the packet again. Two flushes under one held beat: that beat, one closing beat, nothing more.
    """
    bench = Bench(dut, "twice")
    await bench.start()
    bench.pause = iter(lambda: True, None)
    sent = bench.packet(5)
    for _ in range(40):
        await bench.cycle()
    for flush in (1, 0, 0, 1, 1, 0):
        await bench.cycle(flush=flush)
    bench.pause = never()
    for _ in range(20):
        await bench.cycle()
    assert bench.taken == [sent[0], (0, 1, 1)]
    for _ in range(3):
        await bench.cycle(flush=1)
    for _ in range(20):
        await bench.cycle()
    assert len(bench.taken) == 2
