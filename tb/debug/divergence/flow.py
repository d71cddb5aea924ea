# SPDX-License-Identifier: Apache-2.0
"""What is under way between the modules of the core, as the golden side has it.

The stages (`encoding`, `fetching`, `gating`) each look at the events of their modules, compare them
with what `Flow` says ought to come, and move it on. The first difference is kept, all later ones
are consequences.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tb.debug.divergence.deep import Event, History
from tb.debug.divergence.finding import INTEGER, Divergence, Format, Input, Value
from tb.debug.divergence.sequence import KIND_NAMES, Sequence, Step
from tb.device.constants import EntryType, PassType

COLUMN, BIAS_ENTRY, END = EntryType.COLUMN, EntryType.BIAS, EntryType.END
PASS_X, PASS_H, PASS_INIT, PASS_UNDO = PassType.X, PassType.H, PassType.INIT, PassType.UNDO
ENTRY_NAMES: dict[int, str] = {COLUMN: "column", BIAS_ENTRY: "biases", END: "end"}
PASS_NAMES: dict[int, str] = {code: f"Pass{code.name.capitalize()}" for code in PassType}

Where = dict[str, Any]
"""A place in the model by name, as `Flow.fail` takes it: step, layer, kind, column, unit, gate."""
Inputs = tuple[tuple[str, Any], ...]
"""Inputs of a stage: (name, value)."""
LaneInputs = tuple[tuple[str, Any, Format | None], ...]
"""Inputs of a vector stage: (name, values by lane, format), or (name, one value, None)."""


@dataclass(frozen=True)
class Entry:
    """What travels from the encoder to the PEs. `step`: whose sums it feeds, from 0."""

    type: int
    layer: int
    kind: int
    last: int
    index: int
    delta: int
    step: int

    @property
    def closes(self) -> bool:
        """The gates may run behind it."""
        return self.type == END and bool(self.last)

    def __str__(self) -> str:
        if self.type == COLUMN:
            return f"column {self.index} of {KIND_NAMES[self.kind]}, layer {self.layer}"
        return f"{ENTRY_NAMES[self.type]} of layer {self.layer}"


@dataclass(frozen=True, eq=False)
class Operands:
    """What a pass compares, int16 (size,) each; `delta` is 0 where an element is silent."""

    source: np.ndarray
    reference: np.ndarray
    delta: np.ndarray


@dataclass
class Pass:
    """A pass of the encoder under way: what it still owes."""

    type: int
    layer: int
    step: int
    size: int
    theta: int
    operands: Operands | None = None  # an initialising pass has none
    entries: deque[Entry] = field(default_factory=deque)
    vectors: int = 0  # compared so far
    cleared: int = 0


@dataclass
class LayerFlow:
    """Where a layer is in its sequence: passes handed out, gates started, quads written."""

    step_x: int = 0  # X passes handed out
    step_h: int = 0  # H passes handed out, those taken back not counted
    theta_h: int = 0  # of the last H pass
    gates: int = 0  # gates started
    written: int = 0  # quads of h written by the gates under way, or last under way


@dataclass
class Gates:
    """The gates under way: quads that have entered and left."""

    layer: int
    step: int
    quads: int
    entered: int = 0
    left: int = 0


@dataclass
class Burst:
    """On the bus: next byte address and beats to come; void ones are thrown away by the core."""

    address: int
    beats: int
    void: bool = False


class Flow:
    """The golden side of everything between two modules."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.found: Divergence | None = None
        self.event = Event(0, 0, "", [])
        self.still: Event | None = None  # handshakes, where nothing has moved since
        self.last_right = ""
        self.golden: list[str] = []  # lines for golden_probe
        self.latest: Sequence | None = None  # the sequence initialised last
        self.width, self.max_layers, self.max_units = 64, 4, 1024
        self.all_steps: list[Step] = []
        self.hard_reset()

    # ------------------------------------------------------------ resets

    def flush(self) -> None:
        """A fault or a soft reset: all is void, but for what the buses owe."""
        self.alive = False
        self.current: Pass | None = None
        self.to_fetch: deque[Entry] = deque()
        self.asked = False  # the head of `to_fetch` is requested, and not yet queued
        self.requests: deque[Burst] = deque()
        for burst in self.on_bus:
            burst.void = True
        self.beats: deque[np.ndarray] = deque()
        self.work: deque[Entry] = deque()
        self.writes: deque[tuple[Any, ...]] = deque()
        self.taken = 0  # beats of the head of `work` taken by the PEs
        self.gates: Gates | None = None
        self.layers: list[LayerFlow] = []
        self.x_beats: deque[np.ndarray] = deque()
        self.stale_out = deque(self.out)
        self.out: deque[tuple[Any, ...]] = deque()

    def hard_reset(self) -> None:
        """The reset pin: the buses forget as well."""
        self.on_bus: deque[Burst] = deque()
        self.misfit: int | None = None  # the cycle of a beat that is out of place on the bus
        self.out = deque()
        self.flush()
        self.stale_out.clear()
        self.must_close = False
        self.h_open = False
        self.x_open = False

    def begin(self, sequence: Sequence) -> None:
        """A sequence is initialised; columns of the one before may still be on their way."""
        self.alive = True
        self.latest = sequence
        self.layers = [LayerFlow() for _ in range(sequence.model.num_layers)]
        hidden = sequence.model.hidden_sizes
        if not self.work and not self.to_fetch:
            self.sums = [np.zeros((4, self.groups(h) * self.pes), np.int64) for h in hidden]

    @property
    def sequence(self) -> Sequence:
        """The sequence initialised last; raises AttributeError where there is none."""
        if self.latest is None:
            raise AttributeError("no sequence has been initialised")
        return self.latest

    @property
    def gates_under_way(self) -> Gates:
        """The gates that have started; raises AttributeError where there are none."""
        if self.gates is None:
            raise AttributeError("no gates are under way")
        return self.gates

    # ------------------------------------------------------------ sizes

    @property
    def pes(self) -> int:
        """Weights in a beat."""
        return self.width // 8

    def groups(self, units: int) -> int:
        """Groups of P units."""
        return -(-units // self.pes)

    @property
    def layer_bits(self) -> int:
        """Bits of a layer in an address of a memory."""
        return max(1, (self.max_layers - 1).bit_length())

    def step_number(self, step: int) -> int:
        """The test's number of a step of this sequence, begun or not."""
        steps = self.latest.steps if self.latest else []
        if step < len(steps):
            return steps[step].number
        last = steps[-1].number + 1 if steps else self.next_number
        return last + step - len(steps)

    @property
    def next_number(self) -> int:
        """Number of the next step to begin."""
        return self.all_steps[-1].number + 1 if self.all_steps else 0

    # ------------------------------------------------------------ the verdict

    def same(
        self,
        what: str,
        at: tuple[str, str],
        expected: int,
        actual: int,
        form: Format = INTEGER,
        inputs: Inputs = (),
        **where: Any,
    ) -> bool:
        """Note a difference unless the numbers are equal. `at`: (module, tap)."""
        if int(expected) == int(actual):
            return True
        sides = Value(int(expected), form), Value(int(actual), form)
        self.fail(what, at, *sides, inputs=inputs, **where)
        return False

    def same_lanes(
        self,
        what: str,
        at: tuple[str, str],
        expected: np.ndarray,
        actual: np.ndarray,
        form: Format,
        first_unit: int = 0,
        inputs: LaneInputs = (),
        **where: Any,
    ) -> bool:
        """As `same` for vectors. `{lane}` in the signal becomes the number of the first wrong."""
        expected, actual = np.asarray(expected), np.asarray(actual)[: len(expected)]
        if np.array_equal(expected, actual):
            return True
        lane = int(np.flatnonzero(expected != actual)[0])
        module, signal = at
        sides = Value(int(expected[lane]), form), Value(int(actual[lane]), form)
        shown = tuple((n, Value(int(v[lane]), f)) if f else (n, v) for n, v, f in inputs)
        at = module, signal.replace("{lane}", str(lane))
        self.fail(what, at, *sides, inputs=shown, unit=first_unit + lane, **where)
        return False

    def fail(
        self,
        what: str,
        at: tuple[str, str],
        expected: Any = None,
        actual: Any = None,
        inputs: Inputs = (),
        step: int | None = None,
        **where: Any,
    ) -> None:
        """Keep the first difference. `inputs`: (name, value), all of them found right before."""
        if self.found is not None:
            return
        number = None if step is None else self.step_number(step)
        if isinstance(where.get("kind"), int):
            where["kind"] = KIND_NAMES[where["kind"]]
        self.found = Divergence(
            what=what,
            module=at[0],
            signal=at[1],
            time_ns=self.event.time,
            cycle=self.event.cycle,
            step=number,
            expected=expected,
            actual=actual,
            inputs=[Input(name, True, str(value), str(value)) for name, value in inputs],
            last_right=self.last_right,
            **where,
        )

    def expect(self, kind: str, value: int) -> None:
        """A golden value for golden_probe at this moment."""
        self.golden.append(f"{self.event.time} {kind} {value:x}")


def pack(values: np.ndarray, bits: int) -> int:
    """Values as fields of one word, the first lowest."""
    mask = (1 << bits) - 1
    return sum((int(v) & mask) << (bits * i) for i, v in enumerate(values))
