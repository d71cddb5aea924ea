# SPDX-License-Identifier: Apache-2.0
"""The register bus: what each address answers, in every state and at every pace."""

from __future__ import annotations

from typing import Any

import cocotb
import pytest
from cocotb.triggers import Combine

from golden.stimulus import random_inputs, random_model
from tb.agents.axil import OKAY, SLVERR
from tb.bench import case as bench
from tb.bench.testbench import TB, between, rng_for
from tb.device import registers as regs
from tb.device.registers import Ctrl, LayerReg, Reg


def every_register(layers: int) -> dict[int, tuple[str, int | None, int]]:
    """Byte address to (access, reset, bits) of each mapped word."""
    words: dict[int, tuple[str, int | None, int]] = {}

    def add(info: regs.RegisterInfo, address: int) -> None:
        for low in range(0, info.width, 32):
            words[address + low // 8] = (info.access, info.reset, min(info.bits, 32))

    for info in regs.REGISTERS:
        add(info, info.address)
    for layer in range(layers):
        for info in regs.LAYER_REGISTERS:
            add(info, regs.LAYER_BASE + layer * regs.LAYER_STRIDE + info.address)
        for info in regs.COLUMNS_REGISTERS:
            add(info, regs.COLUMNS_BASE + layer * regs.COLUMNS_STRIDE + info.address)
    return words


def paced(tb: TB, low: int, high: int) -> None:
    """Delays of low...high cycles on each of the five channels."""
    for channel in ("aw", "w", "b", "ar", "r"):
        setattr(tb.axil, f"{channel}_delay", between(rng_for(channel), low, high))


@cocotb.test()
async def every_address_after_reset(dut: Any) -> None:
    """Could break: the decoder. Read each of the 1024 words after reset: mapped ones answer OKAY
    and their reset value, the others SLVERR and 0; build parameters are those of this build.
    """
    tb = TB(dut)
    await tb.reset()
    build = await tb.driver.identify()
    parameters = bench.parameters()
    assert build.version == (0, 1, 0)
    assert build.data_width == parameters["AxiDataWidth"] == tb.width
    assert build.max_layers == parameters["MaxLayers"]
    assert build.max_units == parameters["MaxUnits"]
    assert build.outstanding == parameters["Outstanding"]
    words = every_register(build.max_layers)
    for address in range(0, 1 << 12, 4):
        data, response = await tb.axil.read(address)
        if address not in words:
            assert (data, response) == (0, SLVERR), f"{address:#05x}: {data:#x}, {response}"
            continue
        assert response == OKAY, f"{address:#05x}: {response}"
        reset = words[address][1]
        if reset is not None:
            assert data == reset, f"{address:#05x}: {data:#x}, expected {reset:#x}"
    await _one_step(tb)
    await tb.finish()


async def _one_step(tb: TB) -> None:
    await tb.run(random_model(tb.rng, 8, [8], weight_scale=0.5), random_inputs(tb.rng, 1, 8))


@cocotb.test()
async def writes_while_idle(dut: Any) -> None:
    """Could break: a register that keeps other bits than written, or takes what it must refuse.
    Random values to each word at a random pace; full and partial strobes; read back.
    """
    tb = TB(dut)
    await tb.reset()
    paced(tb, 0, 5)
    layers = (await tb.driver.identify()).max_layers
    words = every_register(layers)
    writable = [a for a, w in words.items() if w[0] in ("rw", "cfg")]
    shadow = {a: (await tb.axil.read(a))[0] for a in words}
    special: dict[int, int] = {Reg.IRQ_ENABLE: 0xF, Reg.PERF_CTRL: 0x1}
    volatile = {int(Reg.CTRL), int(Reg.STATUS), int(Reg.ERROR), int(Reg.IRQ_STATUS)}
    count = 150 if bench.on_icarus() else 800
    for _ in range(count):
        address = (
            int(tb.rng.choice(writable))
            if tb.rng.random() < 0.7
            else 4 * int(tb.rng.integers(1 << 10))
        )
        if address in volatile:
            continue
        access, _, bits = words.get(address, ("none", None, 32))
        value = int(tb.rng.integers(1 << (bits if tb.rng.random() < 0.8 else 32)))
        strb = 0xF if tb.rng.random() < 0.8 else int(tb.rng.integers(16))
        fits = address in special or value >> bits == 0
        allowed = access in ("rw", "cfg") and strb == 0xF and fits
        response = await tb.axil.write(address, value, strb)
        what = f"write of {value:#x}, strb {strb:#x} to {address:#05x}"
        assert response == (OKAY if allowed else SLVERR), f"{what}: {response}"
        if allowed:
            shadow[address] = value & special.get(address, 0xFFFF_FFFF)
        if address in words:
            data, response = await tb.axil.read(address)
            assert (data, response) == (shadow[address], OKAY), f"{what}: reads {data:#x}"
    for address in writable:  # no write reached a neighbour
        assert (await tb.axil.read(address))[0] == shadow[address], f"{address:#05x}"
    await tb.driver.write(Reg.IRQ_ENABLE, 0)
    await tb.driver.write(Reg.PERF_CTRL, 0)
    await _one_step(tb)
    await tb.finish()


@cocotb.test()
async def unaligned_and_narrow(dut: Any) -> None:
    """Could break: byte addresses that are no word, and each partial strobe. All are refused and
    change nothing.
    """
    tb = TB(dut)
    await tb.reset()
    await tb.driver.identify()
    for offset in (1, 2, 3):
        assert await tb.axil.read(Reg.NUM_LAYERS + offset) == (0, SLVERR)
        assert await tb.axil.write(Reg.NUM_LAYERS + offset, 3) == SLVERR
    for strb in range(15):
        assert await tb.axil.write(Reg.NUM_LAYERS, 2, strb) == SLVERR
        assert await tb.axil.write(Reg.CTRL, Ctrl.START, strb) == SLVERR
    assert await tb.driver.read(Reg.NUM_LAYERS) == 1
    assert (await tb.driver.status()).state == regs.State.IDLE
    await _one_step(tb)
    await tb.finish()


@cocotb.test()
async def writes_while_busy(dut: Any) -> None:
    """Could break: configuration that changes under a running sequence. While x is awaited, in a
    step and in a fault each configuration register refuses and keeps its value; thresholds,
    interrupts and counters' control do not.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [16], weight_scale=0.5)
    await tb.open(model)
    layers = tb.driver.parameters.max_layers
    words = every_register(layers)
    fixed = [a for a, w in words.items() if w[0] == "cfg"]
    before = {a: (await tb.axil.read(a))[0] for a in fixed}

    async def refuse_all() -> None:
        for address in fixed:
            value = before[address] ^ 1
            assert await tb.axil.write(address, value) == SLVERR, f"{address:#05x}"
            assert await tb.axil.read(address) == (before[address], OKAY), f"{address:#05x}"
        for layer in range(layers):
            for register in (LayerReg.THETA_X, LayerReg.THETA_H):
                address = regs.layer_reg(layer, register)
                assert await tb.axil.write(address, 0x8000) == SLVERR
                assert await tb.axil.write(address, 5) == OKAY
                assert await tb.axil.read(address) == (5, OKAY)
        assert await tb.axil.write(Reg.IRQ_ENABLE, 0) == OKAY

    await refuse_all()
    tb.memory.stall()
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: tb.source.idle, "x taken")
    await refuse_all()
    tb.memory.release()
    await tb.settled()
    tb.scoreboard.expect_fault()
    await tb.driver.write(Reg.CTRL, Ctrl.START)
    await tb.driver.wait_error()
    await refuse_all()
    await tb.driver.soft_reset()
    await _one_step(tb)
    await tb.finish(at_least=2)


@cocotb.test()
async def reads_and_writes_together(dut: Any) -> None:
    """Could break: the channels' independence. Reads and writes under way together, AW before W and
    W before AW, answers held back; every one gets its own data.
    """
    tb = TB(dut)
    await tb.reset()
    await tb.driver.identify()
    addresses = [regs.layer_reg(0, r) for r in (LayerReg.ADDR_WX, LayerReg.ADDR_WH)]
    for low, high in ((0, 0), (0, 3), (0, 12)):
        paced(tb, low, high)
        shadow = dict.fromkeys(addresses, 0)
        for address in addresses:
            await tb.driver.write(address, 0)
        for number in range(30):
            written, read = addresses[number % 2], addresses[(number + 1) % 2]
            value = int(tb.rng.integers(1 << 32))
            write = cocotb.start_soon(tb.axil.write(written, value))
            got = cocotb.start_soon(tb.axil.read(read))
            await Combine(write, got)
            assert write.result() == OKAY
            assert got.result() == (shadow[read], OKAY)
            shadow[written] = value
    await _one_step(tb)
    await tb.finish()


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("every_address_after_reset", "w32 w64 w128 w256 tiny i32 i64"),
        ("writes_while_idle", "w64 tiny i64"),
        ("unaligned_and_narrow", "w64 i64"),
        ("writes_while_busy", "w64 i64"),
        ("reads_and_writes_together", "w64 i64"),
    ),
)
def test_register_bus(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
