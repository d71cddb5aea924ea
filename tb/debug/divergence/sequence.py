# SPDX-License-Identifier: Apache-2.0
"""The golden model along one sequence of the core, step by step as its x comes in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from golden.integer import IntegerGru, LayerTrace, encode_delta
from tb.debug.divergence.deep import Placed
from tb.device.constants import KIND_H, KIND_X
from tb.device.image import BIAS, WH, WX, DramImage

X, H = KIND_X, KIND_H
KIND_NAMES = ("x", "h")


@dataclass(frozen=True, eq=False)
class LayerState:
    """A layer between two steps: references int16 (I,) and (H,), h int16 (H,)."""

    x_ref: np.ndarray
    h_ref: np.ndarray
    h: np.ndarray


@dataclass(eq=False)
class Step:
    """A step that has begun. `number`: as the test counts. `x` int16 (I,)."""

    number: int
    x: np.ndarray
    theta_x: list[int]
    theta_h: list[int]
    layers: tuple[LayerTrace, ...]
    from_ns: int
    to_ns: int = 0


@dataclass(eq=False)
class Sequence:
    """One sequence: `steps` so far, and `states[t][layer]` before step t."""

    placed: Placed
    port_bits: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model = self.placed.model
        self.gru = IntegerGru(self.model)
        addresses = {
            (layer, kind): base[layer]
            for kind, base in (
                (WX, self.placed.addr_wx),
                (WH, self.placed.addr_wh),
                (BIAS, self.placed.addr_bias),
            )
            for layer in range(self.model.num_layers)
        }
        self.image = DramImage(self.model, self.port_bits, addresses=addresses)
        self.states = [self._state()]

    def _state(self) -> tuple[LayerState, ...]:
        return tuple(LayerState(x.x_ref, x.h_ref, x.h) for x in self.gru.layers)

    def begin_step(
        self, number: int, x: np.ndarray, theta_x: list[int], theta_h: list[int], time: int
    ) -> Step:
        """The first beat of x is taken; `x` is all that the bus will carry of it."""
        layers = self.gru.step(x, theta_x, theta_h).layers
        self.steps.append(Step(number, x, theta_x, theta_h, layers, time))
        self.states.append(self._state())
        return self.steps[-1]

    def theta(self, kind: int, step: int, layer: int) -> int | None:
        """The threshold of a step; None before it has begun."""
        if step >= len(self.steps):
            return None
        return (self.steps[step].theta_x, self.steps[step].theta_h)[kind][layer]

    def source(self, kind: int, step: int, layer: int) -> np.ndarray:
        """What is compared with its reference: x, h of the layer below, or h of the step before."""
        if kind == H:
            return self.states[step][layer].h
        return self.steps[step].x if layer == 0 else self.steps[step].layers[layer - 1].h

    def reference(self, kind: int, step: int, layer: int) -> np.ndarray:
        """The references before a step."""
        state = self.states[step][layer]
        return state.h_ref if kind == H else state.x_ref

    def deltas(self, kind: int, step: int, layer: int, theta: int) -> np.ndarray:
        """Deltas of a pass with this threshold, 0 where silent, int16."""
        source, reference = self.source(kind, step, layer), self.reference(kind, step, layer)
        return encode_delta(source, reference, theta)[0]
