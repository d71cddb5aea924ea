# SPDX-License-Identifier: Apache-2.0
"""The registers: reset values, read back, refused accesses, strobes, interrupts, status."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from tb.agents.axil import OKAY, SLVERR, AxiLiteMaster
from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.device import registers as regs
from tb.device.registers import (
    LAYER_COUNT,
    LayerReg,
    Reg,
    State,
    columns_reg,
    layer_reg,
)
from tb.paths import SIMULATORS

WIDTH, OUTSTANDING, LAYERS, UNITS = 128, 32, 3, 512
COUNTERS = len(regs.COUNTERS) + len(regs.LAYER_COUNTERS) * LAYERS
IDLE, CHECK, INIT, WAIT, STEP, ERROR, DRAIN = State
TESTS = (
    *("every_address_after_reset", "written_values", "refused_writes", "strobes"),
    "one_write_at_a_time",
    *("cleared_and_set_together", "interrupt_mask", "status_and_error"),
)
STROBES = ("start", "soft_reset", "new_sequence", "perf_clear")

# Of the register map, by address: what a setting holds after reset, how many bits a value may have
# (more is refused), which of them are kept, and whether it can be written in idle alone.
HOLDS = {
    address: (register.reset or 0, register.bits, register.held, register.access == "cfg")
    for address, register in (
        *((r.address, r) for r in regs.REGISTERS),
        *((layer_reg(n, LayerReg[r.name]), r) for n in range(LAYERS) for r in regs.LAYER_REGISTERS),
    )
    if register.held
}
ACTS = tuple(r.address for r in regs.REGISTERS if r.access in ("wo", "w1c"))  # they hold nothing


@pytest.mark.parametrize("sim", SIMULATORS)
def test_control_registers(sim: str, tmp_path: Path) -> None:
    """Three layers, so that some blocks of the map are empty."""
    parameters = {
        "AxiDataWidth": WIDTH,
        "Outstanding": OUTSTANDING,
        "MaxLayers": LAYERS,
        "MaxUnits": UNITS,
    }
    result = module_test(__name__, "control_registers", sim, parameters, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


class Registers(ModuleBench):
    """The bus, and what the registers should hold."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self.rng = rng_for("registers")
        self.bus = AxiLiteMaster(dut, "s_axil", dut.clk_i, timeout=60)
        self.held = {address: entry[0] for address, entry in HOLDS.items()}
        self.fired = dict.fromkeys(STROBES, 0)  # cycles for which each strobe has been up

    async def start(self, *, driven: tuple[str, ...] = ("s_axil_",)) -> None:
        """Reset with every input at 0 but the bus, which its master drives."""
        await super().start(driven=driven)
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        handles = {name: getattr(self.dut, f"{name}_o") for name in STROBES}
        while True:
            await RisingEdge(self.dut.clk_i)
            for name, handle in handles.items():
                self.fired[name] += int(handle.value)

    def delays(self, most: int) -> None:
        """Random waits on all channels from here on."""
        for name in ("aw_delay", "w_delay", "b_delay", "ar_delay", "r_delay"):
            rng = rng_for(name)
            waits = (int(rng.integers(most + 1)) for _ in itertools.count())
            setattr(self.bus, name, waits)

    def accepts(self, address: int, data: int, strb: int, idle: bool) -> bool:
        """Whether a write is to be answered with OKAY."""
        if strb != 0xF:
            return False
        if address in ACTS:
            return True
        if address not in HOLDS:
            return False
        _, bits, _, needs_idle = HOLDS[address]
        return data < 1 << bits and (idle or not needs_idle)

    async def write(self, address: int, data: int, strb: int = 0xF, state: int = IDLE) -> bool:
        """Write, and check the answer and all outputs: whether it was taken."""
        self.dut.state_i.value = state
        taken = self.accepts(address, data, strb, state == IDLE)
        response = await self.bus.write(address, data, strb)
        what = f"{data:#x} to {address:#05x}, strobes {strb:#x}, state {state}"
        assert response == (OKAY if taken else SLVERR), f"{what}: response {response}"
        if taken and address in HOLDS:
            self.held[address] = data & HOLDS[address][2]
        self.compare(what)
        return taken

    def compare(self, what: str) -> None:
        """All outputs hold what was written: it has taken effect when the answer is here."""
        dut, held = self.dut, self.held
        for register, (lsb, bits) in regs.CORE_SETTINGS.items():
            found = int(dut.settings_o.value) >> lsb & ((1 << bits) - 1)
            assert found == held[register], f"{register.name} after {what}"
        word = int(dut.layer_settings_o.value)
        whole = len(dut.layer_settings_o) // LAYERS
        for layer in range(LAYERS):
            for setting, (lsb, bits) in regs.LAYER_SETTINGS.items():
                found = word >> (whole * layer + lsb) & ((1 << bits) - 1)
                at = layer_reg(layer, setting)
                assert found == held[at], f"{setting.name} of layer {layer} after {what}"

    async def expect(self, address: int, data: int, response: int = OKAY) -> None:
        """Read."""
        found = await self.bus.read(address)
        assert found == (data, response), f"{address:#05x}: {found}, expected {data, response}"

    async def read_back(self) -> None:
        """All registers that hold something, through the bus."""
        for address, value in self.held.items():
            await self.expect(address, value)

    async def pulse(self, events: int) -> None:
        """Events for one cycle, by their bits in IRQ_STATUS."""
        self.events(events)
        await RisingEdge(self.dut.clk_i)
        self.events(0)

    def events(self, events: int) -> None:
        for bit, name in enumerate(("step", "error", "ready", "reset_done")):
            getattr(self.dut, f"irq_{name}_i").value = events >> bit & 1


