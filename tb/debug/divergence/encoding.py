# SPDX-License-Identifier: Apache-2.0
"""The front: registers, x_ingress, sequencer, delta_encoder, and what the last reads of h."""

from __future__ import annotations

from collections import deque

import numpy as np

from tb.debug.divergence.deep import Event, Handler
from tb.debug.divergence.finding import ACTIVATION, INTEGER, THETA, Value
from tb.debug.divergence.flow import (
    BIAS_ENTRY,
    COLUMN,
    END,
    ENTRY_NAMES,
    PASS_H,
    PASS_INIT,
    PASS_NAMES,
    PASS_UNDO,
    PASS_X,
    Entry,
    Flow,
    Inputs,
    LaneInputs,
    Operands,
    Pass,
    Where,
    pack,
)
from tb.debug.divergence.sequence import KIND_NAMES, H, Sequence, X
from tb.device.beats import LANES
from tb.device.constants import SIZE_BITS, THETA_BITS

SETTLING = 6  # cycles from a threshold register to a pass that uses it
SEQ = "sequencer"
ENC = "delta_encoder"


class Encoding:
    """Follows x, passes, comparisons, entries and references."""

    def __init__(self, flow: Flow, packets: dict[int, np.ndarray]) -> None:
        """`packets`: elements of each x packet on the bus, by the time of its first beat."""
        self.flow = flow
        self.packets = packets
        self.thetas: deque[tuple[int, list[int], list[int]]] = deque(maxlen=64)
        self.config: Event | None = None
        self.initialised = 0

    def handlers(self) -> dict[str, Handler]:
        """Which method looks at which kind of line, by the kind's name."""
        return {
            "configuration": self.on_configuration,
            "thresholds": self.on_thresholds,
            "x_bus_beat": self.on_x_bus_beat,
            "x_beat": self.on_x_beat,
            "pass": self.on_pass,
            "clear": self.on_clear,
            "comparison": self.on_comparison,
            "entry": self.on_entry,
            "reference_write": self.on_reference_write,
        }

    # ------------------------------------------------------------ registers

    def on_configuration(self, event: Event) -> None:
        self.config = event

    def on_thresholds(self, event: Event) -> None:
        layers = self.flow.max_layers
        x, h = (event.fields(i, THETA_BITS, layers) for i in (0, 1))
        self.thetas.append((event.cycle, x, h))

    def _register(self, kind: int, layer: int, cycle: int) -> int | None:
        """A threshold register before a cycle; None where it changed shortly before."""
        earlier = [t for t in self.thetas if t[0] < cycle]
        if not earlier or cycle - earlier[-1][0] < 2:
            return None
        _, x, h = earlier[-1]
        return (x, h)[kind][layer]

    def _check_configuration(self, sequence: Sequence) -> None:
        """The registers that the core was started with against what the bench wrote."""
        event, model, flow = self.config, sequence.model, self.flow
        if event is None:
            return
        wanted = [
            ("num_layers", 0, 4, [model.num_layers]),
            ("lut_frac", 1, 4, [model.lut_frac]),
            ("input_size", 2, SIZE_BITS, model.input_sizes),
            ("hidden_size", 3, SIZE_BITS, model.hidden_sizes),
            ("addr_wx", 4, 32, sequence.placed.addr_wx),
            ("addr_wh", 5, 32, sequence.placed.addr_wh),
            ("addr_bias", 6, 32, sequence.placed.addr_bias),
        ]
        for name, word, bits, values in wanted:
            found = event.fields(word, bits, len(values))
            for layer, (want, got) in enumerate(zip(values, found, strict=True)):
                at = "settings_registers", name
                flow.same(f"configuration {name}", at, want, got, layer=layer)

    # ------------------------------------------------------------ x

    def on_x_bus_beat(self, event: Event) -> None:
        flow = self.flow
        last, first, taken = (event.number(i) for i in (1, 2, 3))
        if first and flow.x_open:
            at = "x_ingress", "x_first"
            flow.fail(
                "the rest of a cut x packet taken for a new one",
                at,
                Value(0, INTEGER),
                Value(1, INTEGER),
            )
        if first and flow.alive and flow.latest is not None:
            self._begin_step(event)
        if taken:
            flow.x_beats.append(event.lanes(0, 16))
        flow.x_open = not last

    def _begin_step(self, event: Event) -> None:
        flow, sequence = self.flow, self.flow.sequence
        model = sequence.model
        x = np.zeros(model.input_size, np.int16)
        got = self.packets[event.time][: model.input_size]
        x[: len(got)] = got
        number, theta_x, theta_h = flow.history.steps.get(
            event.time, (flow.next_number, model.theta_x.tolist(), model.theta_h.tolist())
        )
        for step in flow.all_steps[-1:]:
            step.to_ns = step.to_ns or event.time
        flow.all_steps.append(sequence.begin_step(number, x, theta_x, theta_h, event.time))
        at = len(sequence.steps) - 1
        for layer in range(model.num_layers):
            for kind, name, thetas in ((X, "theta_x", theta_x), (H, "theta_h", theta_h)):
                held = self._register(kind, layer, event.cycle)
                if held is not None:
                    where = "settings_registers", name
                    flow.same(
                        f"threshold of {KIND_NAMES[kind]}",
                        where,
                        thetas[layer],
                        held,
                        THETA,
                        step=at,
                        layer=layer,
                        kind=kind,
                    )

    def on_x_beat(self, event: Event) -> None:
        flow = self.flow
        at = "x_ingress", "x_data"
        if not flow.alive:
            return
        if not flow.x_beats:
            flow.fail("a beat of x that was not on the bus", at)
            return
        step = len(flow.sequence.steps) - 1
        flow.same_lanes(
            "x handed to the encoder",
            at,
            flow.x_beats.popleft(),
            event.lanes(0, 16),
            ACTIVATION,
            step=step,
            layer=0,
            kind=X,
        )

    # ------------------------------------------------------------ passes

    def on_pass(self, event: Event) -> None:
        flow = self.flow
        kind, layer, last, size, theta = (event.number(i) for i in range(5))
        if kind == PASS_INIT:
            self._init(event, layer, size)
            return
        if not flow.alive or layer >= len(flow.layers):
            flow.fail(
                f"{PASS_NAMES[kind]} of layer {layer}",
                (SEQ, "pass_valid"),
                "no pass",
                PASS_NAMES[kind],
            )
            return
        state = flow.layers[layer]
        step = state.step_x if kind == PASS_X else state.step_h - (kind == PASS_UNDO)
        if not self._may_run(kind, layer, step):
            flow.fail(
                f"{PASS_NAMES[kind]} handed out in wrong order",
                (SEQ, "pass_type"),
                self._owed(layer),
                PASS_NAMES[kind],
                step=max(step, 0),
                layer=layer,
                kind=int(kind != PASS_X),
            )
            return
        self._check_pass(event, kind, layer, step, last, size, theta)
        self._open(kind, layer, step, last, theta)

    def _init(self, event: Event, layer: int, size: int) -> None:
        flow = self.flow
        if layer == 0:
            placed = flow.history.at(self.config.time if self.config else event.time)
            if placed is None:
                return
            flow.begin(Sequence(placed, flow.width))
            self._check_configuration(flow.sequence)
            self.initialised = 0
        if not flow.alive:
            return
        model = flow.sequence.model
        flow.same("layer to initialise", (SEQ, "pass_layer"), self.initialised, layer)
        self.initialised += 1
        most = max(model.input_sizes[layer], model.hidden_sizes[layer])
        flow.same("size of PassInit", (SEQ, "pass_size"), most, size, layer=layer)
        one = Pass(PASS_INIT, layer, 0, most, 0)
        one.entries.append(Entry(BIAS_ENTRY, layer, X, 0, 0, 0, 0))
        flow.current = one

    def _may_run(self, kind: int, layer: int, step: int) -> bool:
        """Whether a pass of this kind may be handed out now."""
        flow, state = self.flow, self.flow.layers[layer]
        begun = len(flow.sequence.steps)
        if kind == PASS_X:
            below = flow.layers[layer - 1] if layer else None
            return begun == step + 1 and (below is None or below.gates == step + 1)
        if kind == PASS_UNDO:
            return 0 <= step < begun and state.gates == step and self._stale(layer, step)
        return state.gates == step and (step < begun or self._no_x_left())

    def _no_x_left(self) -> bool:
        begun = len(self.flow.sequence.steps)
        return all(layer.step_x == begun for layer in self.flow.layers)

    def _stale(self, layer: int, step: int) -> bool:
        """The H pass of this step used another threshold than the step's."""
        theta = self.flow.sequence.theta(H, step, layer)
        return theta is not None and theta != self.flow.layers[layer].theta_h

    def _owed(self, layer: int) -> str:
        """Passes of a layer that may be handed out, in words."""
        state = self.flow.layers[layer]
        steps = {PASS_X: state.step_x, PASS_H: state.step_h, PASS_UNDO: state.step_h - 1}
        owed = [PASS_NAMES[k] for k, step in steps.items() if self._may_run(k, layer, step)]
        return " or ".join(owed) or "no pass"

    def _check_pass(
        self, event: Event, kind: int, layer: int, step: int, last: int, size: int, theta: int
    ) -> None:
        flow, state, model = self.flow, self.flow.layers[layer], self.flow.sequence.model
        where: Where = {"step": step, "layer": layer, "kind": int(kind != PASS_X)}
        want = model.input_sizes[layer] if kind == PASS_X else model.hidden_sizes[layer]
        flow.same("size of a pass", (SEQ, "pass_size"), want, size, **where)
        if kind == PASS_X:
            given = state.step_h == step + 1 and not self._stale(layer, step)
            final = int(given)
        else:
            final = int(kind == PASS_H and state.step_x == step + 1)
        flow.same(
            "whether the gates may run after a pass (last)",
            (SEQ, "pass_last"),
            final,
            last,
            **where,
        )
        if kind == PASS_UNDO:
            return
        known = flow.sequence.theta(where["kind"], step, layer)
        if known is None:
            recent = [t for t in self.thetas if event.cycle - t[0] <= SETTLING]
            before = [t for t in self.thetas if event.cycle - t[0] > SETTLING][-1:]
            values = [h[layer] for _, _, h in (*before, *recent)]
            known = theta if theta in values else values[-1]
        at = SEQ, "pass_theta"
        flow.same("threshold of a pass", at, known, theta, THETA, **where)

    def _open(self, kind: int, layer: int, step: int, last: int, theta: int) -> None:
        """The pass is right: what it must bring."""
        flow, state, sequence = self.flow, self.flow.layers[layer], self.flow.sequence
        of = X if kind == PASS_X else H
        if kind == PASS_UNDO:
            theta = state.theta_h
        source = sequence.source(of, step, layer)
        reference = sequence.reference(of, step, layer)
        delta = sequence.deltas(of, step, layer, theta)
        if kind == PASS_X:
            state.step_x += 1
        elif kind == PASS_H:
            state.step_h, state.theta_h = step + 1, theta
        else:
            state.step_h = step
            source, reference, delta = reference, reference + delta, -delta
        one = Pass(kind, layer, step, len(source), theta, Operands(source, reference, delta))
        for index in np.flatnonzero(delta):
            one.entries.append(Entry(COLUMN, layer, of, last, int(index), int(delta[index]), step))
        one.entries.append(Entry(END, layer, of, last, 0, 0, step))
        flow.current = one

    # ------------------------------------------------------------ inside the encoder

    def on_clear(self, event: Event) -> None:
        flow = self.flow
        if flow.alive and flow.current is not None and flow.current.type == PASS_INIT:
            at = ENC, "enc_h_vec"
            flow.same(
                "vector of h to clear",
                at,
                flow.current.cleared,
                event.number(1),
                layer=flow.current.layer,
            )
            flow.current.cleared += 1
            self._before = flow.current
            if flow.current.cleared == -(-flow.current.size // LANES):
                flow.current = None

    def on_comparison(self, event: Event) -> None:
        flow, one = self.flow, self.flow.current
        if not flow.alive or one is None or one.operands is None:
            return
        of = int(one.type != PASS_X)
        where: Where = {"step": one.step, "layer": one.layer, "kind": of}
        at = ENC, "encoder_vec"
        if not flow.same("vector compared", at, one.vectors, event.number(2), **where):
            return
        first = LANES * one.vectors
        one.vectors += 1
        part = slice(first, min(first + LANES, one.size))
        source, reference = one.operands.source[part], one.operands.reference[part]
        if one.type == PASS_X and one.layer == 0:
            name, at = "x compared", (ENC, "encoder_source")
        elif one.type == PASS_UNDO:
            name, at = "reference kept for an undo", (ENC, "encoder_kept_rdata")
        else:
            name, at = "h read by the encoder", ("hidden_memory", "enc_h_rdata")
            behind = flow.layers[one.layer - (one.type == PASS_X)]
            if (
                flow.gates is not None
                and flow.gates.layer == one.layer - (one.type == PASS_X)
                and (4 * behind.written < part.stop)
            ):
                at = ENC, "enc_h_re"
                name = "h read by the encoder before the gates wrote it"
        flow.same_lanes(name, at, source, event.lanes(3, 16), ACTIVATION, first, **where)
        at = ENC, "encoder_ref_rdata"
        flow.same_lanes(
            "reference read",
            at,
            reference,
            event.lanes(4, 16),
            ACTIVATION,
            first,
            inputs=(("source", source, ACTIVATION),),
            **where,
        )

    def on_entry(self, event: Event) -> None:
        flow, one = self.flow, self.flow.current
        if not flow.alive:
            return
        code, layer, kind, last, index = (event.number(i) for i in range(5))
        got = Entry(code, layer, kind, last, index, event.signed(5, 16), 0)
        if one is None or not one.entries:
            flow.fail(
                f"an entry that no pass owes: {got}",
                (ENC, "entry_valid"),
                "no entry",
                str(got),
                layer=got.layer,
                kind=got.kind,
            )
            return
        want = one.entries.popleft()
        where: Where = {"step": one.step, "layer": one.layer, "kind": want.kind}
        if want.type == COLUMN:
            where["column"] = want.index
        inputs: Inputs = ()
        if one.operands is not None and want.type == COLUMN:
            inputs = _compared(one.operands, want.index, one.theta)
        if want.type != got.type or (want.type == COLUMN and want.index != got.index):
            if (
                got.type == COLUMN
                and one.operands is not None
                and (want.type != COLUMN or got.index < want.index)
            ):
                where["column"] = got.index
                inputs = _compared(one.operands, min(got.index, one.size - 1), one.theta)
            flow.fail(
                "firing element",
                (ENC, "entry_index"),
                str(want),
                str(got),
                inputs=inputs,
                **where,
            )
        for name, a, b in (("layer", want.layer, got.layer), ("kind", want.kind, got.kind)):
            flow.same(f"{name} of an entry", (ENC, f"entry_{name}"), a, b, **where)
        if want.type == COLUMN:
            at = ENC, "entry_delta"
            flow.same("delta", at, want.delta, got.delta, ACTIVATION, inputs=inputs, **where)
        if want.type == END:
            at = ENC, "entry_last"
            flow.same(f"last of an {ENTRY_NAMES[END]}", at, want.last, got.last, **where)
            flow.current = None
        flow.to_fetch.append(want)

    def on_reference_write(self, event: Event) -> None:
        """References as written: a cycle after the comparison, in the lanes that fire."""
        flow = self.flow
        address, lanes = event.number(0), event.number(1)
        vec_bits = (flow.max_units // LANES - 1).bit_length()
        kind = address >> (vec_bits + flow.layer_bits)
        layer = (address >> vec_bits) & ((1 << flow.layer_bits) - 1)
        vector = address & ((1 << vec_bits) - 1)
        data = event.lanes(2, 16)
        one = flow.current or self._before
        if not flow.alive or one is None:
            return
        where: Where = {"step": one.step, "layer": one.layer, "kind": kind}
        at = ENC, "encoder_ref_we"
        if one.operands is None:
            zeros = np.zeros(LANES, np.int64)
            flow.same_lanes(
                "reference cleared",
                (ENC, "encoder_ref_wdata"),
                zeros,
                data,
                ACTIVATION,
                LANES * vector,
                layer=one.layer,
                kind=kind,
            )
            return
        if (layer, kind) != (one.layer, int(one.type != PASS_X)):
            flow.fail("address of a reference", (ENC, "encoder_ref_waddr"), **where)
            return
        part = slice(LANES * vector, min(LANES * vector + LANES, one.size))
        delta = one.operands.delta[part].astype(np.int64)
        before = one.operands.reference[part].astype(np.int64)
        fires = np.array([bool(lanes >> i & 1) for i in range(len(delta))])
        if not np.array_equal(fires, delta != 0):
            lane = int(np.flatnonzero(fires != (delta != 0))[0])
            where |= {"column": LANES * vector + lane, "unit": LANES * vector + lane}
            inputs: Inputs = (
                ("source", Value(int(one.operands.source[part][lane]), ACTIVATION)),
                ("reference before", Value(int(before[lane]), ACTIVATION)),
                ("threshold", Value(one.theta, THETA)),
            )
            sides = Value(pack((delta != 0).astype(int), 1), INTEGER), Value(lanes, INTEGER)
            flow.fail("references updated in these lanes", at, *sides, inputs=inputs, **where)
            return
        new = np.where(fires, before + delta, 0)
        got = np.where(fires, data[: len(delta)], 0)
        read: LaneInputs = (
            ("reference before", before, ACTIVATION),
            ("delta", delta, ACTIVATION),
        )
        at = ENC, "encoder_ref_wdata"
        flow.same_lanes(
            "reference written", at, new, got, ACTIVATION, LANES * vector, inputs=read, **where
        )

    _before: Pass | None = None


def _compared(operands: Operands, index: int, theta: int) -> Inputs:
    """An element's source and reference, and the threshold (Q8.8) of its pass."""
    return (
        ("source", Value(int(operands.source[index]), ACTIVATION)),
        ("reference", Value(int(operands.reference[index]), ACTIVATION)),
        ("threshold", Value(theta, THETA)),
    )
