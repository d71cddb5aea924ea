# SPDX-License-Identifier: Apache-2.0
"""The core among agents that this project did not write, and those agents against our monitors.

Most stories of the other files run with them too: configurations that end in `+cocotbext`.
"""

from __future__ import annotations

from typing import Any

import cocotb
import pytest

from golden.integer import IntegerGru
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.failure import SimulationError
from tb.tests.system import test_bench_fails


@cocotb.test()
async def h_through_cocotbext_axi(dut: Any) -> None:
    """Could break: a habit that our agents and monitors share with the RTL. What cocotbext-axi's
    sink took for h packets is compared with the model, free and under pauses on every channel.
    """
    tb = TB(dut)
    await tb.reset()
    await tb.driver.identify()
    model = random_model(tb.rng, 11, [16, 8], 6, 0.5, theta_x=[9, 4], theta_h=[2, 7])
    steps = 3 if bench.on_icarus() else 8
    for kind in ("free", "random"):
        tb.pressure(kind)
        inputs = random_inputs(tb.rng, steps, 11, "walk")
        await tb.run(model, inputs, base=0x400)
        await tb.drained()
        gru = IntegerGru(model)
        expected = [gru.step(x).h for x in inputs]
        got = tb.sink.packets()
        assert len(got) == steps, f"{len(got)} packets, expected {steps}"
        for number, (h, right) in enumerate(zip(got, expected, strict=True)):
            assert (h == right).all(), f"step {number}: h {h}, expected {right}"
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * steps)


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(("h_through_cocotbext_axi", "w64+cocotbext w256+cocotbext i64+cocotbext")),
)
def test_third_party(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)


CAN_FAIL = ("wrong_weight", "wrong_bias", "wrong_threshold", "something_left", "wild_read")


@pytest.mark.parametrize("test", CAN_FAIL)
def test_failing_third_party_agents(test: str) -> None:
    """Could break: a bench that is green whatever happens with third-party agents. Spoiled runs of
    `test_bench_fails` must fail as they do with our agents; a stray read too, which the
    third-party RAM by itself would answer with a 0.
    """
    with pytest.raises(SimulationError, match=test_bench_fails.MESSAGES[test]):
        bench.simulate(test_bench_fails.__file__, test, "w64+cocotbext")
