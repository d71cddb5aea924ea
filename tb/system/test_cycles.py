"""Clock cycles are exact: how many a step takes, and that the weight port does not rest.

A change of the RTL that makes it slower, or faster, shows here as another number. To take new
numbers over, run the case and copy what its message says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from golden.model_file import Model
from golden.stimulus import random_model
from tb.env.simulation import Result, simulate

STEPS = 10
SETTLED = 2  # steps left out of means: the first ones of a sequence fire more
LONG_GAP = 30_000  # cycles; all recurrent columns have been read long before


@dataclass(frozen=True)
class Case:
    """A network of the benchmark set with weights that make it fire like a trained one."""

    inputs: int
    hidden: tuple[int, ...]
    theta: int
    scale: float
    lut_frac: int = 8
    port_bits: int = 64


CASES = {
    "2L-16H": Case(8, (16, 16), 0, 0.5),
    "2L-16H, lut_frac 4": Case(8, (16, 16), 0, 0.5, lut_frac=4),
    "1L-256H": Case(40, (256,), 64, 0.2),
    "2L-256H": Case(40, (256, 256), 64, 0.2),
    "2L-256H, 256-bit port": Case(40, (256, 256), 64, 0.2, port_bits=256),
}

# Cycles from x offered to h taken, summed over the steps: back to back, and after a long gap.
EXACT = {
    "2L-16H": (3170, 1943),
    "2L-16H, lut_frac 4": (3224, 1973),
    "1L-256H": (22558, 7846),
    "2L-256H": (65594, 26892),
    "2L-256H, 256-bit port": (16839, 8013),
}


def network(case: Case) -> tuple[Model, np.ndarray]:
    """The model, and x that wanders like a feature of speech; the same in every run."""
    rng = np.random.default_rng(2026)
    model = random_model(
        rng,
        case.inputs,
        case.hidden,
        case.lut_frac,
        case.scale,
        theta_x=case.theta,
        theta_h=case.theta,
    )
    x = np.cumsum(rng.integers(-60, 61, (STEPS, case.inputs)), axis=0)
    return model, x.astype(np.int16)


def beats(case: Case, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Beats of the weight port that each step's columns take: all of them, and those of Δx."""
    lanes = case.port_bits // 8
    column = np.array([3 * -(-units // lanes) for units in case.hidden])
    x = result.columns_x @ column
    return x + result.columns_h @ column, x


@pytest.mark.parametrize("name", CASES)
def test_cycles(name: str) -> None:
    """Could break: the port resting between columns, passes or layers; recurrent work left for
    after x has come. Exact sums of latency, and the bounds: back to back 1 % and 100 cycles a layer
    above the columns' beats, after a long gap 2 % and 150 a layer above those of the inputs.
    """
    case = CASES[name]
    model, x = network(case)
    layers = len(case.hidden)
    results = [
        simulate(model, x, interval=interval, port_bits=case.port_bits)
        for interval in (0, LONG_GAP)
    ]
    for result, (part, bound) in zip(results, ((0, (1.01, 100)), (1, (1.02, 150))), strict=True):
        floor = beats(case, result)[part][SETTLED:].mean()
        taken = (result.period if part == 0 else result.latency)[SETTLED:].mean()
        limit = bound[0] * floor + bound[1] * layers
        assert taken <= limit, (
            f"{taken:.1f} cycles a step for {floor:.1f} beats, at most {limit:.1f}"
        )
    found = tuple(int(result.latency.sum()) for result in results)
    assert found == EXACT[name], f'expected {EXACT[name]}, found "{name}": {found},'
