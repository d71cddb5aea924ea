# SPDX-License-Identifier: Apache-2.0
"""The integer model over batches equals the integer model one sequence at a time, bit for bit."""

import numpy as np
import pytest

from golden import timing
from golden.batch import run_batch
from golden.integer import run
from golden.model_file import ModelFileError
from golden.stimulus import KINDS, random_inputs, random_model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight_scale", [None, 0.4])
def test_equality_of_every_step_and_sequence(kind, weight_scale):
    """Full-range weights wrap the sums and need float64, small ones run in float32."""
    rng = np.random.default_rng(71)
    model = random_model(rng, 9, (24, 16), 6, weight_scale, (0, 40), (70, 0))
    sequences = [random_inputs(rng, steps, 9, kind, 64) for steps in (1, 30, 17, 30, 5)]
    for found, x in zip(run_batch(model, sequences, size=2), sequences, strict=True):
        expected = run(model, x)
        assert np.array_equal(found.h, [trace.h for trace in expected])
        for layer in range(model.num_layers):
            for name in ("x", "h"):
                fired = [getattr(trace.layers[layer], f"fired_{name}") for trace in expected]
                rows = getattr(found, f"fired_{name}")[layer]
                for t, indices in enumerate(fired):
                    assert np.array_equal(np.flatnonzero(rows[t]), indices)


def test_columns_and_pattern_equal_to_traces():
    rng = np.random.default_rng(72)
    model = random_model(rng, 5, (16, 8), weight_scale=0.5)
    x = random_inputs(rng, 20, 5, "walk")
    (found,) = run_batch(model, [x], theta_x=20, theta_h=(5, 30))
    expected = run(model, x, 20, (5, 30))
    assert found.columns_x.tolist() == [[la.columns_x for la in t.layers] for t in expected]
    assert found.columns_h.tolist() == [[la.columns_h for la in t.layers] for t in expected]
    cycles = [
        timing.predict(fired, 5, (16, 8)).latency.tolist()
        for fired in (found.pattern(), timing.fired_of(expected))
    ]
    assert cycles[0] == cycles[1]


def test_progress_count_and_bad_thresholds():
    rng = np.random.default_rng(73)
    model = random_model(rng, 3, 8, weight_scale=0.5)
    done = []
    run_batch(model, [random_inputs(rng, n, 3) for n in (4, 9)], progress=done.append)
    assert sum(done) == 13
    with pytest.raises(ModelFileError, match="theta_x: found -1"):
        run_batch(model, [random_inputs(rng, 4, 3)], theta_x=-1)
