# SPDX-License-Identifier: Apache-2.0
"""The benchmark: workloads through the RTL, and what each figure is compared with.

Cycles of the design are exact. A `Case` is one run; `measure` gives a `Row` with the figures of a
mean step, the bound of the project for it, the cycles of EdgeDRNN's public RTL for the same
columns, and the prediction of the analytic model (golden/timing.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from golden import timing
from golden.integer import IntegerGru
from golden.layout import column_beats
from golden.timing import CLOCK_MHZ
from golden.workloads import SETTLED, WORKLOADS, reference_cycles
from tb.device.dram import load_dram
from tb.flows.simulation import simulate

BACK_TO_BACK, LONG_GAP = "back to back", "long gap"
GAP_CYCLES = 120_000  # longer than all recurrent columns take
SMALL_GAP_CYCLES = 2_000  # for 2L-16H
MODEL_LIMIT = 0.02  # of the analytic model against the RTL
STEPS = {"2L-16H": 200, "2L-16H, lut_frac 4": 200, "1L-256H": 40, "2L-256H": 40}
FEW_STEPS = 24
# First beat after so many cycles, in the reference core's formula.
REFERENCE_LATENCY = {"ideal": 0, "ddr3l": 40, "far": 200}


@dataclass(frozen=True)
class Case:
    """One run. mode: BACK_TO_BACK or LONG_GAP; memory: of tables/dram; port_bits: weight port."""

    workload: str
    mode: str = BACK_TO_BACK
    memory: str = "ideal"
    port_bits: int = 64

    def __str__(self) -> str:
        return f"{self.workload}, {self.memory}, {self.port_bits} bits, {self.mode}"


@dataclass(frozen=True)
class Row:
    """Means over the settled steps of a run.

    columns_x, columns_h: weight columns a step, all layers. beats: of the weight port that lie on
    the way: all of them back to back, those of Δx after a long gap. cycles: period or latency;
    cycle_sum: the same, summed over the settled steps. bound: the most that the project allows,
    cycles. reference: EdgeDRNN's public RTL, cycles (64 bits alone). predicted: by the analytic
    model, cycles. parameters: weights of the network. total: all columns' beats. lanes:
    multipliers.
    """

    case: Case
    columns_x: float
    columns_h: float
    beats: float
    total: float
    cycles: float
    cycle_sum: int
    bound: float
    reason: str
    reference: float | None
    predicted: float
    parameters: int
    lanes: int

    @property
    def microseconds(self) -> float:
        return self.cycles / CLOCK_MHZ

    @property
    def gops(self) -> float:
        """Multiplications and additions done, 1e9 a second at `CLOCK_MHZ`."""
        return 2 * self.lanes * self.total / self.cycles * CLOCK_MHZ / 1e3

    @property
    def dense_gops(self) -> float:
        """The same for a dense network that takes as long: what publications call effective."""
        return 2 * self.parameters / self.cycles * CLOCK_MHZ / 1e3

    @property
    def model_error(self) -> float:
        return self.predicted / self.cycles - 1

    @property
    def holds(self) -> bool:
        return self.cycles <= self.bound and abs(self.model_error) <= MODEL_LIMIT


def cases() -> list[Case]:
    """The whole set."""
    both = (BACK_TO_BACK, LONG_GAP)
    out = [Case(name, mode) for name in WORKLOADS for mode in both]
    out += [Case(name, mode, "ddr3l") for name in WORKLOADS for mode in both]
    out += [Case("2L-768H", mode, "far") for mode in both]
    out += [Case("2L-768H", mode, port_bits=bits) for bits in (128, 256) for mode in both]
    return out


def measure(case: Case, steps: int | None = None, ideal: Row | None = None) -> Row:
    """Run a case on Verilator, everything compared with the golden model.

    ideal: the same with the ideal memory; a slower one is compared with it. Raises MismatchError,
    SimulationError and BuildError as `simulate` does.
    """
    work = WORKLOADS[case.workload]
    steps = steps or STEPS.get(case.workload, FEW_STEPS)
    model, x = work.model(), work.x(steps)
    gap = (
        0
        if case.mode == BACK_TO_BACK
        else SMALL_GAP_CYCLES
        if max(work.hidden) < 64
        else GAP_CYCLES
    )
    memory = load_dram(case.memory)
    result = simulate(model, x, dram=memory, interval=gap, port_bits=case.port_bits)
    golden = IntegerGru(model)
    fired = timing.fired_of([golden.step(row) for row in x])
    says = timing.predict(fired, work.inputs, work.hidden, case.port_bits, memory.timing(), gap)
    column = column_beats(np.array(work.hidden), case.port_bits // 8)
    columns = result.columns_x + result.columns_h
    beats = _mean(result.columns_x @ column if gap else columns @ column)
    reference = None
    if case.port_bits == 64:
        late = REFERENCE_LATENCY[case.memory]
        reference = _mean(reference_cycles(columns, work.hidden, work.inputs, late))
    bound, reason = _bound(case, beats, len(work.hidden), ideal)
    return Row(
        case=case,
        columns_x=_mean(result.columns_x.sum(1)),
        columns_h=_mean(result.columns_h.sum(1)),
        beats=beats,
        total=_mean(columns @ column),
        cycles=_mean(result.latency if gap else result.period),
        cycle_sum=int((result.latency if gap else result.period)[SETTLED:].sum()),
        bound=bound,
        reason=reason,
        reference=reference,
        predicted=_mean(says.latency if gap else says.period),
        parameters=model.parameters,
        lanes=case.port_bits // 8,
    )


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values[SETTLED:]))


def _bound(case: Case, beats: float, layers: int, ideal: Row | None) -> tuple[float, str]:
    """The most cycles a mean step may take, and where that comes from."""
    gap = case.mode == LONG_GAP
    small = case.workload.startswith("2L-16H")
    if ideal is not None:
        if case.workload != "2L-768H":  # short steps show the latency of the memory as it is
            return math.inf, "none"
        share = {"ddr3l": 1.03, "far": 1.05}[case.memory]
        return share * ideal.cycles, f"{share:g} x ideal"
    if small:  # for 56 beats on the way, and for 129
        return (110.0, "110") if gap else (150.0, "150")
    if gap:
        return 1.02 * beats + 150 * layers, "1.02 x beats + 150 a layer"
    if case.port_bits > 64:
        return beats / 0.95, "95 % of the port"
    if max(WORKLOADS[case.workload].hidden) < 256:
        return math.inf, "none"
    return 1.01 * beats + 100 * layers, "1.01 x beats + 100 a layer"


def measure_all(progress: Callable[[list[Case]], Iterable[Case]] = iter) -> list[Row]:
    """The whole set; `progress` wraps the list of cases."""
    rows: dict[Case, Row] = {}
    for case in progress(cases()):
        ideal = None if case.memory == "ideal" else rows[Case(case.workload, case.mode)]
        rows[case] = measure(case, ideal=ideal)
    return list(rows.values())
