# SPDX-License-Identifier: Apache-2.0
"""The gate pipeline: h_t of whole layers, who it waits for, a flush, cycles."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import FallingEdge, RisingEdge

from golden import fixed
from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS

BANKS, QUAD, VECTOR = 4, 4, 8
SIZE_BITS = 11
STAGES = 12  # cycles from the grant of r of a quad to the write of its h_t
ALL_PASSED = (1 << 11) - 1
TESTS = ("random_layers", "full_rate", "flush_in_the_middle")


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("pes", [4, 8, 32])
def test_gate_pipeline(pes: int, sim: str, tmp_path: Path) -> None:
    """A quad is a whole group, half of one, an eighth of one."""
    result = module_test(__name__, "gate_pipeline", sim, {"Pes": pes}, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


def blend(lut_frac: int, memory: np.ndarray, h_prev: np.ndarray) -> np.ndarray:
    """h_t of the contract's steps 4 to 6; memory: [r, z, nx, nh]."""
    r = fixed.sigmoid(fixed.q(memory[0]), lut_frac).astype(np.int64)
    z = fixed.sigmoid(fixed.q(memory[1]), lut_frac).astype(np.int64)
    argument = 2 * memory[2].astype(np.int64) + r * fixed.q(memory[3])
    n = fixed.tanh(fixed.sat16(fixed.rne(argument, 8)), lut_frac).astype(np.int64)
    return fixed.rne((256 - z) * n, 8) + fixed.rne(z * h_prev, 8)


def word(values: np.ndarray, dtype: str) -> int:
    """An array of integers as one little-endian number."""
    return int.from_bytes(values.astype(dtype).tobytes(), "little")