@cocotb.test()
async def every_address_after_reset(dut: Any) -> None:
    """Could break: a reset value, a build parameter, a counter's half or order, an address that
    answers twice or that should not answer. All 1024 words and some addresses between are read
    with random counts: the value of the map, or SLVERR and 0.
    """
    registers = Registers(dut)
    await registers.start()
    count = [int(v) for v in registers.rng.integers(0, 1 << 63, COUNTERS)]
    dut.count_i.value = sum(v << (64 * i) for i, v in enumerate(count))
    expected = dict(registers.held)
    expected |= {r.address: r.reset or 0 for r in regs.REGISTERS if r.width == 32 and not r.held}
    expected |= {Reg.BUILD_PORT: OUTSTANDING << 16 | WIDTH, Reg.BUILD_SIZE: UNITS << 16 | LAYERS}
    lows = [int(register) for register in regs.COUNTERS]
    lows += [columns_reg(n, register) for n in range(LAYERS) for register in regs.LAYER_COUNTERS]
    for address, value in zip(lows, count, strict=True):
        expected |= {address: value & 0xFFFFFFFF, address + 4: value >> 32}
    registers.compare("reset")
    unaligned = [address + 1 + int(registers.rng.integers(3)) for address in range(0, 0x440, 16)]
    unaligned += [int(address) + 2 for address in HOLDS]
    for address in [*range(0, 0x1000, 4), *unaligned]:
        if address in expected:
            await registers.expect(address, expected[address])
        else:
            await registers.expect(address, 0, SLVERR)
    assert registers.fired == dict.fromkeys(STROBES, 0)


@cocotb.test()
async def written_values(dut: Any) -> None:
    """Could break: a bit that is not kept, a layer that writes another, a write that acts after its
    answer, AW and W that must come together, a channel that does not wait. Random values that fit
    into every register in random order with random waits, reads meanwhile; read back.
    """
    registers = Registers(dut)
    await registers.start()
    registers.delays(3)
    rng = registers.rng
    for _ in range(3):
        addresses = [int(address) for address in HOLDS]
        rng.shuffle(addresses)
        for address in addresses:
            _, bits, mask, _ = HOLDS[address]
            value = int(rng.choice([(1 << bits) - 1, 0, *rng.integers(1 << bits, size=4)]))
            value = value if address != Reg.PERF_CTRL else value & mask
            reading = cocotb.start_soon(registers.bus.read(Reg.ID))
            await registers.write(address, value)
            assert await reading == (regs.ID, OKAY)
        await registers.read_back()


