# SPDX-License-Identifier: Apache-2.0
"""The stimulus reaches the corners it is meant to reach, and comes again from its seed."""

import numpy as np
import pytest

from golden import fixed
from golden.edges import distances, edge_hits, hidden_edges
from golden.integer import encode_delta, run
from golden.stimulus import DESCRIPTIONS, KINDS, random_inputs, random_model


def test_end_values_of_full_range_models():
    model = random_model(np.random.default_rng(0), 40, (64, 32))
    for weight in (*model.weight_ih, *model.weight_hh):
        assert (weight.min(), weight.max()) == (fixed.W_MIN, fixed.W_MAX)
        assert 0 in weight
    for bias in model.bias:
        assert (bias.min(), bias.max()) == (fixed.ACC_MIN, fixed.ACC_MAX)
        assert np.abs(bias.astype(np.int64)).min() < 2**10


def test_range_of_scaled_models():
    model = random_model(np.random.default_rng(0), 40, 64, weight_scale=0.25)
    assert np.abs(model.weight_hh[0].astype(int)).max() == 32
    assert np.abs(model.bias[0]).max() <= 2**13


@pytest.mark.parametrize("kind", KINDS)
def test_input_type_and_determinism(kind):
    first, second = (random_inputs(np.random.default_rng(4), 20, 7, kind, 9) for _ in range(2))
    assert first.dtype == np.int16
    assert first.shape == (20, 7)
    assert np.array_equal(first, second)
    assert first.any()


def test_end_values_of_uniform_inputs():
    x = random_inputs(np.random.default_rng(4), 30, 20)
    assert (x.min(), x.max()) == (fixed.X_MIN, fixed.X_MAX)


def test_unknown_kind():
    with pytest.raises(ValueError, match="kind: found 'noise', expected one of uniform"):
        random_inputs(np.random.default_rng(0), 1, 1, "noise")


def test_description_of_every_kind():
    assert tuple(DESCRIPTIONS) == KINDS
    assert all(text and "\n" not in text for text in DESCRIPTIONS.values())


def encoded(x, theta):
    """Deltas int16 (T, I) that a delta encoder makes of `x`."""
    reference, deltas = np.zeros(x.shape[1], np.int16), []
    for row in x:
        delta, _ = encode_delta(row, reference, theta)
        reference = reference + delta
        deltas.append(delta)
    return np.array(deltas)


def aimed(kind, theta, seed=0, steps=40, inputs=12):
    """x int16 (T, I), and what an encoder with that threshold makes of it."""
    x = random_inputs(np.random.default_rng(seed), steps, inputs, kind, theta)
    return x, encoded(x, theta)


def longest(mask):
    """Longest run of True in (T,)."""
    return max(map(len, "".join("x" if m else " " for m in mask).split()), default=0)


@pytest.mark.parametrize("theta", [0, 1, 2, 64, 32766, 32767])
def test_edges_in_every_element_and_step(theta):
    x, deltas = aimed("edges", theta)
    distance = distances(x, deltas)
    assert (np.abs(np.abs(distance) - max(theta, 1)) <= 1).all()
    assert edge_hits(distance, theta).all()


@pytest.mark.parametrize("theta", [2, 3, 64, 32767])
def test_ramp_firing_by_accumulation(theta):
    x, deltas = aimed("ramp", theta)
    moves = np.diff(x.astype(int), axis=0, prepend=0)
    # An encoder that compares with the previous value would never fire.
    assert np.abs(moves).max() < theta
    assert (moves > 0).any() and (moves < 0).any() and (np.abs(moves) == 1).any()
    # Exactly at the threshold, and one below, in both directions.
    assert edge_hits(distances(x, deltas), theta)[:2].all()
    moved_in_silence = (moves != 0) & (deltas == 0)
    if theta > 2:
        assert max(longest(column) for column in moved_in_silence.T) >= 3


@pytest.mark.parametrize("theta", [0, 1])
def test_ramp_without_room_below_the_threshold(theta):
    x, deltas = aimed("ramp", theta)
    assert np.array_equal(deltas, np.diff(x.astype(int), axis=0, prepend=0))
    assert set(np.unique(deltas)) == {-1, 0, 1}


@pytest.mark.parametrize("theta", [0, 1, 64, 20000, 32767])
@pytest.mark.parametrize("seed", range(5))
def test_silence_before_a_burst(theta, seed):
    x, deltas = aimed("quiet_burst", theta, seed)
    columns = (deltas != 0).sum(1)
    assert set(columns) == {0, 12}
    bursts = np.flatnonzero(columns)
    assert len(bursts) >= 4
    assert np.diff(bursts, prepend=-1).min() > 4
    assert np.array_equal(x, np.cumsum(deltas, axis=0)), "a delta was saturated"


@pytest.mark.parametrize("steps", [1, 8, 40])
def test_at_least_one_burst(steps):
    x, _ = aimed("burst", 0, steps=steps)
    assert x.any(1).sum() == -(-steps // 8)


@pytest.mark.parametrize("theta", [0, 1, 64, 32767])
def test_saturation_of_both_signs(theta):
    x, deltas = aimed("saturate", theta)
    distance = distances(x, deltas)
    assert (distance > fixed.X_MAX).any() and (distance < fixed.X_MIN).any()
    assert {fixed.X_MIN, fixed.X_MAX} <= set(np.unique(deltas))
    held = np.diff(x.astype(int), axis=0) == 0
    assert (held & (deltas[1:] != 0)).any(), "what saturation cut off never follows"


def test_edge_hits_by_size_and_sign():
    distance = np.array([[-3, -2, 2], [3, 4, 5], [4, 0, 1]])
    assert edge_hits(distance, 3).tolist() == [[1, 1], [1, 1], [0, 2]]
    assert edge_hits(distance, 0).tolist() == [[1, 1], [0, 1], [1, 1]]


@pytest.mark.parametrize("seed", range(3))
def test_hidden_states_on_chosen_thresholds(seed):
    rng = np.random.default_rng(seed)
    model = random_model(rng, 9, (16, 8, 8), weight_scale=0.5, theta_x=5, theta_h=5)
    x = random_inputs(rng, 40, 9, "walk")
    chosen = hidden_edges(model, x)
    assert chosen.theta_x[0] == 5
    values, steps = x, run(chosen, x)
    for i, theta in enumerate(chosen.theta_h):
        dx, dh, h = (np.array([getattr(s.layers[i], n) for s in steps]) for n in ("dx", "dh", "h"))
        if i > 0:
            assert edge_hits(distances(values, dx), chosen.theta_x[i]).all()
        before = np.vstack([np.zeros_like(h[:1]), h[:-1]])
        assert theta > 2 and edge_hits(distances(before, dh), theta).all()
        values = h
    again = hidden_edges(model, x)
    assert np.array_equal(again.theta_h, chosen.theta_h)
    assert model.theta_h.tolist() == [5, 5, 5]


def test_constant_hidden_states_without_edges():
    model = random_model(np.random.default_rng(0), 4, 8, weight_scale=0.0)
    with pytest.raises(ValueError, match="layer 0, theta_h: found no threshold that 5 steps"):
        hidden_edges(model, np.zeros((5, 4), np.int16))
