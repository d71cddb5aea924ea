# SPDX-License-Identifier: Apache-2.0
"""The back: gates of a layer, stage by stage, the hidden memory they read, and the output."""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any

import numpy as np

from golden.integer import LayerTrace
from tb.checks.compare import ACCUMULATOR
from tb.debug.divergence.deep import Event, Handler
from tb.debug.divergence.fetching import GATE_NAMES, PES, QUEUE
from tb.debug.divergence.finding import ACTIVATION, GATE, INTEGER, Format, Value
from tb.debug.divergence.flow import COLUMN, END, Flow, Gates, LaneInputs, Where, pack
from tb.device.constants import QUAD_LANES, SIGMA_ENTRIES, TANH_ENTRIES

PIPE, LANE, ROM, EGRESS = "gate_pipeline", "gate_lane", "activation_rom", "h_egress"
QUAD = QUAD_LANES
ENTRY = Format(9, 9)


@cache
def half_table(is_tanh: bool) -> np.ndarray:
    """floor(2^9 f(k / 2^8)) of each entry of the half of sigma or tanh, int64."""
    k = np.arange(TANH_ENTRIES if is_tanh else SIGMA_ENTRIES) / 256
    return np.floor(512 * (np.tanh(k) if is_tanh else 1 / (1 + np.exp(-k)))).astype(np.int64)


def in_lane(name: str) -> str:
    """A tap in each lane; `Flow.same_lanes` puts the number of the wrong lane in."""
    return f"lane_{name}[{{lane}}]"


def place(argument: np.ndarray, is_tanh: bool) -> np.ndarray:
    """The place of |argument|, Q8.8, in the half table."""
    return np.minimum(np.abs(np.asarray(argument, np.int64)), len(half_table(is_tanh)) - 1)


