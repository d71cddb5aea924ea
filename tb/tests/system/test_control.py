# SPDX-License-Identifier: Apache-2.0
"""Thresholds, new sequences, resets and interrupts, at the moments when they hurt."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest

from golden.model_file import Model
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB, pause_of, rng_for
from tb.device.registers import Cause, Ctrl, IrqEnable, IrqStatus, Reg, State, Status


def small_model(rng: np.random.Generator, inputs: int = 8) -> Model:
    """A model that fires often and runs for a few hundred cycles a step."""
    size = 8 if bench.on_icarus() else 16
    return random_model(rng, inputs, [size, 8], weight_scale=0.5, theta_x=3, theta_h=2)


@cocotb.test()
async def thresholds_in_mid_sequence(dut: Any) -> None:
    """Could break: the moment at which thresholds are taken. Raise and lower them while the core
    waits and while a step runs; each step's columns follow those of its first beat.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng, 20)
    await tb.open(model)
    inputs = random_inputs(tb.rng, 8 if bench.on_icarus() else 24, 20, "walk")
    for number, x in enumerate(inputs):
        theta = [[int(t) for t in tb.rng.choice([0, 5, 60, 32767], 2)] for _ in range(2)]
        if number % 2:
            await tb.driver.set_theta(*theta)
            await tb.send(x[None])
        else:
            tb.source.queue(x)
            await tb.until(lambda: tb.source.idle, "x taken", hold=2)
            await tb.driver.set_theta(*theta)  # the step under way keeps the old ones
            await tb.settled()
    await tb.finish(at_least=len(inputs))


