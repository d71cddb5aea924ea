# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog DRAM: contents, timing of both modes, stalls, and no wild reads."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from golden.model_file import Model
from tb.device.dram import DRAM_DIR, DramError, load_dram, parse_dram
from tb.device.image import WH, WX, DramImage
from tb.failure import SimulationError
from tb.handover import simulation
from tb.paths import CHECKERS, MEMORIES, SIMULATORS, TOPS
from tb.sim.build import build
from tb.sim.run import run

SOURCES = [
    CHECKERS / "channel_checker.sv",
    CHECKERS / "axi_checker.sv",
    MEMORIES / "axi_dram.sv",
    TOPS / "axi_dram_bench.sv",
]
DATA_WIDTH = 64
BEAT = DATA_WIDTH // 8
HIGH = 0xFFFF_0000  # an address that a memory of 1 MiB could only serve by aliasing


def small_model() -> Model:
    """Two layers of random weights, 16 and 24 units: a few kilobytes."""
    rng = np.random.default_rng(1)
    sizes = [(10, 64), (64, 128)]
    return Model(
        num_layers=2,
        lut_frac=8,
        weight_ih=tuple(rng.integers(-128, 128, (3 * h, i), np.int8) for i, h in sizes),
        weight_hh=tuple(rng.integers(-128, 128, (3 * h, h), np.int8) for _, h in sizes),
        bias=tuple(rng.integers(-(2**31), 2**31, (4, h), np.int32) for _, h in sizes),
        theta_x=np.zeros(2, np.int16),
        theta_h=np.zeros(2, np.int16),
    )


def small_image() -> DramImage:
    return DramImage(small_model(), DATA_WIDTH, base=0x1000, addresses={(1, WX): HIGH})


# ------------------------------------------------------------------------------ pytest side

CASES = {
    "ideal": ["contents", "ideal_timing", "wild", "kinds"],
    "ideal-stall": ["contents", "visible_stalls"],
    "ddr3l": ["contents", "ddr_latency", "ddr_bandwidth", "ddr_refresh", "outstanding", "wild"],
    "ddr3l-stall": ["contents", "visible_stalls"],
    "slow-bus": ["contents", "slow_bus"],
}


def case_plusargs(case: str) -> list[str]:
    mode, _, stalled = case.partition("-")
    args = load_dram("ddr3l" if case == "slow-bus" else mode).plusargs(seed=7)
    if stalled == "stall":
        args += ["DRAM_STALL_AR=300", "DRAM_STALL_R=400"]
    if case == "slow-bus":
        args += ["DRAM_BUS_BYTES=1", "DRAM_TCK=3750"]
    # the last of two equal plusargs is not the same one on all simulators
    return list({arg.split("=")[0]: arg for arg in args}.values())


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("case", CASES)
def test_axi_dram(case: str, sim: str, tmp_path: Path) -> None:
    small_image().write(tmp_path / "image.bin")
    built = build(sim, "axi_dram_bench", {"DataWidth": DATA_WIDTH}, sources=SOURCES, filelist=None)
    plusargs = [f"DRAM_IMAGE={tmp_path / 'image.bin'}", *case_plusargs(case)]
    result = run(
        built,
        __name__,
        f"({'|'.join(CASES[case])})$",
        plusargs=plusargs,
        case={"name": case},
        work_dir=tmp_path,
    )
    assert len(result.passed) == len(CASES[case])


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("damage", ["missing", "truncated", "too_large"])
def test_bad_image(damage: str, sim: str, tmp_path: Path) -> None:
    path = tmp_path / "image.bin"
    if damage != "missing":
        small_image().write(path)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "too_large":
        path.with_name("image.bin.map").write_text("0 200000\n")
    built = build(sim, "axi_dram_bench", {"DataWidth": DATA_WIDTH}, sources=SOURCES, filelist=None)
    plusargs = [f"DRAM_IMAGE={path}"]
    run(built, __name__, "image_error$", plusargs=plusargs, work_dir=tmp_path)


def test_run_without_tests(tmp_path: Path) -> None:
    sources = SOURCES
    built = build("icarus", "axi_dram_bench", sources=sources, filelist=None)
    with pytest.raises(SimulationError, match="REPRODUCE"):
        run(built, __name__, "no_such_test$", work_dir=tmp_path)


@pytest.mark.parametrize("name", ["ideal", "ddr3l"])
def test_built_in_files(name: str) -> None:
    assert load_dram(name).mode == name
    assert load_dram(DRAM_DIR / f"{name}.toml").values == load_dram(name).values


