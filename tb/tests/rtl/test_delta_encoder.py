# SPDX-License-Identifier: Apache-2.0
"""The delta encoder: which elements fire, with what delta, and what the reference becomes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from golden.stimulus import random_inputs
from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import never, pause_of, rng_for
from tb.device.beats import pack
from tb.device.constants import EntryType, PassType
from tb.device.streams import ENTRY, PASS
from tb.handover import simulation
from tb.paths import SIMULATORS

LAYERS, UNITS = 4, 64
PASS_X, PASS_H, PASS_INIT, PASS_UNDO = PassType.X, PassType.H, PassType.INIT, PassType.UNDO
COLUMN, BIAS, END = EntryType.COLUMN, EntryType.BIAS, EntryType.END
LOW, HIGH = -32768, 32767


@pytest.mark.parametrize("sim", SIMULATORS)
def test_delta_encoder(sim: str, tmp_path: Path) -> None:
    """Four layers of 64 units."""
    parameters = {"MaxLayers": LAYERS, "MaxUnits": UNITS}
    module_test(__name__, "delta_encoder", sim, parameters, work_dir=tmp_path)


@pytest.mark.parametrize("sim", SIMULATORS)
def test_delta_encoder_full_size(sim: str, tmp_path: Path) -> None:
    """The largest layer: 1024 units."""
    parameters = {"MaxLayers": LAYERS, "MaxUnits": 1024}
    module_test(__name__, "delta_encoder", sim, parameters, only="quiet_walk", work_dir=tmp_path)


class Bench(ModuleBench):
    """What surrounds the encoder: passes in, x, hidden memory and gates, entries out.

    `h` is the hidden memory. The model keeps `reference[kind, layer]` and encodes one element at a
    time. While `chasing`, the gates of that layer write `h_new` one vector at a time, at random.
    """

    def __init__(self, dut: Any, name: str) -> None:
        super().__init__(dut)
        self.rng = rng_for(name)
        self.h = np.zeros((LAYERS, UNITS), np.int16)
        self.reference = np.zeros((2, LAYERS, UNITS), np.int64)
        self.kept = self.reference[PASS_H].copy()  # before the last h pass of each layer
        self.entry_pause: Iterator[bool] = never()
        self.x_pause: Iterator[bool] = never()
        self.entries: list[tuple[int, ...]] = []
        self.x: list[int] = []
        self.chasing: int | None = None
        self.h_new = np.zeros(UNITS, np.int16)
        self.written = 0  # vectors of h_new
        self.gate_rate = 0.15  # of them a cycle
        self.waits = 0  # cycles in which the encoder had to wait for the gates
        self.cycles = 0

    async def start(self, *, driven: tuple[str, ...] = ()) -> None:
        """Reset with every input at 0, and clear all layers, as each sequence does."""
        await super().start(driven=driven)
        await self.clear()

    async def clear(self) -> None:
        """An init pass over each layer."""
        for layer in range(LAYERS):
            await self.walk(PASS_INIT, layer, UNITS)

    async def cycle(self, **inputs: int) -> None:
        """One clock cycle of everything around the encoder."""
        dut = self.dut
        for name in ("flush", "pass_valid"):
            getattr(dut, f"{name}_i").value = inputs.get(name, 0)
        ready = int(not next(self.entry_pause))
        offer = int(bool(self.x) and not next(self.x_pause))
        dut.entry_ready_i.value = ready
        dut.x_valid_i.value = offer
        dut.x_data_i.value = self.x[0] if offer else int.from_bytes(self.rng.bytes(16), "little")
        writes = self.chasing is not None and 8 * self.written < UNITS
        if writes and self.rng.random() < self.gate_rate:
            place = slice(8 * self.written, 8 * self.written + 8)
            self.h[self.chasing, place] = self.h_new[place]
            self.written += 1
        dut.gate_busy_i.value = int(self.chasing is not None)
        dut.gate_layer_i.value = self.chasing or 0
        dut.gate_vecs_i.value = self.written
        await RisingEdge(dut.clk_i)
        self.cycles += 1
        if dut.entry_valid_o.value == 1 and ready:
            entry = dut.entry_o.value
            names: tuple[str, ...] = ("op", "layer", "kind", "last", "undo")
            if ENTRY.field(entry, "op") == COLUMN:  # others have neither index nor delta
                names += ("index", "delta")
            self.entries.append(ENTRY.of(entry, names))
        if dut.x_ready_o.value == 1 and offer:
            self.x.pop(0)
        if dut.h_re_o.value == 1:
            # It reads more than it uses: what is not written yet, or is not h at all, is garbage.
            at = (dut.h_layer_o.value, dut.h_vec_o.value)
            layer, vec = (int(v) if v.is_resolvable else -1 for v in at)
            known = 0 <= layer < LAYERS and 0 <= vec < self.h.shape[1] // 8
            if known and (layer != self.chasing or vec < self.written):
                dut.h_rdata_i.value = pack(self.h[layer, 8 * vec : 8 * vec + 8])[0]
            else:
                dut.h_rdata_i.value = int.from_bytes(self.rng.bytes(16), "little")
                self.waits += self.chasing is not None and dut.idle_o.value == 0
        if dut.h_clear_o.value == 1:
            vec = int(dut.h_vec_o.value)
            self.h[int(dut.h_layer_o.value), 8 * vec : 8 * vec + 8] = 0

    def offer(self, kind: int, layer: int, size: int, theta: int, last: int) -> None:
        """Set the inputs that describe a pass."""
        offered = PASS.word(op=kind, layer=layer, size=size, theta=theta, last=last)
        self.dut.pass_i.value = offered

    async def walk(
        self,
        kind: int,
        layer: int,
        size: int,
        theta: int = 0,
        *,
        last: int = 0,
        x: np.ndarray | None = None,
    ) -> None:
        """Run a pass to its end and compare all entries with the model."""
        dut = self.dut
        self.entries = []
        if x is not None:
            # lanes past the end hold anything
            full = self.rng.integers(LOW, HIGH + 1, -(-size // 8) * 8).astype(np.int16)
            full[:size] = x
            self.x = pack(full)
        self.offer(kind, layer, size, theta, last)
        self.cycles = 0
        await self.cycle(pass_valid=1)
        assert dut.pass_ready_o.value == 1
        for _ in range(5000):
            await self.cycle()
            if dut.idle_o.value == 1:
                break
        else:
            raise AssertionError("the pass does not end")
        source = layer - 1 if kind == PASS_X else layer
        if kind == PASS_INIT:
            assert [entry[:2] for entry in self.entries] == [(BIAS, layer)]
            self.reference[:, layer, : -(-size // 8) * 8] = 0
            return
        if kind == PASS_UNDO:
            fired = self.undo(layer, size)
        else:
            written = self.h_new if source == self.chasing else self.h[source]
            values = written if x is None else x
            fired = self.encode(kind, layer, values[:size], theta)
        half, undo = int(kind != PASS_X), int(kind == PASS_UNDO)
        columns = [(COLUMN, layer, half, last, undo, i, delta & 0xFFFF) for i, delta in fired]
        assert self.entries[:-1] == columns
        assert self.entries[-1] == (END, layer, half, last, undo)
        assert not self.x

    def encode(
        self, kind: int, layer: int, values: np.ndarray, theta: int
    ) -> list[tuple[int, int]]:
        """The contract's steps 1 and 2, one element at a time."""
        fired = []
        if kind == PASS_H:
            self.kept[layer] = self.reference[PASS_H, layer]
        for index, value in enumerate(values):
            delta = int(value) - int(self.reference[kind, layer, index])
            delta = max(LOW, min(HIGH, delta))
            if abs(delta) >= max(theta, 1):
                self.reference[kind, layer, index] += delta
                fired.append((index, delta))
        return fired

    def undo(self, layer: int, size: int) -> list[tuple[int, int]]:
        """The opposite of the last h pass, which leaves the references that it found."""
        back = self.kept[layer] - self.reference[PASS_H, layer]
        self.reference[PASS_H, layer] = self.kept[layer]
        return [(index, int(delta)) for index, delta in enumerate(back[:size]) if delta]

    def near_edges(self, kind: int, layer: int, size: int, theta: int) -> np.ndarray:
        """Values whose distance to the reference is 0, 1, or theta and its neighbours, or far."""
        steps = [0, 0, 1, theta - 1, theta, theta + 1, 3 * theta, 2 * HIGH]
        steps += [-step for step in steps]
        values = self.reference[kind, layer, :size] + self.rng.choice(steps, size)
        clipped: np.ndarray = np.clip(values, LOW, HIGH).astype(np.int16)
        return clipped