@cocotb.test()
async def refused_writes(dut: Any) -> None:
    """Could break: a write that changes something and is refused, or is answered OKAY and dropped;
    a width that is one off; a configuration changed in a state other than idle. Every word of the
    map, addresses between them, values around each width, each state and each strobe pattern: the
    answer, all outputs after each write, and no strobe.
    """
    registers = Registers(dut)
    await registers.start()
    rng = registers.rng
    for address in HOLDS:
        await registers.write(address, int(rng.choice((1, 5))))  # no strobe of PERF_CTRL
    for address in [*range(0, 0x500, 4), *range(0x500, 0x1000, 64)]:
        if address not in HOLDS and address not in ACTS:
            assert not await registers.write(address, int(rng.integers(1 << 32)))
    for address, (_, bits, _, _) in HOLDS.items():
        assert not await registers.write(address + 1 + int(rng.integers(3)), 1)
        for data in (1 << bits, 1 << 31, (1 << bits) + 5, (1 << bits) - 1):
            if data < 1 << 32 and address != Reg.PERF_CTRL:
                await registers.write(address, data)
        for state in (CHECK, INIT, WAIT, STEP, ERROR, DRAIN):
            await registers.write(address, int(rng.integers(8)) & ~2, state=state)
    for layer in range(LAYERS, LAYER_COUNT):
        for register in LayerReg:
            assert not await registers.write(layer_reg(layer, register), 3)
            await registers.expect(layer_reg(layer, register), 0, SLVERR)
    for strb in range(15):
        for address in (*ACTS, *rng.choice([int(a) for a in HOLDS], 4)):
            assert not await registers.write(int(address), 7, strb)
    await registers.read_back()
    assert registers.fired == dict.fromkeys(STROBES, 0)


@cocotb.test()
async def strobes(dut: Any) -> None:
    """Could break: a strobe that lasts, comes twice, after the answer, or for a zero. All values of
    CTRL and of PERF_CTRL with random waits, in random states: each one gives one cycle by the time
    of the answer, each zero none.
    """
    registers = Registers(dut)
    await registers.start()
    registers.delays(4)
    expected = dict.fromkeys(STROBES, 0)
    for value in [*range(8), *range(8), 0xFFFFFFF8]:
        await registers.write(Reg.CTRL, value, state=int(registers.rng.integers(7)))
        for bit, name in enumerate(STROBES[:3]):
            expected[name] += value >> bit & 1
        assert registers.fired == expected
        await registers.write(Reg.PERF_CTRL, value & 3)
        expected["perf_clear"] += value >> 1 & 1
        assert registers.fired == expected
        await registers.expect(Reg.CTRL, 0)
        await registers.expect(Reg.PERF_CTRL, value & 1)
    assert registers.fired == expected


@cocotb.test()
async def cleared_and_set_together(dut: Any) -> None:
    """Could break: an event that is lost because the write that clears it comes in the same cycle.
    The cycle in which a write clears is found by irq_o; then an event is put before it, into it and
    after it, for each bit.
    """
    registers = Registers(dut)
    await registers.start()
    await registers.write(Reg.IRQ_ENABLE, 0xF)

    async def cleared(bit: int, moment: int | None) -> tuple[int, int]:
        """(edges until irq_o is first seen low, status afterwards)."""
        await registers.pulse(1 << bit)
        await ClockCycles(dut.clk_i, 2)
        writing = cocotb.start_soon(registers.bus.write(Reg.IRQ_STATUS, 1 << bit))
        low = 99
        for edge in range(12):
            registers.events(1 << bit if edge == moment else 0)
            await RisingEdge(dut.clk_i)
            if dut.irq_o.value == 0:
                low = min(low, edge)
        assert await writing == OKAY
        status, _ = await registers.bus.read(Reg.IRQ_STATUS)
        await registers.bus.write(Reg.IRQ_STATUS, 0xF)
        return low, status

    for bit in range(4):
        low, status = await cleared(bit, None)
        assert 2 <= low < 10 and status == 0
        clears = low - 1  # the edge at which the bit is cleared
        assert await cleared(bit, clears - 1) == (low, 0)
        assert await cleared(bit, clears) == (99, 1 << bit)
        assert await cleared(bit, clears + 1) == (low, 1 << bit)