GOOD = {"mode": "ideal"}
DDR = {
    "mode": "ddr3l",
    "port": {"period_ns": 8},
    "geometry": {"bus_bytes": 2, "row_bytes": 2048, "banks": 8},
    "controller": {"front_ns": 1, "back_ns": 1, "fifo_bytes": 1024},
    "device": dict.fromkeys(
        [f"t_{t}_ns" for t in ["rcd", "rp", "ras", "cl", "rrd", "faw", "rtp", "rfc"]], 10.0
    )
    | {"t_ck_ns": 2, "t_refi_ns": 0},
}


def with_key(table: dict[str, Any], section: str, key: str, value: object) -> dict[str, Any]:
    return {**table, section: {**table.get(section, {}), key: value}}


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({}, "mode"),
        ({"mode": "sram"}, "mode"),
        ({"mode": 1}, "mode"),
        ({**GOOD, "outstandig": 3}, "outstandig"),
        ({**GOOD, "outstanding": 0}, "outstanding"),
        ({**GOOD, "outstanding": 2.5}, "outstanding"),
        ({**GOOD, "outstanding": True}, "outstanding"),
        ({**GOOD, "stall": 3}, "stall"),
        ({**GOOD, "stall": {"r_probability": 1.0}}, "stall.r_probability"),
        ({**GOOD, "stall": {"r_probability": "0.5"}}, "stall.r_probability"),
        ({**GOOD, "stall": {"r": 0.1}}, "stall.r"),
        ({**GOOD, "device": {}}, "device"),
        ({"mode": "ddr3l"}, "port"),
        (with_key(DDR, "geometry", "banks", 6), "geometry.banks"),
        (with_key(DDR, "device", "t_rcd_ns", -1), "device.t_rcd_ns"),
        (with_key(DDR, "device", "t_refi_ns", 100), "device.t_refi_ns"),
        (with_key(DDR, "controller", "fifo_bytes", 100), "controller.fifo_bytes"),
        (with_key(DDR, "controller", "fifo_bytes", float("nan")), "controller.fifo_bytes"),
    ],
)
def test_bad_toml_message(table: dict[str, Any], names: str) -> None:
    with pytest.raises(DramError) as caught:
        parse_dram(table, "mine.toml")
    text = str(caught.value)
    assert text.startswith(f"mine.toml: {names}: ") and "expected" in text and "\n" not in text


def test_good_tables() -> None:
    assert parse_dram(GOOD).mode == "ideal"
    assert parse_dram(DDR).values["DRAM_LOG2_BANKS"] == 3


