"""The stimulus reaches the corners it is meant to reach, and comes again from its seed."""

import numpy as np
import pytest

from golden import fixed
from golden.stimulus import KINDS, random_inputs, random_model


def test_full_range_models_hold_every_end_value():
    model = random_model(np.random.default_rng(0), 40, (64, 32))
    for weight in (*model.weight_ih, *model.weight_hh):
        assert (weight.min(), weight.max()) == (fixed.W_MIN, fixed.W_MAX)
        assert 0 in weight
    for bias in model.bias:
        assert (bias.min(), bias.max()) == (fixed.ACC_MIN, fixed.ACC_MAX)
        assert np.abs(bias.astype(np.int64)).min() < 2**10


def test_scaled_models_stay_within_their_scale():
    model = random_model(np.random.default_rng(0), 40, 64, weight_scale=0.25)
    assert np.abs(model.weight_hh[0].astype(int)).max() == 32
    assert np.abs(model.bias[0]).max() <= 2**13


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_int16_and_come_again_from_the_seed(kind):
    first, second = (random_inputs(np.random.default_rng(4), 20, 7, kind, 9) for _ in range(2))
    assert first.dtype == np.int16
    assert first.shape == (20, 7)
    assert np.array_equal(first, second)
    assert first.any()


def test_uniform_inputs_hold_both_ends():
    x = random_inputs(np.random.default_rng(4), 30, 20)
    assert (x.min(), x.max()) == (fixed.X_MIN, fixed.X_MAX)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind: found 'noise', expected one of uniform"):
        random_inputs(np.random.default_rng(0), 1, 1, "noise")
