# SPDX-License-Identifier: Apache-2.0
"""The core against the integer model: the first value that differs, in one line.

Values are compared in the order in which the core computes them: deltas and columns, delta
memories, gates, h; layer by layer. ``tb.flows.simulation`` and the scoreboard both speak through
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from golden.integer import LayerTrace, StepTrace
from tb.checks.trace import LayerRecord, StepRecord
from tb.failure import Difference, Kind, ReportedError, note_difference

MEMORY_GATES = ("r", "z", "nx", "nh")
GATES = ("r", "z", "n")


class MismatchError(ReportedError, AssertionError):
    """The core and the model differ; the text names the first difference.

    ``step``: its number, from 0, or None where it belongs to no step.
    """

    kind = Kind.MISMATCH

    def __init__(self, what: str | Difference, step: int | None = None) -> None:
        found = Difference(what) if isinstance(what, str) else what
        found = found if step is None else found.in_step(step)
        super().__init__(found.text, difference=found)
        self.step = step


def noted(error: MismatchError) -> MismatchError:
    """Inside a simulation: the same error, of which the process that started it is told."""
    if error.difference is not None:
        note_difference(error.difference)
    return error


@dataclass(frozen=True)
class Format:
    """A number format: total bits and fraction bits, for messages."""

    bits: int
    frac: int

    @property
    def name(self) -> str:
        """As Qm.n."""
        return f"Q{self.bits - self.frac}.{self.frac}"

    def show(self, value: int) -> str:
        """A value as a fraction and in hex."""
        digits = (self.bits + 3) // 4
        word = value & ((1 << self.bits) - 1)
        return f"{value / (1 << self.frac):.{self.frac}g} (0x{word:0{digits}x})"


ACTIVATION = Format(16, 8)
ACCUMULATOR = Format(32, 15)


def vector_difference(
    what: str,
    expected: np.ndarray,
    actual: np.ndarray,
    form: Format,
    *,
    gate: str | None = None,
) -> Difference | None:
    """The first element in which two vectors differ, None if in none. `what` follows its number."""
    expected, actual = np.asarray(expected).ravel(), np.asarray(actual).ravel()
    if expected.shape != actual.shape:
        return Difference(f"{what}: expected {expected.size} elements, actual {actual.size}")
    unequal = np.flatnonzero(expected != actual)
    if not unequal.size:
        return None
    element = int(unequal[0])
    want, got = int(expected[element]), int(actual[element])
    text = (
        f"element {element}, {what}: expected {form.show(want)}, actual {form.show(got)}"
        f" in {form.name} ({unequal.size} of {expected.size} differ)"
    )
    return Difference(text, element=element, gate=gate, expected=want, found=got)


def columns_difference(
    kind: str, delta: np.ndarray, columns: list[tuple[int, int]]
) -> Difference | None:
    """The first column (index, delta) fetched wrongly. `delta`: the model's, 0 where silent."""
    expected = [(int(i), int(delta[i])) for i in np.flatnonzero(delta)]
    if expected == columns:
        return None
    position = 0
    while expected[position : position + 1] == columns[position : position + 1]:
        position += 1
    pairs = [side[position] if position < len(side) else None for side in (expected, columns)]
    want, got = (
        f"element {pair[0]} with {ACTIVATION.show(pair[1])}" if pair else "none" for pair in pairs
    )
    text = (
        f"column {position} of delta {kind}: expected {want}, actual {got} in Q8.8"
        f" ({len(expected)} expected, {len(columns)} actual)"
    )
    element = min(pair[0] for pair in pairs if pair)
    deltas = [pair[1] if pair and pair[0] == element else 0 for pair in pairs]
    return Difference(text, element=element, expected=deltas[0], found=deltas[1])


def _layer_differences(want: LayerTrace, got: LayerRecord) -> Iterator[Difference | None]:
    yield columns_difference("x", want.dx, got.columns_x)
    yield columns_difference("h", want.dh, got.columns_h)
    for bank, gate in enumerate(MEMORY_GATES):
        what = f"gate {gate}, memory M_{gate}"
        values = want.memory[bank], got.memory[bank]
        yield vector_difference(what, *values, ACCUMULATOR, gate=gate)
    for gate in GATES:
        values = getattr(want, gate), getattr(got, gate)
        yield vector_difference(f"gate {gate}", *values, ACTIVATION, gate=gate)
    yield vector_difference("h", want.h, got.h, ACTIVATION)


def step_difference(expected: StepTrace, record: StepRecord) -> Difference | None:
    """The first difference between a step of the model and of the core, None if they are equal."""
    for layer, (want, got) in enumerate(zip(expected.layers, record.layers, strict=True)):
        for found in _layer_differences(want, got):
            if found:
                return found.in_layer(layer)
    return None
