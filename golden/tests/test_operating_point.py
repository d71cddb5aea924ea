# SPDX-License-Identifier: Apache-2.0
"""What thresholds cost and are worth: operating points, the Pareto front, sweeps and the tuner."""

import dataclasses
import json

import numpy as np
import pytest

from golden.datasets.features import Channels
from golden.integer import run
from golden.stimulus import random_inputs, random_model
from golden.timing import MemoryTiming, fired_of, predict
from golden.train.network import Item
from golden.train.readout import Score, answer
from golden.tuning import operating_point
from golden.tuning import search as tuning
from golden.tuning.operating_point import Platform, grid, measure, pareto
from golden.tuning.search import Budget, TuningError, loss_of, tune
from golden.tuning.sweep import measure_all, picture


@pytest.fixture(scope="module")
def model():
    """A random network with a read-out of every step into three classes."""
    rng = np.random.default_rng(81)
    extras = {
        **Channels(tuple("abcdef"), np.zeros(6), np.ones(6)).extras(),
        "readout.task": np.array("frames"),
        "readout.pooling": np.array("none"),
        "readout.labels": np.array(["a", "b", "c"]),
        "readout.weight": rng.normal(size=(3, 16)).astype(np.float32),
        "readout.bias": np.zeros(3, np.float32),
    }
    made = random_model(rng, 6, (24, 16), weight_scale=0.6, theta_x=16, theta_h=(8, 24))
    return dataclasses.replace(made, extras=extras)


@pytest.fixture(scope="module")
def items(model):
    """Sequences labelled with what the network itself says at Θ = 0: no error there."""
    rng = np.random.default_rng(82)
    sequences = [random_inputs(rng, steps, 6, "walk") for steps in (30, 50, 20)]
    return [
        Item(x, answer(model, np.array([trace.h for trace in run(model, x, 0, 0)])))
        for x in sequences
    ]


def test_point_counts_equal_to_integer_model(model, items):
    """Error, firing rates, bytes and cycles, each against its own definition."""
    memory = MemoryTiming(20, 0.9)
    point = measure(model, items, platform=Platform(memory=memory, clock_mhz=100))
    assert (point.theta_x, point.theta_h) == ((16, 16), (8, 24))
    wrong, read, columns, cycles = 0, [], [], []
    for item in items:
        traces = run(model, item.x)
        wrong += int((answer(model, np.array([t.h for t in traces])) != item.target).sum())
        read += [trace.dram_bytes for trace in traces]
        columns += [[layer.columns_h for layer in trace.layers] for trace in traces]
        gap = operating_point.pause(model, 64)
        cycles += predict(fired_of(traces), 6, (24, 16), 64, memory, gap).latency.tolist()
    assert point.evaluation.score == Score("frames", wrong, 100)
    assert point.error == wrong
    assert point.evaluation.bytes_per_step == pytest.approx(np.mean(read))
    assert point.evaluation.firing_h == pytest.approx(np.mean(columns, axis=0) / (24, 16))
    assert point.latency_us == pytest.approx(np.mean(cycles) / 100)
    assert point.latency_percentile_us(100) == max(cycles) / 100
    assert point.fields()["theta_h1"] == 24


def test_points_at_theta_0_and_the_largest(model, items):
    assert measure(model, items, 0, 0).error == 0
    assert measure(model, items, 32767, 32767).evaluation.bytes_per_step == 0


def test_pareto_front(model, items):
    points = [measure(model, items, x, h) for x, h in grid((0, 64, 200), (0, 64, 200), 2)]
    front = pareto(points)
    for point in points:
        beaten = any(
            other.error <= point.error
            and other.evaluation.bytes_per_step <= point.evaluation.bytes_per_step
            and (other.error, other.evaluation.bytes_per_step)
            != (point.error, point.evaluation.bytes_per_step)
            for other in points
        )
        assert beaten == (not any(point is kept for kept in front))
    read = [point.evaluation.bytes_per_step for point in front]
    assert read == sorted(read, reverse=True)


def test_grids_of_one_theta_and_of_combinations():
    assert grid((1, 2), (3,), 2) == [((1, 1), (3, 3)), ((2, 2), (3, 3))]
    combined = grid((1, 2), (3, 4), 2, per_layer=True)
    assert len(set(combined)) == 16
    assert ((1, 2), (4, 3)) in combined


def test_measurement_by_two_processes(model, items, tmp_path):
    thetas = grid((0, 40), (20, 80), 2)
    ticks = []
    alone = measure_all(model, items, thetas, Platform())
    shared = measure_all(model, items, thetas, Platform(), 2, lambda: ticks.append(1))
    assert [p.fields() for p in shared] == [p.fields() for p in alone]
    assert len(ticks) == 4
    picture(tmp_path / "s.png", "a sweep", alone, [(alone[0], "here")])
    assert (tmp_path / "s.png").stat().st_size > 10_000


def test_energy_from_bytes_and_latency(model, items):
    point = measure(model, items)
    expected = point.evaluation.bytes_per_step * (1300 / 8 + 0.3) * 1e-6
    assert point.dram_uj == pytest.approx(expected)
    assert point.wall_uj == pytest.approx(2.4 * point.latency_us)


@pytest.mark.parametrize("loss", [2.0, 12.0])
def test_tuner_under_a_loss_limit(model, items, loss):
    tuned = tune(model, items, Budget(loss=loss), Platform(), trials=40, seed=4)
    assert loss_of(tuned.best, tuned.reference) <= loss
    uniform = [measure(model, items, theta, theta) for theta in tuning.STARTS]
    kept = [point for point in uniform if point.error <= loss]
    assert tuned.best.latency_us < min(point.latency_us for point in kept)


def test_tuner_under_a_latency_limit(model, items):
    slow = measure(model, items, 0, 0).latency_us
    tuned = tune(model, items, Budget(latency_us=0.6 * slow), Platform(), trials=40, seed=4)
    assert tuned.best.latency_us <= 0.6 * slow
    within = [point for point in tuned.tried if point.latency_us <= 0.6 * slow]
    assert tuned.best.error == min(point.error for point in within)


def test_tuner_determinism(model, items):
    first, second = (
        tune(model, items, Budget(loss=5), Platform(), trials=25, seed=9) for _ in range(2)
    )
    assert first.best.fields() == second.best.fields()
    said = json.loads(str(first.extras(Budget(loss=5), 25, 9, "validation")["tuning"]))
    assert said["budget"] == "loss of at most 5"
    assert said["seed"] == 9


def test_unreachable_budget_message(model, items):
    with pytest.raises(TuningError, match=r"found no thresholds up to 64 with a latency of at "):
        tune(model, items, Budget(latency_us=0.01), Platform(), trials=10, largest=64)


def test_single_budget():
    for wrong in ({}, {"latency_us": 1.0, "loss": 1.0}):
        with pytest.raises(ValueError, match="budget: found none or both"):
            Budget(**wrong)


def test_regression_loss_in_percent_of_rmse(model, items):
    point = measure(model, items, 0, 0)

    def with_rmse(value):
        score = Score("regression", 100 * value**2, 100)
        return dataclasses.replace(
            point, evaluation=dataclasses.replace(point.evaluation, score=score)
        )

    assert loss_of(with_rmse(2.1), with_rmse(2.0)) == pytest.approx(5.0)
