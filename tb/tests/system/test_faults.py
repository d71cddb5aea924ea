# SPDX-License-Identifier: Apache-2.0
"""Every fault of docs/interfaces.md: the right cause, a clean stop, and a good run afterwards."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest

from golden.model_file import Model
from golden.stimulus import random_inputs, random_model
from tb.agents.memory import DECERR, SLVERR
from tb.bench import case as bench
from tb.bench.testbench import TB, between, pause_of, rng_for
from tb.coverage.functional.collector import collector_of
from tb.device import registers as regs
from tb.device.config import DeviceConfig
from tb.device.driver import DeviceError, DeviceFaultError, UnsupportedModelError
from tb.device.image import DramImage
from tb.device.registers import Cause, Ctrl, IrqStatus, LayerReg, Reg, State, Status
from tb.failure import HangError

WX, WH, BIAS = 0, 1, 2
"""Region codes of the ERROR register's info."""


def small_model(rng: np.random.Generator, inputs: int = 8) -> Model:
    """Two small layers that fire at almost every step."""
    return random_model(rng, inputs, [16, 8], weight_scale=0.5, theta_x=1, theta_h=1)


async def recover(tb: TB, *, steps: int = 2) -> None:
    """After a fault: no more reads, an interrupt, and after a soft reset a good run."""
    assert await tb.driver.read(Reg.IRQ_STATUS) & IrqStatus.ERROR
    await tb.drained()
    bursts = tb.axi_monitor.bursts
    await tb.cycles(100)
    assert tb.axi_monitor.bursts == bursts, "reads go on after a fault"
    status = await tb.driver.status()
    assert status.flags == Status.ERROR | Status.BUSY and status.state == State.ERROR, status
    await tb.driver.write(Reg.IRQ_STATUS, 0xF)
    await tb.driver.soft_reset()
    assert await tb.driver.error() == DeviceError(Cause.NONE, 0, 0)
    model = tb.model
    assert model is not None
    await tb.load(model)
    await tb.driver.start()
    await tb.send(random_inputs(tb.rng, steps, model.input_size))
    await tb.drained()
    await tb.driver.soft_reset()


@cocotb.test()
async def read_errors(dut: Any) -> None:
    """Could break: an error response on any beat. SLVERR and DECERR at the first, middle and last
    beat of a burst, of biases and of columns, with beats that follow close behind.
    """
    tb = TB(dut)
    await tb.reset()
    cases = [
        (response, where, phase)
        for phase in ("init", "step")
        for where in ("first", "middle", "last")
        for response in (SLVERR, DECERR)
    ]
    for number, (response, where, phase) in enumerate(cases):
        tb.memory.latency = between(rng_for(f"latency {number}"), 1, 30)
        await tb.load(small_model(tb.rng))
        if phase == "step":
            await tb.driver.start()
            await tb.send(random_inputs(tb.rng, 1, 8))
        tb.scoreboard.expect_fault()
        tb.memory.fail_burst(int(tb.rng.integers(0, 2)), where, response)
        if phase == "step":
            for x in random_inputs(tb.rng, 3, 8):
                tb.source.queue(x)
        else:
            await tb.driver.start(wait=False)
        error = await tb.driver.wait_error()
        expected = Cause.RRESP_SLVERR if response == SLVERR else Cause.RRESP_DECERR
        assert error.cause == expected, (error, where, phase)
        tb.memory.clear_faults()
        await recover(tb)
    await tb.finish(at_least=2 * len(cases))


