# SPDX-License-Identifier: Apache-2.0
"""Operating points, which golden/ predicts, confirmed on the RTL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden import timing
from golden.batch import run_batch
from golden.layout import column_bytes
from golden.model_file import Model
from golden.tuning.operating_point import pause
from tb.checks.compare import MismatchError
from tb.device.dram import load_dram
from tb.failure import BuildError, SimulationError
from tb.flows.simulation import simulate

PORT_BITS = 64
RTL_FAILURES = (MismatchError, SimulationError, BuildError)  # what a run on the RTL can end in


@dataclass(frozen=True)
class Confirmation:
    """One sequence at one operating point: predicted, and what the RTL did.

    ``compared``: values found equal to the golden model. Cycles are mean latencies of the steps
    after the first; bytes are weight bytes a step.
    """

    steps: int
    compared: int
    predicted_cycles: float
    cycles: float
    predicted_bytes: float
    bytes: float

    @property
    def deviation(self) -> float:
        """Predicted cycles against those of the RTL, in percent."""
        return 100.0 * (self.predicted_cycles / self.cycles - 1.0)


def confirm(
    model: Model,
    x: np.ndarray,
    theta_x: tuple[int, ...],
    theta_h: tuple[int, ...],
    *,
    sim: str = "verilator",
    dram: str | Path = "ddr3l",
    seed: int = 1,
    progress: Callable[[int], object] = lambda steps: None,
) -> Confirmation:
    """Run ``x`` int16 (T, I), T >= 2, at thresholds (Q8.8, one per layer) on the RTL.

    Raises what ``simulate`` raises, at the first difference to the golden model.
    """
    tuned = model.with_theta(theta_x, theta_h)
    interval = pause(model, PORT_BITS)
    result = simulate(tuned, x, sim=sim, dram=dram, interval=interval, seed=seed, progress=progress)
    (trace,) = run_batch(tuned, [x])
    memory = load_dram(dram).timing()
    predicted = timing.predict(
        trace.pattern(), model.input_size, model.hidden_sizes, PORT_BITS, memory, interval
    )
    columns = trace.columns_x + trace.columns_h
    return Confirmation(
        steps=len(x),
        compared=result.compared,
        predicted_cycles=float(predicted.latency[1:].mean()),
        cycles=float(result.latency[1:].mean()),
        predicted_bytes=float((columns @ column_bytes(np.array(model.hidden_sizes))).mean()),
        bytes=float(result.dram_bytes.mean()),
    )