@cocotb.test()
async def theta_edges(dut: Any) -> None:
    """Could break: > instead of >=, a threshold of 0 that fires on nothing moved, |-32768| that
    wraps, a delta that wraps instead of saturating. Distances of -1, 0 and +1 around each
    threshold, with both signs, from several references; saturated deltas twice in a row.
    """
    bench = Bench(dut, "edges")
    await bench.start()
    for theta in (0, 1, 2, 64, 255, 256, 32766, 32767):
        for start in (0, 100, -100, LOW, HIGH):
            await bench.walk(PASS_INIT, 0, UNITS)
            if start:
                x = np.full(8, start, np.int16)
                await bench.walk(PASS_X, 0, 8, 0, x=x)
            steps = [sign * (max(theta, 1) + d) for sign in (1, -1) for d in (-1, 0, 1)] + [0, 0]
            values = np.clip(start + np.array(steps), LOW, HIGH).astype(np.int16)
            await bench.walk(PASS_X, 0, 8, theta, x=values)
            await bench.walk(PASS_X, 0, 8, theta, x=values)
    # from one end to the other a delta saturates, and the rest follows in the next step
    await bench.walk(PASS_INIT, 0, UNITS)
    for value, deltas in ((LOW, [LOW]), (HIGH, [HIGH]), (HIGH, [HIGH]), (HIGH, [1]), (HIGH, [])):
        await bench.walk(PASS_X, 0, 1, 0, x=np.array([value], np.int16))
        assert [entry[6] for entry in bench.entries[:-1]] == [d & 0xFFFF for d in deltas]