def test_no_such_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(DramError, match="found none"):
        load_dram(tmp_path / "none.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("mode = \n")
    with pytest.raises(DramError, match="expected TOML"):
        load_dram(bad)


# ------------------------------------------------------------------------------ cocotb side


@dataclass
class Beat:
    cycle: int
    data: int
    last: int
    resp: int


class Port:
    """A read master that plays a list of bursts and notes the cycle of every handshake."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.cycle = 0
        self.accepted: list[int] = []  # cycle of each AR handshake
        self.beats: list[Beat] = []
        self.valid_low = 0  # cycles in which a burst was under way and no beat was offered
        self.ready_low = 0
        self.errors_before = 0
        self.checker_errors_before = 0

    async def start(self) -> Port:
        dut = self.dut
        for name in ("done", "araddr", "arlen", "arvalid", "rready"):
            getattr(dut, f"{name}_i").value = 0
        dut.arsize_i.value = BEAT.bit_length() - 1
        dut.arburst_i.value = 1
        dut.rst_ni.value = 0
        Clock(dut.clk_i, 8, "ns").start(start_high=False)
        for _ in range(4):
            await RisingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        await RisingEdge(dut.clk_i)
        await RisingEdge(dut.clk_i)
        self.errors_before = int(dut.error_count_o.value)
        self.checker_errors_before = int(dut.checker_errors_o.value)
        return self

    async def play(
        self,
        bursts: Iterable[tuple[int, int]],
        ready: Callable[[], bool] = lambda: True,
        limit: int = 200_000,
        one_at_a_time: bool = False,
    ) -> None:
        """Issue (address, beats) bursts as fast as they are taken; return when all have ended."""
        dut = self.dut
        todo = list(bursts)
        wanted = len(self.beats) + sum(n for _, n in todo)
        issued = 0
        lasts = 0
        for _ in range(limit):
            offer = bool(todo) and (not one_at_a_time or issued == lasts)
            dut.arvalid_i.value = int(offer)
            if offer:
                dut.araddr_i.value = todo[0][0]
                dut.arlen_i.value = todo[0][1] - 1
            ready_now = ready()
            dut.rready_i.value = int(ready_now)
            await RisingEdge(dut.clk_i)
            if offer and dut.arready_o.value == 1:
                self.accepted.append(self.cycle)
                todo.pop(0)
                issued += 1
            elif offer:
                self.ready_low += 1
            if dut.rvalid_o.value == 1:
                if ready_now:
                    values = (int(s.value) for s in (dut.rdata_o, dut.rlast_o, dut.rresp_o))
                    self.beats.append(Beat(self.cycle, *values))
                    lasts += self.beats[-1].last
            elif issued > lasts:
                self.valid_low += 1
            self.cycle += 1
            if len(self.beats) == wanted:
                break
        else:
            raise AssertionError(f"{wanted - len(self.beats)} beats missing after {limit} cycles")
        dut.arvalid_i.value = 0
        dut.rready_i.value = 0

    async def finish(self, errors: int = 0, checker_errors: int = 0) -> None:
        self.dut.done_i.value = 1
        await RisingEdge(self.dut.clk_i)
        self.dut.done_i.value = 0
        await RisingEdge(self.dut.clk_i)
        # The tests of one run share the bench, whose error counts only grow.
        assert int(self.dut.error_count_o.value) - self.errors_before == errors
        assert int(self.dut.checker_errors_o.value) - self.checker_errors_before == checker_errors


@cocotb.test()
async def contents(dut: Any) -> None:
    """Random bursts all over the image, with random back-pressure, return its bytes in order."""
    image = small_image()
    rng = random.Random(cocotb.RANDOM_SEED)
    port = await Port(dut).start()
    bursts, expected = [], []
    for _ in range(120):
        region = rng.choice(image.regions)
        beats = len(region.data) // BEAT
        start = rng.choice([0, beats - 1, rng.randrange(beats)])
        address = region.address + start * BEAT
        page = (4096 - address % 4096) // BEAT
        count = min(rng.choice([1, 2, 16, 24, 256]), beats - start, page)
        bursts.append((address, count))
        data = image.read(address, count * BEAT)
        assert data is not None
        expected += [
            (int.from_bytes(data[i * BEAT : (i + 1) * BEAT], "little"), int(i == count - 1))
            for i in range(count)
        ]
    await port.play(bursts, ready=lambda: rng.random() < 0.8)
    assert [(b.data, b.last) for b in port.beats] == expected
    assert {b.resp for b in port.beats} == {0}
    await port.finish()


def rows(image: DramImage, count: int, beats: int = 16) -> list[tuple[int, int]]:
    """Consecutive bursts in the largest region, from an address that keeps them off page edges."""
    start = -(-image.region(1, WH).address // 128) * 128
    return [(start + i * beats * BEAT, beats) for i in range(count)]


@cocotb.test()
async def ideal_timing(dut: Any) -> None:
    """First beat one cycle after the address, a beat every cycle, no bubble between bursts."""
    port = await Port(dut).start()
    await port.play([(0x1000, 1)])
    assert port.beats[0].cycle == port.accepted[0] + 1
    first = len(port.beats)
    await port.play([(0x1000 + 8 * i, n) for i, n in enumerate([3, 1, 1, 16, 24, 1, 2])])
    cycles = [b.cycle for b in port.beats[first:]]
    assert cycles[0] == port.accepted[1] + 1
    assert [b - a for a, b in itertools.pairwise(cycles)] == [1] * 47
    # single beats: one address and one beat every cycle
    first = len(port.beats)
    await port.play([(0x1000, 1)] * 20)
    assert port.beats[-1].cycle - port.beats[first].cycle == 19
    await port.finish()


@cocotb.test()
async def wild(dut: Any) -> None:
    """A read that is not wholly inside what was written answers DECERR and counts as an error."""
    image = small_image()
    port = await Port(dut).start()
    end = image.region(0, WX).end
    bad = [(0, 1), (0xFF8, 1), (end - BEAT, 2), (end, 1), (HIGH - 8, 1), (0x0010_0000 + 0x1000, 1)]
    bad.append((HIGH & 0xFFFFF | 0x1000_0000, 4))
    for i, burst in enumerate(bad):
        await port.play([burst])
        assert port.beats[-1].resp == 3
        assert int(dut.error_count_o.value) == port.errors_before + i + 1
    await port.play([(end - BEAT, 1)])
    assert port.beats[-1].resp == 0
    await port.finish(errors=len(bad))


@cocotb.test()
async def kinds(dut: Any) -> None:
    """Anything but an aligned INCR burst of full width is an error of the memory."""
    port = await Port(dut).start()
    dut.arburst_i.value = 2
    await port.play([(0x1000, 2)])
    dut.arburst_i.value = 1
    dut.arsize_i.value = 2
    await port.play([(0x1000, 2)])
    dut.arsize_i.value = 3
    await port.play([(0x1004, 2)])
    await port.finish(errors=3, checker_errors=3)


@cocotb.test()
async def visible_stalls(dut: Any) -> None:
    """Both channels wait about as often as asked, and never for ever."""
    ideal = simulation().case["name"].startswith("ideal")  # else the DRAM itself adds waits
    port = await Port(dut).start()
    # Asked for are 0.3 of the cycles; over 600 addresses the standard deviation is 0.02.
    await port.play(rows(small_image(), 600, 1))
    waits = port.ready_low / (port.ready_low + 600)
    assert 0.2 < waits < (0.5 if ideal else 0.99), waits
    # 0.4 of the cycles, so 2/3 of a cycle for each beat, known to about 0.04 over 960 of them.
    port.valid_low = 0
    await port.play(rows(small_image(), 60))
    waits = port.valid_low / 960
    assert 0.45 < waits < (0.95 if ideal else 3.0), waits
    await port.finish()


@cocotb.test()
async def ddr_latency(dut: Any) -> None:
    """40 cycles to a closed row; an open row is quicker, a row conflict slower."""
    port = await Port(dut).start()
    image = small_image()
    # Start right after a refresh: rows are closed, and none comes while this test measures.
    while not 400 < get_sim_time("ns") % 7800 < 500:
        await RisingEdge(dut.clk_i)
    region = image.region(1, WH).address
    bank_stride, row_stride = 2048, 2048 * 8
    address = -(-region // row_stride) * row_stride
    latency = []
    for target in (address, address + 128, address + bank_stride, address + row_stride, address):
        await port.play([(target, 4)])
        latency.append(port.beats[-4].cycle - port.accepted[-1])
        assert port.beats[-1].cycle - port.beats[-4].cycle == 3
    closed, hit, other_bank, conflict, back = latency
    assert closed == other_bank == 40, latency
    assert 37 <= hit < closed < conflict <= 44, latency
    assert back == conflict, latency
    await port.finish()


@cocotb.test()
async def ddr_bandwidth(dut: Any) -> None:
    """Queued bursts overlap: latency is paid once, the port carries over 90 % of its beats."""
    port = await Port(dut).start()
    await port.play(rows(small_image(), 340))
    span = port.beats[-1].cycle - port.accepted[0]
    busy = len(port.beats) / span
    dut._log.info("%d beats in %d cycles: %.1f %%", len(port.beats), span, 100 * busy)
    assert 0.90 < busy <= 1.0
    first = len(port.beats)
    await port.play(rows(small_image(), 40), one_at_a_time=True)
    slow = (len(port.beats) - first) / (port.beats[-1].cycle - port.beats[first].cycle)
    assert slow < 0.35  # 16 beats, then about 40 cycles of latency
    await port.finish()


@cocotb.test()
async def ddr_refresh(dut: Any) -> None:
    """Single reads meet a refresh about every 7.8 us, and then wait up to 273 ns longer."""
    port = await Port(dut).start()
    await port.play(rows(small_image(), 120, 1) * 4, one_at_a_time=True)
    waits = [b.cycle - a for a, b in zip(port.accepted, port.beats, strict=True)]
    slow = [w for w in waits if w > 46]
    assert max(waits) <= 40 + 36
    # A refresh holds the DRAM for 273 ns of each 7.8 us; a read is at its pins for about 34 ns.
    assert 0.005 < len(slow) / len(waits) < 0.25, (len(slow), len(waits))
    await port.finish()


@cocotb.test()
async def outstanding(dut: Any) -> None:
    """No more than the configured eight bursts are taken before the first one ends."""
    port = await Port(dut).start()
    await port.play(rows(small_image(), 12))
    first_last = next(b.cycle for b in port.beats if b.last)
    assert sum(a <= first_last for a in port.accepted) == 8
    await port.finish()


@cocotb.test()
async def slow_bus(dut: Any) -> None:
    """A DRAM bus of half the width and clock moves 0.53 GB/s: the port is busy half the time."""
    port = await Port(dut).start()
    await port.play(rows(small_image(), 200))
    busy = len(port.beats) / (port.beats[-1].cycle - port.beats[0].cycle)
    dut._log.info("%.1f %%", 100 * busy)
    assert 0.45 < busy < 0.54
    await port.finish()


@cocotb.test()
async def image_error(dut: Any) -> None:
    """A missing, short or too large image is an error before the first access."""
    port = await Port(dut).start()
    assert port.errors_before == 1


assert {name for names in CASES.values() for name in names} <= set(globals())
