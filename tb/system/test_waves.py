"""Waves read back in Python: dumps of a run on both simulators, asked questions about time."""

from __future__ import annotations

from typing import Any

import cocotb

from golden.stimulus import random_inputs, random_model
from tb.env.tb import TB


@cocotb.test()
async def three_steps(dut: Any) -> None:
    """Three steps of two layers, every bus at full speed: what the dump is asked about."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 10, [16, 16], weight_scale=0.5, theta_x=[0, 0], theta_h=[0, 0])
    await tb.run(model, random_inputs(tb.rng, 3, 10))
    await tb.finish(at_least=3)
