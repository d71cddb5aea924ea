# SPDX-License-Identifier: Apache-2.0
"""Compares the core with the integer model, element by element, and names the first difference.

The model is fed from what the monitors saw: register writes give thresholds, starts and new
sequences; the x stream gives inputs. The h stream is compared as a black box; trace records, where
a trace is taken, are compared inside out: columns, delta memories, gates, h of each layer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from golden.integer import IntegerGru, StepTrace, encode_delta
from golden.layout import column_bytes
from golden.model_file import Model
from tb.agents.axil import OKAY, Access, AxiLiteMonitor
from tb.agents.stream import AxisMonitor, Packet
from tb.checks.bus_scoreboard import Scoreboard
from tb.checks.compare import (
    ACTIVATION,
    MismatchError,
    noted,
    step_difference,
    vector_difference,
)
from tb.checks.trace import StepRecord, TraceReader
from tb.device import registers as regs
from tb.device.beats import LANES, beats_of
from tb.device.registers import Ctrl, LayerReg, Reg
from tb.failure import Difference


class DeltaGruScoreboard(Scoreboard):
    """Follows the core through sequences and resets.

    `data_width`: bits of the weight port, which say how many bytes a column takes. After
    `expect_fault` or a soft reset outstanding packets may arrive, in order, or be
    dropped; the next START drops them, except for a packet in flight. `result` raises unless steps
    were compared and no packet is outstanding.
    """

    def __init__(self, dut: Any, data_width: int) -> None:
        super().__init__(dut)
        self.data_width = data_width
        self.model: Model | None = None
        self.gru: IntegerGru | None = None
        self.theta: dict[tuple[LayerReg, int], int] = {}
        self.running = False
        self.lenient = False
        self.steps = 0
        self.compared = 0
        self.compared_trace = 0
        self.cut_packets = 0
        self.columns_x: list[int] = []
        self.columns_h: list[int] = []
        self.on_step: list[Callable[[StepTrace], None]] = []
        self.on_record: list[Callable[[StepRecord], None]] = []  # of the core, once compared
        self.on_compared: list[Callable[[StepTrace, StepRecord], None]] = []
        self.history: list[StepTrace] = []
        self._trace: TraceReader | None = None
        self._late: MismatchError | None = None
        # A packet of the run before, still going out after START: it comes whole or cut.
        self._stale: tuple[int, StepTrace] | None = None
        self._owed: deque[tuple[int, StepTrace]] = deque()
        self._owed_trace: deque[tuple[int, StepTrace]] = deque()
        self._new_sequence = False
        self.taken_theta: tuple[list[int], list[int]] = ([], [])

    # ------------------------------------------------------------ wiring

    def attach(self, axil: AxiLiteMonitor, x: AxisMonitor, h: AxisMonitor) -> None:
        """Listen to the register bus and both streams."""
        self._x = x
        self._h = h
        axil.on_write.append(self._on_write)
        axil.add_callback(self._on_access)
        x.on_first.append(self._on_first_beat)
        x.add_callback(self._on_x)
        self.add_interface(h, self._owed, compare_fn=self._on_h)

    def follow(self, path: Path) -> None:
        """Compare the trace file at `path` too, from the next START on."""
        self._trace = TraceReader(path)

    def use(self, model: Model) -> None:
        """The model that the core is configured with from now on."""
        self.model = model

    def expect_fault(self) -> None:
        """A fault is about to be provoked: what is owed now, or comes to be, may stay out."""
        self.lenient = True

    def reset_begins(self) -> None:
        """The reset pin falls: what is owed may come in this very cycle, or never."""
        self.lenient = True
        self.running = False

    def reset_ends(self) -> None:
        """The core is in reset, with all that left it before in the trace: nothing is owed."""
        if self.model is not None:
            self.settle()
        self.theta.clear()
        self._stale = None
        self._forget()

    def _forget(self) -> None:
        self.lenient = False
        self._owed.clear()
        self._owed_trace.clear()
        self._new_sequence = False

    # ------------------------------------------------------------ what the monitors see

    def _on_access(self, access: Access) -> None:
        if not access.write or access.resp != OKAY:
            return
        for register in (LayerReg.THETA_X, LayerReg.THETA_H):
            for layer in range(regs.LAYER_COUNT):
                if access.address == regs.layer_reg(layer, register):
                    self.theta[register, layer] = access.data

    def _on_write(self, access: Access) -> None:
        if access.address != Reg.CTRL or access.strb != 0xF:
            return
        if access.data & Ctrl.SOFT_RESET:
            self.lenient = True
            self.running = False
        elif access.data & Ctrl.START and access.data & Ctrl.NEW_SEQUENCE:
            self.lenient = True  # a fault
        elif access.data & Ctrl.START and not self.running:
            self.settle()
            on_offer = self._h.partial is not None or self.dut.m_axis_h_tvalid.value == 1
            self._stale = self._owed[0] if on_offer and self._owed else None
            self._forget()
            assert self.model is not None, "START before the scoreboard knows a model"
            if self._trace is not None:
                self._trace.restart(self.model.input_size, self.model.hidden_sizes)
            self.gru = IntegerGru(self.model)
            self.running = True
            self.columns_x = [0] * self.model.num_layers
            self.columns_h = [0] * self.model.num_layers
        elif access.data & Ctrl.NEW_SEQUENCE and self.running:
            self._new_sequence = True

    def _on_first_beat(self) -> None:
        if self.gru is None or not self.running:
            return
        if self._new_sequence:
            self._new_sequence = False
            self.gru.reset()
        layers = range(self.gru.model.num_layers)
        self.taken_theta = (
            [self.theta.get((LayerReg.THETA_X, layer), 0) for layer in layers],
            [self.theta.get((LayerReg.THETA_H, layer), 0) for layer in layers],
        )

    def _on_x(self, packet: Packet) -> None:
        if self.gru is None or not self.running:
            return
        size = self.gru.model.input_size
        if len(packet.beats) != beats_of(size):
            assert self.lenient, f"x packet of {len(packet.beats)} beats for {size} inputs"
            return
        step = self.gru.step(packet.elements[:size], *self.taken_theta)
        self._owed.append((self.steps, step))
        if self._trace is not None:
            self._owed_trace.append((self.steps, step))
        self.steps += 1
        self.history.append(step)
        for layer, trace in enumerate(step.layers):
            self.columns_x[layer] += trace.columns_x
            self.columns_h[layer] += trace.columns_h
        for call in self.on_step:
            call(step)

    def _on_h(self, packet: Packet) -> None:
        stale, self._stale = self._stale, None
        if packet.user:
            if not self.lenient and stale is None:
                raise MismatchError("h packet closed by tuser without a soft reset or a fault")
            self.cut_packets += 1
            if packet.beats[-1] != 0:
                raise MismatchError(f"closing beat holds data {packet.beats[-1]:#x}")
            beats = len(packet.beats) - 1
            if beats:
                owed = stale or (self._owed[0] if self._owed else None)
                if owed is None:
                    raise MismatchError("cut h packet, but no step is owed")
                self._compare_h(
                    owed[0], owed[1].h[: beats * LANES], packet.elements[: beats * LANES]
                )
            return
        if stale is None and not self._owed:
            raise MismatchError(f"h packet of {len(packet.beats)} beats, but no step is owed")
        step, trace = stale or self._owed.popleft()
        self._compare_h(step, trace.h, packet.elements)
        self.compared += 1

    def _compare_h(self, step: int, expected: np.ndarray, actual: np.ndarray) -> None:
        assert self.gru is not None
        found = vector_difference("h stream", expected, actual, ACTIVATION)
        if found:
            self.errors += 1
            last = self.gru.model.num_layers - 1
            self._late = self._late or MismatchError(found.in_layer(last), step)
            if self._trace is None:
                raise noted(self._late)

    def settle(self) -> None:
        """Compare what the trace holds, then say what the h stream got wrong.

        The trace of a step is in the file a cycle after its last h beat; it comes first because it
        names the element that went wrong first.
        """
        if self._trace is not None:
            for record in self._trace.poll():
                self.check_trace(record)
        if self._late is not None:
            raise noted(self._late)

    def check_trace(self, record: StepRecord) -> None:
        """Compare a trace record with the oldest step not yet compared."""
        if not self._owed_trace:
            raise MismatchError("trace record, but no step is owed")
        step, expected = self._owed_trace.popleft()
        found = step_difference(expected, record)
        read, columns = record.column_beats * self.data_width // 8, self.weight_bytes(expected)
        if not found and read != columns:
            found = Difference(f"columns took {read} bytes, expected {columns}")
        if found:
            self.errors += 1
            raise noted(MismatchError(found, step))
        self.compared_trace += 1
        for hear in self.on_record:
            hear(record)
        for hear_both in self.on_compared:
            hear_both(expected, record)

    # ------------------------------------------------------------ the end

    @property
    def owed(self) -> int:
        """Steps whose h has not come out."""
        return len(self._owed)

    def ahead(self) -> list[np.ndarray]:
        """Recurrent columns of each layer that a core at rest has read for the step to come.

        Indices, ascending. They follow from h, its references and the thresholds as they are now.
        """
        assert self.gru is not None
        found = []
        for layer, state in enumerate(self.gru.layers):
            theta = self.theta.get((LayerReg.THETA_H, layer), 0)
            _, fired = encode_delta(state.h, state.h_ref, theta)
            found.append(np.flatnonzero(fired) if fired.dtype == bool else fired)
        return found

    def column_bytes(self, layer: int) -> int:
        """Bytes that a weight column of a layer takes on the port, padding included."""
        assert self.gru is not None
        return column_bytes(self.gru.model.hidden_sizes[layer], self.data_width // 8)

    def weight_bytes(self, step: StepTrace) -> int:
        """Bytes that the weight columns of a step take on the port, padding included."""
        return sum(
            (layer.columns_x + layer.columns_h) * self.column_bytes(number)
            for number, layer in enumerate(step.layers)
        )

    def result(self, *, at_least: int = 1) -> None:
        """Raise AssertionError unless `at_least` steps were compared and nothing is owed.

        Overrides a property of the library that ends the running test as passed.
        """
        self.settle()
        assert not self.errors, f"{self.errors} mismatches"
        assert self.compared >= at_least, (
            f"compared {self.compared} steps on the h stream, expected at least {at_least}"
        )
        if not self.lenient:
            assert not self._owed, f"{len(self._owed)} steps never came out of the core"
            assert not self._owed_trace, f"{len(self._owed_trace)} steps are not in the trace"
        if self._trace is not None:
            assert self.compared_trace >= at_least, (
                f"compared {self.compared_trace} trace records, expected at least {at_least}"
            )
