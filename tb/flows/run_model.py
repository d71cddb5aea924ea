# SPDX-License-Identifier: Apache-2.0
"""Runs one sequence on ``run_top``: cocotb side of ``tb/flows/simulation.py``.

Python configures the core, raises ``go`` and ``asleep``, and sleeps until ``asleep`` falls: after
the last step, on a fault, an error of a checker, or a hang. All that happens each cycle is
SystemVerilog.
Its `tb.flows.job.Job` says what to configure and where to put the result.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from tb.agents.axil import AxiLiteMaster
from tb.device.driver import DriverError, EdgeDrnnDriver
from tb.device.registers import IrqEnable, Reg, Status
from tb.failure import CheckerError, HangError
from tb.flows.job import job_of_this_run


@cocotb.test()
async def run_model(dut: Any) -> None:
    job = job_of_this_run()

    async def alive() -> None:
        """Between two polls of STATUS: let the core work, unless it has stopped for good."""
        await ClockCycles(dut.py_clk, 20)
        if dut.hang.value != 0:
            raise HangError("hang before the first step, see RUN in the log")

    port = AxiLiteMaster(dut, "s_axil", dut.py_clk)
    driver = EdgeDrnnDriver(port, polls=10**9, idle_wait=alive)
    await RisingEdge(dut.rst_n)
    await ClockCycles(dut.py_clk, 2)
    no_errors(dut, "the bench found errors before the start, see the log")
    await driver.configure(job.config)
    await driver.write(Reg.IRQ_ENABLE, IrqEnable.ERROR)
    dut.watch.value = 1
    await driver.start()
    bias_beats = int(dut.dram_beats.value)
    if job.rest:
        dut.watch.value = 0
        await ClockCycles(dut.py_clk, job.rest)
        dut.watch.value = 1

    dut.go.value = 1
    dut.asleep.value = 1
    first_cycle = int(dut.cycle.value)
    started, computed = time.perf_counter(), time.process_time()
    await FallingEdge(dut.asleep)
    await FallingEdge(dut.clk)  # what ended the sleep has settled by now
    at = f"step {int(dut.steps_done.value)}, cycle {int(dut.cycle.value)}"
    if dut.hang.value != 0:
        raise HangError(f"{at}: hang, status {await state_of(driver)}")
    no_errors(dut, f"{at}: protocol or memory error, see CHECKER and DRAM")
    assert dut.irq.value == 0, f"{at}: the core reports {await driver.error()}"
    assert int(dut.steps_done.value) == job.steps, f"{at}: woken without a reason"
    wall_seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - computed
    cycles = int(dut.cycle.value) - first_cycle

    dut.watch.value = 0
    # Columns for a step that will not come may be under way: stop, drain, and look once more.
    counters = await driver.counters()
    status = await driver.status()
    assert Status.ERROR not in status, f"after the last step: {await driver.error()}"
    await driver.soft_reset()
    dut.done.value = 1
    await ClockCycles(dut.py_clk, 3)
    no_errors(dut, "errors at the end of the run, see CHECKER in the log")
    result = {
        "wall_seconds": wall_seconds,
        "cpu_seconds": cpu_seconds,
        "cycles": cycles,
        "bias_beats": bias_beats,
        "dram_beats": int(dut.dram_beats.value),
        "counters": dataclasses.asdict(counters),
    }
    job.result.write_text(json.dumps(result))


def no_errors(dut: Any, otherwise: str) -> None:
    """CheckerError with this message if a checker or the memory has counted an error."""
    if int(dut.errors.value) != 0:
        raise CheckerError(otherwise)


async def state_of(driver: EdgeDrnnDriver) -> str:
    """STATUS and ERROR in words, as far as the core still answers."""
    try:
        return f"{await driver.status()}, {await driver.error()}"
    except DriverError as error:
        return f"unreadable: {error}"