@cocotb.test()
async def slow_ramps(dut: Any) -> None:
    """Could break: a delta taken from the value before instead of the reference, or a reference
    that moves in silence: neither ever fires here. x and h creep by less than the threshold, often
    by 1 LSB, up and down; entries are compared, and what has added up fires at exactly theta too.
    """
    bench = Bench(dut, "ramps")
    await bench.start()
    size = 24
    for theta in (2, 64, 32767):
        await bench.clear()
        ramps = random_inputs(bench.rng, 40, size, "ramp", theta)
        assert np.abs(np.diff(ramps.astype(int), axis=0)).max() < theta
        fired: set[int] = set()
        for values in ramps:
            bench.h[1, :size] = values
            await bench.walk(PASS_X, 0, size, theta, x=values)
            fired |= {entry[6] for entry in bench.entries[:-1]}
            await bench.walk(PASS_H, 1, size, theta)
        assert {theta, -theta & 0xFFFF} <= fired


@cocotb.test()
async def random_passes(dut: Any) -> None:
    """Could break: references of two kinds or layers that share a word, an element lost or doubled
    in a stall, spare lanes of the last vector that fire, a source that is not the one below.
    Random passes of all kinds, layers, sizes and thresholds under every kind of back-pressure.
    """
    bench = Bench(dut, "passes")
    await bench.start()
    for number, pause in zip(range(60), itertools.cycle(("free", "random", "runs", "heavy"))):
        bench.entry_pause = pause_of(pause, bench.rng)
        bench.x_pause = pause_of(pause, bench.rng)
        layer, kind = int(bench.rng.integers(LAYERS)), int(bench.rng.integers(2))
        size = int(bench.rng.integers(1, (24 if pause == "heavy" else UNITS) + 1))
        theta = int(bench.rng.choice([0, 1, 5, 300, 32767]))
        values = bench.near_edges(kind, layer, size, theta)
        from_x = kind == PASS_X and layer == 0
        if not from_x:
            source = layer - 1 if kind == PASS_X else layer
            bench.h[source, :size] = values
        last = number % 2
        await bench.walk(kind, layer, size, theta, last=last, x=values if from_x else None)