@cocotb.test()
async def thresholds_after_read_ahead(dut: Any) -> None:
    """Could break: recurrent columns that were read before their step began, under a threshold that
    is changed before it does. Let the core come to rest, change THETA_H up, down and back, of one
    layer or all, twice before a step or while the port is busy; every step must still be exact, and
    COLUMNS_UNDONE must say what it cost.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng, 12)
    await tb.open(model)
    undone = 0
    for number, x in enumerate(random_inputs(tb.rng, 9 if bench.on_icarus() else 27, 12, "walk")):
        if number % 3:
            await tb.at_rest()
        read_ahead = sum(len(indices) for indices in tb.scoreboard.ahead())
        before = (await tb.driver.counters()).columns_undone
        for _ in range(1 + number % 2):
            theta = [int(t) for t in tb.rng.choice([0, 3, 40, 300, 32767], 2)]
            await tb.driver.set_theta(theta_h=theta)
        await tb.send(x[None])
        taken_back = (await tb.driver.counters()).columns_undone - before
        assert taken_back <= read_ahead, "more columns taken back than had been read"
        undone += taken_back
    assert undone, "nothing was ever taken back: the test has no teeth"
    await tb.finish(at_least=9)


@cocotb.test()
async def new_sequence_while_waiting(dut: Any) -> None:
    """Could break: state that survives into the next sequence. Sequences follow one another with
    nothing between but NEW_SEQUENCE; each starts from the biases, also after one of no step at all.
    """
    tb = TB(dut)
    await tb.reset()
    await tb.open(small_model(tb.rng))
    for steps in (2, 1, 0, 3):
        await tb.send(random_inputs(tb.rng, steps, 8))
        await tb.driver.new_sequence()
        status = await tb.driver.status()
        assert Status.WAIT_X in status and Status.BUSY_INIT not in status, status
    await tb.send(random_inputs(tb.rng, 2, 8))
    await tb.finish(at_least=8)


@cocotb.test()
async def new_sequence_while_a_step_runs(dut: Any) -> None:
    """Could break: NEW_SEQUENCE in the middle of a step, the next x already on offer. The step
    ends as it would have; the x on offer opens the new sequence; BUSY_INIT holds from the response.
    The output is held over it now and then, so that h of the old sequence leaves in the new one.
    """
    tb = TB(dut)
    await tb.reset()
    size = 16 if bench.on_icarus() else 40
    model = random_model(tb.rng, size, [size], weight_scale=0.5)
    await tb.open(model)
    for _ in range(3 if bench.on_icarus() else 10):
        taken = tb.x_monitor.stats.received_transactions
        for x in random_inputs(tb.rng, 2, size):
            tb.source.queue(x)
        await tb.until(
            lambda taken=taken: tb.x_monitor.stats.received_transactions > taken, "x taken"
        )
        await tb.cycles(int(tb.rng.integers(1, 60)))
        await tb.driver.new_sequence(wait=False)
        status = await tb.driver.status()
        assert Status.BUSY_INIT in status, status
        assert tb.x_monitor.stats.received_transactions == taken + 1, "x_t+1 went in too early"
        tb.sink.hold = bool(tb.rng.integers(2))
        await tb.until(
            lambda taken=taken: tb.x_monitor.stats.received_transactions > taken + 1, "next x"
        )
        tb.sink.hold = False
        await tb.settled()
    await tb.finish(at_least=6)


@cocotb.test()
async def new_sequence_again_and_again(dut: Any) -> None:
    """Could break: NEW_SEQUENCE while one is pending or being initialised. Several in a row at
    random distances, the first of them right after START; then exact steps.
    """
    tb = TB(dut)
    await tb.reset()
    model = small_model(tb.rng)
    await tb.load(model)
    await tb.driver.start(wait=False)
    for gap in tb.rng.integers(0, 80, 6):
        await tb.cycles(1 + int(gap))
        await tb.driver.new_sequence(wait=False)
    await tb.driver.new_sequence()
    await tb.send(random_inputs(tb.rng, 3, 8))
    await tb.finish(at_least=3)


MOMENTS = ("init", "wait", "step", "held output", "slow memory")


async def _busy_moment(tb: TB, moment: str) -> None:
    """Bring an opened or starting core to some cycle of the moment named."""
    if moment == "init":
        await tb.driver.start(wait=False)
        await tb.cycles(int(tb.rng.integers(1, 200)))
        return
    if moment == "slow memory":
        tb.memory.r_pause = pause_of("heavy", rng_for("slow"))
    await tb.driver.start()
    if moment == "wait":
        return
    tb.sink.hold = moment == "held output"
    assert tb.model is not None
    tb.source.queue(random_inputs(tb.rng, 1, tb.model.input_size)[0])
    if moment == "held output":
        await tb.until(lambda: tb.dut.m_axis_h_tvalid.value == 1, "h on offer")
    else:
        await tb.until(lambda: tb.x_monitor.partial is not None or tb.source.idle, "x begun")
    await tb.cycles(int(tb.rng.integers(1, 400)))


@cocotb.test()
async def soft_reset_at_any_moment(dut: Any) -> None:
    """Could break: a soft reset in initialisation, in a step, inside a burst, under a held output.
    The core drains, says RESET_DONE and goes idle; the h packet is closed by the rules; the next
    run, of another network, is exact.
    """
    tb = TB(dut)
    await tb.reset()
    rounds = 5 if bench.on_icarus() else 30

    def quiet() -> bool:
        return not tb.axi_monitor.pending and dut.m_axi_arvalid.value == 0

    for number in range(rounds):
        moment = MOMENTS[number % len(MOMENTS)]
        await tb.load(small_model(tb.rng))
        await _busy_moment(tb, moment)
        await tb.driver.write(Reg.IRQ_STATUS, IrqStatus.RESET_DONE)
        await tb.driver.soft_reset(wait=False)
        tb.memory.r_pause = pause_of("free", tb.rng)
        if moment == "held output":
            await tb.cycles(int(tb.rng.integers(0, 60)))
            tb.sink.hold = False
        await tb.cycles(2)  # an address may be offered until the command is there
        await tb.until(quiet, "reads drained")
        await tb.cycles(4)
        status = await tb.driver.status()
        assert status.flags == Status(0) and status.state == State.IDLE, (moment, status)
        assert await tb.driver.read(Reg.IRQ_STATUS) & IrqStatus.RESET_DONE, moment
        model = small_model(tb.rng, int(tb.rng.integers(1, 9)))
        await tb.open(model)
        await tb.send(random_inputs(tb.rng, 2, model.input_size))
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * rounds)


@cocotb.test()
async def soft_reset_and_start_under_held_output(dut: Any) -> None:
    """Could break: the closing beat of a cut h packet meets the next sequence. After some beats of
    a packet the output is held over the reset, the next start and its first step; then released.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [40], weight_scale=0.5)  # five beats
    for taken in range(6):
        await tb.load(model)
        tb.sink.hold = True
        await tb.driver.start()
        before = tb.h_monitor.beats
        tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        await tb.until(lambda: dut.m_axis_h_tvalid.value == 1, "h on offer")
        await tb.cycles(20)
        tb.sink.pause = iter([False] * taken + [True] * 10_000)
        tb.sink.hold = False
        await tb.until(lambda n=before + taken: tb.h_monitor.beats == n, "some beats taken")
        await tb.driver.soft_reset()
        await tb.driver.start()
        tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        await tb.cycles(int(tb.rng.integers(1, 600)))
        tb.sink.pause = pause_of("free", tb.rng)
        await tb.settled()
        await tb.send(random_inputs(tb.rng, 1, 8))
        await tb.driver.soft_reset()
    # With four or five beats taken the last one was out or on offer: a whole packet.
    assert tb.scoreboard.cut_packets == 4, tb.scoreboard.cut_packets
    await tb.finish(at_least=12)


@cocotb.test()
async def soft_reset_inside_an_x_packet(dut: Any) -> None:
    """Could break: the beats of x that come after the reset belong to a packet that is gone. They
    must not be taken for the start of the next one.
    """
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 40, [8], weight_scale=0.5)
    for beats in (1, 2, 4):
        await tb.load(model)
        await tb.driver.start()
        before = tb.x_monitor.beats
        tb.source.queue(random_inputs(tb.rng, 1, 40)[0])
        await tb.until(lambda n=before + beats: tb.x_monitor.beats >= n, "x begun")
        tb.source.pause = iter([True] * 400 + [False] * 100_000)
        await tb.driver.soft_reset()
        await tb.cycles(500)
        tb.source.pause = pause_of("free", tb.rng)
        await tb.driver.start()
        await tb.send(random_inputs(tb.rng, 2, 40))
        await tb.driver.soft_reset()
    await tb.finish(at_least=6)


