"""Stimulus steered by what is not yet covered: networks, inputs and thresholds that close bins.

The integer model is run ahead. As each vector reaches its encoder in it, the distances to the
references are known, and of the thresholds that could be set, the one is taken that hits most of
the bins still open: so also hidden states, which cannot be aimed at, land on the edges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from golden import fixed
from golden.integer import IntegerGru
from golden.model_file import Model
from golden.stimulus import random_model
from tb.env.coverage import bins
from tb.env.coverage.groups import Bin, Hits

STEPS = 11
STEPS_LARGE = 4
LARGE = 64
"""Networks of more units run one step, in which nothing fires: they are there for their size."""
AIMED = ("theta", "delta", "firing", "silence", "theta_change", "shape", "accumulator")
"""Groups that a quick run aims at."""
AIMED_LARGE = ("delta_size", "firing_size")
"""Groups for which large networks have to fire as well, which takes long."""
_CLASS_SIZES = {label: size for label, size in zip(bins.SIZE.labels, (8, 24, 72, 264), strict=True)}


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


@dataclass
class Steering:
    """Makes scenarios for a build of `layers` layers of `units` units that close bins of `hits`."""

    hits: Hits
    rng: np.random.Generator
    layers: int
    units: int
    aimed: tuple[str, ...] = AIMED
    _open: dict[str, set[Bin]] = field(default_factory=dict)

    def left(self) -> dict[str, set[Bin]]:
        """Bins that this could close on this build and that have not been hit."""
        return {name: self._reachable(name) for name in self.aimed}

    def _reachable(self, name: str) -> set[Bin]:
        group = self.hits.groups[name]
        axes = list(group.axes)
        largest = bins.SIZE.labels.index(bins.SIZE.label(min(self.units, 1024)))
        sizes = bins.SIZE.labels[: largest + 1]
        found = self.hits.open(name)
        if "layer" in axes:
            found = {at for at in found if int(at[axes.index("layer")]) < self.layers}
        if "size" in axes:
            found = {at for at in found if at[axes.index("size")] in sizes}
        if name == "delta":  # what cannot be: 0 below 0, and Δ of hidden states that saturate
            found = {
                at
                for at in found
                if at[:2] != ("0", "-") and (at[0] != "saturated" or at[2:] == ("x", "0"))
            }
        if name == "theta_change":
            found = {at for at in found if at[1:] != ("x", "done")}
        return found

    def scenario(self) -> Scenario:
        """The next sequence."""
        self._open = {name: set() for name in (*AIMED, *AIMED_LARGE)} | self.left()
        rng = self.rng
        model = self._network()
        gru = IntegerGru(model)
        large = model.hidden_size > LARGE and self.aimed != AIMED_LARGE
        steps = 1 if large else STEPS if model.hidden_size <= LARGE else STEPS_LARGE
        quiet = self._silences(model.num_layers)
        if large:
            quiet = {(kind, layer): 1 for kind in bins.KINDS for layer in range(model.num_layers)}
        rest = bool({at for at in self._open["theta_change"] if at[2] == "done"}) and bool(
            rng.integers(4)
        )
        rows: list[np.ndarray] = []
        theta: list[tuple[list[int], list[int]]] = []
        silent: dict[tuple[str, int], int] = {}
        for step in range(steps):
            now: tuple[list[int], list[int]] = ([], [])
            values = None
            for number, layer in enumerate(gru.layers):
                last = {
                    kind: theta[-1][which][number] if theta else None
                    for which, kind in enumerate(bins.KINDS)
                }
                key_x, key_h = ("x", number), ("h", number)
                if number == 0:
                    value, near = self._row(layer.x_ref, step < quiet.get(key_x, 0))
                    rows.append(value)
                    values = value
                else:
                    near = None
                chosen = []
                for key, value, reference in (
                    (key_x, values, layer.x_ref),
                    (key_h, layer.h, layer.h_ref),
                ):
                    delta = value.astype(np.int32) - reference
                    hush = step < quiet.get(key, 0)
                    aim = near if key == key_x else None
                    picked = self._pick(key, delta, last[key[0]], silent, hush, aim, rest)
                    fired = int(np.count_nonzero(np.abs(fixed.sat16(delta)) >= max(picked, 1)))
                    silent[key] = 0 if fired else silent.get(key, 0) + 1
                    chosen.append(picked)
                now[0].append(chosen[0])
                now[1].append(chosen[1])
                values = layer.step(values, *chosen).h
            theta.append(now)
        first_x, first_h = theta[0]
        model = replace(
            model, theta_x=np.array(first_x, np.int16), theta_h=np.array(first_h, np.int16)
        )
        return Scenario(model, np.array(rows, np.int16), theta, rest)

    # ------------------------------------------------------------ parts

    def _network(self) -> Model:
        """A network of sizes and table precision that are open, its states lively or extreme."""
        rng, wanted = self.rng, sorted(self._open["shape"])
        small = [at for at in wanted if at[2] in bins.SIZE.labels[:2]]
        lively = small or not any(self._open[name] for name in AIMED if name != "shape")
        choice = small or wanted if lively else []
        size, lut_frac = choice[rng.integers(len(choice))][2:] if choice else ("9–64", "8")
        if self.aimed == AIMED_LARGE:
            size = sorted(at[-1] for name in AIMED_LARGE for at in self._open[name])[0]
        units = min(_CLASS_SIZES[size], self.units)
        inputs = units if size != "1–8" else int(rng.integers(3, 9))
        hidden = [units] * self.layers
        extreme = bool(self._open["accumulator"]) and rng.random() < 0.4
        scale = None if extreme else float(rng.choice([0.05, 0.2, 0.5]))
        model = random_model(rng, inputs, hidden, int(lut_frac), scale)
        if not extreme:  # z near 0: h follows n, and moves in every step
            for bias in model.bias:
                bias[1] -= 4 << fixed.ACC_FRAC
        return model

    def _silences(self, layers: int) -> dict[tuple[str, int], int]:
        """How many steps each encoder is to be silent at the start."""
        length = {"0": 0, "1": 1, "2–3": 2, "4–7": 5, "8+": 8}
        found = {}
        for kind in bins.KINDS:
            for layer in range(layers):
                wanted = sorted(
                    at[0] for at in self._open["silence"] if at[1:] == (kind, str(layer))
                )
                if wanted:
                    found[kind, layer] = length[wanted[self.rng.integers(len(wanted))]]
        return found

    def _row(self, reference: np.ndarray, hush: bool) -> tuple[np.ndarray, int | None]:
        """x of the first layer, and the threshold that it is aimed at."""
        rng = self.rng
        if hush:
            return reference.copy(), None
        if rng.random() < 0.3:
            return rng.choice([fixed.X_MIN, fixed.X_MAX, -20000, 20000], len(reference)), None
        wanted = sorted(at[0] for at in self._open["theta"] if at[1:] == ("x", "0"))
        label = str(rng.choice(wanted or bins.THETA.labels))
        theta = self._in(label)
        near = max(theta, 1)
        distance = rng.choice([0, 1, near - 1, near, near + 1], len(reference))
        if rng.random() < 0.7:  # most elements on one side of the threshold
            distance[rng.random(len(reference)) < 0.8] = near + int(rng.integers(-1, 1))
        distance = distance * rng.choice([-1, 1], len(reference))
        value = reference + distance
        outside = (value < fixed.X_MIN) | (value > fixed.X_MAX)
        value = np.where(outside, reference - distance, value)
        return np.clip(value, fixed.X_MIN, fixed.X_MAX), theta

    def _in(self, label: str) -> int:
        """A threshold of a bin."""
        low = bins.THETA.edges[bins.THETA.labels.index(label)]
        high = fixed.THETA_MAX
        for edge in bins.THETA.edges:
            if edge > low:
                high = edge - 1
                break
        return int(self.rng.integers(low, high + 1))

    def _pick(
        self,
        key: tuple[str, int],
        delta: np.ndarray,
        last: int | None,
        silent: Mapping[tuple[str, int], int],
        hush: bool,
        aim: int | None,
        rest: bool,
    ) -> int:
        """The threshold that closes most open bins of this vector; they count as closed then."""
        if hush:
            return fixed.THETA_MAX
        size = np.minimum(np.abs(delta), fixed.THETA_MAX)
        near = np.unique(np.concatenate([np.quantile(size, (0, 0.1, 0.3, 0.6, 0.85, 1)),
                                         self.rng.choice(size, 6)]).astype(int))  # fmt: skip
        choices = {0, 1, fixed.THETA_MAX, *(self._in(label) for label in bins.THETA.labels)}
        choices |= {int(n) + o for n in near for o in (-1, 0, 1) if 0 <= n + o <= fixed.THETA_MAX}
        if aim is not None:
            choices.add(aim)
        found = set(delta.tolist())
        best: int = 0
        gained: set[tuple[str, Bin]] = set()
        for theta in self.rng.permutation(sorted(choices)).tolist():
            bins_hit = self._hit(key, found, size, theta, last, silent, rest)
            hit = {(group, at) for group, at in bins_hit if at in self._open[group]}
            if len(hit) > len(gained) or (theta == aim and len(hit) == len(gained)):
                best, gained = theta, hit
        if not gained:
            best = int(self.rng.choice(near))
        for group, at in gained:
            self._open[group].discard(at)
        return best

    def _hit(
        self,
        key: tuple[str, int],
        found: set[int],
        size: np.ndarray,
        theta: int,
        last: int | None,
        silent: Mapping[tuple[str, int], int],
        rest: bool,
    ) -> set[tuple[str, Bin]]:
        """Bins that a vector hits at a threshold."""
        kind, layer, label = key[0], str(key[1]), bins.SIZE.label(len(size))
        fired = int(np.count_nonzero(size >= max(theta, 1)))
        hit: set[tuple[str, Bin]] = {
            ("theta", (bins.THETA.label(theta), kind, layer)),
            ("firing", (bins.rate(fired, len(size)), kind, layer)),
            ("firing_size", (bins.rate(fired, len(size)), kind, layer, label)),
        }
        if fired:
            run = bins.SILENCE.label(silent.get(key, 0))
            hit.add(("silence", (run, kind, layer)))
        changed = bins.change(last, theta) if last is not None else None
        if changed:
            ahead = "done" if rest and kind == "h" else "not done"
            hit.add(("theta_change", (changed, kind, ahead)))
        if theta >= 2:
            for name, edge in zip(bins.EDGES, (theta - 1, theta, theta + 1), strict=True):
                for sign, value in (("-", -edge), ("+", edge)):
                    if value in found:
                        hit.add(("delta", (name, sign, kind, layer)))
                        hit.add(("delta_size", (name, kind, layer, label)))
        return hit
