# SPDX-License-Identifier: Apache-2.0
"""The bench must be able to fail: each kind of fault once, with the expected message."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.debug.divergence import planted
from tb.device.image import DramImage
from tb.failure import Kind, SimulationError, read_failure
from tb.fault_file import Planted
from tb.settings import Settings, child_env


@cocotb.test()
async def wrong_bias(dut: Any) -> None:
    """One bias differs by one unit between DRAM and the model."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [8, 16], weight_scale=0.5)
    await tb.load(model)
    spoiled = model.bias[1].copy()
    spoiled[2, 13] += 1
    tb.memory.image = DramImage(replace(model, bias=(model.bias[0], spoiled)), tb.width)
    await tb.driver.start()
    await tb.send(random_inputs(tb.rng, 2, 8))
    await tb.finish()


@cocotb.test()
async def wrong_weight(dut: Any) -> None:
    """One weight of a column that fires differs between DRAM and the model."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [8], weight_scale=0.5)
    await tb.load(model)
    spoiled = model.weight_ih[0].copy()
    spoiled[8 + 5, 3] ^= 1
    tb.memory.image = DramImage(replace(model, weight_ih=(spoiled,)), tb.width)
    await tb.driver.start()
    await tb.send(np.full((2, 8), [[256], [512]], np.int16))
    await tb.finish()


@cocotb.test()
async def wrong_threshold(dut: Any) -> None:
    """The model is told of a threshold that the core does not have."""
    tb = TB(dut)
    await tb.reset()
    await tb.open(random_model(tb.rng, 8, [8], weight_scale=0.5, theta_x=16))
    for key in tb.scoreboard.theta:
        tb.scoreboard.theta[key] = 17
    await tb.send(np.full((1, 8), 16, np.int16))
    await tb.finish()


@cocotb.test()
async def nothing_compared(dut: Any) -> None:
    """A test that compares nothing."""
    tb = TB(dut)
    await tb.reset()
    await tb.open(random_model(tb.rng, 8, [8]))
    await tb.finish()


@cocotb.test()
async def something_left(dut: Any) -> None:
    """A test that ends while an h packet waits to be taken."""
    tb = TB(dut)
    await tb.reset()
    await tb.open(random_model(tb.rng, 8, [8]))
    await tb.send(random_inputs(tb.rng, 1, 8))
    tb.sink.hold = True
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.finish()


@cocotb.test()
async def wild_read(dut: Any) -> None:
    """The core is told of other addresses than the weights have."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 8, [8])
    await tb.load(model)
    tb.memory.image = DramImage(model, tb.width, base=1 << 20)
    await tb.driver.start(wait=False)
    tb.scoreboard.expect_fault()
    await tb.driver.wait_error()
    await tb.driver.soft_reset()
    await tb.finish(at_least=0)


@cocotb.test()
async def broken_protocol(dut: Any) -> None:
    """The x source takes back a beat that it had offered."""
    tb = TB(dut)
    await tb.reset()
    await tb.open(random_model(tb.rng, 8, [8]))
    tb.memory.stall()
    await tb.send(random_inputs(tb.rng, 1, 8)[:0])
    tb.source.queue(random_inputs(tb.rng, 1, 8)[0])
    await tb.until(lambda: tb.source.idle, "x taken")
    dut.s_axis_x_tvalid.value = 1
    await tb.cycles(2)
    dut.s_axis_x_tvalid.value = 0
    tb.memory.release()
    await tb.settled()
    await tb.finish()


@cocotb.test()
async def no_answer(dut: Any) -> None:
    """A register access during hard reset, which nothing answers."""
    tb = TB(dut)
    dut.rst_ni.value = 0
    await tb.cycles(3)
    await tb.axil.read(0)