@cocotb.test()
async def interrupt_mask(dut: Any) -> None:
    """Could break: irq_o for a bit that is not enabled, an event not recorded while masked, a clear
    that takes another bit with it. Each pair of status and enable, made by events and clears:
    IRQ_STATUS reads the events and irq_o is up exactly where an enabled one is.
    """
    registers = Registers(dut)
    await registers.start()
    for status in range(16):
        await registers.pulse(status)
        for enable in range(16):
            await registers.write(Reg.IRQ_ENABLE, enable)
            assert int(dut.irq_o.value) == ((status & enable) != 0), f"{status:#x}, {enable:#x}"
        await registers.expect(Reg.IRQ_STATUS, status)
        clear = int(registers.rng.integers(16))
        await registers.write(Reg.IRQ_STATUS, clear)
        await registers.expect(Reg.IRQ_STATUS, status & ~clear)
        await registers.write(Reg.IRQ_STATUS, 0xFFFFFFFF)
        await registers.expect(Reg.IRQ_STATUS, 0)


@cocotb.test()
async def status_and_error(dut: Any) -> None:
    """Could break: a field in the wrong place, a state that counts as running or as idle and is
    not. Each state with random other inputs, against the fields of docs/registers.md.
    """
    registers = Registers(dut)
    await registers.start()
    rng = registers.rng
    for state in [*range(7), *range(7)]:
        wait_x, busy_init = (int(v) for v in rng.integers(2, size=2))
        cause, layer, info = (int(rng.integers(n)) for n in (12, 8, 1 << 16))
        dut.state_i.value, dut.wait_x_i.value, dut.busy_init_i.value = state, wait_x, busy_init
        dut.error_cause_i.value, dut.error_layer_i.value = cause, layer
        dut.error_info_i.value = info
        status = (state != IDLE) | (state in (INIT, WAIT, STEP)) << 1 | wait_x << 2
        status |= (state == ERROR) << 3 | (state == DRAIN) << 4 | busy_init << 5 | state << 8
        await registers.expect(Reg.STATUS, status)
        await registers.expect(Reg.ERROR, info << 16 | layer << 8 | cause)


@cocotb.test()
async def one_write_at_a_time(dut: Any) -> None:
    """Could break: a second address or datum that is taken while the first one waits for its other
    half, and overwrites it. Either half first, another one of its kind offered behind it for some
    cycles: that one is not taken, and the write is that of the first.
    """
    registers = Registers(dut)
    await registers.start()
    first = (Reg.NUM_LAYERS, 5)
    for half in ("aw", "w"):
        for waits in range(1, 5):
            await registers.write(Reg.NUM_LAYERS, 1)
            await registers.write(Reg.LUT_FRAC, 8)
            dut.s_axil_bready.value = 1
            dut.s_axil_awaddr.value, dut.s_axil_wdata.value = first
            dut.s_axil_wstrb.value = 0xF
            valid = getattr(dut, f"s_axil_{half}valid")
            other = getattr(dut, f"s_axil_{'w' if half == 'aw' else 'aw'}valid")
            valid.value = 1
            await RisingEdge(dut.clk_i)
            if half == "aw":
                dut.s_axil_awaddr.value = Reg.LUT_FRAC
            else:
                dut.s_axil_wdata.value = 7
            for _ in range(waits):
                await RisingEdge(dut.clk_i)
                assert getattr(dut, f"s_axil_{half}ready").value == 0
            valid.value = 0  # not AXI, but nobody has taken it
            other.value = 1
            await RisingEdge(dut.clk_i)
            other.value = 0
            await ClockCycles(dut.clk_i, 6)
            dut.s_axil_bready.value = 0
            registers.held[Reg.NUM_LAYERS] = 5
            registers.compare(f"a write whose {half} came first")