class Gating:
    """Follows quads of four units from the delta memories to the output."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def handlers(self) -> dict[str, Handler]:
        """Which method looks at which kind of line, by the kind's name."""
        return {
            "gates_start": self.on_gates_start,
            "quad_enters": self.on_quad_enters,
            "z_read": self.on_z_read,
            "n_read": self.on_n_read,
            "r_argument": self.on_r_argument,
            "z_argument": self.on_z_argument,
            "r_known": self.on_r_known,
            "z_known": self.on_z_known,
            "n_entry": self.on_n_entry,
            "n_known": self.on_n_known,
            "h_write": self.on_h_write,
            "h_bus_beat": self.on_h_bus_beat,
        }

    # ------------------------------------------------------------ start and reads

    def on_gates_start(self, event: Event) -> None:
        flow = self.flow
        if not flow.alive:
            return
        layer = event.number(0)
        head = flow.work[0] if flow.work else None
        behind = flow.work[1] if len(flow.work) > 1 else None
        if head is None or not (
            head.closes or (head.type == COLUMN and behind is not None and behind.closes)
        ):
            early = event.number(1) == 1
            at = (QUEUE, "next_closes") if early else (PES, "gate_start")
            flow.fail(
                "start of the gates",
                at,
                "columns of the layer are left",
                "start",
                inputs=(("head of the queue", head), ("behind it", behind)),
                layer=layer,
            )
            return
        flow.same("layer of the gates", (PES, "start_layer"), head.layer, layer)
        state = flow.layers[head.layer]
        if not flow.same(
            "step of the sums that the gates start on",
            (PES, "gate_start"),
            state.gates,
            head.step,
            inputs=(("head of the queue", head), ("behind it", behind)),
            step=state.gates,
            layer=head.layer,
        ):
            return
        units = flow.sequence.model.hidden_sizes[head.layer]
        flow.gates = Gates(head.layer, state.gates, units // QUAD)
        state.gates += 1
        state.written = 0

    def _trace(self) -> LayerTrace:
        gates = self.flow.gates_under_way
        return self.flow.sequence.steps[gates.step].layers[gates.layer]

    def final_units(self) -> int:
        """Units of the gates' layer that have all their columns."""
        flow, gates = self.flow, self.flow.gates_under_way
        if not flow.work:
            return QUAD * gates.quads
        head, behind = flow.work[0], flow.work[1] if len(flow.work) > 1 else None
        if (
            head.type == COLUMN
            and behind is not None
            and behind.closes
            and (behind.layer, behind.step) == (gates.layer, gates.step)
        ):
            return flow.taken // 3 * flow.pes
        return QUAD * gates.quads

    def on_quad_enters(self, event: Event) -> None:
        """A quad enters: r is read."""
        flow, gates = self.flow, self.flow.gates
        if gates is None:
            return
        layer, quad, group, all_ready, ready, out, room = (event.number(i) for i in range(7))
        where: Where = {"step": gates.step, "layer": gates.layer}
        self._address(gates.entered, group, where | {"gate": "r"})
        flow.same(
            "quad that enters the gates",
            (PIPE, "gates_quad"),
            gates.entered,
            quad,
            **where,
        )
        flow.same("layer of the gates", (PIPE, "gate_layer"), gates.layer, layer)
        if QUAD * gates.entered >= self.final_units():
            told = all_ready or group < ready
            at = (PES, "groups_ready") if told else (PIPE, "gates_go")
            flow.fail(
                "sums read before they are final",
                at,
                Value(self.final_units() // flow.pes, INTEGER),
                Value(group + 1, INTEGER),
                unit=QUAD * quad,
                **where,
            )
        last_layer = gates.layer == flow.sequence.model.num_layers - 1
        at = PIPE, "gates_to_output"
        flow.same("whether h goes out", at, int(last_layer), out, **where)
        if out and not room:
            flow.fail(
                "a quad on its way to a full output",
                (PIPE, "gates_go"),
                "waits",
                "goes",
                inputs=(("out_room", 0),),
                unit=QUAD * quad,
                **where,
            )
        gates.entered += 1

    def _address(self, quad: int, group: int, where: Where) -> None:
        at = PIPE, "bank_group"
        self.flow.same("group read by the gates", at, QUAD * quad // self.flow.pes, group, **where)

    def _read(self, event: Event, word: int, bank: int, quad: int, where: Where) -> None:
        """A word of a delta memory, as the gates read it."""
        first = QUAD * quad
        inside = first % self.flow.pes
        got = event.lanes(word, 32)[inside : inside + QUAD]
        want = self._trace().memory[bank][first : first + QUAD]
        at = PES, f"memory_rdata[{bank}]"
        self.flow.same_lanes(
            "delta memory as the gates read it",
            at,
            want,
            got,
            ACCUMULATOR,
            first,
            gate=GATE_NAMES[bank],
            **where,
        )

    def _captured(self, event: Event, word: int, bank: int, quad: int, where: Where) -> None:
        first = QUAD * quad
        want = self._trace().memory[bank][first : first + QUAD]
        at = PIPE, "gates_m"
        self.flow.same_lanes(
            "delta memory picked for the lanes",
            at,
            want,
            event.lanes(word, 32),
            ACCUMULATOR,
            first,
            (("delta memory", want, ACCUMULATOR),),
            gate=GATE_NAMES[bank],
            **where,
        )

    def _quad(self, event: Event) -> tuple[int, Where] | None:
        """(quad, where) of a stage's line."""
        gates = self.flow.gates
        if gates is None or not self.flow.alive:
            return None
        return event.number(1) % gates.quads, {"step": gates.step, "layer": gates.layer}

    # ------------------------------------------------------------ stages

    def _lane(
        self,
        event: Event,
        word: int,
        name: str,
        signal: str,
        wanted: np.ndarray,
        form: Format,
        quad: int,
        where: Where,
        module: str = LANE,
        inputs: LaneInputs = (),
    ) -> None:
        first = QUAD * quad
        got = event.lanes(word, 16)
        self.flow.same_lanes(
            name,
            (module, signal),
            wanted[first : first + QUAD],
            got,
            form,
            first,
            tuple((n, v[first : first + QUAD], f) for n, v, f in inputs),
            **where,
        )

    def _argument(
        self,
        event: Event,
        word: int,
        gate: str,
        signals: tuple[str, str],
        argument: np.ndarray,
        quad: int,
        where: Where,
        inputs: LaneInputs,
    ) -> None:
        """A gate's pre-activation in a word, and in the next its place in the table."""
        where = where | {"gate": gate}
        value, address = (in_lane(signal) for signal in signals)
        self._lane(
            event, word, "pre-activation", value, argument, ACTIVATION, quad, where, inputs=inputs
        )
        self._lane(
            event,
            word + 1,
            "place in the table",
            address,
            place(argument, gate == "n"),
            INTEGER,
            quad,
            where,
            inputs=(("pre-activation", argument, ACTIVATION),),
        )

    def on_z_read(self, event: Event) -> None:
        found = self._quad(event)
        if found:
            quad, where = found
            self._address(quad, event.number(2), where | {"gate": "z"})
            self._read(event, 3, 0, quad, where)

    def on_n_read(self, event: Event) -> None:
        found = self._quad(event)
        if found:
            quad, where = found
            self._address(quad, event.number(2), where | {"gate": "n"})
            self._captured(event, 3, 0, quad, where)
            self._read(event, 4, 1, quad, where)

    def on_r_argument(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace = self._trace()
        self._captured(event, 2, 1, quad, where)
        self._read(event, 3, 2, quad, where)
        self._read(event, 4, 3, quad, where)
        memory = (("M_r", trace.memory[0], ACCUMULATOR),)
        self._argument(event, 5, "r", ("q_r", "place_r"), trace.q_r, quad, where, memory)

    def on_z_argument(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace = self._trace()
        self._captured(event, 2, 2, quad, where)
        self._captured(event, 3, 3, quad, where)
        units = slice(QUAD * quad, QUAD * quad + QUAD)
        self.flow.expect("M", sum(pack(trace.memory[b][units], 32) << 128 * b for b in range(4)))
        memory = (("M_z", trace.memory[1], ACCUMULATOR),)
        self._argument(event, 4, "z", ("q_z", "place_z"), trace.q_z, quad, where, memory)
        self._entry(event, 6, trace.q_r, quad, where | {"gate": "r"})

    def _entry(
        self,
        event: Event,
        word: int,
        argument: np.ndarray,
        quad: int,
        where: Where,
        is_tanh: bool = False,
    ) -> None:
        at = place(argument, is_tanh)
        self._lane(
            event,
            word,
            "entry of the table",
            in_lane(f"entry_{where['gate']}"),
            half_table(is_tanh)[at],
            ENTRY,
            quad,
            where,
            ROM,
            (("address", at, INTEGER),),
        )

    def on_r_known(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace = self._trace()
        memory = (("M_nh", trace.memory[3], ACCUMULATOR),)
        self._lane(
            event,
            2,
            "pre-activation",
            in_lane("q_nh"),
            trace.q_nh,
            ACTIVATION,
            quad,
            where | {"gate": "nh"},
            inputs=memory,
        )
        self._entry(event, 3, trace.q_z, quad, where | {"gate": "z"})
        entry = (("table entry", half_table(False)[place(trace.q_r, False)], ENTRY),)
        self._lane(
            event,
            4,
            "gate r",
            in_lane("r"),
            trace.r,
            GATE,
            quad,
            where | {"gate": "r"},
            inputs=entry,
        )

    def on_z_known(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace = self._trace()
        units = slice(QUAD * quad, QUAD * quad + QUAD)
        self.flow.expect("R", pack(trace.z[units], 9) << 36 | pack(trace.r[units], 9))
        entry = (("table entry", half_table(False)[place(trace.q_z, False)], ENTRY),)
        self._lane(
            event,
            2,
            "gate z",
            in_lane("z"),
            trace.z,
            GATE,
            quad,
            where | {"gate": "z"},
            inputs=entry,
        )
        inputs = (
            ("M_nx", trace.memory[2], ACCUMULATOR),
            ("q(M_nh)", trace.q_nh, ACTIVATION),
            ("r", trace.r, GATE),
        )
        self._argument(event, 3, "n", ("pre_n", "place_n"), trace.pre_n, quad, where, inputs)

    def on_n_entry(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace, gates = self._trace(), self.flow.gates_under_way
        self._entry(event, 2, trace.pre_n, quad, where | {"gate": "n"}, is_tanh=True)
        first = QUAD * quad
        before = self.flow.sequence.states[gates.step][gates.layer].h[first : first + QUAD]
        half = event.lanes(3, 16)[QUAD * (quad % 2) :][:QUAD]
        at = "hidden_memory", "gate_h_rdata"
        self.flow.same_lanes(
            "h of the step before, read by the gates", at, before, half, ACTIVATION, first, **where
        )

    def on_n_known(self, event: Event) -> None:
        found = self._quad(event)
        if not found:
            return
        quad, where = found
        trace, gates = self._trace(), self.flow.gates_under_way
        units = slice(QUAD * quad, QUAD * quad + QUAD)
        self.flow.expect("N", pack(trace.n[units], 10))
        entry = (("table entry", half_table(True)[place(trace.pre_n, True)], ENTRY),)
        self._lane(
            event,
            2,
            "gate n",
            in_lane("n"),
            trace.n,
            GATE,
            quad,
            where | {"gate": "n"},
            inputs=entry,
        )
        before = self.flow.sequence.states[gates.step][gates.layer].h
        self._lane(
            event,
            3,
            "h of the step before, picked for the lanes",
            "gates_h_prev",
            before,
            ACTIVATION,
            quad,
            where,
            PIPE,
            (("h in the memory", before, ACTIVATION),),
        )

    def on_h_write(self, event: Event) -> None:
        """h of a quad is written, and sent out by the last layer."""
        flow, gates = self.flow, self.flow.gates
        if gates is None or not flow.alive:
            return
        trace = self._trace()
        where: Where = {"step": gates.step, "layer": gates.layer}
        layer, quad = event.number(0), event.number(1)
        flow.same("layer of h", (PIPE, "gate_layer"), gates.layer, layer, **where)
        flow.same("quad of h", (PIPE, "h_quad"), gates.left, quad, **where)
        first = QUAD * gates.left
        units = slice(first, first + QUAD)
        flow.expect("H", pack(trace.h[units], 16))
        before = flow.sequence.states[gates.step][gates.layer].h
        inputs = (("z", trace.z, GATE), ("n", trace.n, GATE), ("h before", before, ACTIVATION))
        self._lane(
            event, 2, "h", in_lane("h"), trace.h, ACTIVATION, gates.left, where, inputs=inputs
        )
        gates.left += 1
        flow.layers[gates.layer].written = gates.left
        final = gates.left == gates.quads
        to_output = gates.layer == flow.sequence.model.num_layers - 1
        flow.same(
            "whether h goes out",
            (PIPE, "out_valid"),
            int(to_output),
            event.number(3),
            **where,
        )
        if to_output:
            flow.same(
                "last quad of a packet",
                (PIPE, "out_last"),
                int(final),
                event.number(4),
                **where,
            )
            if gates.left % 2 == 0:
                beat = trace.h[first - QUAD : first + QUAD]
                step = flow.sequence.steps[gates.step]
                flow.out.append((step, first - QUAD, beat, int(final), gates.layer))
        if final:
            flow.gates = None

    # ------------------------------------------------------------ output

    def on_h_bus_beat(self, event: Event) -> None:
        """A beat of h leaves."""
        flow = self.flow
        data, last, user = event.lanes(0, 16), event.number(1), event.number(2)
        path = "m_axis_h_"
        if flow.must_close and not user:
            flow.fail(
                "closing beat of a packet that was cut",
                (EGRESS, path + "tuser"),
                Value(1, INTEGER),
                Value(0, INTEGER),
            )
        if user:
            if not flow.must_close:
                flow.fail(
                    "a closing beat out of place",
                    (EGRESS, path + "tuser"),
                    Value(0, INTEGER),
                    Value(1, INTEGER),
                )
            flow.must_close = flow.h_open = False
            return
        stale = flow.stale_out and not self._is(flow.out, data, last)
        queue = flow.stale_out if stale else flow.out
        if not queue:
            flow.fail("a beat of h that no gates have made", (EGRESS, path + "tvalid"))
            return
        step, first, beat, final, layer = queue.popleft()
        flow.expect("Y", pack(beat, 16))
        where: Where = {"layer": layer}
        sides = flow.found is None
        inputs = (("h written by the gates", beat, ACTIVATION),)
        flow.same_lanes(
            "beat of h on the bus",
            (EGRESS, path + "tdata"),
            beat,
            data,
            ACTIVATION,
            first,
            inputs,
            **where,
        )
        flow.same("last beat of a packet", (EGRESS, path + "tlast"), final, last, **where)
        if sides and flow.found is not None:
            flow.found.step = step.number
        flow.h_open = not last
        if final:
            step.to_ns = event.time
        if stale:
            flow.stale_out.clear()
            flow.must_close = flow.h_open

    @staticmethod
    def _is(queue: deque[tuple[Any, ...]], data: np.ndarray, last: int) -> bool:
        return bool(queue) and np.array_equal(queue[0][2], data) and queue[0][3] == last


__all__ = ["END", "Gating", "half_table", "place"]
