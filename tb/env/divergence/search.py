"""Walks a deep trace beside the golden model and stops at the first value that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tb.env.divergence.deep import DeepTraceError, Event, History
from tb.env.divergence.encoding import Encoding
from tb.env.divergence.fetching import Fetching
from tb.env.divergence.flow import END, ENTRY_NAMES, PASS_NAMES, Flow
from tb.env.divergence.gating import Gating
from tb.env.divergence.verdict import Divergence

AFTER_NS = 4000
"""How long golden values are made for after the divergence, as far as they mean anything."""
VERDICTS = "GVBxPKSEFQWARgdwM0123456789ahc"


@dataclass
class Search:
    """Outcome: the `divergence` (None: all was right), lines for golden_probe, events walked."""

    divergence: Divergence | None
    golden: list[str] = field(default_factory=list)
    events: int = 0
    flow: Flow | None = None

    @property
    def steps(self) -> list[dict[str, int]]:
        """When each step ran, in ns."""
        return [
            {"step": s.number, "from_ns": s.from_ns, "to_ns": s.to_ns or self.flow.event.time}
            for s in self.flow.all_steps
        ]


def first_divergence(events: Iterable[Event], history: History) -> Divergence | None:
    """The first wrong value of a deep trace; None where all that it holds is right."""
    return search(events, history).divergence


def search(events: Iterable[Event], history: History) -> Search:
    """Walk a deep trace. Needs models and thresholds from `history`, and the buses in the trace.

    Raises DeepTraceError at a line that makes no sense before a wrong value was found.
    """
    events = list(events)
    flow = Flow(history)
    stages = (Encoding(flow, _packets(events)), Fetching(flow), Gating(flow))
    handlers = {
        code: getattr(stage, f"on_{code}")
        for code in VERDICTS
        for stage in stages
        if hasattr(stage, f"on_{code}")
    }
    walked = 0
    for event in events:
        if flow.found is not None and event.time > flow.found.time_ns + AFTER_NS:
            break
        flow.event = event
        walked += 1
        found = flow.found
        try:
            _one(flow, event, handlers)
        except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
            if flow.found is None:
                raise DeepTraceError(
                    f"deep trace: {event.code!r} at {event.time} ns makes no sense: {error!r}"
                ) from error
            break  # what follows a divergence need not make sense
        if flow.found is None and event.code in "xEMcRh":
            flow.last_right = f"{_describe(event)} at {event.time} ns, cycle {event.cycle}"
        elif found is None and flow.found is not None:
            flow.found.last_right = flow.last_right
    outcome = Search(flow.found, flow.golden, walked, flow)
    if flow.found is not None:
        flow.found.steps = outcome.steps
    return outcome


def _one(flow: Flow, event: Event, handlers: dict) -> None:
    if event.code == "D":
        flow.width, flow.max_layers, flow.max_units = (event.number(i) for i in range(3))
    elif event.code == "Z":
        if event.number(0):
            flow.hard_reset()
        else:
            flow.flush()
            flow.must_close = False
    elif event.code in handlers:
        handlers[event.code](event)


def _packets(events: list[Event]) -> dict[int, np.ndarray]:
    """Elements of each x packet that begins a step, by the time of its first beat."""
    packets: dict[int, list[np.ndarray]] = {}
    current: list[np.ndarray] | None = None
    for event in events:
        if event.code != "B":
            continue
        if event.number(2) == 1:
            current = packets[event.time] = []
        if current is not None:
            current.append(event.lanes(0, 16))
        if event.number(1):
            current = None
    return {time: np.concatenate(beats) for time, beats in packets.items()}


def _describe(event: Event) -> str:
    names = {
        "x": "a beat of x taken by the encoder",
        "E": "an entry of the encoder",
        "M": "a partial sum written",
        "c": "a quad of h written",
        "R": "a beat from DRAM",
        "h": "a beat of h taken",
    }
    return names[event.code]


def awaited(outcome: Search, why: str) -> Divergence:
    """What a core that hangs, or ended without a wrong value, owed when its trace ended.

    The most downstream module that has all it needs and has not gone on.
    """
    flow = outcome.flow
    module, signal, text, where = next(_owed(flow))
    event = flow.event
    found = Divergence(
        what=f"{why}: no wrong value; awaited: {text}",
        module=module,
        signal=signal,
        time_ns=event.time,
        cycle=event.cycle,
        last_right=flow.last_right,
        **where,
    )
    found.steps = outcome.steps
    return found


def _owed(flow: Flow) -> Iterator[tuple[str, str, str, dict]]:
    if flow.must_close:
        yield "h_egress", "u_h_egress.m_axis_h_tuser", "the closing beat of a cut h packet", {}
    if flow.out:
        step, first, _, _, layer = flow.out[0]
        where = {"step": step.number, "layer": layer, "unit": first}
        yield "h_egress", "u_h_egress.m_axis_h_tvalid", "a beat of h, written but not taken", where
    gates = flow.gates
    if gates is not None and 4 * gates.left < Gating(flow)._final_units():
        where = {"step": flow.step_number(gates.step), "layer": gates.layer, "unit": 4 * gates.left}
        text = f"quad {gates.left} of h"
        yield "gate_pipeline", "u_gate_pipeline.h_we_o", text, where
    if flow.writes:
        yield "pe_array", "u_pe_array.s3_valid_q", "a partial sum", {}
    if flow.work and (flow.work[0].type == END or flow.beats):
        entry = flow.work[0]
        where = {"layer": entry.layer, "kind": "xh"[entry.kind]}
        text = f"{entry} taken from the work queue"
        yield "pe_array", "u_pe_array.work_ready_o", text, where
    if any(not burst.void for burst in flow.on_bus):
        burst = next(b for b in flow.on_bus if not b.void)
        text = f"a beat from DRAM at {burst.address:#x}"
        yield "memory outside the core", "m_axi_rvalid", text, {}
    if flow.requests:
        text = f"a burst at {flow.requests[0].address:#x}"
        yield "burst_reader", "u_burst_reader.m_axi_arvalid", text, {}
    if flow.to_fetch:
        entry = flow.to_fetch[0]
        where = {"layer": entry.layer, "kind": "xh"[entry.kind]}
        yield "column_fetch", "u_column_fetch.work_valid_o", f"the request for {entry}", where
    one = flow.current
    if one is not None:
        text = f"{one.entries[0] if one.entries else ENTRY_NAMES[END]} of {PASS_NAMES[one.type]}"
        where = {"step": flow.step_number(one.step), "layer": one.layer}
        yield "delta_encoder", "u_delta_encoder.entry_valid_o", text, where
    begun = len(flow.sequence.steps) if flow.sequence is not None else 0
    for layer, state in enumerate(flow.layers if flow.alive else []):
        if state.step_x < begun or state.step_h < begun or state.gates < begun:
            where = {"step": flow.step_number(begun - 1), "layer": layer}
            text = "a pass over x" if state.step_x < begun else "a pass over h"
            if state.step_h >= begun and state.step_x >= begun:
                theta = flow.sequence.theta(1, begun - 1, layer)
                stale = theta != state.theta_h
                text = "the undo of a pass over h" if stale else "the start of the gates"
            yield "sequencer", "u_sequencer.pass_valid_o", text, where
            break
    if flow.x_beats:
        yield "x_ingress", "u_x_ingress.x_valid_o", "a beat of x", {}
    if not flow.alive:
        yield "sequencer", "u_sequencer.state_q", "a START, or the end of a reset", {}
    yield "x source outside the core", "s_axis_x_tvalid", "the next x", {}