class Gates(ModuleBench):
    """Delta memories, h and the output around the gates, cycle by cycle."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self.rng = rng_for("gates")
        self.pes = len(dut.bank_rdata_i) // (BANKS * 32)
        self.now = 0
        self.lut_frac = 8
        self.busy = False
        self.layer = self.quads = self.quad = self.written = 0
        self.to_output = False
        self.memory = np.zeros((BANKS, self.pes), np.int64)
        self.h_prev = self.expected = np.zeros(VECTOR, np.int64)
        self.next = (VECTOR, 0, False)  # units, layer and to_output of the next start
        self.reads: list[tuple[int, int]] = []  # (bank, group) read in the cycle before
        self.behind: list[int | None] = [None, None]  # quads whose z, whose n is read now
        self.vector: int | None = None  # of h, asked for in the cycle before
        self.under_way: deque[tuple[int, int]] = deque()  # (quad, cycle in which it is due)
        self.counts = dict.fromkeys(("stalled", "early", "denied", "not_ready", "refused"), 0)

    def load(self, units: int, layer: int, to_output: bool, lut_frac: int) -> None:
        """A layer with random memories, and what becomes of it; it is started by cycle()."""
        assert not self.busy
        rng, dut = self.rng, self.dut
        padded = -(-units // self.pes) * self.pes
        width = int(rng.choice([1 << 14, 1 << 18, 1 << 31]))
        self.memory = rng.integers(-width, width, (BANKS, padded))
        self.h_prev = rng.integers(-256, 257, units)
        self.lut_frac = lut_frac
        self.expected = blend(lut_frac, self.memory[:, :units], self.h_prev)
        self.next = (units, layer, to_output)
        dut.lut_frac_i.value = lut_frac
        dut.layer_i.value, dut.units_i.value = layer, units
        dut.to_output_i.value = int(to_output)

    async def cycle(
        self,
        start: bool = False,
        groups_ready: int = 0,
        all_ready: bool = True,
        room: bool = True,
        denied: bool = False,
    ) -> None:
        """One clock cycle. `denied`: the PEs read the bank of r in it."""
        dut, rng = self.dut, self.rng
        dut.start_i.value = int(start)
        dut.all_ready_i.value = int(all_ready)
        dut.groups_ready_i.value = groups_ready
        dut.out_room_i.value = int(room)
        # What was not read is another's word.
        rdata = rng.integers(-(1 << 31), 1 << 31, (BANKS, self.pes))
        for bank, group in self.reads:
            rdata[bank] = self.memory[bank, group * self.pes : (group + 1) * self.pes]
        dut.bank_rdata_i.value = word(rdata, "<i4")
        h = rng.integers(-256, 257, VECTOR)
        if self.vector is not None:
            h = self.h_prev[VECTOR * self.vector : VECTOR * (self.vector + 1)]
        dut.h_rdata_i.value = word(h, "<i2")
        await FallingEdge(dut.clk_i)
        asked = int(dut.bank_re_o.value)
        dut.bank_grant_i.value = int(asked & 1 and not denied)
        await RisingEdge(dut.clk_i)

        issuing = self.busy and self.quad < self.quads
        group = self.quad * QUAD // self.pes
        ready = all_ready or group < groups_ready
        go = issuing and ready and (room or not self.to_output)
        # r is asked for; z and both of n follow a cycle and two after it was granted.
        quads = {0: self.quad if go else None, 1: self.behind[0]}
        quads |= {2: self.behind[1], 3: self.behind[1]}
        groups = {bank: q * QUAD // self.pes for bank, q in quads.items() if q is not None}
        assert asked == sum(1 << bank for bank in groups)
        for bank, number in groups.items():
            low = SIZE_BITS * bank
            assert int(dut.bank_group_o.value[low + SIZE_BITS - 1 : low]) == number
        complete = go and not denied
        due = bool(self.under_way) and self.under_way[0][1] == self.now
        assert int(dut.ready_o.value) == (not self.busy)
        assert int(dut.busy_o.value) == self.busy
        if self.busy:
            assert int(dut.layer_o.value) == self.layer
            assert int(dut.passed_o.value) == (group if issuing else ALL_PASSED)
            # the one being written is told in the cycle of its write
            assert int(dut.vecs_o.value) == (self.written + due) // 2
        assert int(dut.out_reserve_o.value) == (complete and self.to_output)
        held = issuing and ready and self.to_output and not room
        assert int(dut.stalled_o.value) == held

        assert int(dut.h_we_o.value) == due, f"cycle {self.now}: {list(self.under_way)}"
        last = False
        if due:
            quad, _ = self.under_way.popleft()
            last = quad + 1 == self.quads
            assert int(dut.h_quad_o.value) == quad
            data = int(dut.h_wdata_o.value).to_bytes(2 * QUAD, "little")
            found = np.frombuffer(data, "<i2")
            want = self.expected[QUAD * quad : QUAD * (quad + 1)]
            assert np.array_equal(found, want), f"quad {quad}: {found}, expected {want}"
            self.written += 1
            if self.to_output:
                assert int(dut.out_last_o.value) == last
        assert int(dut.out_valid_o.value) == (due and self.to_output)
        assert int(dut.done_o.value) == last

        # What the next cycle starts with.
        self.counts["stalled"] += held
        self.counts["early"] += complete and not all_ready
        self.counts["not_ready"] += issuing and not ready
        self.counts["denied"] += go and denied
        self.counts["refused"] += start and self.busy
        self.vector = int(dut.h_vec_o.value) if dut.h_re_o.value == 1 else None
        self.reads = [(b, g) for b, g in groups.items() if b != 0 or complete]
        self.behind = [self.quad if complete else None, self.behind[0]]
        if complete:
            self.under_way.append((self.quad, self.now + STAGES))
            self.quad += 1
        if start and not self.busy:
            units, self.layer, self.to_output = self.next
            self.busy, self.quads = True, units // QUAD
            self.quad = self.written = 0
        elif last:
            self.busy = False
        self.now += 1

    async def random_cycle(self, start: bool = False) -> None:
        """A cycle in which all others do as they like, in phases."""
        rng, phase = self.rng, self.now // 40
        groups = self.quads * QUAD // self.pes + 1
        await self.cycle(
            start=start or (self.busy and rng.random() < 0.1),
            groups_ready=int(rng.integers(groups + 1)) if phase % 2 else 0,
            all_ready=bool(rng.random() < (0.1, 0.9)[phase // 2 % 2]),
            room=bool(rng.random() < (0.9, 0.4)[phase % 2]),
            denied=bool(rng.random() < 0.4),
        )


@cocotb.test()
async def random_layers(dut: Any) -> None:
    """Could break: words of two quads mixed, a lane or bank swapped, another layer's h, a quad out
    of order, read before it is final or without room, a wait that loses or repeats one, groups or
    vectors announced too early. Layers of 8 to 136 units at each lut_frac, random grants, readiness
    and room; other cycles carry other words. h_t against numpy, every output in each cycle.
    """
    gates = Gates(dut)
    await gates.start()
    rng = gates.rng
    for lut_frac in range(fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX + 1):
        for units in (8, 8 * int(rng.integers(2, 12)), 136):
            to_output = units == 136 or bool(rng.random() < 0.5)
            gates.load(units, int(rng.integers(8)), to_output, lut_frac)
            if rng.random() < 0.5:
                await gates.random_cycle()  # else the next one starts at once
            await gates.random_cycle(start=True)
            cycles = 0
            while gates.busy:
                await gates.random_cycle()
                cycles += 1
                assert cycles < 3000, "stuck"
            assert gates.written == units // QUAD
    for what in ("stalled", "early", "not_ready", "denied", "refused"):
        assert gates.counts[what] >= 5, f"{what}: {gates.counts}"


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """Could break: a cycle lost between quads, a pipeline that is longer or shorter than the twelve
    stages. Nothing denied: a quad in each cycle. r denied in every third cycle, as columns do: two
    quads in three. The last h_t is written twelve cycles after the last grant.
    """
    gates = Gates(dut)
    await gates.start()
    for units in (8, 64, 1024):
        for columns in (False, True):
            gates.load(units, 1, True, 8)
            await gates.cycle(start=True)
            first = gates.now
            while gates.busy:
                await gates.cycle(denied=columns and (gates.now - first) % 3 == 2)
                assert gates.now < first + 3 * units, "stuck"
            quads = units // QUAD
            assert gates.now - first == quads + (quads - 1) // 2 * columns + STAGES


@cocotb.test()
async def flush_in_the_middle(dut: Any) -> None:
    """Could break: quads that are written after a flush, words captured before it that are taken
    for the next layer's, gates that stay busy. Layers cut anywhere: while words are awaited, in the
    lanes, at the end; no write comes, and the layer that follows is right.
    """
    gates = Gates(dut)
    await gates.start()
    rng = gates.rng
    for cut in (1, 2, 5, 12, 13, *(int(v) for v in rng.integers(1, 40, 8))):
        gates.load(64, 2, bool(rng.integers(2)), 8)
        await gates.cycle(start=True)
        for _ in range(cut):
            await gates.cycle(denied=bool(rng.integers(2)))
        dut.flush_i.value = 1
        await gates.cycle(denied=bool(rng.integers(2)))
        dut.flush_i.value = 0
        gates.busy, gates.behind = False, [None, None]
        gates.under_way.clear()
        for _ in range(int(rng.integers(1, STAGES + 3))):
            await gates.cycle()
        gates.load(24, 3, True, 6)
        await gates.cycle()
        await gates.cycle(start=True)
        while gates.busy:
            await gates.random_cycle()
        assert gates.written == 24 // QUAD
