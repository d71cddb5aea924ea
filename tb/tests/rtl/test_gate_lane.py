# SPDX-License-Identifier: Apache-2.0
"""One unit's gates: every argument of sigma and tanh at every lut_frac, rounding ties, the ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from golden import fixed
from tb.bench.module_bench import module_test, start_clock
from tb.bench.testbench import rng_for
from tb.paths import SIMULATORS

LANES = 16
LATENCY = 10
LUT_FRACS = range(fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX + 1)
TESTS = ("every_z", "every_r", "every_tanh", "ends_and_ties", "clip_of_nh", "random_units")
INPUTS = ("m_r", "m_z", "m_nx", "m_nh", "h_prev")
SIGMA_IS_0 = fixed.ACC_MIN


@pytest.mark.parametrize("sim", SIMULATORS)
def test_gate_lane(sim: str, tmp_path: Path) -> None:
    """Sixteen lanes, so that a sweep of 65536 arguments takes 4096 cycles."""
    result = module_test(__name__, "gate_lane_bench", sim, {"Lanes": LANES}, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


def blend(lut_frac: int, m_r: Any, m_z: Any, m_nx: Any, m_nh: Any, h_prev: Any) -> np.ndarray:
    """h_t of the contract's steps 4 to 6."""
    m_nx, h_prev = np.asarray(m_nx, np.int64), np.asarray(h_prev, np.int64)
    r = fixed.sigmoid(fixed.q(m_r), lut_frac).astype(np.int64)
    z = fixed.sigmoid(fixed.q(m_z), lut_frac).astype(np.int64)
    n = fixed.tanh(fixed.sat16(fixed.rne(2 * m_nx + r * fixed.q(m_nh), 8)), lut_frac)
    return fixed.rne((256 - z) * n, 8) + fixed.rne(z * h_prev, 8)