@cocotb.test()
async def hard_reset_at_any_moment(dut: Any) -> None:
    """Could break: registers without a reset that matter. The reset pin falls in any state; every
    register is back at its reset value; the next run is exact.
    """
    tb = TB(dut)
    await tb.reset()
    rounds = 5 if bench.on_icarus() else 20
    for number in range(rounds):
        await tb.load(small_model(tb.rng))
        await _busy_moment(tb, MOMENTS[number % len(MOMENTS)])
        await tb.reset()
        tb.sink.hold = False
        tb.memory.r_pause = pause_of("free", tb.rng)
        assert await tb.driver.read(Reg.NUM_LAYERS) == 1
        assert (await tb.driver.status()).flags == Status(0)
        model = small_model(tb.rng)
        await tb.run(model, random_inputs(tb.rng, 2, 8))
        await tb.reset()
    await tb.finish(at_least=2 * rounds)


@cocotb.test()
async def back_to_back_sequences(dut: Any) -> None:
    """Could break: configuration of one network leaking into the next. Networks of other sizes and
    addresses, soft reset between them, without a hard reset.
    """
    tb = TB(dut)
    await tb.reset()
    for hidden in ([8], [16, 8], [8, 16, 8], [8]):
        model = random_model(tb.rng, 5, hidden, weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 3, 5), base=int(tb.rng.integers(1 << 16)))
        await tb.driver.soft_reset()
    await tb.finish(at_least=12)


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """Could break: an event without its bit, a bit without its event, the enable mask, the level,
    write-one-to-clear. Each event once, alone.
    """
    tb = TB(dut)
    await tb.reset()
    driver = tb.driver

    async def expect(bits: IrqStatus, level: bool) -> None:
        await tb.cycles(3)
        assert await driver.read(Reg.IRQ_STATUS) == bits
        assert int(dut.irq_o.value) == level

    await tb.load(small_model(tb.rng))
    await driver.write(Reg.IRQ_ENABLE, IrqEnable.STEP | IrqEnable.ERROR)
    assert await driver.read(Reg.IRQ_ENABLE) == 3
    await expect(IrqStatus(0), False)
    await driver.start()
    await expect(IrqStatus.READY, False)  # not enabled: recorded, no interrupt
    await driver.write(Reg.IRQ_ENABLE, 0xF)
    await expect(IrqStatus.READY, True)
    tb.sink.hold = True
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: dut.m_axis_h_tvalid.value == 1, "h on offer")
    await tb.cycles(50)
    await expect(IrqStatus.READY, True)  # the step counts when its last beat has been taken
    tb.sink.hold = False
    await tb.settled()
    await expect(IrqStatus.READY | IrqStatus.STEP, True)
    await driver.write(Reg.IRQ_STATUS, IrqStatus.READY)
    await expect(IrqStatus.STEP, True)
    await driver.write(Reg.IRQ_STATUS, 0)
    await expect(IrqStatus.STEP, True)
    await driver.write(Reg.IRQ_STATUS, IrqStatus.STEP)
    await expect(IrqStatus(0), False)
    tb.scoreboard.expect_fault()
    await driver.write(Reg.CTRL, Ctrl.START)
    assert (await driver.wait_error()).cause == Cause.START_BUSY
    await expect(IrqStatus.ERROR, True)
    await driver.write(Reg.IRQ_STATUS, 0xF)
    await expect(IrqStatus(0), False)
    await driver.soft_reset()
    await expect(IrqStatus.RESET_DONE, True)
    await driver.write(Reg.IRQ_ENABLE, 0)
    await expect(IrqStatus.RESET_DONE, False)
    await tb.finish(at_least=1)


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("thresholds_in_mid_sequence", "w64 w32 i64 w64+cocotbext"),
        ("thresholds_after_read_ahead", "w64 w32 i64 w64+cocotbext"),
        ("new_sequence_while_waiting", "w64 i128 w64+cocotbext"),
        ("new_sequence_while_a_step_runs", "w64 i64 w64+cocotbext"),
        ("new_sequence_again_and_again", "w64 i32 w64+cocotbext"),
        ("soft_reset_at_any_moment", "w32 w64 w256 i64 w64+cocotbext"),
        ("soft_reset_and_start_under_held_output", "w64 i64 w64+cocotbext"),
        ("soft_reset_inside_an_x_packet", "w64 i64 w64+cocotbext"),
        ("hard_reset_at_any_moment", "w64 w128 i64 w64+cocotbext"),
        ("back_to_back_sequences", "w64 i256 w64+cocotbext"),
        ("interrupts", "w64 i64 w64+cocotbext"),
    ),
)
def test_control(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
