# SPDX-License-Identifier: Apache-2.0
"""What a series shows before training: which inputs move, and what an untrained network reads."""

import numpy as np
import pytest

from golden.integer import run
from golden.stimulus import random_inputs, random_model
from golden.tuning.activity import activities, input_activity, picture, table


def test_input_activity_equal_to_integer_model_firing():
    rng = np.random.default_rng(91)
    signals = [random_inputs(rng, steps, 5, "walk") for steps in (20, 31)]
    model = random_model(rng, 5, 8)
    fired = input_activity(signals, 50)
    expected = np.zeros((51, 5), bool)
    traces = [trace for x in signals for trace in run(model, x, 50, 50)]
    for t, trace in enumerate(traces):
        expected[t, trace.layers[0].fired_x] = True
    assert np.array_equal(fired, expected)


def test_savings_of_still_and_fast_inputs(tmp_path):
    """A constant, a slow drift and white noise: silence, saving and the table tell them apart."""
    rng = np.random.default_rng(92)
    slow = 300 + np.cumsum(rng.integers(-6, 7, (200, 4)), axis=0).astype(np.int16)
    fast = rng.normal(0, 256, (200, 4)).astype(np.int16)
    still = np.full((200, 4), 300, np.int16)
    found = {
        name: activities([x], (16, 64), (16, 16))
        for name, x in (("still", still), ("slow", slow), ("fast", fast))
    }
    for i in range(2):
        rates = [found[name][i].channels.mean() for name in ("still", "slow", "fast")]
        assert rates == sorted(rates)
        savings = [found[name][i].saving for name in ("still", "slow", "fast")]
        assert savings == sorted(savings, reverse=True)
    assert found["still"][0].silent == 199 / 200  # all but the first step
    assert found["slow"][1].channels.mean() < found["slow"][0].channels.mean()
    assert len(table(found["fast"]).splitlines()) == 3
    picture(tmp_path / "a.png", "noise", list("abcd"), found["fast"], 10.0)
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_untrained_states_by_seed():
    x = random_inputs(np.random.default_rng(93), 30, 3, "walk")
    first, second = (activities([x], (8,), (16,))[0] for _ in range(2))
    assert first.states == pytest.approx(second.states)
    assert 0 < first.states[0] < 1