@cocotb.test()
async def read_error_under_held_output(dut: Any) -> None:
    """Could break: a fault while an h packet is half out. It is closed with tuser; the core drops x
    beats meanwhile; the next run is exact.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [32 if bench.on_icarus() else 64], weight_scale=0.5)
    await tb.load(model)
    await tb.driver.start()
    tb.scoreboard.expect_fault()
    tb.sink.pause = iter([False] * 1 + [True] * 3)
    tb.sink.hold = True
    for x in random_inputs(tb.rng, 4, 8):
        tb.source.queue(x)
    await tb.until(lambda: dut.m_axis_h_tvalid.value == 1, "h on offer")
    await tb.cycles(10)
    tb.sink.pause = pause_of("free", tb.rng)
    tb.sink.hold = False
    await tb.until(lambda: tb.h_monitor.partial is not None, "h packet begun")
    tb.sink.hold = True
    tb.memory.fail_burst(0, "first", SLVERR)
    assert (await tb.driver.wait_error()).cause == Cause.RRESP_SLVERR
    await tb.cycles(50)
    tb.sink.hold = False
    await recover(tb)
    await tb.finish(at_least=2)


ConfigFault = tuple[str, dict[int, int], DeviceError]


def config_faults(
    model: Model, image: DramImage, most: int, layers: int, end: int
) -> list[ConfigFault]:
    """(name, registers to spoil, error expected) for each way to configure the core wrongly.

    `most` units, `layers` and `end` of the byte addresses are the limits of this build.
    """

    def reg(layer: int, register: LayerReg) -> int:
        return regs.layer_reg(layer, register)

    cases: list[ConfigFault] = [
        (f"layers {n}", {Reg.NUM_LAYERS: n}, DeviceError(Cause.CFG_LAYERS, 0, 0))
        for n in (0, layers + 1, 15)
    ]
    cases += [
        (f"lut_frac {f}", {Reg.LUT_FRAC: f}, DeviceError(Cause.CFG_LAYERS, 0, 0))
        for f in (0, 3, 9, 15)
    ]
    for value in (0, most + 1, 2047):
        error = DeviceError(Cause.CFG_SIZE, 0, 0)
        cases.append((f"inputs {value}", {reg(0, LayerReg.INPUT_SIZE): value}, error))
    for value in (0, 4, 9, 12, most + 8, 2040):
        for layer in (0, 1):
            error = DeviceError(Cause.CFG_SIZE, layer, 0)
            spoiled = {reg(layer, LayerReg.HIDDEN_SIZE): value}
            cases.append((f"layer {layer} units {value}", spoiled, error))
    for value in (model.hidden_sizes[0] - 8, model.hidden_sizes[0] + 1, 0):
        error = DeviceError(Cause.CFG_SIZE, 1, 0)
        cases.append((f"chain {value}", {reg(1, LayerReg.INPUT_SIZE): value}, error))
    beat = image.port_bytes
    registers = (LayerReg.ADDR_WX, LayerReg.ADDR_WH, LayerReg.ADDR_BIAS)
    for layer in range(model.num_layers):
        sizes = [len(image.region(layer, kind).data) for kind in ("wx", "wh", "bias")]
        for code, (register, size) in enumerate(zip(registers, sizes, strict=True)):
            for offset in (1, beat // 2):
                error = DeviceError(Cause.CFG_ALIGN, layer, code)
                spoiled = {reg(layer, register): 4096 + offset}
                cases.append((f"align {layer} {register.name} {offset}", spoiled, error))
            error = DeviceError(Cause.CFG_RANGE, layer, code)
            last = end - size
            for address in {last + beat, end - beat, end, (1 << 32) - size}:
                if last < address < 1 << 32:
                    spoiled = {reg(layer, register): address}
                    cases.append((f"range {layer} {register.name} {address:#x}", spoiled, error))
    return cases


@cocotb.test()
async def configuration_faults(dut: Any) -> None:
    """Could break: a check at START that is missing, or names another layer or region. Each way to
    be wrong alone, in an otherwise good configuration; nothing is read from memory.
    """
    tb = TB(dut)
    await tb.reset()
    build = await tb.driver.identify()
    model = small_model(tb.rng)
    image = tb.place(model)
    end = 1 << bench.parameters()["AxiAddrWidth"]
    names = config_faults(model, image, build.max_units, build.max_layers, end)
    for name, registers, expected in names:
        await tb.driver.configure(DeviceConfig.of(model, image))
        for address, value in registers.items():
            await tb.driver.write(address, value)
        tb.scoreboard.expect_fault()
        await tb.driver.start(wait=False)
        error = await tb.driver.wait_error()
        assert error == expected, f"{name}: {error}, expected {expected}"
        assert tb.axi_monitor.bursts == 0, f"{name}: read from memory"
        await tb.driver.soft_reset()
    await tb.driver.write(Reg.IRQ_STATUS, 0xF)
    await tb.run(model, random_inputs(tb.rng, 2, 8))
    await tb.finish(at_least=2)


@cocotb.test()
async def commands_at_the_wrong_time(dut: Any) -> None:
    """Could break: START while not idle, NEW_SEQUENCE while not running, in each state; and the
    rule that the first fault is the one kept.
    """
    tb = TB(dut)
    await tb.reset()

    async def provoke(command: Ctrl, cause: Cause) -> None:
        tb.scoreboard.expect_fault()
        await tb.driver.write(Reg.CTRL, command)
        assert await tb.driver.wait_error() == DeviceError(cause, 0, 0)
        for again in (Ctrl.START, Ctrl.NEW_SEQUENCE):
            await tb.driver.write(Reg.CTRL, again)
            assert (await tb.driver.error()).cause == cause, "a later fault replaced the first"

    model = small_model(tb.rng)
    await tb.load(model)
    await provoke(Ctrl.NEW_SEQUENCE, Cause.SEQ_IDLE)  # idle
    await recover(tb)
    for wait in (False, True):  # in check or initialisation, and waiting for x
        await tb.load(model)
        await tb.driver.start(wait=wait)
        await provoke(Ctrl.START, Cause.START_BUSY)
        await recover(tb)
    await tb.load(model)
    await tb.driver.start()
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: tb.source.idle, "x taken")
    await provoke(Ctrl.START, Cause.START_BUSY)  # in a step
    await recover(tb)
    for command, cause in (
        (Ctrl.START, Cause.START_BUSY),
        (Ctrl.NEW_SEQUENCE, Cause.SEQ_IDLE),
    ):
        await tb.load(model)
        tb.memory.stall()
        await tb.driver.start(wait=False)
        await tb.until(lambda: dut.m_axi_arvalid.value == 1, "a read under way")
        await tb.driver.soft_reset(wait=False)
        assert Status.DRAINING in await tb.driver.status()
        await provoke(command, cause)  # while a soft reset waits for memory
        tb.memory.release()
        await recover(tb)
    await tb.finish(at_least=12)


@cocotb.test()
async def x_packets_of_the_wrong_length(dut: Any) -> None:
    """Could break: TLAST too early at each beat, and missing on the last; info names the beat. What
    the source still holds of the packet is taken and dropped.
    """
    tb = TB(dut)
    await tb.reset()
    inputs = 36  # five beats
    model = small_model(tb.rng, inputs)
    for last in (0, 1, 3, None):
        await tb.load(model)
        dut.x_beats_i.value = 0
        await tb.driver.start()
        await tb.send(random_inputs(tb.rng, 1, inputs))
        tb.scoreboard.expect_fault()
        x = random_inputs(tb.rng, 2, inputs)
        if last is None:
            tb.source.queue(x[0], last_at=-1)
            expected = DeviceError(Cause.X_LONG, 0, 4)
        else:
            tb.source.queue(x[0, : 8 * (last + 1)])
            expected = DeviceError(Cause.X_SHORT, 0, last)
        tb.source.queue(x[1])
        error = await tb.driver.wait_error()
        assert error == expected, (error, expected)
        await tb.until(lambda: tb.source.idle, "x dropped", 1000)
        await recover(tb)
    await tb.finish(at_least=12)


@cocotb.test()
async def stopped_memory(dut: Any) -> None:
    """Could break: TIMEOUT and what follows. A memory that stops on R, on AR or on both, in
    initialisation and in a step, is a fault after the bound and not before; the soft reset waits
    for it; released, it drains, and the next run is exact.
    """
    tb = TB(dut)
    await tb.reset()
    bound = 150
    model = small_model(tb.rng)
    for phase in ("init", "step"):
        for stall in ({"r": True, "ar": True}, {"r": True, "ar": False}, {"r": False, "ar": True}):
            await tb.load(model, timeout=bound)
            if phase == "step":
                await tb.driver.start()
                await tb.send(random_inputs(tb.rng, 1, 8))
            tb.memory.stall(**stall)
            start = tb.x_monitor.cycle
            tb.scoreboard.expect_fault()
            if phase == "step":
                tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
            else:
                await tb.driver.start(wait=False)
            error = await tb.driver.wait_error()
            assert error.cause == Cause.TIMEOUT, (phase, stall, error)
            took = tb.x_monitor.cycle - start
            assert took > bound, f"fault after {took} cycles, bound {bound}"
            assert took < bound + 700, f"fault after {took} cycles, bound {bound}"
            await tb.driver.soft_reset(wait=False)
            await tb.cycles(bound // 2)
            status = await tb.driver.status()
            assert status.flags == Status.BUSY | Status.DRAINING, (phase, stall, status)
            assert status.state == State.DRAIN
            tb.memory.release()
            await tb.drained()
            await tb.cycles(3)
            assert (await tb.driver.status()).flags == Status(0)
            await tb.load(model)
            await tb.driver.start()
            await tb.send(random_inputs(tb.rng, 2, 8))
            await tb.driver.soft_reset()
    await tb.finish(at_least=12)


async def memory_at_rest(tb: TB) -> None:
    """Wait until the memory owes nothing, then have it keep to the rules again."""
    await tb.until(lambda: not tb.memory.outstanding, "the memory at rest", hold=3)
    tb.misuse(False)


@cocotb.test()
async def short_and_long_bursts(dut: Any) -> None:
    """Could break: a burst that comes back short or long and is taken for a good one: a wrong h, or
    a hang, with no fault. Beats too few and too many, and no RLAST, in one of the next bursts, of
    biases and of columns, with no time-out: the cause, and after a soft reset an exact run.
    """
    tb = TB(dut)
    await tb.reset()
    hits = collector_of(tb).hits
    cases = [
        (more, has_last, phase)
        for phase in ("init", "step")
        for more, has_last in ((-1, True), (-2, True), (1, True), (5, True), (0, False))
    ]
    for number, (more, has_last, phase) in enumerate(cases * (1 if bench.on_icarus() else 3)):
        tb.memory.latency = between(rng_for(f"latency {number}"), 1, 30)
        await tb.load(small_model(tb.rng))
        if phase == "step":
            await tb.driver.start()
            await tb.send(random_inputs(tb.rng, 1, 8))
            await tb.at_rest()
        tb.scoreboard.expect_fault()
        tb.misuse(True)
        tb.memory.misfit(int(tb.rng.integers(0, 2)), more, has_last=has_last)
        if phase == "step":
            for x in random_inputs(tb.rng, 3, 8):
                tb.source.queue(x)
        else:
            await tb.driver.start(wait=False)
        error = await tb.driver.wait_error()
        expected = Cause.R_SHORT if more < 0 else Cause.R_LONG
        assert error == DeviceError(expected, 0, 0), (error, more, has_last, phase)
        tb.memory.clear_faults()
        await memory_at_rest(tb)
        await recover(tb)
    assert not hits.open("read_length")
    await tb.finish(at_least=2 * len(cases))


@cocotb.test()
async def every_burst_misfits(dut: Any) -> None:
    """Could break: a soft reset that never ends, after many wrong answers, with a driver that does
    not wait. All bursts are short, long or without RLAST, at random; the soft reset comes
    as soon as there is a fault, and ends without a time-out. The memory forgets what it owes.
    """
    tb = TB(dut)
    await tb.reset()
    rounds = 4 if bench.on_icarus() else 16
    for number in range(rounds):
        tb.memory.latency = between(rng_for(f"latency {number}"), 1, 60)
        await tb.load(small_model(tb.rng))
        tb.scoreboard.expect_fault()
        tb.misuse(True)
        for burst in range(20):
            more = int(tb.rng.integers(1, 4)) * (-1 if number % 2 else 1)
            tb.memory.misfit(burst, more, has_last=number % 4 != 2)
        await tb.driver.start(wait=False)
        assert (await tb.driver.wait_error()).cause in (Cause.R_SHORT, Cause.R_LONG)
        await tb.driver.soft_reset()
        tb.memory.clear_faults()
        tb.memory.forget()
        await memory_at_rest(tb)
        await tb.run(small_model(tb.rng), random_inputs(tb.rng, 2, 8))
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * rounds)


@cocotb.test()
async def beats_that_nobody_owes(dut: Any) -> None:
    """Could break: beats that nobody asked for, in each state. Where no sequence is open they are
    thrown away, for as long as they come; else they are a fault; the next run is exact.
    """
    tb = TB(dut)
    await tb.reset()
    hits = collector_of(tb).hits
    model = small_model(tb.rng)
    await tb.load(model)
    tb.misuse(True)
    tb.memory.owe(300, has_last=False)
    await memory_at_rest(tb)  # idle
    await tb.driver.start()
    await tb.send(random_inputs(tb.rng, 2, 8))
    await tb.driver.soft_reset()
    tb.misuse(True)
    tb.scoreboard.expect_fault()
    tb.memory.owe(600)  # from idle through check to initialisation and beyond
    await tb.driver.start(wait=False)
    assert await tb.driver.wait_error() == DeviceError(Cause.R_UNOWED, 0, 0)
    await memory_at_rest(tb)
    await recover(tb)
    await tb.load(model)
    tb.misuse(True)
    tb.scoreboard.expect_fault()
    tb.memory.stall(r=False)
    await tb.driver.start(wait=False)
    await tb.until(lambda: dut.m_axi_arvalid.value == 1, "an address")
    tb.memory.owe(600)
    assert await tb.driver.wait_error() == DeviceError(Cause.R_UNOWED, 0, 0)
    await tb.driver.soft_reset(wait=False)
    await tb.cycles(50)
    assert (await tb.driver.status()).state == State.DRAIN, "an address is on offer"
    await memory_at_rest(tb)
    tb.memory.release()
    await tb.drained()
    await tb.cycles(3)
    assert (await tb.driver.status()).flags == Status(0)
    await tb.driver.write(Reg.IRQ_STATUS, 0xF)
    for state in (State.WAIT_X, State.STEP):
        await tb.run(model, random_inputs(tb.rng, 1, 8))
        await tb.at_rest()
        tb.scoreboard.expect_fault()
        tb.misuse(True)
        if state == State.STEP:
            tb.memory.stall(r=False)
            tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
            await tb.until(lambda: dut.m_axi_arvalid.value == 1, "an address")
        tb.memory.owe(3)
        assert await tb.driver.wait_error() == DeviceError(Cause.R_UNOWED, 0, 0)
        await tb.until(lambda: not tb.memory.outstanding, "all given")
        tb.memory.release()
        await tb.until(lambda: dut.m_axi_arvalid.value == 0, "the address taken")
        await memory_at_rest(tb)
        await recover(tb)
    assert not hits.open("unowed_beat")
    await tb.finish(at_least=8)


@cocotb.test()
async def stale_beats_after_a_hard_reset(dut: Any) -> None:
    """Could break: beats that the interconnect still owes when the core alone is reset, and that
    are taken for those of the next sequence: a wrong h, or a hang that no soft reset ends. They
    come at once, while the next sequence opens, or far in it: exact steps, or a fault and, after a
    soft reset, exact steps; never a wrong h.
    """
    tb = TB(dut)
    await tb.reset()
    tb.memory.survives_reset = True
    told, exact = set(), 0
    latencies = (5, 300, 700) if bench.on_icarus() else (5, 60, 200, 300, 400, 500, 700, 900)
    for number, latency in enumerate(latencies * 2):
        tb.memory.latency = between(tb.rng, 1, 5)
        await tb.load(small_model(tb.rng))
        if number % 2:
            await tb.driver.start()
            tb.memory.latency = between(tb.rng, latency, latency)
            tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        else:
            tb.memory.latency = between(tb.rng, latency, latency)
            await tb.driver.start(wait=False)
        await tb.until(lambda: tb.memory.outstanding > 1, "bursts under way")
        await tb.cycles(int(tb.rng.integers(1, 40)))
        tb.misuse(True)
        tb.memory.latency = between(tb.rng, 1, 30)
        await tb.reset()
        await tb.load(small_model(tb.rng), timeout=2000)
        tb.scoreboard.expect_fault()
        for x in random_inputs(tb.rng, 2, 8):
            tb.source.queue(x)
        try:
            await tb.driver.start()
            await tb.until(lambda: tb.source.idle and not tb.scoreboard.owed, "h", 3000, hold=2)
            exact += 1
        except (DeviceFaultError, HangError):
            error = await tb.driver.wait_error()
            told.add(error.cause)
            tb.source.drop_queued()
        await memory_at_rest(tb)
        await tb.driver.soft_reset()
        await tb.run(small_model(tb.rng), random_inputs(tb.rng, 2, 8))
        await tb.driver.soft_reset()
    assert told <= {Cause.R_SHORT, Cause.R_LONG, Cause.R_UNOWED} and told and exact, (told, exact)
    await tb.driver.write(Reg.IRQ_STATUS, 0xF)
    await tb.finish(at_least=4 * len(latencies))


@cocotb.test()
async def soft_reset_of_a_core_that_waits_for_ever(dut: Any) -> None:
    """Could break: a soft reset that never ends, since what the core is owed never comes. Beats or
    the taking of an address stay out: after the time-out an error, told by the driver, with its
    interrupt and without RESET_DONE. Once the memory has been brought to rest a second soft reset
    ends in idle, and the next run is exact. With no time-out it waits, until one is written.
    """
    tb = TB(dut)
    await tb.reset()
    bound = 150
    for number, stall in enumerate(({"ar": False}, {"r": False}, {}, {"ar": False})):
        late = number == 3  # the time-out is written while the core drains
        await tb.open(small_model(tb.rng), timeout=0 if late else bound)
        await tb.send(random_inputs(tb.rng, 1, 8))
        await tb.at_rest()
        tb.memory.stall(**stall)
        tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        await tb.until(
            lambda: bool(tb.axi_monitor.pending) or dut.m_axi_arvalid.value == 1, "a read"
        )
        await tb.cycles(20)
        await tb.driver.write(Reg.IRQ_STATUS, 0xF)
        start = tb.x_monitor.cycle
        if late:
            await tb.driver.soft_reset(wait=False)
            await tb.cycles(5 * bound)
            assert (await tb.driver.status()).state == State.DRAIN
            start = tb.x_monitor.cycle
        with pytest.raises(DeviceFaultError, match="RESET_TIMEOUT"):
            await tb.driver.soft_reset(timeout=bound if late else None)
        took = tb.x_monitor.cycle - start
        assert bound < took < bound + 120, f"error after {took} cycles, bound {bound}"
        assert await tb.driver.read(Reg.IRQ_STATUS) == IrqStatus.ERROR
        assert (await tb.driver.status()).flags == Status.ERROR | Status.BUSY
        # The memory is reset: what it owed never comes, what is offered is taken and answered.
        tb.misuse(True)
        if number != 1:
            tb.memory.forget()
        tb.memory.release()
        await tb.cycles(100)
        await memory_at_rest(tb)
        await tb.driver.soft_reset()
        assert await tb.driver.error() == DeviceError(Cause.NONE, 0, 0)
        assert await tb.driver.read(Reg.IRQ_STATUS) & IrqStatus.RESET_DONE
        await tb.run(small_model(tb.rng), random_inputs(tb.rng, 2, 8))
        await tb.driver.soft_reset()
    await tb.finish(at_least=12)


@cocotb.test()
async def commands_of_one_write(dut: Any) -> None:
    """Could break: a write of CTRL with several bits that does half of them. Each combination while
    idle, waiting for x and in error: SOFT_RESET comes first, START with NEW_SEQUENCE is a fault.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng)
    both = Ctrl.START | Ctrl.NEW_SEQUENCE
    rest = 0xFFFFFFF8  # bits without a field
    for state in (State.IDLE, State.WAIT_X, State.ERROR):
        for word in (both, *(Ctrl.SOFT_RESET | more for more in (1, 4, both, both | rest)), rest):
            await tb.load(model)
            tb.scoreboard.expect_fault()
            if state == State.WAIT_X:
                await tb.driver.start()
            elif state == State.ERROR:
                await tb.driver.write(Reg.CTRL, Ctrl.NEW_SEQUENCE)
            before = await tb.driver.error()
            await tb.driver.write(Reg.CTRL, word)
            await tb.cycles(60 if state == State.IDLE else 400)
            status, error = await tb.driver.status(), await tb.driver.error()
            if word & Ctrl.SOFT_RESET:
                assert status.flags == Status(0) and error == DeviceError(Cause.NONE, 0, 0)
            elif word == rest:
                assert status.state == state and error == before
            elif state == State.ERROR:
                assert error == before
            else:
                cause = Cause.SEQ_IDLE if state == State.IDLE else Cause.START_BUSY
                assert error == DeviceError(cause, 0, 0), (state, error)
            await tb.driver.soft_reset()
        await tb.run(model, random_inputs(tb.rng, 1, 8))
        await tb.driver.soft_reset()
    await tb.finish(at_least=3)