def words(values: np.ndarray, dtype: str) -> list[int]:
    """Rows of `LANES` numbers as bus words; a short last row is filled with zeros."""
    padded = np.zeros(-(-len(values) // LANES) * LANES, dtype)
    padded[: len(values)] = values
    raw, size = padded.tobytes(), LANES * padded.itemsize
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]


class Lanes:
    """Feeds the lanes one row of units a cycle and compares what comes out."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        start_clock(dut)

    async def compare(self, lut_frac: int, what: str, **inputs: Any) -> None:
        """Run units through; inputs are arrays, or one number for all units."""
        dut = self.dut
        # An argument that does not change is set once: most of the time goes into setting signals.
        given = dict.fromkeys(INPUTS, 0) | inputs
        count = max(np.size(value) for value in given.values())
        columns = {}
        for name, value in given.items():
            dtype = "<i2" if name == "h_prev" else "<i4"
            rows = words(np.broadcast_to(value, (count,)), dtype)
            if np.size(value) > 1:
                columns[getattr(dut, f"{name}_i")] = rows
            else:
                full = words(np.full(LANES, value), dtype)
                getattr(dut, f"{name}_i").value = full[0]
        dut.half_i.value = 1 << (fixed.GATE_FRAC - lut_frac)
        await RisingEdge(dut.clk_i)
        edge, h = RisingEdge(dut.clk_i), dut.h_o
        beats = -(-count // LANES)
        out = []
        for row in range(beats + LATENCY):
            if row < beats:
                for handle, column in columns.items():
                    handle.value = column[row]
            await edge
            if row >= LATENCY:
                out.append(int(h.value))
        found = np.frombuffer(b"".join(w.to_bytes(2 * LANES, "little") for w in out), "<i2")[:count]
        expected = np.broadcast_to(blend(lut_frac, *given.values()), (count,))
        wrong = np.flatnonzero(found != expected)
        if len(wrong):
            unit = wrong[0]
            shown = {name: int(np.broadcast_to(v, (count,))[unit]) for name, v in given.items()}
            raise AssertionError(
                f"{what}, lut_frac {lut_frac}: {len(wrong)} of {count} differ, the first is"
                f" {shown}: {found[unit]}, expected {expected[unit]}"
            )


def arguments() -> np.ndarray:
    """Every Q8.8 number; on the slow simulator some of those far beyond the tables are left out."""
    everything = np.arange(fixed.X_MIN, fixed.X_MAX + 1)
    if cocotb.SIM_NAME.lower().startswith("icarus"):
        near = (np.abs(everything) < 2200) | (np.abs(everything) > 32700)
        everything = everything[near | (everything % 61 == 0)]
    return everything


def memory_of(argument: np.ndarray, name: str) -> np.ndarray:
    """A delta memory that q() takes to `argument`: any of them, at random."""
    return argument * 128 + rng_for(name).integers(-63, 64, len(argument))


@cocotb.test()
async def every_z(dut: Any) -> None:
    """Could break: the table, its end, its mirror or its rounding for z. n = 0 and h_{t-1} = 1, so
    that h_t is z itself, for every argument and lut_frac.
    """
    lanes = Lanes(dut)
    for lut_frac in LUT_FRACS:
        m_z = memory_of(arguments(), "z")
        await lanes.compare(lut_frac, "z", m_z=m_z, h_prev=fixed.GATE_ONE)


@cocotb.test()
async def every_r(dut: Any) -> None:
    """Could break: the same for r, which is seen through tanh alone. z = 0; M_nx cancels r q(M_nh)
    with the r that is expected, so that n = 0, and any other r moves tanh's argument by 1/2.
    """
    lanes = Lanes(dut)
    gain = fixed.X_MAX + 1 - 128  # a multiple of 128, so that 2 M_nx can cancel r times it
    for lut_frac in LUT_FRACS:
        argument = arguments()
        r = fixed.sigmoid(argument, lut_frac).astype(np.int64)
        await lanes.compare(
            lut_frac,
            "r",
            m_r=memory_of(argument, "r"),
            m_z=SIGMA_IS_0,
            m_nx=-r * gain // 2,
            m_nh=gain * 128,
        )


@cocotb.test()
async def every_tanh(dut: Any) -> None:
    """Could break: the table, its end, its mirror or its rounding for n. z = 0 and q(M_nh) = 0, so
    that h_t is tanh of M_nx, for every argument and lut_frac.
    """
    lanes = Lanes(dut)
    for lut_frac in LUT_FRACS:
        m_nx = memory_of(arguments(), "n")
        await lanes.compare(lut_frac, "tanh", m_nx=m_nx, m_z=SIGMA_IS_0)


@cocotb.test()
async def ends_and_ties(dut: Any) -> None:
    """Could break: round half up instead of to even, a sum that overflows before it is clipped,
    -32768 whose magnitude needs a bit more. All pairs of awkward numbers at each rounding: q of
    each memory, tanh's argument, both products of the blend.
    """
    lanes = Lanes(dut)
    near = [0, 1, 63, 64, 65, 127, 128, 192, 320, 8 * 128 + 64, 2047 * 128, 2047 * 128 + 64]
    far = [2**22 - 65, 2**22 - 64, 2**22 - 1, 2**22, 2**30, 2**31 - 64, 2**31 - 1]
    some = np.unique([[m, -m, -m - 1] for m in [*near, *far]] + [[fixed.ACC_MIN] * 3])
    one, other = (a.ravel() for a in np.meshgrid(some, some))
    ties = 64 * np.arange(-600, 600)  # halves of q, and of tanh's argument
    z = 256 * np.arange(-260, 261)  # many values of z
    h_prev, m_z = (a.ravel() for a in np.meshgrid([-256, -255, -129, -1, 0, 1, 3, 127, 256], z))
    for lut_frac in LUT_FRACS:
        await lanes.compare(lut_frac, "nx, nh", m_nx=one, m_nh=other, m_z=SIGMA_IS_0)
        await lanes.compare(lut_frac, "r, nh", m_r=one, m_nh=other, m_z=SIGMA_IS_0)
        await lanes.compare(lut_frac, "z ties", m_z=ties, h_prev=fixed.GATE_ONE)
        await lanes.compare(lut_frac, "n ties", m_nx=ties, m_z=SIGMA_IS_0)
        await lanes.compare(lut_frac, "nh ties", m_nh=ties, m_z=SIGMA_IS_0)
        await lanes.compare(lut_frac, "keep ties", m_z=m_z, h_prev=h_prev)
        await lanes.compare(lut_frac, "new ties", m_z=m_z, m_nx=h_prev * 64)


@cocotb.test()
async def clip_of_nh(dut: Any) -> None:
    """Could break: q(M_nh) clipped to a neighbour of its ends, which sigma and tanh never show.
    r = 1; M_nx cancels the clipped value, so that tanh's argument is small and its steepest part.
    """
    lanes = Lanes(dut)
    beyond = np.array([0, 1, 63, 64, 65, 128, 1 << 20])
    offset = np.arange(-8, 9) * 64
    for end, sign in ((fixed.X_MAX, 1), (fixed.X_MIN, -1)):
        past, near = (a.ravel() for a in np.meshgrid(beyond, offset))
        m_nh = end * 128 + sign * past
        m_nx = -end * 128 + near
        for lut_frac in LUT_FRACS:
            await lanes.compare(
                lut_frac, "clip of nh", m_r=1 << 22, m_nh=m_nh, m_nx=m_nx, m_z=SIGMA_IS_0
            )


@cocotb.test()
async def random_units(dut: Any) -> None:
    """Could break: operands of neighbouring units that mix in the pipeline, since here all inputs
    change in each cycle. Random memories, narrow and over the full width.
    """
    lanes = Lanes(dut)
    rng = rng_for("units")
    for lut_frac in LUT_FRACS:
        for width in (1 << 14, 1 << 18, 1 << 31):
            memories = {f"m_{k}": rng.integers(-width, width, 1600) for k in ("r", "z", "nx", "nh")}
            h_prev = rng.integers(-256, 257, 1600)
            await lanes.compare(lut_frac, f"width {width}", **memories, h_prev=h_prev)
