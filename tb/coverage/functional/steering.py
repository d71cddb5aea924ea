# SPDX-License-Identifier: Apache-2.0
"""Stimulus steered by what is not yet covered: networks, inputs and thresholds that close bins.

Of several sequences drafted on the integer model the one is taken that closes most for the cycles
it takes, and is cut after the step that closes its last bin.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from golden import fixed
from golden.model_file import Model
from golden.stimulus import random_model
from tb.coverage.functional import bins
from tb.coverage.functional.candidate import Draft, Scenario
from tb.coverage.functional.groups import Bin, Hits
from tb.coverage.functional.merge import Exclusion, read_exclusions

DRAFTS = 6
STEPS = 11
"""Of a draft: enough for eight silent ones and some that fire."""
AIMED = (
    "theta", "delta", "delta_lane", "firing", "silence", "theta_change", "shape", "precision",
    "accumulator",
)  # fmt: skip
"""Groups that networks of several layers close."""
AIMED_SIZE = ("delta_size", "firing_size")
"""Groups for which large vectors have to fire: on one layer, since firing takes long."""
AIMED_SMALL = ("theta", "delta", "firing")
"""Groups for the slower simulator."""
AIMED_WIDTH = ("delta_port",)
"""Groups in which the width of the port counts."""
_CLASS_SIZES = dict(zip(bins.SIZE.labels, (8, 24, 72, 264), strict=True))
_LIVELY = 24
"""Units of a network that is there for something else than its size."""


@dataclass
class Steering:
    """Makes scenarios for a build with `layers` layers of `units` units that close bins of `hits`.

    `width`: bits of the weight port. `aimed`: the groups to be closed, as far as the build can.
    """

    hits: Hits
    rng: np.random.Generator
    layers: int
    units: int
    width: int
    aimed: tuple[str, ...] = AIMED
    _excluded: list[Exclusion] = field(default_factory=read_exclusions)

    def left(self) -> dict[str, set[Bin]]:
        """Bins that this could close on this build and that have not been hit."""
        return {name: self._reachable(name) for name in self.aimed}

    def _reachable(self, name: str) -> set[Bin]:
        largest = bins.SIZE.labels.index(bins.SIZE.label(self.units))
        here = {
            "layer": bins.LAYERS[: self.layers],
            "size": bins.SIZE.labels[: largest + 1],
            "width": (str(self.width),),
        }
        axes = tuple(self.hits.groups[name].axes)
        out = [e for e in self._excluded if e.group == name]
        return {
            at
            for at in self.hits.open(name)
            if all(label in here.get(axis, (label,)) for axis, label in zip(axes, at, strict=True))
            and not any(e.matches(at) for e in out)
        }

    def scenario(self) -> Scenario:
        """The next sequence."""
        wanted = {name: found for name, found in self.left().items() if found}
        drafts = [self._draft(wanted) for _ in range(DRAFTS)]
        return max(drafts, key=lambda draft: draft.worth).scenario()

    # ------------------------------------------------------------ parts

    def _draft(self, wanted: dict[str, set[Bin]]) -> Draft:
        """One sequence out of the many that could be next."""
        rng = self.rng
        model = self._network(wanted)
        ahead = {at for at in wanted.get("theta_change", ()) if at[2] == "done"}
        draft = Draft(model, rng, wanted, self.width, rest=bool(ahead) and rng.random() < 0.75)
        sizes = set(wanted) <= set(AIMED_SIZE)
        fires = sizes or model.hidden_size <= _LIVELY
        quiet = self._silences(wanted, model.num_layers)
        for step in range(STEPS if fires else 1):
            draft.step({key for key, length in quiet.items() if step < length or not fires})
        return draft

    def _network(self, wanted: dict[str, set[Bin]]) -> Model:
        """A network of sizes and a table precision that are open, its states lively or extreme."""
        rng = self.rng
        lively = bins.SIZE.label(min(_LIVELY, self.units))
        size = dict.fromkeys(bins.KINDS, lively)
        if set(wanted) <= set(AIMED_SIZE):  # the other vector costs least when it is small
            size = dict.fromkeys(bins.KINDS, bins.SIZE.labels[0])
            kind = _any(rng, [at[1] for found in wanted.values() for at in found])
            size[kind] = _any(rng, [at[2] for f in wanted.values() for at in f if at[1] == kind])
        elif "shape" in wanted and rng.random() < 0.5:
            size = dict.fromkeys(bins.KINDS, _any(rng, [at[2] for at in wanted["shape"]]))
        precise = [at[0] for at in wanted.get("precision", ())] or ["8"]
        inputs, units = (min(_CLASS_SIZES[size[kind]], self.units) for kind in bins.KINDS)
        if inputs == 8:
            inputs = int(rng.integers(3, 9))
        extreme = "accumulator" in wanted and rng.random() < 0.4
        scale = None if extreme else float(rng.choice([0.05, 0.2, 0.5]))
        hidden = [units] * self.layers
        model = random_model(rng, inputs, hidden, int(_any(rng, precise)), scale)
        if not extreme:  # z near 0: h follows n, and moves in every step
            for bias in model.bias:
                bias[1] -= 4 << fixed.ACC_FRAC
        return model

    def _silences(self, wanted: dict[str, set[Bin]], layers: int) -> dict[tuple[str, int], int]:
        """How many steps each encoder is to be silent at the start."""
        length = {"0": 0, "1": 1, "2–3": 2, "4–7": 4, "8+": 8}
        found = {}
        for kind in bins.KINDS:
            for layer in range(layers):
                labels = [a[0] for a in wanted.get("silence", ()) if a[1:] == (kind, str(layer))]
                found[kind, layer] = length[_any(self.rng, labels or ["0"])]
        return found


def _any(rng: np.random.Generator, labels: list[str]) -> str:
    """One of them, in an order that does not depend on that of a set."""
    return str(rng.choice(sorted(labels)))
