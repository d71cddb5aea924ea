# SPDX-License-Identifier: Apache-2.0
"""Steered stimulus: a draft keeps what it promises, and steering closes what it aims at."""

from __future__ import annotations

import numpy as np
import pytest

from golden import fixed
from golden.integer import IntegerGru
from golden.stimulus import random_model
from tb.coverage.functional.candidate import Draft, Scenario
from tb.coverage.functional.groups import Hits
from tb.coverage.functional.network import Context, NetworkSampler, state_of
from tb.coverage.functional.steering import AIMED_SIZE, AIMED_SMALL, AIMED_WIDTH, Steering


def play(scenario: Scenario, sampler: NetworkSampler) -> None:
    """Sample a scenario as the core would run it."""
    gru = IntegerGru(scenario.model)
    for x, theta in zip(scenario.x, scenario.theta, strict=True):
        context = Context(state_of(gru), theta, scenario.model.lut_frac)
        step = gru.step(x, *theta)
        columns = [(layer.columns_x, layer.columns_h) for layer in step.layers]
        sampler.step(context, step, x, columns, [scenario.rest] * len(columns))


def test_promises_of_a_candidate() -> None:
    """Could break: a draft whose bins the run does not hit, or that goes on after its last one."""
    rng = np.random.default_rng(3)
    names = ("theta", "delta", "firing", "silence")
    wanted = {name: Hits().open(name) for name in names}
    draft = Draft(random_model(rng, 8, [16], weight_scale=0.5), rng, wanted, 64, rest=False)
    silent = {("x", 0), ("h", 0)}
    for vectors in (silent, silent, set(), set(), silent, silent):
        draft.step(vectors)
    scenario = draft.scenario()
    assert 3 <= len(scenario.x) == len(scenario.theta) <= 6
    hits = Hits()
    play(scenario, NetworkSampler(hits, 64, tables=False))
    closed = sum(len(wanted[name] & hits.counts[name].keys()) for name in names)
    assert closed == draft.closed >= 20
    shorter = Scenario(scenario.model, scenario.x[:-1], scenario.theta[:-1], rest=False)
    hits = Hits()
    play(shorter, NetworkSampler(hits, 64, tables=False))
    assert sum(len(wanted[name] & hits.counts[name].keys()) for name in names) < closed


def test_silent_vector() -> None:
    """Could break: a threshold at which something fires that was to keep quiet."""
    rng = np.random.default_rng(4)
    draft = Draft(random_model(rng, 8, [16], weight_scale=0.5), rng, {}, 64, rest=False)
    draft.step(set())
    for _ in range(3):
        draft.step({("h", 0)})
    hits = Hits()
    play(draft.whole(), NetworkSampler(hits, 64, tables=False))
    assert hits.counts["firing"]["none", "h", "0"] >= 3


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("layers", "units", "width", "aimed"),
    [(2, 16, 64, AIMED_SMALL), (1, 24, 128, AIMED_WIDTH), (1, 72, 256, AIMED_SIZE)],
)
def test_closure_by_steering(
    layers: int, units: int, width: int, aimed: tuple[str, ...], seed: int
) -> None:
    """Could break: a bin that is closed by luck, if at all. On the integer model, in few rounds;
    bins that the build cannot reach are not asked for.
    """
    hits = Hits()
    steering = Steering(hits, np.random.default_rng(seed), layers, units, width, aimed)
    sampler = NetworkSampler(hits, width, tables=False)
    rounds = 0
    while any(steering.left().values()):
        rounds += 1
        assert rounds <= 20, steering.left()
        scenario = steering.scenario()
        play(scenario, sampler)
        thetas = np.array(scenario.theta)
        assert ((thetas >= 0) & (thetas <= fixed.THETA_MAX)).all()
