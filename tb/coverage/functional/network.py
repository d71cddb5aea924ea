# SPDX-License-Identifier: Apache-2.0
"""Samples what a step of the core did inside: deltas, firing, thresholds, tables, accumulators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden import fixed
from golden.integer import IntegerGru, LayerTrace, StepTrace
from tb.coverage.functional import bins
from tb.coverage.functional.groups import ROM_ROW, Hits
from tb.device.constants import SIGMA_ENTRIES, TANH_ENTRIES

NEAR_END = 1 << 24
"""Distance from an end of int32 that counts as near."""
WRAP_COLUMNS = 512
"""With fewer columns than this a step moves a sum by less than 2^31: a change of sign is a wrap."""


@dataclass(frozen=True)
class LayerBefore:
    """State of a layer as a step begins: references and h int16, memory int32 (4, H)."""

    x_ref: np.ndarray
    h_ref: np.ndarray
    h: np.ndarray
    memory: np.ndarray


@dataclass(frozen=True)
class Context:
    """What a step began with: state of each layer, thresholds by kind and layer, lut_frac."""

    before: tuple[LayerBefore, ...]
    theta: tuple[Sequence[int], Sequence[int]]
    lut_frac: int


def state_of(gru: IntegerGru) -> tuple[LayerBefore, ...]:
    """The state of each layer as it is now. The arrays are not copied: the model never edits."""
    return tuple(LayerBefore(la.x_ref, la.h_ref, la.h, la.memory) for la in gru.layers)


class NetworkSampler:
    """Counts steps of one core, in order. `width`: bits of the weight port.

    `tables`: count table entries as well; they belong to the default size.
    """

    def __init__(self, hits: Hits, width: int, *, tables: bool = True) -> None:
        self.hits = hits
        self.width = str(width)
        self.tables = tables
        self._silent: dict[tuple[str, int], int] = {}
        self._last: tuple[StepTrace, Context] | None = None

    def step(
        self,
        context: Context,
        trace: StepTrace,
        x: np.ndarray,
        columns: Sequence[tuple[int, int]],
        ahead_undone: Sequence[bool],
    ) -> None:
        """Count one step.

        `x`: int16 (I,). `columns`: of each layer, how many the core fetched for x and for h.
        `ahead_undone`: of each layer, whether it took back columns it had read ahead.
        """
        last, self._last = self._last, (trace, context)
        goes_on = last is not None and context.before[0].x_ref is last[0].layers[0].x_ref
        if not goes_on:
            self._silent.clear()
        values = x
        for number, (before, layer) in enumerate(zip(context.before, trace.layers, strict=True)):
            pairs = (
                ("x", np.subtract(values, before.x_ref, dtype=np.int32)),
                ("h", np.subtract(before.h, before.h_ref, dtype=np.int32)),
            )
            for which, (kind, delta) in enumerate(pairs):
                theta = int(context.theta[which][number])
                self._vector(kind, number, delta, theta, columns[number][which])
                if goes_on and last is not None:
                    changed = bins.change(int(last[1].theta[which][number]), theta)
                    if changed:
                        done = kind == "h" and ahead_undone[number]
                        ahead = "done" if done else "not done"
                        self.hits.add("theta_change", changed, kind, ahead)
            self._precision(layer, str(context.lut_frac))
            if self.tables:
                self._tables(layer)
            self._accumulators(before.memory, layer.memory, sum(columns[number]))
            values = layer.h

    def _vector(self, kind: str, number: int, delta: np.ndarray, theta: int, fired: int) -> None:
        layer, add = str(number), self.hits.add
        size = bins.SIZE.label(len(delta))
        add("theta", bins.THETA.label(theta), kind, layer)
        add("shape", kind, layer, size)
        rate = bins.rate(fired, len(delta))
        add("firing", rate, kind, layer)
        add("firing_size", rate, kind, size)
        self._silence(kind, number, fired)
        values, counts = np.unique(delta, return_counts=True)
        found = dict(zip(values.tolist(), counts.tolist(), strict=True))
        add("delta", "0", "+", kind, layer, count=found.get(0, 0))
        for sign, direction in (("-", -1), ("+", 1)):
            add("delta", "1", sign, kind, layer, count=found.get(direction, 0))
            if theta >= 2:
                for name, edge in zip(bins.EDGES, (theta - 1, theta, theta + 1), strict=True):
                    count = found.get(direction * edge, 0)
                    if not count:
                        continue
                    add("delta", name, sign, kind, layer, count=count)
                    add("delta_size", name, kind, size, count=count)
                    add("delta_port", name, sign, kind, self.width, count=count)
                    for place in np.flatnonzero(delta == direction * edge).tolist():
                        add("delta_lane", name, sign, bins.LANES[place % len(bins.LANES)])
        beyond = (values < fixed.X_MIN, values > fixed.X_MAX)
        for sign, out in zip(bins.SIGNS, beyond, strict=True):
            add("delta", "saturated", sign, kind, layer, count=int(counts[out].sum()))

    def _silence(self, kind: str, number: int, fired: int) -> None:
        silent = self._silent.get((kind, number), 0)
        if fired:
            self.hits.add("silence", bins.SILENCE.label(silent), kind, str(number))
            silent = -1
        self._silent[kind, number] = silent + 1

    def _precision(self, layer: LayerTrace, lut_frac: str) -> None:
        for gate, argument in zip(bins.GATES, (layer.q_r, layer.q_z, layer.pre_n), strict=True):
            for sign, count in zip(bins.SIGNS, ((argument < 0), (argument > 0)), strict=True):
                self.hits.add("precision", lut_frac, gate, sign, count=int(np.count_nonzero(count)))

    def _tables(self, layer: LayerTrace) -> None:
        for group, argument, entries in (
            ("sigma_r", layer.q_r, SIGMA_ENTRIES),
            ("sigma_z", layer.q_z, SIGMA_ENTRIES),
            ("tanh_n", layer.pre_n, TANH_ENTRIES),
        ):
            place = np.minimum(np.abs(argument.astype(np.int32)), entries - 1)
            for entry, count in zip(*np.unique(place, return_counts=True), strict=True):
                row = int(entry) // ROM_ROW * ROM_ROW
                self.hits.add(group, str(row), str(int(entry) - row), count=int(count))

    def _accumulators(self, before: np.ndarray, after: np.ndarray, columns: int) -> None:
        lowest = np.count_nonzero(after < fixed.ACC_MIN + NEAR_END, axis=1)
        highest = np.count_nonzero(after > fixed.ACC_MAX - NEAR_END, axis=1)
        rows = {"lowest": lowest, "highest": highest}
        if columns < WRAP_COLUMNS:
            half = 1 << 30
            rows["wrapped down"] = np.count_nonzero((before < -half) & (after > half), axis=1)
            rows["wrapped up"] = np.count_nonzero((before > half) & (after < -half), axis=1)
        for name, counts in rows.items():
            for memory, count in zip(("r", "z", "nx", "nh"), counts.tolist(), strict=True):
                self.hits.add("accumulator", memory, name, count=count)
