# SPDX-License-Identifier: Apache-2.0
"""Networks of the sizes that are shipped, with weights and inputs over their full ranges."""

from __future__ import annotations

import numpy as np
import pytest

from golden.stimulus import random_inputs, random_model
from tb.flows.simulation import simulate
from tb.settings import settings

SHAPES = {
    "1L, 1 input": (1, (8,)),
    "2L-768H, 40 inputs": (40, (768, 768)),
    "1L-1024H, 1024 inputs": (1024, (1024,)),
    "4L, unequal": (17, (1024, 8, 136, 520)),
}


@pytest.mark.parametrize("dram", ["ideal", "ddr3l"])
@pytest.mark.parametrize("shape", SHAPES)
def test_large(shape: str, dram: str) -> None:
    """Could break: any width or counter that only large networks fill, sums that wrap. Weights over
    all of int8, biases over int32, x over int16, a step with every column and sparse ones after it;
    all values compared.
    """
    seed = settings().seed_or_fresh()
    print(f"rerun with SEED={seed}")
    rng = np.random.default_rng(seed)
    inputs, hidden = SHAPES[shape]
    model = random_model(rng, inputs, hidden, int(rng.integers(4, 9)))
    model = model.with_theta([0] * len(hidden), [int(t) for t in rng.integers(0, 200, len(hidden))])
    x = random_inputs(rng, 3, inputs, "uniform")
    result = simulate(model, x, dram=dram, seed=seed)
    assert result.compared == 3 * sum(8 * units for units in hidden)
    columns = result.columns_x + result.columns_h
    assert (result.dram_bytes == columns @ (3 * np.array(hidden))).all()
