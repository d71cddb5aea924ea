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

MEMORY_GATES = ("r", "z", "nx", "nh")
GATES = ("r", "z", "n")


class MismatchError(AssertionError):
    """The core and the model differ; the text names the first difference.

    ``step``: its number, from 0, or None where it belongs to no step.
    """

    def __init__(self, what: str, step: int | None = None) -> None:
        super().__init__(what if step is None else f"step {step}, {what}")
        self.step = step


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
    what: str, expected: np.ndarray, actual: np.ndarray, form: Format
) -> str | None:
    """The first element in which two vectors differ, None if in none. `what` follows its number."""
    expected, actual = np.asarray(expected).ravel(), np.asarray(actual).ravel()
    if expected.shape != actual.shape:
        return f"{what}: expected {expected.size} elements, actual {actual.size}"
    unequal = np.flatnonzero(expected != actual)
    if not unequal.size:
        return None
    element = int(unequal[0])
    return (
        f"element {element}, {what}: expected {form.show(int(expected[element]))},"
        f" actual {form.show(int(actual[element]))} in {form.name}"
        f" ({unequal.size} of {expected.size} differ)"
    )


def columns_difference(kind: str, delta: np.ndarray, columns: list[tuple[int, int]]) -> str | None:
    """The first column (index, delta) fetched wrongly. `delta`: the model's, 0 where silent."""
    expected = [(int(i), int(delta[i])) for i in np.flatnonzero(delta)]
    if expected == columns:
        return None
    position = 0
    while expected[position : position + 1] == columns[position : position + 1]:
        position += 1
    want, got = (
        f"element {side[position][0]} with {ACTIVATION.show(side[position][1])}"
        if position < len(side)
        else "none"
        for side in (expected, columns)
    )
    return (
        f"column {position} of delta {kind}: expected {want}, actual {got} in Q8.8"
        f" ({len(expected)} expected, {len(columns)} actual)"
    )


def _layer_differences(want: LayerTrace, got: LayerRecord) -> Iterator[str | None]:
    yield columns_difference("x", want.dx, got.columns_x)
    yield columns_difference("h", want.dh, got.columns_h)
    for bank, gate in enumerate(MEMORY_GATES):
        what = f"gate {gate}, memory M_{gate}"
        yield vector_difference(what, want.memory[bank], got.memory[bank], ACCUMULATOR)
    for gate in GATES:
        yield vector_difference(f"gate {gate}", getattr(want, gate), getattr(got, gate), ACTIVATION)
    yield vector_difference("h", want.h, got.h, ACTIVATION)


def step_difference(expected: StepTrace, record: StepRecord) -> str | None:
    """The first difference between a step of the model and of the core, None if they are equal."""
    for layer, (want, got) in enumerate(zip(expected.layers, record.layers, strict=True)):
        for found in _layer_differences(want, got):
            if found:
                return f"layer {layer}, {found}"
    return None
