# SPDX-License-Identifier: Apache-2.0
"""Column fetch: addresses and lengths of what is read, and the same order on both outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import never, pause_of, rng_for
from tb.device.constants import EntryType
from tb.device.streams import ENTRY, WORK
from tb.handover import simulation
from tb.paths import SIMULATORS

LAYERS, ADDR_BITS = 3, 32
COLUMN, BIAS, END = EntryType.COLUMN, EntryType.BIAS, EntryType.END
FIELDS = ("op", "layer", "kind", "last", "delta", "last_group")


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("width", [32, 256])
def test_column_fetch(width: int, sim: str, tmp_path: Path) -> None:
    """The narrowest port, with the longest columns, and the widest one."""
    parameters = {"AxiDataWidth": width, "AxiAddrWidth": ADDR_BITS, "MaxLayers": LAYERS}
    module_test(__name__, "column_fetch", sim, parameters, work_dir=tmp_path)


@dataclass
class Entry:
    """What the encoder hands over."""

    op: int
    layer: int
    kind: int
    last: int
    undo: int
    index: int
    delta: int


@dataclass
class Bench(ModuleBench):
    """A random network in DRAM, entries in, requests and work items out."""

    width: int
    groups: list[int] = field(default_factory=list)
    base: dict[str, list[int]] = field(default_factory=dict)
    burst_pause: Iterator[bool] = field(default_factory=never)
    work_pause: Iterator[bool] = field(default_factory=never)
    bursts: list[tuple[int, int]] = field(default_factory=list)
    work: list[tuple[int, ...]] = field(default_factory=list)
    columns: list[tuple[int, int, int]] = field(default_factory=list)
    layer: int = -1  # the one that is shown

    async def begin(self, rng: Any) -> None:
        """Reset, and give each layer a size and three addresses."""
        dut = self.dut
        beat, most = self.width // 8, 1024 // (self.width // 8)
        self.groups = [most, *(int(n) for n in rng.integers(1, most + 1, LAYERS - 1))]
        for region in ("wx", "wh", "bias"):
            # a layer reads up to 1024 columns of 3 KiB
            bases = [int(rng.integers((1 << ADDR_BITS) - (1 << 22))) // beat * beat for _ in "123"]
            self.base[region] = bases
            word = sum(base << ADDR_BITS * i for i, base in enumerate(bases))
            getattr(dut, f"addr_{region}_i").value = word
        dut.groups_i.value = sum(groups << 11 * i for i, groups in enumerate(self.groups))
        await self.start(driven=("addr_", "groups_"))

    def expected(self, entry: Entry) -> tuple[int, int] | None:
        """Address and beats of an entry: the DRAM layout of docs/interfaces.md."""
        beat = self.width // 8
        padded = self.groups[entry.layer] * (self.width // 8)  # units, filled up to whole groups
        if entry.op == END:
            return None
        if entry.op == BIAS:
            return self.base["bias"][entry.layer], 16 * padded // beat
        base = self.base["wh" if entry.kind else "wx"][entry.layer]
        return base + entry.index * 3 * padded, 3 * padded // beat

    async def show(self, layer: int) -> None:
        """A cycle in which nothing is offered, with the layer of what comes next."""
        self.dut.entry_i.value = ENTRY.word(layer=layer)
        self.layer = layer
        await self.cycle(None)

    async def cycle(self, entry: Entry | None, flush: int = 0) -> bool:
        """One cycle; says whether the entry was taken."""
        dut = self.dut
        dut.flush_i.value = flush
        if entry is not None and entry.layer != self.layer:
            # A pass shows its layer before its first entry.
            dut.entry_i.value = ENTRY.word(layer=entry.layer)
            self.layer = entry.layer
            entry = None
        dut.entry_valid_i.value = int(entry is not None)
        if entry is not None:
            dut.entry_i.value = ENTRY.word(**vars(entry))
        burst_ready, work_ready = int(not next(self.burst_pause)), int(not next(self.work_pause))
        dut.burst_ready_i.value = burst_ready
        dut.work_ready_i.value = work_ready
        await RisingEdge(dut.clk_i)
        burst = burst_ready and dut.burst_valid_o.value == 1
        work = work_ready and dut.work_valid_o.value == 1
        if burst:
            assert work, "a request without its work item"
            self.bursts.append((int(dut.burst_addr_o.value), int(dut.burst_beats_o.value)))
        if work:
            item = WORK.of(dut.work_o.value, FIELDS)
            assert burst == (item[0] != END), "a work item without its request"
            self.work.append(item)
        column = dut.column_o.value == 1
        assert column == (work and item[0] == COLUMN)
        if column:
            self.columns.append((item[1], item[2], int(dut.undo_o.value)))
        return entry is not None and dut.entry_ready_o.value == 1


def random_entry(rng: Any, bench: Bench) -> Entry:
    """Any entry; a third of them are not columns."""
    return Entry(
        op=int(rng.choice([COLUMN, COLUMN, COLUMN, COLUMN, BIAS, END])),
        layer=int(rng.integers(LAYERS)),
        kind=int(rng.integers(2)),
        last=int(rng.integers(2)),
        undo=int(rng.integers(2)),
        index=int(rng.choice([0, 1, 1023, rng.integers(1024)])),
        delta=int(rng.integers(1 << 16)),
    )


def make(dut: Any) -> Bench:
    """A bench on this build."""
    return Bench(dut, simulation().parameters["AxiDataWidth"])


@cocotb.test()
async def random_entries(dut: Any) -> None:
    """Could break: an address or a length for some size, index, kind or layer; a request lost,
    doubled, or out of step with its work item when one side stalls; a request for an EntryEnd; a
    bias with a delta. Random entries with independent stalls on all three streams.
    """
    for number in range(6):
        rng = rng_for(f"entries {number}")
        bench = make(dut)
        await bench.begin(rng)
        kinds = ("free", "random", "runs", "heavy")
        bench.burst_pause = pause_of(kinds[number % 4], rng)
        bench.work_pause = pause_of(kinds[number // 2 % 4], rng)
        entries = [random_entry(rng, bench) for _ in range(150)]
        todo = list(entries)
        for _ in range(12000):
            offer = todo[0] if todo and rng.random() < 0.8 else None
            if await bench.cycle(offer):
                todo.pop(0)
            if not todo and dut.idle_o.value == 1 and len(bench.work) == len(entries):
                break
        assert bench.bursts == [b for b in map(bench.expected, entries) if b is not None]
        assert bench.work == [
            (
                *(e.op, e.layer, e.kind, e.last, e.delta if e.op == COLUMN else 0),
                bench.groups[e.layer] - 1,
            )
            for e in entries
        ]
        assert bench.columns == [(e.layer, e.kind, e.undo) for e in entries if e.op == COLUMN]


@cocotb.test()
async def end_without_request(dut: Any) -> None:
    """Could break: an EntryEnd that waits for the burst reader, with which the gates would wait for
    columns of the next layer. Requests are never taken; an end passes, a column behind it does not.
    """
    rng = rng_for("end")
    bench = make(dut)
    await bench.begin(rng)
    bench.burst_pause = iter(lambda: True, None)
    await bench.show(1)
    assert await bench.cycle(Entry(END, 1, 0, 1, 0, 0, 0))
    assert await bench.cycle(Entry(COLUMN, 1, 0, 1, 0, 4, 5))
    for _ in range(10):
        await bench.cycle(None)
    assert [item[0] for item in bench.work] == [END]
    assert not bench.bursts and dut.idle_o.value == 0
    bench.burst_pause = never()
    for _ in range(3):
        await bench.cycle(None)
    assert len(bench.bursts) == 1 and dut.idle_o.value == 1


@cocotb.test()
async def full_rate_and_flush(dut: Any) -> None:
    """Could break: a bubble between columns, or a flush that leaves one. Entries in each cycle come
    out in each cycle, three later; with all stages full and stalled, a flush forgets them.
    """
    rng = rng_for("rate")
    bench = make(dut)
    await bench.begin(rng)
    await bench.show(0)
    for number in range(40):
        assert await bench.cycle(Entry(COLUMN, 0, 0, 0, 0, number, 1))
        assert len(bench.bursts) == max(0, number - 2)
    bench.work_pause = iter(lambda: True, None)
    for number in range(4):
        taken = await bench.cycle(Entry(COLUMN, 0, 0, 0, 0, number, 1))
        assert taken == (number == 0)  # into the spare register
    assert dut.idle_o.value == 0
    await bench.cycle(None, flush=1)
    bench.work_pause = never()
    before = len(bench.work)
    for _ in range(5):
        await bench.cycle(None)
        assert dut.idle_o.value == 1
    assert len(bench.work) == before


@cocotb.test()
async def undo_flag(dut: Any) -> None:
    """Could break: the undo flag of another entry beside a column or an end, so that columns taken
    back are counted as read. Columns and ends with flags at random, and stalls on both outputs; the
    flag is read in the cycle in which the work item is taken.
    """
    rng = rng_for("undo")
    bench = make(dut)
    await bench.begin(rng)
    bench.burst_pause, bench.work_pause = pause_of("random", rng), pause_of("runs", rng)
    entries = [random_entry(rng, bench) for _ in range(120)]
    todo, flags = list(entries), []
    for _ in range(4000):
        before = len(bench.work)
        if await bench.cycle(todo[0] if todo else None):
            todo.pop(0)
        if len(bench.work) > before:
            flags.append(int(dut.undo_o.value))
        if len(flags) == len(entries):
            break
    assert flags == [entry.undo for entry in entries]
