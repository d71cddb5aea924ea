# SPDX-License-Identifier: Apache-2.0
"""A candidate sequence: the integer model runs ahead of the core, and thresholds follow it.

As each vector reaches its encoder in the model, the distances to the references are known, and of
the thresholds that could be set, the one is taken that hits most of the bins still open: so also
hidden states, which cannot be aimed at, land on the edges. What a draft closes is counted by the
sampler that later watches the core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from golden import fixed
from golden.integer import IntegerGru, StepTrace
from golden.layout import column_beats
from golden.model_file import Model
from tb.coverage.functional import bins
from tb.coverage.functional.groups import Bin, Hits
from tb.coverage.functional.network import Context, NetworkSampler, state_of

Key = tuple[str, int]
"""Which vector of a step: its kind, and its layer."""

OPEN_CYCLES, STEP_CYCLES = 1000, 300
"""About what it takes to load a network, and a step in which nothing fires."""


@dataclass(frozen=True)
class Scenario:
    """A sequence to run: `x` int16 (T, I); `theta[t]` = (theta_x, theta_h), one a layer.

    `rest`: let the core read ahead before the thresholds of a step are set; without, they are set
    as soon as the x before has been taken.
    """

    model: Model
    x: np.ndarray
    theta: list[tuple[list[int], list[int]]]
    rest: bool


class Draft:
    """A sequence on `model` that grows by `step`; bins of `wanted` are to be hit on a port of
    `width` bits. `rest` as in Scenario.
    """

    def __init__(
        self,
        model: Model,
        rng: np.random.Generator,
        wanted: Mapping[str, set[Bin]],
        width: int,
        *,
        rest: bool,
    ) -> None:
        self.rng = rng
        self._model, self._rest, self._width = model, rest, width
        self._wanted = wanted
        self._open = {name: set(found) for name, found in wanted.items()}
        self._gru = IntegerGru(model)
        self._hits = Hits()
        self._sampler = NetworkSampler(self._hits, width, tables=False)
        self._silent: dict[Key, int] = {}
        self._rows: list[np.ndarray] = []
        self._theta: list[tuple[list[int], list[int]]] = []
        self._closed: list[int] = []
        self._cycles = [OPEN_CYCLES + sum(8 * units for units in model.hidden_sizes)]

    # ------------------------------------------------------------ what it is worth

    def _length(self) -> int:
        """Steps up to the one that closes the last bin; at least one."""
        return self._closed.index(self.closed) + 1

    @property
    def closed(self) -> int:
        """Bins of those wanted that are hit."""
        return max(self._closed)

    @property
    def worth(self) -> float:
        """Bins closed a cycle."""
        return self.closed / sum(self._cycles[: self._length() + 1])

    def scenario(self) -> Scenario:
        """The sequence, without the steps that close nothing at its end."""
        return self._cut(self._length())

    def whole(self) -> Scenario:
        """The sequence with all its steps."""
        return self._cut(len(self._rows))

    def _cut(self, length: int) -> Scenario:
        first_x, first_h = self._theta[0]
        model = replace(
            self._model, theta_x=np.array(first_x, np.int16), theta_h=np.array(first_h, np.int16)
        )
        rows = np.array(self._rows[:length], np.int16)
        return Scenario(model, rows, self._theta[:length], self._rest)

    # ------------------------------------------------------------ a step

    def step(self, silent: set[Key]) -> None:
        """Add a step in which the vectors of `silent` are to be silent."""
        state = state_of(self._gru)
        theta: tuple[list[int], list[int]] = ([], [])
        values, near = self._row(self._gru.layers[0].x_ref, ("x", 0) in silent)
        self._rows.append(values)
        traces = []
        for number, layer in enumerate(self._gru.layers):
            for which, value, reference in ((0, values, layer.x_ref), (1, layer.h, layer.h_ref)):
                key = (bins.KINDS[which], number)
                last = self._theta[-1][which][number] if self._theta else None
                delta = value.astype(np.int32) - reference
                aim = near if key == ("x", 0) else None
                theta[which].append(self._pick(key, delta, last, key in silent, aim))
            traces.append(layer.step(values, theta[0][-1], theta[1][-1]))
            values = layer.h
        self._count(StepTrace(tuple(traces)), Context(state, theta, self._model.lut_frac))
        self._theta.append(theta)

    def _count(self, trace: StepTrace, context: Context) -> None:
        """Bins closed so far, and the cycles of this step."""
        columns = [(layer.columns_x, layer.columns_h) for layer in trace.layers]
        undone = [self._rest] * len(columns)
        self._sampler.step(context, trace, self._rows[-1], columns, undone)
        for number, fired in enumerate(columns):
            for kind, count in zip(bins.KINDS, fired, strict=True):
                key = (kind, number)
                self._silent[key] = 0 if count else self._silent.get(key, 0) + 1
        counts = self._hits.counts
        self._closed.append(sum(len(found & counts[n].keys()) for n, found in self._wanted.items()))
        lanes = self._width // 8
        beats = sum(
            sum(fired) * column_beats(len(layer.h), lanes)
            for fired, layer in zip(columns, trace.layers, strict=True)
        )
        self._cycles.append(STEP_CYCLES + beats)

    def _row(self, reference: np.ndarray, silent: bool) -> tuple[np.ndarray, int | None]:
        """x of the first layer, and the threshold that it is aimed at."""
        rng, size = self.rng, len(reference)
        if silent:
            return reference.copy(), None
        if any(at[0] == "saturated" for at in self._open.get("delta", ())) and rng.random() < 0.4:
            there = np.where(reference < 0, fixed.X_MAX, fixed.X_MIN)
            return np.where(rng.random(size) < 0.1, -1 - there, there), None
        wanted = sorted(at[0] for at in self._open.get("theta", ()) if at[1:] == ("x", "0"))
        theta = self._in(str(rng.choice(wanted or bins.THETA.labels)))
        near = max(theta, 1)
        fires = rng.permutation(size) < self._share(size)
        distance = np.where(fires, near + rng.integers(0, 2, size), rng.choice([0, near - 1], size))
        distance = distance * rng.choice([-1, 1], size)
        value = reference + distance
        outside = (value < fixed.X_MIN) | (value > fixed.X_MAX)
        value = np.where(outside, reference - distance, value)
        return np.clip(value, fixed.X_MIN, fixed.X_MAX), theta

    def _share(self, size: int) -> int:
        """How many of the inputs are to fire."""
        wanted = {at[0] for at in self._open.get("firing", ()) if at[1:] == ("x", "0")}
        label = bins.SIZE.label(size)
        wanted |= {at[0] for at in self._open.get("firing_size", ()) if at[1:] == ("x", label)}
        rate = str(self.rng.choice(sorted(wanted) or bins.RATES))
        shares = (0, 1, max(size // 6, 2), size // 2, size - 1, size)
        return dict(zip(bins.RATES, shares, strict=True))[rate]

    def _in(self, label: str) -> int:
        """A threshold of a bin."""
        low = bins.THETA.edges[bins.THETA.labels.index(label)]
        high = min((e - 1 for e in bins.THETA.edges if e > low), default=fixed.THETA_MAX)
        return int(self.rng.integers(low, high + 1))

    # ------------------------------------------------------------ the threshold of a vector

    def _pick(
        self, key: Key, delta: np.ndarray, last: int | None, silent: bool, aim: int | None
    ) -> int:
        """The threshold that closes most open bins of this vector, and of those the one at which
        least fires; the bins count as closed then.
        """
        size = np.minimum(np.abs(delta), fixed.THETA_MAX)
        ordered = np.sort(size)
        near = np.unique(np.concatenate([np.quantile(size, (0, 0.1, 0.3, 0.6, 0.85, 1)),
                                         self.rng.choice(size, 6)]).astype(int))  # fmt: skip
        choices = {0, 1, fixed.THETA_MAX, *(self._in(label) for label in bins.THETA.labels)}
        choices |= {int(n) + o for n in near for o in (-1, 0, 1) if 0 <= n + o <= fixed.THETA_MAX}
        if aim is not None:
            choices.add(aim)
        places: dict[int, set[str]] = {}
        for lane, value in enumerate(delta.tolist()):
            places.setdefault(value, set()).add(bins.LANES[lane % len(bins.LANES)])
        best, gained, rank = fixed.THETA_MAX, set(), (-1, 0)
        for theta in self.rng.permutation(sorted(choices)).tolist():
            fired = len(size) - int(np.searchsorted(ordered, max(theta, 1)))
            if silent and fired:
                continue
            hit = self._hit(key, places, len(size), fired, theta, last)
            new = {(group, at) for group, at in hit if at in self._open.get(group, ())}
            if (len(new), -fired) > rank:
                best, gained, rank = theta, new, (len(new), -fired)
        if not gained and not silent:
            best = int(self.rng.choice(near))
        for group, at in gained:
            self._open[group].discard(at)
        return best

    def _hit(
        self,
        key: Key,
        places: Mapping[int, set[str]],
        size: int,
        fired: int,
        theta: int,
        last: int | None,
    ) -> list[tuple[str, Bin]]:
        """Bins that a vector of `size` elements hits at a threshold at which `fired` of them fire.

        `places`: the lanes in which each Δ is found. `last`: the threshold of the step before.
        """
        kind, layer, label = key[0], str(key[1]), bins.SIZE.label(size)
        rate = bins.rate(fired, size)
        hit: list[tuple[str, Bin]] = [
            ("theta", (bins.THETA.label(theta), kind, layer)),
            ("firing", (rate, kind, layer)),
            ("firing_size", (rate, kind, label)),
        ]
        if fired:
            run = bins.SILENCE.label(self._silent.get(key, 0))
            hit.append(("silence", (run, kind, layer)))
        changed = bins.change(last, theta) if last is not None else None
        if changed:
            ahead = "done" if self._rest and kind == "h" else "not done"
            hit.append(("theta_change", (changed, kind, ahead)))
        if theta >= 2:
            for name, edge in zip(bins.EDGES, (theta - 1, theta, theta + 1), strict=True):
                for sign, value in (("-", -edge), ("+", edge)):
                    lanes = places.get(value)
                    if lanes:
                        hit.append(("delta", (name, sign, kind, layer)))
                        hit.append(("delta_size", (name, kind, label)))
                        hit.append(("delta_port", (name, sign, kind, str(self._width))))
                        hit.extend(("delta_lane", (name, sign, lane)) for lane in lanes)
        return hit