@cocotb.test()
async def image_of_another_width(dut: Any) -> None:
    """Could break: weights that are packed for another port: every h is wrong, and no fault tells.
    The driver refuses them before it writes anything.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng)
    for bits in {32, 64, 128, 256} - {tb.width}:
        config = DeviceConfig.of(model, DramImage(model, bits))
        with pytest.raises(UnsupportedModelError, match=f"{bits} bits, the device has {tb.width}"):
            await tb.driver.configure(config)
        assert await tb.driver.read(regs.layer_reg(0, LayerReg.HIDDEN_SIZE)) == 0
    await tb.run(model, random_inputs(tb.rng, 1, 8))
    await tb.finish(at_least=1)


@cocotb.test()
async def slow_memory(dut: Any) -> None:
    """Could break: a time-out that fires too easily. Silences just below the bound, and with no
    bound a very long one, are no fault.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng)
    bound = 60
    tb.memory.latency = between(tb.rng, bound - 8, bound - 8)
    tb.memory.depth = 1
    await tb.run(model, random_inputs(tb.rng, 1, 8), timeout=bound)
    await tb.driver.soft_reset()
    tb.memory.latency = between(tb.rng, 1, 1)
    await tb.open(model)  # TIMEOUT 0
    tb.memory.stall()
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.cycles(3000)
    assert Status.ERROR not in await tb.driver.status()
    tb.memory.release()
    await tb.settled()
    await tb.finish(at_least=2)


