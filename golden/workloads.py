# SPDX-License-Identifier: Apache-2.0
"""The benchmark set: networks that fire like trained ones, and inputs that wander like features.

Each row of the reference table (EdgeDRNN's public RTL under an ideal memory) has a workload here
with as many weight columns a step, within a few per cent. A core's cycles follow from which
columns are read, so the cycles of that core for these very columns come out of its formula
(`reference_cycles`). A network of four small layers is there beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from golden.arrays import Floats, Int16s
from golden.model_file import Model
from golden.stimulus import random_model

SETTLED = (
    8  # steps after which a sequence fires as it goes on to; the first ones are left out of means
)
_X_LIMIT = 2000  # Q8.8


@dataclass(frozen=True)
class Workload:
    """A network and what it is fed.

    inputs, hidden: sizes; theta: Θx = Θh, Q8.8. scales: largest weight of each layer (1.0 is one).
    move: largest step of an input from one time step to the next, Q8.8; activity: share of the
    inputs that move in a step.
    """

    inputs: int
    hidden: tuple[int, ...]
    theta: int
    scales: tuple[float, ...]
    move: int
    activity: float = 1.0
    lut_frac: int = 8
    seed: int = 2026

    def model(self) -> Model:
        """The network, the same at each call."""
        rng = np.random.default_rng(self.seed)
        sizes = (self.inputs, *self.hidden[:-1])
        layers = [
            random_model(rng, i, (h,), self.lut_frac, scale, self.theta, self.theta)
            for i, h, scale in zip(sizes, self.hidden, self.scales, strict=True)
        ]
        thetas = np.full(len(layers), self.theta, np.int16)
        model = replace(
            layers[0],
            num_layers=len(layers),
            weight_ih=tuple(layer.weight_ih[0] for layer in layers),
            weight_hh=tuple(layer.weight_hh[0] for layer in layers),
            bias=tuple(layer.bias[0] for layer in layers),
            theta_x=thetas,
            theta_h=thetas,
        )
        model.validate()
        return model

    def x(self, steps: int) -> Int16s:
        """Inputs, int16 (steps, inputs), Q8.8; the first rows do not depend on `steps`."""
        rng = np.random.default_rng(self.seed + 1)
        value, rows = np.zeros(self.inputs, np.int64), []
        for _ in range(steps):
            moves = rng.integers(-self.move, self.move + 1, self.inputs)
            value = np.clip(
                value + moves * (rng.random(self.inputs) < self.activity), -_X_LIMIT, _X_LIMIT
            )
            rows.append(value)
        return np.array(rows, np.int16)


WORKLOADS = {
    "2L-16H": Workload(8, (16, 16), 0, (0.055, 0.2), 60, 0.19),
    "2L-16H, lut_frac 4": Workload(8, (16, 16), 0, (0.12, 0.24), 60, 0.21, lut_frac=4),
    "1L-256H": Workload(40, (256,), 64, (0.36,), 78),
    "4L-64H": Workload(40, (64,) * 4, 64, (0.6, 0.5, 0.5, 0.5), 78),
    "2L-256H": Workload(40, (256, 256), 64, (0.34, 0.27), 78),
    "2L-512H": Workload(40, (512, 512), 64, (0.22, 0.165), 78),
    "2L-768H": Workload(40, (768, 768), 64, (0.17, 0.093), 78),
}


def reference_cycles(
    columns: npt.ArrayLike, hidden: Sequence[int], inputs: int, memory_latency: float = 0
) -> Floats:
    """Cycles a step of EdgeDRNN's public RTL (Gao et al. 2020; 64 bits, 8 PEs), by columns.

    columns: (..., L), Δx and Δh columns of each layer. memory_latency: cycles from an address to
    its first beat. The formula was fitted to that RTL in simulation: per layer the columns' beats,
    5 cycles for each 8 units and 18 more; or, when that is longer, a scan of one element a cycle.
    """
    read = np.asarray(columns)
    total: Floats = np.zeros(read.shape[:-1])
    for layer, (units, width) in enumerate(zip(hidden, (inputs, *hidden[:-1]), strict=True)):
        streaming = read[..., layer] * 3 * units / 8 + 5 * units / 8 + 18 + memory_latency
        total = total + np.maximum(streaming, width + units + 5 * units / 8 + 16)
    return total