@cocotb.test()
async def chase_of_the_gates(dut: Any) -> None:
    """Could break: a vector of h_t read before the gates have written it, or a wait for a layer
    that does not matter. The gates write the source layer at random while the encoder walks it;
    then a walk over another layer while the gates are idle.
    """
    bench = Bench(dut, "chase")
    await bench.start()
    for _ in range(12):
        source = int(bench.rng.integers(LAYERS - 1))
        bench.h[source] = bench.rng.integers(LOW, HIGH + 1, UNITS)
        bench.h_new = bench.near_edges(PASS_X, source + 1, UNITS, 9)
        bench.chasing, bench.written = source, 0
        await bench.walk(PASS_X, source + 1, int(bench.rng.integers(1, UNITS + 1)), 9)
    assert bench.waits > 50
    bench.chasing, bench.written, bench.gate_rate = 3, 0, 0.0
    await bench.walk(PASS_H, 1, UNITS)


@cocotb.test()
async def init_pass(dut: Any) -> None:
    """Could break: an init pass that leaves an element, or clears another layer's. Fill references
    and h of all layers, clear one over part of its size: that part fires again with its full value
    for both kinds, and the rest does not.
    """
    bench = Bench(dut, "init")
    await bench.start()
    values = bench.rng.integers(100, 1000, (LAYERS, UNITS)).astype(np.int16)

    async def all_h() -> None:
        for layer in range(LAYERS):
            await bench.walk(PASS_H, layer, UNITS)
            await bench.walk(PASS_X, layer, UNITS, x=values[0] if layer == 0 else None)

    bench.h[:] = values
    await all_h()
    for layer, size in ((2, UNITS), (0, 17), (3, 8)):
        await bench.walk(PASS_INIT, layer, size)
        vectors = -(-size // 8)
        assert not bench.h[layer, : 8 * vectors].any()
        others = np.delete(bench.h, layer, 0)
        assert others.all() and bench.h[layer, 8 * vectors :].all()
        assert bench.cycles <= 2 * vectors + 4
        bench.h[:] = values
        await all_h()


@cocotb.test()
async def undo_pass(dut: Any) -> None:
    """Could break: an h pass that is not taken back exactly, kept references that another pass or
    layer overwrites, an undo that waits for gates or looks at h. Random h passes, other passes in
    between, then the undo with the gates at work on its layer: opposite deltas, and the pass made
    again fires as if it had not been. Values are those of h, from -256 to 256.
    """
    bench = Bench(dut, "undo")
    await bench.start()
    fired = 0
    for number in range(30):
        bench.entry_pause = pause_of(("free", "random", "heavy")[number % 3], bench.rng)
        layer, other = (int(n) for n in bench.rng.permutation(LAYERS)[:2])
        size = int(bench.rng.integers(1, UNITS + 1))
        theta = int(bench.rng.choice([0, 3, 60]))
        bench.h = bench.rng.integers(-256, 257, (LAYERS, UNITS)).astype(np.int16)
        await bench.walk(PASS_H, layer, size, theta)
        if number % 2:
            await bench.walk(PASS_H, other, UNITS, theta)
            x = bench.h[other] if layer == 0 else None
            await bench.walk(PASS_X, layer, UNITS, theta, x=x)
        bench.chasing, bench.written, bench.gate_rate = layer, 0, 0.0
        await bench.walk(PASS_UNDO, layer, size)
        bench.chasing = None
        fired += len(bench.entries) - 1
        bench.h[layer] = bench.rng.integers(-256, 257, UNITS)
        await bench.walk(PASS_H, layer, size, int(bench.rng.choice([0, 3, 60])))
    assert fired > 300


@cocotb.test()
async def flush_in_mid_pass(dut: Any) -> None:
    """Could break: a flush that leaves an entry in the pipeline or the pass running. Flush at every
    point of a pass, held for one cycle or several; nothing comes out, and the next sequence is
    encoded as if nothing had been.
    """
    bench = Bench(dut, "flush")
    await bench.start()
    for when in range(1, 30):
        bench.entry_pause = pause_of("random", bench.rng)
        kind = (PASS_X, PASS_H, PASS_INIT)[when % 3]
        bench.h[1] = bench.rng.integers(LOW, HIGH + 1, UNITS)
        bench.x = pack(bench.rng.integers(LOW, HIGH + 1, UNITS).astype(np.int16))
        bench.offer(kind, int(kind == PASS_H), UNITS, 0, 1)
        await bench.cycle(pass_valid=1)
        for _ in range(when):
            await bench.cycle()
        for _ in range(int(bench.rng.integers(1, 5))):
            await bench.cycle(flush=1)
        bench.entries, bench.x = [], []
        for _ in range(4):
            await bench.cycle()
            assert dut.idle_o.value == 1 and dut.entry_valid_o.value == 0
        for layer in (0, 1):
            await bench.walk(PASS_INIT, layer, UNITS)
        x = bench.rng.integers(-3, 4, 20).astype(np.int16)
        await bench.walk(PASS_X, 0, 20, 2, x=x)
        await bench.walk(PASS_H, 1, UNITS)


@cocotb.test()
async def cycles_of_a_pass(dut: Any) -> None:
    """Could break: a bubble between vectors or entries. A quiet vector costs one cycle, one that
    fires as many as it has firing elements, and at least two; a pass has at most seven cycles
    beside.
    """
    bench = Bench(dut, "cycles")
    await bench.start()
    for firing in (0, 1, 2, 8):
        x = np.zeros(UNITS, np.int16)
        await bench.walk(PASS_INIT, 0, UNITS)
        for vector in range(UNITS // 8):
            x[8 * vector + 8 - firing : 8 * vector + 8] = 5
        await bench.walk(PASS_X, 0, UNITS, 3, x=x)
        work = (max(firing, 2) if firing else 1) * UNITS // 8
        assert work <= bench.cycles <= work + 8, f"{bench.cycles} cycles for {work}"


@cocotb.test()
async def undo_and_again(dut: Any) -> None:
    """Could break: an undo whose columns are not those of the pass before, in order, with the
    opposite deltas, or one that leaves a reference a little off. An h pass, its undo and the same h
    pass again, for several sizes and thresholds, under stalls; entries are compared.
    """
    bench = Bench(dut, "again")
    await bench.start()
    columns = 0
    for number in range(20):
        bench.entry_pause = pause_of(("free", "random", "runs")[number % 3], bench.rng)
        layer, size = number % LAYERS, int(bench.rng.integers(1, UNITS + 1))
        theta = int(bench.rng.choice([0, 2, 100]))
        bench.h[layer] = bench.rng.integers(-256, 257, UNITS)
        passes = []
        for kind in (PASS_H, PASS_UNDO, PASS_H):
            await bench.walk(kind, layer, size, theta)
            passes.append([entry[5:] for entry in bench.entries[:-1]])
        first, undone, again = passes
        assert undone == [(index, -delta & 0xFFFF) for index, delta in first]
        assert again == first
        columns += len(first)
    assert columns > 200


@cocotb.test()
async def quiet_walk(dut: Any) -> None:
    """Could break: a quiet vector that costs more than its cycle, or a pass that ends late. All the
    units this build has, none of them moved: a cycle a vector and five beside, so 133 for 1024.
    """
    bench = Bench(dut, "quiet")
    await bench.start()
    units = simulation().parameters["MaxUnits"]
    for kind in (PASS_INIT, PASS_X, PASS_X):
        bench.entries = []
        bench.x = pack(np.zeros(units, np.int16)) if kind == PASS_X else []
        bench.offer(kind, 0, units, 1, 1)
        await bench.cycle(pass_valid=1)
        bench.cycles = 0
        while dut.idle_o.value == 0 or bench.cycles == 0:
            await bench.cycle()
            assert bench.cycles < 3 * units, "the pass does not end"
        busy = bench.cycles - 1  # the last one saw it idle
        if kind == PASS_INIT:
            continue
        assert bench.entries == [(END, 0, 0, 1, 0)] and not bench.x
        assert busy == units // 8 + 5, f"{busy} cycles for {units} units"