@cocotb.test()
async def faults_at_random(dut: Any) -> None:
    """Could break: a fault in a moment that nobody thought of. An error response on a random beat
    of a random run under back-pressure; sometimes a soft reset in the same moment.
    """
    tb = TB(dut)
    await tb.reset()
    rounds = 4 if bench.on_icarus() else 25
    for number in range(rounds):
        kind = ("free", "random", "runs")[number % 3]
        tb.pressure(kind)
        model = small_model(tb.rng)
        await tb.load(model)
        tb.scoreboard.expect_fault()
        await tb.driver.start(wait=False)
        biases = 16 * sum(model.hidden_sizes) * 8 // tb.width
        response = int(tb.rng.choice([SLVERR, DECERR]))
        tb.memory.fail_beat(int(tb.rng.integers(0, 3 * biases)), response)
        for x in random_inputs(tb.rng, 8, 8):
            tb.source.queue(x)
        if number % 4 == 3:
            await tb.cycles(int(tb.rng.integers(1, 8 * biases)))
        else:
            error = await tb.driver.wait_error()
            assert error.cause in (Cause.RRESP_SLVERR, Cause.RRESP_DECERR), error
            await tb.until(lambda: tb.source.idle, "x dropped")
        tb.source.drop_queued()
        await tb.driver.soft_reset()
        tb.memory.clear_faults()
        await tb.load(small_model(tb.rng))
        await tb.driver.start()
        await tb.send(random_inputs(tb.rng, 2, 8))
        await tb.drained()
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * rounds)


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("read_errors", "w64 w256 i32"),
        ("read_error_under_held_output", "w64 i64"),
        ("configuration_faults", "w64 w128 i64 w64+cocotbext"),
        ("commands_at_the_wrong_time", "w64 i64 w64+cocotbext"),
        ("x_packets_of_the_wrong_length", "w64 i64"),
        ("stopped_memory", "w64 w32 i64 w64+cocotbext"),
        ("short_and_long_bursts", "w32 w64 w128 w256 i32 i64"),
        ("every_burst_misfits", "w64 w256 i64"),
        ("beats_that_nobody_owes", "w64 w256 i64"),
        ("stale_beats_after_a_hard_reset", "w32 w64 w256 i64"),
        ("soft_reset_of_a_core_that_waits_for_ever", "w64 w128 i64"),
        ("commands_of_one_write", "w64 i64 w64+cocotbext"),
        ("image_of_another_width", "w32 w64 i64 w64+cocotbext"),
        ("slow_memory", "w64 i64"),
        ("faults_at_random", "w32 w64 w256 i64"),
    ),
)
def test_faults(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
