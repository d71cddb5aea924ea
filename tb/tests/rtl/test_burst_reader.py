# SPDX-License-Identifier: Apache-2.0
"""The AXI master: how requests are split, how fast beats come, what a drain owes, faults."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import never, pause_of, rng_for
from tb.handover import simulation
from tb.paths import SIMULATORS

OUTSTANDING = 4
PAGE = 4096
MOST_BEATS = 256
OKAY, SLVERR, DECERR = 0, 2, 3


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("width", [32, 64, 256])
def test_burst_reader(width: int, sim: str, tmp_path: Path) -> None:
    """Ports on which a page is more beats than a burst may have, and on which it is fewer."""
    parameters = {"AxiDataWidth": width, "Outstanding": OUTSTANDING}
    module_test(__name__, "burst_reader", sim, parameters, work_dir=tmp_path)


def always() -> Iterator[bool]:
    """Always pause."""
    return iter(lambda: True, None)


class Bench(ModuleBench):
    """Requests in, a memory with its own sense of time, beats out.

    The memory checks each address, answers bursts in order `latency` cycles after they are taken,
    with data that is a function of the beat's address, and errors where `responses` says so.
    """

    def __init__(self, dut: Any, name: str) -> None:
        super().__init__(dut)
        self.rng = rng_for(name)
        self.width = simulation().parameters["AxiDataWidth"]
        self.beat = self.width // 8
        self.latency = 1
        self.ar_pause: Iterator[bool] = never()
        self.r_pause: Iterator[bool] = never()
        self.beat_pause: Iterator[bool] = never()
        self.responses: dict[int, int] = {}
        self.misuse: dict[int, tuple[int, str]] = {}  # by address: beats more; RLAST on which
        self.stale = 0  # beats in the queue that nobody asked for
        self.requests: deque[tuple[int, int]] = deque()
        self.bursts: list[tuple[int, int]] = []
        self.queue: deque[tuple[int, int, int]] = deque()  # owed beats: address, last, from cycle
        self.offered: tuple[int, int] | None = None
        self.showing = False  # a beat is offered and may not be taken back
        self.beats: list[int] = []
        self.beat_cycles: list[int] = []
        self.under_way = self.most_under_way = 0
        self.cycles = 0
        names = ("slverr", "decerr", "short", "long", "unowed", "timeout", "gave_up")
        self.events: dict[str, list[int]] = {name: [] for name in names}
        self.taken = 0
        self.offers: list[int] = []  # cycles in which an address was offered first
        self.lasts: list[int] = []  # cycles in which the last beat of a burst was taken

    def data(self, address: int) -> int:
        """The word at a byte address: no two alike, with every byte lane in use."""
        words = [
            (address * 0x9E3779B1 + i * 0x85EBCA6B) & 0xFFFFFFFF for i in range(self.beat // 4)
        ]
        return sum(word << 32 * i for i, word in enumerate(words))

    async def cycle(self, drain: int = 0, give_up: int = 0) -> None:
        """One clock cycle of everything around the master."""
        dut = self.dut
        request = self.requests[0] if self.requests else None
        dut.drain_i.value, dut.give_up_i.value = drain, give_up
        dut.burst_valid_i.value = int(request is not None)
        if request is not None:
            dut.burst_addr_i.value, dut.burst_beats_i.value = request
        arready = int(not next(self.ar_pause))
        dut.m_axi_arready.value = arready
        due = bool(self.queue) and self.queue[0][2] <= self.cycles
        self.showing = self.showing or (due and not next(self.r_pause))
        dut.m_axi_rvalid.value = int(self.showing)
        if self.showing:
            address, last, _ = self.queue[0]
            dut.m_axi_rdata.value = self.data(address)
            dut.m_axi_rlast.value = last
            dut.m_axi_rresp.value = self.responses.get(address, OKAY)
        beat_ready = int(not next(self.beat_pause))
        dut.beat_ready_i.value = beat_ready
        await RisingEdge(dut.clk_i)
        if request is not None and dut.burst_ready_o.value == 1:
            self.requests.popleft()
        if dut.m_axi_arvalid.value == 1:
            self.address(arready)
        else:
            assert self.offered is None, "an address was taken back"
        if not (self.misuse or self.stale):
            waits = self.under_way > 0 and not self.showing
            assert dut.waiting_o.value == int(waits)
        if drain:
            assert dut.m_axi_rready.value == 1, "what is owed must be taken while draining"
        r_taken = self.showing and dut.m_axi_rready.value == 1
        assert dut.beat_taken_o.value == r_taken
        if r_taken:
            self.taken += 1
            last = self.queue.popleft()[1]
            self.under_way -= last
            self.lasts += [self.cycles] if last else []
            self.showing = False
        if dut.beat_valid_o.value == 1 and beat_ready:
            self.beats.append(int(dut.beat_data_o.value))
            self.beat_cycles.append(self.cycles)
        for name, cycles in self.events.items():
            if getattr(dut, f"{name}_o").value == 1:
                cycles.append(self.cycles)
        if dut.idle_o.value == 1 and not (self.misuse or self.stale):
            assert not self.queue and self.offered is None, "idle while the bus owes something"
        self.cycles += 1

    def address(self, ready: int) -> None:
        """A burst is offered on AR: check it, and take it if `ready`."""
        dut = self.dut
        burst = (int(dut.m_axi_araddr.value), int(dut.m_axi_arlen.value) + 1)
        assert self.offered in (None, burst), "an offered address changed"
        if self.offered is None:
            self.offers.append(self.cycles)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        self.offered = None if ready else burst
        if not ready:
            return
        address, beats = burst
        more, lasts = self.misuse.get(address, (0, "end"))
        assert 1 << int(dut.m_axi_arsize.value) == self.beat
        assert int(dut.m_axi_arburst.value) == 1 and int(dut.m_axi_arid.value) == 0
        assert beats <= MOST_BEATS and address % self.beat == 0
        assert address // PAGE == (address + beats * self.beat - 1) // PAGE, "crosses 4 KiB"
        self.bursts.append(burst)
        at = self.cycles + self.latency
        end = beats + more - 1
        self.queue += [
            (address + i * self.beat, int(lasts == "every" or (i == end and lasts == "end")), at)
            for i in range(end + 1)
        ]

    def owe(self, beats: int, *, wait: int = 0, last: bool = True) -> None:
        """Queue beats that nobody asked for, from `wait` cycles on; RLAST on the last of them."""
        at = self.cycles + wait
        self.queue += [(0xF000 + i, int(last and i == beats - 1), at) for i in range(beats)]
        self.stale += beats

    async def drained(self, limit: int = 3000, give_up: int = 0) -> int:
        """Drain until nothing is owed, and let what still comes be thrown away; cycles it took."""
        for count in range(limit):
            await self.cycle(drain=1, give_up=give_up)
            if self.dut.idle_o.value == 1 and count:
                break
        else:
            raise AssertionError("the drain does not end")
        while self.queue:
            await self.cycle()
        await self.cycle()
        return count

    async def works(self) -> None:
        """Requests are served as if nothing had been, and tell no error."""
        self.misuse, self.stale, self.under_way = {}, 0, 0
        self.requests.clear()
        self.beats, self.bursts = [], []
        for cycles in self.events.values():
            cycles.clear()
        requests = random_requests(self, 3, 4)
        self.requests.extend(requests)
        await self.settle()
        assert self.beats == self.expected(requests)
        assert self.bursts == self.expected_bursts(requests)
        assert not any(self.events.values()), self.events

    async def settle(self, limit: int = 40_000) -> None:
        """Run until all requests are served."""
        for _ in range(limit):
            handed_over = not self.requests
            await self.cycle()
            if handed_over and self.dut.idle_o.value == 1:
                return
        raise AssertionError(f"not done in {limit} cycles")

    def expected(self, requests: list[tuple[int, int]]) -> list[int]:
        """The data of some requests."""
        return [self.data(a + i * self.beat) for a, n in requests for i in range(n)]

    def expected_bursts(self, requests: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """How requests are split: at multiples of 256 beats or of a page, whichever is less."""
        chunk = min(MOST_BEATS * self.beat, PAGE)
        bursts = []
        for address, left in requests:
            while left:
                count = min(left, (chunk - address % chunk) // self.beat)
                bursts.append((address, count))
                address, left = address + count * self.beat, left - count
        return bursts


def random_requests(bench: Bench, count: int, kinds: int = 9) -> list[tuple[int, int]]:
    """Requests around page edges and burst limits; none of them long for `kinds` below 5."""
    rng, page = bench.rng, PAGE // bench.beat
    requests = []
    for _ in range(count):
        sizes: list[int] = [1, 2, 3, int(rng.integers(1, 40)), 255, 256, 257, page, page + 1]
        beats = int(rng.choice(sizes[:kinds]))
        before_edge = int(rng.choice([0, 1, beats, int(rng.integers(page))])) % page
        number = int(rng.integers(1, (1 << 32) // PAGE - 4))
        requests.append((number * PAGE - before_edge * bench.beat, beats))
    return requests


@cocotb.test()
async def random_bursts(dut: Any) -> None:
    """Could break: a burst over a page edge or of more than 256 beats, a beat lost or doubled when
    the sink stalls, more bursts under way than allowed, an address that changes while it waits.
    Random requests under every kind of stall; bursts, beats and their order are compared.
    """
    for kind, latency in (("free", 30), ("random", 1), ("runs", 9), ("heavy", 3)):
        bench = Bench(dut, kind)
        await bench.start()
        bench.latency = latency
        bench.ar_pause, bench.r_pause = pause_of(kind, bench.rng), pause_of(kind, bench.rng)
        bench.beat_pause = pause_of(kind, bench.rng)
        requests = random_requests(bench, 9, 4 if kind == "heavy" else 9)
        bench.requests.extend(requests)
        await bench.settle()
        assert bench.bursts == bench.expected_bursts(requests)
        assert bench.beats == bench.expected(requests)
        assert bench.most_under_way <= OUTSTANDING
        assert not any(bench.events.values())


@cocotb.test()
async def outstanding(dut: Any) -> None:
    """Could break: latency that is not hidden because fewer bursts than allowed are under way.
    Short requests against a memory that answers late: exactly the allowed number are offered, and
    the next one in the cycle after the last beat of the first.
    """
    bench = Bench(dut, "outstanding")
    await bench.start()
    bench.latency = 60
    bench.requests.extend((0x1000 + 64 * i, 2) for i in range(12))
    for _ in range(50):
        await bench.cycle()
    assert len(bench.bursts) == bench.most_under_way == OUTSTANDING
    await bench.settle()
    assert bench.most_under_way == OUTSTANDING
    for new, old in zip(bench.offers[OUTSTANDING:], bench.lasts, strict=False):
        assert new == old + 1


@cocotb.test()
async def a_beat_every_cycle(dut: Any) -> None:
    """Could break: a bubble between bursts or requests, the accelerator's whole speed. An ideal
    memory and sink: from the first beat to the last, one in each cycle, for one long request, for
    columns of 24 beats, and for requests of a single beat.
    """
    column = 24 * len(dut.beat_data_o) // 8
    cases = {
        "long": [(0x1000, 1100)],
        "columns": [(0x8000 + column * i, 24) for i in range(30)],
        "single beats": [(0x20000 + 512 * i, 1) for i in range(40)],
    }
    for name, requests in cases.items():
        bench = Bench(dut, name)
        await bench.start()
        bench.requests.extend(requests)
        await bench.settle()
        beats = sum(n for _, n in requests)
        assert bench.beats == bench.expected(requests)
        span = bench.beat_cycles[-1] - bench.beat_cycles[0] + 1
        assert span == beats, f"{name}: {beats} beats took {span} cycles"
        # request, address, memory, slice: the third cycle after the request has the first beat
        assert bench.beat_cycles[0] == 3, name


@cocotb.test()
async def drain(dut: Any) -> None:
    """Could break: a drain that takes back an offered address, forgets its beats, starts a new
    burst, lets an old beat through, or calls the bus idle too early. Drain at many points, with AR
    held back until the drain has begun in half of them, and with requests that still come and are
    lost; then requests work as if nothing had been.
    """
    held = 0
    for number in range(24):
        bench = Bench(dut, f"drain {number}")
        await bench.start()
        bench.latency = int(bench.rng.integers(1, 20))
        bench.r_pause = pause_of("random", bench.rng)
        bench.ar_pause = pause_of("random", bench.rng)
        bench.requests.extend((0x10F00 + 0x1000 * i, 40) for i in range(8))
        for _ in range(int(bench.rng.integers(2, 60))):
            await bench.cycle()
        if number % 2:
            bench.ar_pause = always()
            for _ in range(100):
                if bench.offered:
                    break
                await bench.cycle()
        while len(bench.requests) > number % 3:  # these come while it drains and are lost
            bench.requests.pop()
        waiting, asked = bench.offered, len(bench.bursts)
        for count in range(600):
            await bench.cycle(drain=1)
            if count:
                assert dut.beat_valid_o.value == 0
            if count == 5:
                assert waiting is None or number % 2 == 0 or dut.idle_o.value == 0
                bench.ar_pause = never()
            if dut.idle_o.value == 1 and count > 5:
                break
        else:
            raise AssertionError("the drain does not end")
        held += waiting is not None
        new = bench.bursts[asked:]
        assert len(new) <= 1 and (waiting is None or new == [waiting])
        assert bench.under_way == 0 and not bench.queue
        bench.beats = []
        requests = random_requests(bench, 2)
        bench.requests.extend(requests)
        await bench.settle()
        assert bench.beats == bench.expected(requests)
    assert held >= 8


@cocotb.test()
async def error_responses(dut: Any) -> None:
    """Could break: an error that is missed, counted twice while a beat waits, or named wrongly. A
    few beats of each kind among good ones, with stalls: one pulse each, and data all the same.
    """
    bench = Bench(dut, "errors")
    await bench.start()
    bench.r_pause, bench.beat_pause = pause_of("random", bench.rng), pause_of("heavy", bench.rng)
    requests = [(0x2000, 20), (0x5000, 1), (0x6000, 20)]
    bench.requests.extend(requests)
    slverr = [0x2000, 0x2000 + 7 * bench.beat, 0x6000 + 19 * bench.beat]
    decerr = [0x2000 + 8 * bench.beat, 0x5000]
    bench.responses = dict.fromkeys(slverr, SLVERR) | dict.fromkeys(decerr, DECERR)
    await bench.settle()
    assert len(bench.events["slverr"]) == len(slverr)
    assert len(bench.events["decerr"]) == len(decerr)
    assert bench.beats == bench.expected(requests)


@cocotb.test()
async def timeout(dut: Any) -> None:
    """Could break: a time-out a cycle early or late, one that counts the core's own stall or an
    idle bus, one that does not start again after a handshake, or any at all for 0. AR held and R
    held for one cycle less than the limit, for the limit and longer, and with the limit off.
    """
    limit = 12
    for held in ("ar", "r"):
        for silent, expected in ((limit - 1, 0), (limit, 1), (limit + 50, 1)):
            bench = Bench(dut, held)
            await bench.start()
            dut.timeout_i.value = limit
            for _ in range(2 * limit):
                await bench.cycle()  # nothing is owed
            bench.requests.append((0x1000, 3))
            setattr(bench, f"{held}_pause", always())
            while bench.offered is None and not bench.bursts:
                await bench.cycle()
            # AR: this cycle was the first silent one. R: the address was taken in it.
            begin = bench.cycles - 1 if held == "ar" else bench.cycles
            while bench.cycles < begin + silent:
                await bench.cycle()
            setattr(bench, f"{held}_pause", never())
            await bench.settle()
            cycles = bench.events["timeout"]
            assert len(cycles) == expected, f"{held} silent for {silent}: {cycles}"
            if expected:
                assert cycles == [begin + limit + 1]
            assert len(bench.beats) == 3
    # the core's own stall is not the memory's silence
    bench = Bench(dut, "own stall")
    await bench.start()
    dut.timeout_i.value = limit
    bench.beat_pause = always()
    bench.requests.append((0x1000, 8))
    for _ in range(5 * limit):
        await bench.cycle()
    bench.beat_pause = never()
    await bench.settle()
    assert not bench.events["timeout"] and len(bench.beats) == 8
    # nor is an address that waits while beats of an older burst come now and then
    bench = Bench(dut, "slow beats")
    await bench.start()
    dut.timeout_i.value = limit
    bench.requests.extend([(0x1000, 8), (0x2000, 1)])
    bench.ar_pause = itertools.chain([False, False], always())
    bench.r_pause = itertools.cycle([*[True] * (limit - 2), False])
    while bench.taken < 8:
        await bench.cycle()
        assert not bench.events["timeout"], "the memory moved"
    assert bench.offered is not None and bench.cycles > 5 * limit
    for _ in range(limit + 3):
        await bench.cycle()
    assert len(bench.events["timeout"]) == 1
    bench = Bench(dut, "off")
    await bench.start()
    bench.requests.append((0x1000, 8))
    bench.r_pause = always()
    for _ in range(10 * limit):
        await bench.cycle()
    assert not bench.events["timeout"]


@cocotb.test()
async def timeout_of_any_length(dut: Any) -> None:
    """Could break: a count of silent cycles narrower than the register that holds the limit, which
    would never reach the long limits that people set. The count is put just below each power of
    two while an address is held, and must raise one fault in the cycle of that limit.
    """
    bench = Bench(dut, "long")
    await bench.start()
    bench.requests.append((0x1000, 3))
    bench.ar_pause = always()
    while bench.offered is None:
        await bench.cycle()
    for bit in range(2, 32):
        dut.timeout_i.value = 1 << bit
        dut.silent_q.value = (1 << bit) - 1
        begin = bench.cycles
        for _ in range(6):
            await bench.cycle()
        assert bench.events["timeout"] == [begin + 2], f"limit 2^{bit}"
        bench.events["timeout"].clear()
    bench.ar_pause = never()
    await bench.settle()
    assert len(bench.beats) == 3


@cocotb.test()
async def cycle_of_an_error(dut: Any) -> None:
    """Could break: an error that is told late, twice, before its beat is taken, or for EXOKAY. One
    beat of eight answers SLVERR, DECERR or EXOKAY, the sink stalls so that the beat has to wait; a
    pulse in exactly the cycle after the one in which it is taken, or none.
    """
    for code, name in ((SLVERR, "slverr"), (DECERR, "decerr"), (1, "")):
        for place in range(8):
            bench = Bench(dut, f"error {code} {place}")
            await bench.start()
            bench.beat_pause = pause_of("heavy", bench.rng)
            bench.responses = {0x4000 + place * bench.beat: code}
            bench.requests.append((0x4000, 8))
            taken_in = []
            for _ in range(2000):
                before = bench.taken
                await bench.cycle()
                if bench.taken > before:
                    taken_in.append(bench.cycles)
                if len(bench.beats) == 8:
                    break
            expected = {kind: [taken_in[place]] if kind == name else [] for kind in bench.events}
            assert bench.events == expected
            assert bench.beats == bench.expected([(0x4000, 8)])


@cocotb.test()
async def beats_taken_while_draining(dut: Any) -> None:
    """Could break: a beat that waits when draining begins, since the slice is full. The sink stalls
    until nothing fits any more; from the first cycle of draining on, a beat is taken in each.
    """
    bench = Bench(dut, "drain")
    await bench.start()
    bench.beat_pause = always()
    bench.requests.append((0x1000, 8))
    for _ in range(30):
        await bench.cycle()
    stored = bench.taken
    assert 0 < stored < 8
    for cycle in range(8 - stored):
        await bench.cycle(drain=1)
        assert bench.taken == stored + cycle + 1
    await bench.cycle(drain=1)
    assert bench.under_way == 0 and not bench.beats


@cocotb.test()
async def short_and_long_bursts(dut: Any) -> None:
    """Could break: a burst that ends early, or does not end, and is taken for a good one; a drain
    that then waits for beats that never come, or for an RLAST. The second of three bursts lacks
    beats, has more, or has RLAST on none or on all: told once, in the cycle after the beat that is
    wrong, with no error before it. Then a drain, without a time-out, and good requests.
    """
    cases = [(more, "end") for more in (-1, -5, -7, 1, 2, 9)]
    for more, lasts in [*cases, (0, "none"), (6, "none"), (0, "every")]:
        bench = Bench(dut, f"burst {more} {lasts}")
        await bench.start()
        bench.latency = int(bench.rng.integers(1, 9))
        bench.beat_pause = pause_of("random", bench.rng)
        bench.misuse = {0x2000: (more, lasts)}
        bench.requests.extend([(0x1000, 8), (0x2000, 8), (0x3000, 8)])
        wrong = 8 + (0 if lasts == "every" else min(7, 7 + more))  # which beat of all
        kind = "short" if more < 0 or lasts == "every" else "long"
        for _ in range(400):
            before = bench.taken
            assert not any(bench.events.values())
            await bench.cycle()
            if before == wrong and bench.taken > before:
                break
        assert not any(bench.events.values())
        await bench.cycle()
        told = {name for name, cycles in bench.events.items() if cycles}
        assert told == {kind}, (more, lasts, bench.events)
        await bench.drained()
        await bench.works()


@cocotb.test()
async def every_burst_short_or_long(dut: Any) -> None:
    """Could break: counts that run over or under when many bursts are wrong, one after the other,
    with Outstanding of them under way. Random lengths, drained from two cycles after the first
    error on, as the core does; the drain ends, where beats and RLASTs are missing by the time-out,
    and good requests follow.
    """
    for number in range(30):
        bench = Bench(dut, f"wrong {number}")
        await bench.start()
        bench.latency = int(bench.rng.integers(1, 30))
        bench.r_pause = pause_of(("free", "random", "runs")[number % 3], bench.rng)
        chance = float(bench.rng.choice([0.2, 1.0]))
        for index in range(12):
            address, beats = 0x10000 + 0x1000 * index, int(bench.rng.integers(1, 9))
            if bench.rng.random() < chance:
                more = int(bench.rng.integers(1 - beats, 5))
                lasts = str(bench.rng.choice(["end", "end", "end", "none", "every"]))
                bench.misuse[address] = (more, lasts)
            bench.requests.append((address, beats))
        bench.misuse[0] = (0, "end")
        for _ in range(300):
            await bench.cycle()
            if any(bench.events.values()):
                await bench.cycle()
                break
        told = {name for name, cycles in bench.events.items() if cycles}
        assert told <= {"short", "long", "unowed"}, told
        bench.requests.clear()
        dut.timeout_i.value = 40
        await bench.drained(give_up=1)
        dut.timeout_i.value = 0
        await bench.works()


@cocotb.test()
async def beats_that_nobody_owes(dut: Any) -> None:
    """Could break: beats that are left over from before a reset and are taken for those of the next
    read, or hang the core. They come while nothing is asked for, and while an address waits to be
    taken: each is taken, told, and thrown away; the reads that follow are exact.
    """
    for beats in (1, 2, 3, 9):
        for last in (True, False):
            bench = Bench(dut, f"stale {beats} {last}")
            await bench.start()
            bench.owe(beats, last=last)
            for _ in range(beats + 2):
                assert dut.idle_o.value == 1, "a beat that nobody owes keeps the bus busy"
                await bench.cycle()
                assert dut.beat_valid_o.value == 0
            assert len(bench.events["unowed"]) == bench.taken == beats
            await bench.works()
            bench.ar_pause = always()
            bench.requests.append((0x3000, 4))
            while bench.offered is None:
                await bench.cycle()
            bench.owe(beats, last=last)
            while bench.queue:
                await bench.cycle()
            await bench.cycle()
            assert len(bench.events["unowed"]) == beats
            bench.stale, bench.under_way, bench.beats = 0, 1, []
            bench.ar_pause = never()
            await bench.settle()
            assert bench.beats == bench.expected([(0x3000, 4)])
            await bench.works()


@cocotb.test()
async def errors_of_beats_that_nobody_owes(dut: Any) -> None:
    """Could break: the error response of a beat that is left over, taken for that of a read."""
    bench = Bench(dut, "stale error")
    await bench.start()
    bench.responses = {0xF000: SLVERR, 0xF001: DECERR}
    bench.owe(2)
    for _ in range(4):
        await bench.cycle()
    assert not bench.events["slverr"] and not bench.events["decerr"]
    assert len(bench.events["unowed"]) == 2
    await bench.works()


@cocotb.test()
async def end_of_a_drain_by_time_out(dut: Any) -> None:
    """Could break: a drain that waits for ever for what never comes, ends too early or too late, or
    leaves the master waiting. R or AR stop; the count begins with give_up and not before, goes on
    whatever else moves, and ends in one pulse; then nothing is owed but an address on offer.
    """
    limit = 20
    for held in ("r", "ar", "both"):
        bench = Bench(dut, f"gives up {held}")
        await bench.start()
        dut.timeout_i.value = limit
        bench.requests.extend([(0x1000, 4), (0x2000, 4), (0x3000, 4)])
        if held != "ar":
            bench.r_pause = always()
        if held != "r":
            bench.ar_pause = itertools.chain([False] * (2 if held == "both" else 0), always())
        for _ in range(6):
            await bench.cycle()
        bench.requests.clear()
        bench.stale = 1  # what is given up may still be in the queue when the bus is idle
        for _ in range(3 * limit):  # a fault: no count yet
            await bench.cycle(drain=1)
        assert not bench.events["gave_up"] and not bench.events["timeout"]
        begin = bench.cycles
        for _ in range(limit + 1):
            assert dut.idle_o.value == 0
            await bench.cycle(drain=1, give_up=1)
            assert not bench.events["gave_up"]
        await bench.cycle(drain=1, give_up=1)
        assert bench.events["gave_up"] == [begin + limit + 1], bench.events
        await bench.cycle(drain=1, give_up=1)
        if held == "r":
            assert dut.idle_o.value == 1
        else:
            assert dut.idle_o.value == 0 and bench.offered is not None, "an address was taken back"
        # The memory comes to rest: it forgets the beats that it owed, and takes what is offered.
        bench.queue.clear()
        bench.showing = False
        bench.ar_pause = bench.r_pause = never()
        bench.under_way = int(bench.offered is not None)
        await bench.drained(give_up=1)
        dut.timeout_i.value = 0
        await bench.works()


@cocotb.test()
async def count_of_a_drain(dut: Any) -> None:
    """Could break: a drain that goes on with a count begun before it, so that it is over at once,
    or has missed its end and never is. It begins at each distance from the end of that count.
    """
    limit = 9
    for silent in range(limit + 4):
        bench = Bench(dut, f"count {silent}")
        await bench.start()
        dut.timeout_i.value = limit
        bench.requests.append((0x1000, 4))
        bench.r_pause = always()
        while not bench.bursts:
            await bench.cycle()
        for _ in range(silent):
            await bench.cycle()
        bench.stale = 1
        begin = bench.cycles
        for _ in range(3 * limit):
            await bench.cycle(drain=1, give_up=1)
        assert bench.events["gave_up"] == [begin + limit + 2], silent


@cocotb.test()
async def late_beats_after_giving_up(dut: Any) -> None:
    """Could break: beats that come after they were given up, which must be thrown away as those
    that nobody owes, at any distance, also in the very cycle in which they are forgotten.
    """
    limit = 10
    for late in range(-2, 12):
        bench = Bench(dut, f"late {late}")
        await bench.start()
        dut.timeout_i.value = limit
        bench.requests.extend([(0x1000, 5), (0x2000, 3)])
        bench.r_pause = always()
        for _ in range(6):
            await bench.cycle()
        for count in range(40):
            if count == limit + 1 + late:
                bench.r_pause = never()
            await bench.cycle(drain=1, give_up=1)
            bench.stale = 1
        assert dut.idle_o.value == 1 and not bench.queue and not bench.beats
        dut.timeout_i.value = 0
        await bench.works()


@cocotb.test()
async def timeout_from_the_first_owed_beat(dut: Any) -> None:
    """Could break: a time-out that each new address puts off, so that a beat that is lost is told
    late or never. R stands still while an address is taken now and then; the fault comes exactly
    the limit after the first address.
    """
    limit = 40
    bench = Bench(dut, "addresses move")
    await bench.start()
    dut.timeout_i.value = limit
    bench.r_pause = always()
    bench.ar_pause = itertools.cycle([*[True] * 9, False])
    bench.requests.extend((0x1000 * i, 2) for i in range(1, OUTSTANDING + 1))
    while not bench.bursts:
        await bench.cycle()
    begin = bench.cycles
    while not bench.events["timeout"]:
        await bench.cycle()
        assert bench.cycles < begin + 3 * limit
    assert bench.events["timeout"] == [begin + limit + 1]
    assert len(bench.bursts) == OUTSTANDING
    # Beats that nobody owes do not put it off either: here, while an address is not taken.
    bench = Bench(dut, "strangers move")
    await bench.start()
    dut.timeout_i.value = limit
    bench.ar_pause = always()
    bench.requests.append((0x1000, 2))
    while bench.offered is None:
        await bench.cycle()
    begin = bench.cycles - 1
    bench.owe(2 * limit)
    while not bench.events["timeout"]:
        await bench.cycle()
        assert bench.cycles < begin + 3 * limit
    assert bench.events["timeout"] == [begin + limit + 1]