MESSAGES = {
    "wrong_bias": r"step 0, layer 1, element 13, gate nx, memory M_nx: expected \S+ \(0x\w{8}\),"
    r" actual \S+ \(0x\w{8}\)",
    "wrong_weight": r"step 0, layer 0, element 5, gate z, memory M_z: expected .* in Q17\.15"
    r" \(1 of 8 differ\)",
    "wrong_threshold": r"step 0, layer 0, column 0 of delta x: expected none,"
    r" actual element 0 with 0\.0625",
    "nothing_compared": "compared 0 steps on the h stream, expected at least 1",
    "something_left": "1 steps never came out of the core",
    "wild_read": "wild reads: .*outside or not written",
    "broken_protocol": "protocol checkers: .*'x': 1",
    "no_answer": "read of 0x000 not answered in 1000 cycles",
}


KINDS = {
    "nothing_compared": Kind.TEST_FAILED,
    "something_left": Kind.TEST_FAILED,
    "wild_read": Kind.CHECKER,
    "broken_protocol": Kind.CHECKER,
    "no_answer": Kind.HANG,
}
"""Kinds of failure, but for mismatches."""

RULES = {"broken_protocol": {"VALID_DROPPED"}, "no_answer": {"VALID_IN_RESET"}}
"""Rules of the protocol checkers that complain."""

DIFFERENCES = {
    "wrong_bias": (0, 1, 13, "nx"),
    "wrong_weight": (0, 0, 5, "z"),
    "wrong_threshold": (0, 0, 0, None),
}
"""Step, layer, element and gate of the first value that differs."""


@pytest.mark.parametrize("config", ["w64", "i64"])
@pytest.mark.parametrize("test", MESSAGES)
def test_bench_fails(test: str, config: str) -> None:
    """Each spoiled run must fail, say why in its first line, and leave the same as data."""
    with pytest.raises(SimulationError, match=MESSAGES[test]) as caught:
        bench.simulate(__file__, test, config)
    failure = caught.value.failure
    assert failure is not None and failure.run is not None
    assert failure == read_failure(failure.run.log.parent)
    assert failure.kind is KINDS.get(test, Kind.MISMATCH)
    assert re.search(MESSAGES[test], failure.message)
    chosen = bench.configs()[config]
    design = failure.run.design
    assert (design.sim, design.top) == (chosen.sim, bench.TOP)
    assert design.parameters == chosen.parameters
    assert f"SEED={failure.run.seed} " in failure.run.reproduce and failure.run.node
    if test in DIFFERENCES:
        found = failure.difference
        assert found is not None and found.expected != found.found
        assert (found.step, found.layer, found.element, found.gate) == DIFFERENCES[test]
    assert {complaint.rule for complaint in failure.complaints} == RULES.get(test, set())


NETWORKS = "tb/tests/system/test_networks.py::test_networks[random_networks-i64]"
INSIDE = {  # faults that change no result: only the rules of a stream inside the core see them
    "payload changes while it waits": (
        "delta_encoder.sv",
        "assign entry_o.delta = e_delta_q[e_lane*ActBits +: ActBits];",
        "assign entry_o.delta = e_delta_q[e_lane*ActBits +: ActBits] ^ ActBits'(!entry_ready_i);",
        "u_entry: NOT_STABLE",
    ),
    "offer taken back": (
        "work_queue.sv",
        "assign out_valid_o   = head_valid_q;",
        "logic blink_q = 1'b0;"
        " always_ff @(posedge clk_i) blink_q <= head_valid_q && !out_ready_i && !blink_q;"
        " assign out_valid_o = head_valid_q && !blink_q;",
        "u_work: VALID_DROPPED",
    ),
}


@pytest.mark.parametrize("fault", INSIDE)
def test_broken_streams_inside_the_core(fault: str, tmp_path: Path) -> None:
    """Could break: a hand-over between modules that works by luck, until one of them changes."""
    file, old, new, rule = INSIDE[fault]
    case = Planted(fault, file, old, new, NETWORKS, "")
    planted.plant(case, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", NETWORKS],
        cwd=tmp_path,
        env=child_env(Settings(seed=1)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "protocol checkers: {" in done.stdout, done.stdout
    assert "'core': 0" not in done.stdout
    logs = [log.read_text(errors="replace") for log in tmp_path.rglob("sim.log")]
    assert any(f"u_core_checker.{rule}" in log for log in logs), rule
