# SPDX-License-Identifier: Apache-2.0
"""Networks of every shape, thresholds of every size, inputs of every kind: all bit for bit."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
import pytest

from golden.model_file import Model
from golden.stimulus import KINDS, random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import PAUSES, TB


def random_case(rng: np.random.Generator, *, largest: int, layers: int) -> tuple[Model, str]:
    """A random (model, input kind) of at most `layers` layers and `largest` units a layer."""
    count = int(rng.integers(1, layers + 1))
    hidden = [8 * int(rng.integers(1, largest // 8 + 1)) for _ in range(count)]
    inputs = int(rng.integers(1, largest + 1))
    scale = None if rng.random() < 0.6 else float(rng.choice([0.05, 0.3, 1.0]))
    theta = [
        [
            int(rng.choice([0, 1, int(rng.integers(2, 64)), int(rng.integers(64, 2048))]))
            for _ in hidden
        ]
        for _ in range(2)
    ]
    model = random_model(
        rng, inputs, hidden, int(rng.integers(4, 9)), scale, theta_x=theta[0], theta_h=theta[1]
    )
    return model, str(rng.choice(KINDS))


@cocotb.test()
async def random_networks(dut: Any) -> None:
    """Could break: any arithmetic, order or size. Random networks one after the other through soft
    resets, a kind of back-pressure each; all elements and columns compared with the model.
    """
    tb = TB(dut)
    await tb.reset()
    layers = (await tb.driver.identify()).max_layers
    rounds = 3 if bench.on_icarus() else 12
    for number in range(rounds):
        kind = PAUSES[number % len(PAUSES)]
        small = bench.on_icarus() or kind == "heavy"
        model, stimulus = random_case(
            tb.rng, largest=16 if small else 56, layers=min(layers, 2 if small else 4)
        )
        tb.log.info(
            "network %d: %d inputs, %s units, lut_frac %d, theta %s %s, %s inputs, %s pauses",
            *(number, model.input_size, model.hidden_sizes, model.lut_frac),
            *(model.theta_x.tolist(), model.theta_h.tolist(), stimulus, kind),
        )
        tb.pressure(kind)
        steps = int(tb.rng.integers(2, 5))
        x = random_inputs(tb.rng, steps, model.input_size, stimulus, int(model.theta_x[0]))
        await tb.run(model, x, base=int(tb.rng.integers(0, 1 << 20)))
        await tb.drained()
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * rounds)


@cocotb.test()
async def every_input_width(dut: Any) -> None:
    """Could break: the last beat of x, whose spare lanes hold noise. Input widths 1 to 17 with 8
    units; h and columns compared.
    """
    tb = TB(dut)
    await tb.reset()
    for inputs in range(1, 10 if bench.on_icarus() else 18):
        model = random_model(tb.rng, inputs, [8], weight_scale=0.5)
        await tb.run(model, random_inputs(tb.rng, 2, inputs))
        await tb.driver.soft_reset()
    await tb.finish(at_least=18)


@cocotb.test()
async def every_kind_of_input(dut: Any) -> None:
    """Could break: the delta encoder at |delta| = theta - 1, theta, theta + 1 of either sign, at
    saturating deltas, in silence and bursts. Each kind of input with thresholds small and large.
    """
    tb = TB(dut)
    await tb.reset()
    steps = 4 if bench.on_icarus() else 12
    for kind in KINDS:
        for theta in (0, 1, 2, 300, 32766, 32767):
            if bench.on_icarus() and theta not in (2, 300, 32767):
                continue
            model = random_model(tb.rng, 12, [16], theta_x=theta, theta_h=theta)
            await tb.run(model, random_inputs(tb.rng, steps, 12, kind, theta))
            await tb.driver.soft_reset()
    await tb.finish(at_least=len(KINDS) * 3 * steps)


@cocotb.test()
async def dense_at_theta_0_silent_at_the_largest(dut: Any) -> None:
    """Could break: theta = 0 must be the dense GRU, theta = 32767 must read no weights. The bytes
    on the port equal the columns that fired times 3 H, biases apart.
    """
    tb = TB(dut)
    await tb.reset()
    x = np.arange(1, 7)[:, None] * 256 + np.arange(10)[None, :]
    for theta in (0, 32767):
        model = random_model(tb.rng, 10, [16, 8], weight_scale=0.4, theta_x=theta, theta_h=theta)
        await tb.open(model)
        before, first = tb.axi_monitor.beats, len(tb.scoreboard.history)
        await tb.send(x.astype(np.int16))
        await tb.at_rest()
        read = (tb.axi_monitor.beats - before) * tb.width // 8
        history = tb.scoreboard.history[first:]
        ahead = sum(
            len(fired) * tb.scoreboard.column_bytes(layer)
            for layer, fired in enumerate(tb.scoreboard.ahead())
        )
        assert read == ahead + sum(tb.scoreboard.weight_bytes(step) for step in history)
        if theta:
            assert read == 0, f"{read} bytes read at the largest threshold"
        else:
            assert all(step.layers[0].columns_x == 10 for step in history)
        await tb.driver.soft_reset()
    await tb.finish(at_least=12)


@cocotb.test()
async def long_sequence(dut: Any) -> None:
    """Could break: anything that drifts, such as a reference updated by another amount than the
    delta sent. A hundred steps of a two-layer network with trained-like weights.
    """
    tb = TB(dut)
    await tb.reset()
    steps = 15 if bench.on_icarus() else 100
    model = random_model(tb.rng, 9, [16, 24], 5, 0.4, theta_x=[20, 7], theta_h=[9, 13])
    await tb.run(model, random_inputs(tb.rng, steps, 9, "walk"))
    await tb.finish(at_least=steps)


@cocotb.test()
async def size_limits(dut: Any) -> None:
    """Could break: counters and addresses at the largest and smallest sizes, and layers of very
    unequal size. Inputs are sparse, so that few of the large columns are read.
    """
    tb = TB(dut)
    await tb.reset()
    most = (await tb.driver.identify()).max_units
    shapes = [(1, [8]), (most, [8]), (1, [most]), (most, [most])]
    if tb.driver.parameters.max_layers > 1 and not bench.on_icarus():
        shapes.append((3, [8, most, 8]))
    for inputs, hidden in shapes:
        model = random_model(
            tb.rng, inputs, hidden, weight_scale=0.2, theta_h=[32767] * len(hidden)
        )
        await tb.open(model)
        if len(hidden) > 1:  # of the many outputs of the large layer, a few
            theta = [0] + [int(t) for t in tb.rng.integers(150, 220, len(hidden) - 1)]
            await tb.driver.set_theta(theta_x=theta)
        x = random_inputs(tb.rng, 2, inputs)
        silent = tb.rng.random(x.shape) < 1 - 8 / inputs
        x[silent] = 0
        x[:, -1] = [32767, -32768]  # the very last column is read
        await tb.send(x)
        await tb.driver.soft_reset()
    await tb.finish(at_least=2 * len(shapes))


@pytest.mark.parametrize(
    ("test", "config"),
    bench.matrix(
        (
            "random_networks",
            "w32 w64 w128 w256 tiny i32 i64 i128 i256 w64+cocotbext w256+cocotbext",
        ),
        ("every_input_width", "w64 i32 w64+cocotbext"),
        ("every_kind_of_input", "w64 tiny i64 w64+cocotbext"),
        ("dense_at_theta_0_silent_at_the_largest", "w32 w64 w256 i64 i256 w64+cocotbext"),
        ("long_sequence", "w64 w128 i128 w64+cocotbext"),
        ("size_limits", "w256 w64 w32 tiny i64 w64+cocotbext"),
    ),
)
def test_networks(test: str, config: str) -> None:
    """Each story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
