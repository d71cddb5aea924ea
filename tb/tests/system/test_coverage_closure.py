# SPDX-License-Identifier: Apache-2.0
"""Closes functional coverage: stimulus that looks at what is open, and corners one by one."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest

from golden import fixed
from golden.model_file import Model
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.coverage.functional import bins
from tb.coverage.functional.candidate import Scenario
from tb.coverage.functional.collector import collector_of
from tb.coverage.functional.steering import (
    AIMED,
    AIMED_SIZE,
    AIMED_SMALL,
    AIMED_WIDTH,
    Steering,
)
from tb.device.registers import Ctrl, State

ROUNDS = 40
"""Four times what is needed: which bins are hard to close depends on the seed."""
PRESSURE = ("free", "random", "runs", "hiccup")
"""Back-pressure of one round after the other."""


async def play(tb: TB, scenario: Scenario) -> None:
    """Run a scenario, thresholds set before or after the core has read ahead."""
    await tb.open(scenario.model)
    for step, x in enumerate(scenario.x):
        tb.source.queue(x)
        if scenario.rest or step + 1 == len(scenario.x):
            await tb.settled()
        if step + 1 < len(scenario.x):
            if scenario.rest:
                await tb.at_rest()
            else:
                await tb.until(lambda: tb.source.idle, "x taken", hold=2)
            await tb.driver.set_theta(*scenario.theta[step + 1])
    await tb.driver.soft_reset()  # what a large network reads ahead is not waited for


@cocotb.test()
async def steered_networks(dut: Any) -> None:
    """Could break: any cross of threshold, Δ, firing, silence, size and table that chance leaves
    out. Each network, input and threshold is chosen by the bins still open, until none is.
    """
    tb = TB(dut)
    await tb.reset()
    aimed: tuple[str, ...]
    if bench.on_icarus():
        layers, units, aimed = 2, 16, AIMED_SMALL
    elif tb.width == 64:
        layers, units, aimed = len(bins.LAYERS), 264, AIMED
    elif tb.width == 256:  # the fastest for large vectors
        layers, units, aimed = 1, 264, (*AIMED_WIDTH, *AIMED_SIZE)
    else:
        layers, units, aimed = 1, 24, AIMED_WIDTH
    await close(tb, Steering(collector_of(tb).hits, tb.rng, layers, units, tb.width, aimed))


async def close(tb: TB, steering: Steering) -> None:
    """Run what steering makes until nothing that it aims at is open."""
    rounds = 0
    while any(steering.left().values()) and rounds < ROUNDS:
        scenario = steering.scenario()
        fast = bench.on_icarus() or steering.width == 256
        kind = "free" if fast else PRESSURE[rounds % len(PRESSURE)]
        tb.pressure(kind)
        await play(tb, scenario)
        rounds += 1
        left = {name: len(found) for name, found in steering.left().items() if found}
        tb.log.info(
            "round %d, %d steps of %s units, %s pauses: open %s",
            *(rounds, len(scenario.x), scenario.model.hidden_sizes, kind, left),
        )
    missed = {name: sorted(found) for name, found in steering.left().items() if found}
    assert not missed, f"still open after {rounds} rounds: {missed}"
    await tb.finish(at_least=rounds)


def table_network(first: int, units: int, rng: np.random.Generator) -> Model:
    """A network whose unit u has r and z at entry first + u of the sigma table, n at its own.

    Nothing fires at its thresholds: what the gates work on are the biases, of either sign.
    """
    model = random_model(rng, 8, [units], weight_scale=0.5, theta_x=32767, theta_h=32767)
    step = 1 << (fixed.ACC_FRAC - fixed.X_FRAC)
    entry, sign = first + np.arange(units), rng.choice([-1, 1], units)
    sigma, tanh = sign * step * entry, sign * step * (entry % 1024)
    model.bias[0][:] = [sigma, -sigma, tanh, np.zeros_like(tanh)]
    return model


@cocotb.test()
async def every_table_entry(dut: Any) -> None:
    """Could break: an entry of the sigma or tanh table, an address bit of either port. Biases
    put every entry before the gates of the largest layer, of either sign.
    """
    tb = TB(dut)
    await tb.reset()
    collector = collector_of(tb)
    for first in (0, 1024):
        model = table_network(first, 1024, tb.rng)
        await tb.run(model, random_inputs(tb.rng, 1, 8, "quiet"))
        await tb.driver.soft_reset()
    left = {name: len(collector.hits.open(name)) for name in ("sigma_r", "sigma_z", "tanh_n")}
    assert not any(left.values()), f"entries not reached: {left}"
    await tb.finish(at_least=2)


async def bring_to(tb: TB, state: str) -> None:
    """Bring an idle core with nothing loaded into a state of the sequencer."""
    model = random_model(tb.rng, 8, [24], weight_scale=0.5)
    if state == "Idle":
        return
    if state == "Error":
        await tb.load(model)
        tb.scoreboard.expect_fault()
        await tb.driver.write(0x010, Ctrl.NEW_SEQUENCE)
        await tb.driver.wait_error()
        return
    await tb.load(model)
    if state == "WaitX":
        await tb.driver.start()
        return
    if state == "Check":
        await tb.driver.start(wait=False)
        await tb.cycles(4)
        return
    tb.memory.stall()
    await tb.driver.start(wait=False)
    if state == "Step":
        tb.memory.release()
        await tb.driver.wait_ready()
        tb.memory.stall()
        tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
        await tb.until(lambda: tb.source.idle, "x taken")
    await tb.until(lambda: tb.dut.m_axi_arvalid.value == 1, "a read under way")
    if state == "Drain":
        await tb.driver.soft_reset(wait=False)
    await tb.cycles(4)


@cocotb.test()
async def resets_in_every_state(dut: Any) -> None:
    """Could break: a reset in a state that random moments meet too rarely. Soft and hard in each
    state of the sequencer; then an exact run.
    """
    tb = TB(dut)
    await tb.reset()
    collector = collector_of(tb)
    for hard in (False, True):
        for state in bins.STATES:
            await bring_to(tb, state)
            if hard:
                await tb.reset()
            else:
                await tb.driver.soft_reset(wait=False)
            tb.memory.release()
            await tb.drained()
            if not hard:
                await tb.driver.soft_reset()
            assert (await tb.driver.status()).state == State.IDLE, state
            model = random_model(tb.rng, 8, [8], weight_scale=0.5)
            await tb.run(model, random_inputs(tb.rng, 2, 8))
            await tb.driver.soft_reset()
    left = sorted(collector.hits.open("reset"))
    assert not left, f"not met: {left}"
    await tb.finish(at_least=4 * len(bins.STATES))


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        ("steered_networks", "w64 w256 w128 w32 i64"),
        ("every_table_entry", "w64"),
        ("resets_in_every_state", "w64 i64"),
    ),
)
def test_coverage_closure(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
