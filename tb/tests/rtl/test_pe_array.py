# SPDX-License-Identifier: Apache-2.0
"""The PE array: sums of random columns, what the gates may read and when, who waits for whom."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from golden import fixed
from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.device.constants import BANKS, SIZE_BITS, EntryType
from tb.device.streams import WORK
from tb.paths import SIMULATORS

WIDTHS = (32, 64, 128, 256)
LAYERS = 4
COLUMN, BIAS, END = EntryType.COLUMN, EntryType.BIAS, EntryType.END
ALL_PASSED = (1 << SIZE_BITS) - 1
TESTS = ("random_work", "a_beat_every_cycle", "gates_behind_the_last_beat")
# What random work must have met, and how often.
WANTED = {"held": 20, "early": 10, "denied": 5, "yields": 1, "gates": 24}
ROUNDS, MOST_ROUNDS = 3, 20


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("width", WIDTHS)
def test_pe_array(width: int, sim: str, tmp_path: Path) -> None:
    """Every width of the port: 4 to 32 PEs."""
    parameters = {"AxiDataWidth": width, "MaxLayers": LAYERS, "MaxUnits": 256}
    result = module_test(__name__, "pe_array", sim, parameters, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


@dataclass
class Item:
    """An entry of the queue of work, with the beats that belong to it."""

    type: int
    layer: int
    kind: int = 0
    last: int = 0
    delta: int = 0
    beats: tuple[int, ...] = ()

    def bank(self, beat: int) -> int:
        """The delta memory that a beat goes to."""
        if self.type == BIAS:
            return beat % 16 // 4
        return beat % 3 if beat % 3 < 2 else 2 + self.kind

    def group(self, beat: int) -> int:
        """The group of units that a beat belongs to."""
        return beat // (16 if self.type == BIAS else 3)


def word(values: np.ndarray) -> int:
    """An array of integers as one little-endian number."""
    return int.from_bytes(values.tobytes(), "little")


class Network:
    """Makes work and keeps the sums, in numpy: `memory` of a layer is [bank, group, lane]."""

    def __init__(self, rng: np.random.Generator, pes: int, groups: tuple[int, ...]) -> None:
        self.rng, self.pes, self.groups = rng, pes, groups
        self.memory = [np.zeros((BANKS, g, pes), np.int32) for g in groups]
        self.closed: deque[tuple[int, np.ndarray]] = deque()  # layer, memory: what gates must see

    def bias(self, layer: int) -> Item:
        groups = self.groups[layer]
        memory = self.rng.integers(-(1 << 31), 1 << 31, (BANKS, groups, self.pes))
        self.memory[layer] = memory.astype(np.int32)
        quarters = self.memory[layer].transpose(1, 0, 2).reshape(groups * 16, self.pes // 4)
        return Item(BIAS, layer, delta=0, beats=tuple(word(q) for q in quarters))

    def column(self, layer: int) -> Item:
        kind = int(self.rng.integers(2))
        delta = int(self.rng.choice([-32768, 32767, int(self.rng.integers(-32768, 32768))]))
        weights = self.rng.integers(-128, 128, (self.groups[layer], 3, self.pes))
        weights[:, :, 0] = -128
        for gate in range(3):
            bank = gate if gate < 2 else 2 + kind
            sums = self.memory[layer][bank].astype(np.int64) + delta * weights[:, gate]
            self.memory[layer][bank] = fixed.wrap32(sums)
        rows = weights.reshape(-1, self.pes).astype(np.int8)
        return Item(COLUMN, layer, kind, delta=delta, beats=tuple(word(r) for r in rows))

    def end(self, layer: int, last: int) -> Item:
        if last:
            self.closed.append((layer, self.memory[layer].copy()))
        return Item(END, layer, kind=int(self.rng.integers(2)), last=last)


class Array:
    """The queue of work, the weight port and the gates around the PEs, cycle by cycle."""

    def __init__(self, dut: Any, network: Network) -> None:
        self.dut, self.network, self.rng = dut, network, network.rng
        self.queue: deque[Item] = deque()  # seen by the PEs
        self.beat = 0
        self.offered = False  # a beat, once offered, stays
        self.started = False  # the gates follow the layer at the head
        self.fresh, self.clear = True, True  # at the head since now, free to pass the gates
        self.gate_layer: int | None = None
        self.expected = network.memory[0]
        self.group = 0
        self.behind: list[int | None] = [None, None]  # groups whose z, whose n is read now
        self.waited = 0  # cycles for which a beat of n has yielded
        self.reads: int | None = None  # bank that the beat of the cycle before reads now
        self.tail = 0  # cycles for which the gates stay busy after their last read
        self.owed: list[tuple[int, int]] = []  # (bank, group) read in the cycle before
        self.recent: deque[bool] = deque([False] * 3, maxlen=3)  # a beat was met: in S1, S2, S3 now
        self.counts = dict.fromkeys(("held", "early", "denied", "yields", "fired", "gates"), 0)

    @property
    def idle(self) -> bool:
        return not self.queue and self.gate_layer is None

    async def cycle(
        self, beat_rate: float = 1.0, read_rate: float = 1.0, absent: int | None = None
    ) -> None:
        """One clock cycle: drive, look, compare. `absent`: the type at the head of an empty queue,
        random by default.
        """
        dut, rng, queue = self.dut, self.rng, self.queue
        head = queue[0] if queue else None
        data = head is not None and head.type != END
        self.offered = data and (self.offered or rng.random() < beat_rate)
        dut.work_valid_i.value = int(head is not None)
        if head is None:  # what an entry that is not there would say is nobody's concern
            dut.work_i.value = WORK.word(
                op=int(rng.integers(3)) if absent is None else absent,
                layer=int(rng.integers(LAYERS)),
                kind=int(rng.integers(2)),
                last=int(rng.integers(2)),
            )
        else:
            dut.work_i.value = WORK.word(
                op=head.type,
                layer=head.layer,
                kind=head.kind,
                last=head.last,
                last_group=self.network.groups[head.layer] - 1,
                delta=head.delta,
            )
        closes = len(queue) > 1 and queue[1].type == END and queue[1].last == 1
        dut.next_closes_i.value = int(closes)
        dut.beat_valid_i.value = int(self.offered)
        if self.offered and head is not None:
            dut.beat_data_i.value = head.beats[self.beat]

        busy = self.gate_layer is not None
        layer = self.gate_layer or 0
        groups = self.network.groups[layer]
        reading = busy and self.group < groups
        dut.gate_ready_i.value = int(not busy)
        dut.gate_busy_i.value = int(busy)
        dut.gate_layer_i.value = layer
        dut.gate_passed_i.value = self.group if reading else ALL_PASSED
        # r of a group is asked for, z and both of n follow in the next two cycles.
        asked = [self.group if reading else int(rng.integers(max(1, groups))), *self.behind]
        targets = [int(rng.integers(groups)) if t is None else t for t in (*asked, asked[2])]
        dut.gate_group_i.value = sum(t << SIZE_BITS * b for b, t in enumerate(targets))
        follow = 2 * (self.behind[0] is not None) + 12 * (self.behind[1] is not None)
        dut.gate_re_i.value = follow

        # A group is read in the very cycle in which it is said to be ready.
        await FallingEdge(dut.clk_i)
        wanted = 0
        whole = dut.all_ready_o.value == 1
        if reading and (whole or self.group < int(dut.groups_ready_o.value)):
            wanted = int(rng.random() < read_rate)
        dut.gate_re_i.value = follow | wanted

        await RisingEdge(dut.clk_i)
        if self.owed:
            rdata, bits = dut.gate_rdata_o.value, 32 * self.network.pes
            for bank, group in self.owed:
                read = int(rdata[bits * (bank + 1) - 1 : bits * bank])
                found = np.frombuffer(read.to_bytes(bits // 8, "little"), "<i4")
                assert np.array_equal(found, self.expected[bank, group]), f"{bank}, {group}"
        assert int(dut.idle_o.value) == int(head is None and not any(self.recent))
        group = 0 if head is None or not data else head.group(self.beat)
        same = busy and head is not None and layer == head.layer
        # Held before a group: in the first cycle at the head, and until the gates had passed the
        # group after it.
        column = head is not None and head.type == COLUMN
        begins = self.beat % (3 if column else 16) == 0
        held = data and same and not self.started and begins and (self.fresh or not self.clear)
        bank = head.bank(self.beat) if head is not None and column else 0
        yields = column and not held and bank >= 2 and follow >> 1 & 1 == 1
        held = held or yields
        assert int(dut.beat_ready_o.value) == int(data and not held)
        assert int(dut.wanting_o.value) == int(data and not held and not self.offered)
        fire = self.offered and not held
        collides = column and self.offered and self.beat % 3 == 1
        granted = wanted and self.reads != 0 and not collides and not (yields and self.offered)
        assert int(dut.gate_grant_o.value) == granted
        self.counts["denied"] += wanted and not granted
        self.counts["yields"] += yields
        self.waited = self.waited + 1 if yields and self.offered else 0
        assert self.waited <= 1, "a beat of n waits for a second quad"
        self.counts["held"] += held
        self.counts["fired"] += fire
        self.recent.append(fire)

        self.reads = bank if fire and column else None
        self.owed = [(b, targets[b]) for b in range(BANKS) if (follow | granted) >> b & 1]
        self.counts["early"] += granted and not whole
        self.behind = [self.group if granted else None, self.behind[0]]

        start = int(dut.gate_start_o.value)
        pop = int(dut.work_ready_o.value)
        may_start = (
            head is not None
            and not self.started
            and ((head.type == END and head.last == 1) or (head.type == COLUMN and closes))
        )
        assert start == int(may_start)
        last_beat = fire and head is not None and self.beat + 1 == len(head.beats)
        ends = head is not None and head.type == END
        leaves = ends and (self.started or not busy or (head is not None and not head.last))
        assert (pop == 1 and head is not None) == (last_beat or leaves)

        # What the next cycle starts with.
        self.fresh = head is None or pop == 1
        self.clear = not reading or group + 1 < self.group
        if granted:
            self.group += 1
            self.tail = int(rng.integers(4))
        elif busy and self.group == groups and not self.owed and self.behind == [None, None]:
            self.tail -= 1
            if self.tail < 0:
                self.gate_layer = None
        if start and not busy:
            self.gate_layer, self.expected = self.network.closed.popleft()
            assert int(dut.gate_layer_o.value) == self.gate_layer
            self.group, self.started = 0, True
            self.counts["gates"] += 1
        if fire:
            self.offered = False
            self.beat += 1
        if pop and head is not None:
            queue.popleft()
            self.beat = 0
            if head.type == END and head.last:
                self.started = False


@cocotb.test()
async def random_work(dut: Any) -> None:
    """Could break: a lane, bank or group that gets another's sum, a product of two extremes, a sum
    that does not wrap, a group announced too early, a column let through before the gates have
    passed, a read of z or n that a beat takes away, PEs and gates that wait for each other, a flush
    that leaves something. Biases and columns of four layers with random gaps; the gates read each
    group as soon as it is announced and compare it with numpy; three rounds, the first two cut by a
    flush, then more until each rare meeting of PEs and gates has been seen.
    """
    rng = rng_for("work")
    pes = len(dut.beat_data_i) // 8
    groups = (-(-8 // pes), 3, 5, 7)
    await ModuleBench(dut).start()
    counts: dict[str, int] = {}
    for rounds in range(MOST_ROUNDS):
        if rounds >= ROUNDS and all(counts[key] >= least for key, least in WANTED.items()):
            break
        network = Network(rng, pes, groups)
        array = Array(dut, network)
        waiting: deque[Item] = deque()
        for layer in range(LAYERS):
            # gates wait for biases as well, if nothing comes between
            waiting += [network.bias(layer), network.end(layer, int(layer == 3))]
        layer = 0
        for _ in range(50):
            if rng.random() < 0.5:  # else again the layer that the gates have just got
                layer = int(rng.choice(LAYERS, p=(0.4, 0.3, 0.2, 0.1)))
            waiting += [network.column(layer) for _ in range(rng.integers(3))]
            if rng.random() < 0.2:
                waiting.append(network.end(layer, 0))
            waiting += [network.column(layer) for _ in range(rng.integers(2))]
            waiting.append(network.end(layer, 1))
        cycles, cut = 0, 600 if rounds < 2 else None
        # A flush finds beats in all stages.
        while (waiting or not array.idle or array.owed) and not (
            cut is not None and cycles >= cut and all(array.recent)
        ):
            # Work comes singly, or many items at a time.
            if waiting and len(array.queue) < 16 and rng.random() < (0.1, 1.0)[cycles // 64 % 2]:
                array.queue.append(waiting.popleft())
            beat_rate = (1.0, 0.4, 1.0)[cycles // 100 % 3]
            await array.cycle(beat_rate, read_rate=(1.0, 0.1)[cycles // 150 % 2])
            cycles += 1
            assert cycles < 10000, "stuck"
        for key, value in array.counts.items():
            counts[key] = counts.get(key, 0) + value
        if cut is None:
            assert not network.closed
        dut.work_valid_i.value = dut.beat_valid_i.value = dut.gate_busy_i.value = 0
        dut.gate_re_i.value = 0
        dut.flush_i.value = int(cut is not None)
        await ClockCycles(dut.clk_i, 2 if cut is not None else 4)
        assert dut.idle_o.value == 1
        dut.flush_i.value = 0
        assert int(dut.groups_ready_o.value) == 0
    for key, least in WANTED.items():
        assert counts[key] >= least, f"{key}: {counts}"


@cocotb.test()
async def a_beat_every_cycle(dut: Any) -> None:
    """Could break: the word of M that comes again after three beats, read before it is written, or
    a bubble that hides it. H = 8, columns of one layer without a gap, beats in each cycle: the
    sums are those of numpy and no cycle is lost but that of the end.
    """
    rng = rng_for("rate")
    pes = len(dut.beat_data_i) // 8
    groups = (-(-8 // pes),) * LAYERS
    await ModuleBench(dut).start()
    network = Network(rng, pes, groups)
    array = Array(dut, network)
    for _ in range(12):  # idle_o when the last beat has been added, not before; beats come singly
        array.queue += [network.bias(0)]
        while array.queue:
            await array.cycle(beat_rate=0.2)
        for _ in range(5):
            await array.cycle()
    array.counts["fired"] = 0
    for _ in range(12):
        array.queue += [network.column(0) for _ in range(10)]
        array.queue.append(network.end(0, 1))
        array.queue += [network.column(1)]  # the gates read layer 0 meanwhile, so nothing is held
        array.queue.append(network.end(1, 0))
    beats = sum(len(item.beats) for item in array.queue)
    ends = sum(item.type == END for item in array.queue)
    cycles = 0
    while array.queue:
        await array.cycle()
        cycles += 1
        assert cycles < 5000, "stuck"
    while not array.idle or array.owed:
        await array.cycle()
    assert array.counts["fired"] == beats
    assert cycles == beats + ends + array.counts["held"]
    assert array.counts["gates"] == 12 and not network.closed


@cocotb.test()
async def gates_behind_the_last_beat(dut: Any) -> None:
    """Could break: a read of the gates that is denied, or granted, for what an empty queue happens
    to show. The gates of a layer wait until a column of another has gone, and read in the cycle
    after its last beat, whatever type an invalid entry has.
    """
    rng = rng_for("behind")
    pes = len(dut.beat_data_i) // 8
    await ModuleBench(dut).start()
    network = Network(rng, pes, (-(-8 // pes),) * LAYERS)
    array = Array(dut, network)
    array.queue += [network.bias(0), network.bias(1)]
    for absent in (COLUMN, BIAS, END):
        array.queue += [network.column(0), network.end(0, 1), network.column(1)]
        while array.queue:
            await array.cycle(read_rate=0.0)
        group = array.group
        await array.cycle(absent=absent)
        assert array.group == group + 1
        while not array.idle or array.owed:
            await array.cycle()
    assert array.counts["gates"] == 3 and not network.closed
