# SPDX-License-Identifier: Apache-2.0
"""Where a core that hangs has stopped: from the output backward to the module that holds work back.

The golden side knows what each module has been given and has not passed on; the last handshakes of
the deep trace (its line H) say whether it is not offered, or not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tb.debug.divergence.deep import Event
from tb.debug.divergence.finding import Divergence
from tb.debug.divergence.flow import END, ENTRY_NAMES, PASS_NAMES, PASS_X, Flow
from tb.debug.divergence.gating import QUAD, Gating
from tb.debug.divergence.search import Search
from tb.debug.divergence.sequence import KIND_NAMES, H

Site = tuple[str, str]
"""A module, and the tap at which it is seen."""

STREAMS = ("x bus", "x", "pass", "entry", "burst", "push", "ar", "r", "beat", "work", "start",
           "bank", "h")  # fmt: skip
GATES = ("gate_busy", "issuing", "final_units", "out_room", "open")
QUIET = {
    "delta_encoder": "encoder_idle",
    "column_fetch": "fetch_idle",
    "burst_reader": "reader_idle",
    "pe_array": "pe_idle",
}
MEMORY, SINK, SOURCE = (f"{what} outside the core" for what in ("memory", "h sink", "x source"))
H_SITES = ("h_egress", "m_axis_h_tvalid"), (SINK, "m_axis_h_tready")


@dataclass(frozen=True)
class Handshakes:
    """Levels by name ("beat valid", "beat ready", "out_room"); one that is not known is missing."""

    levels: dict[str, bool]

    @classmethod
    def of(cls, event: Event | None) -> Handshakes:
        """From a line H; without one nothing is known."""
        if event is None:
            return cls({})
        pairs = [f"{name} {side}" for name in STREAMS for side in ("valid", "ready")]
        names = [*pairs, *GATES, *(f"{name} idle" for name in QUIET)]
        levels = zip(names, "".join(event.words), strict=True)
        return cls({name: level == "1" for name, level in levels if level in "01"})

    def is_low(self, name: str) -> bool:
        """Whether it is known to be 0."""
        return self.levels.get(name) is False

    def is_high(self, name: str) -> bool:
        """Whether it is known to be 1."""
        return self.levels.get(name) is True

    def of_both(self, stream: str, giver: Site, taker: Site) -> Site:
        """Who holds a stream up: the taker of what is offered, else the giver."""
        offered = self.is_high(f"{stream} valid") and self.is_low(f"{stream} ready")
        return taker if offered else giver


Stop = tuple[Site, str, dict[str, Any]]
"""Who holds what back, and where in the model that belongs."""


def awaited(outcome: Search, why: str) -> Divergence:
    """What a core that hangs, or ended without a wrong value, owed when its trace ended."""
    flow = outcome.flow
    (module, signal), text, where = next(_stops(flow, Handshakes.of(flow.still)))
    event = flow.event
    found = Divergence(
        what=f"{why}: no wrong value; awaited: {text}",
        module=module,
        signal=signal,
        time_ns=event.time,
        cycle=event.cycle,
        last_right=flow.last_right,
        hangs=True,
        **where,
    )
    found.steps = outcome.steps
    return found


def _stops(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    """Each that could be to blame, from the output backward: the first is."""
    yield from _output(flow, hands)
    yield from _gates(flow, hands)
    yield from _pes(flow, hands)
    yield from _reader(flow, hands)
    yield from _fetch(flow, hands)
    yield from _encoder(flow, hands)
    yield from _sequencer(flow, hands)
    yield from _input(flow, hands)


def _output(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    if flow.must_close:
        yield hands.of_both("h", *H_SITES), "the closing beat of a cut h packet", {}
    if flow.out:
        step, first, _, _, layer = flow.out[0]
        where = {"step": step.number, "layer": layer, "unit": first}
        yield hands.of_both("h", *H_SITES), "a beat of h, written but not taken", where


def _gates(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    gates = flow.gates
    if gates is None:
        if hands.is_high("gate_busy"):
            yield ("gate_pipeline", "gate_busy"), "the end of the gates", {}
        return
    where = {"step": flow.step_number(gates.step), "layer": gates.layer}
    where["unit"] = QUAD * gates.left
    text = f"quad {gates.left} of h"
    if gates.left < gates.entered:
        yield ("gate_pipeline", "h_we"), text, where
    if QUAD * gates.entered < Gating(flow).final_units():
        site = "gate_pipeline", "gates_go"
        if hands.is_low("final_units"):
            site = "pe_array", "groups_ready"
        elif hands.is_low("out_room") and gates.layer == len(flow.layers) - 1:
            site = "h_egress", "out_room"
        elif hands.is_high("bank valid") and hands.is_low("bank ready"):
            site = "pe_array", "bank_grant"
        yield site, text, where


def _pes(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    if flow.writes:
        yield ("pe_array", "pe_write"), "a partial sum", {}
    if not flow.work:
        return
    entry = flow.work[0]
    where = {"layer": entry.layer, "kind": KIND_NAMES[entry.kind]}
    text = f"{entry} taken from the work queue"
    if hands.is_low("work valid"):
        yield ("work_queue", "work_valid"), text, where
    if entry.type == END:
        pes, gates = (
            ("pe_array", "work_ready"),
            ("gate_pipeline", "gate_ready"),
        )
        yield hands.of_both("start", pes, gates), text, where
    if flow.beats:
        site = "pe_array", "beat_ready"
        if hands.is_low("beat valid"):
            site = "burst_reader", "beat_valid"
        yield site, text, where


def _reader(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    burst = next((burst for burst in flow.on_bus if not burst.void or not flow.alive), None)
    if burst is not None and not flow.beats:
        site = hands.of_both("r", (MEMORY, "m_axi_rvalid"), ("burst_reader", "m_axi_rready"))
        yield site, f"a beat from DRAM at {burst.address:#x}", {}
    if flow.requests:
        site = hands.of_both("ar", ("burst_reader", "m_axi_arvalid"), (MEMORY, "m_axi_arready"))
        yield site, f"a burst at {flow.requests[0].address:#x}", {}


def _fetch(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    if not flow.to_fetch:
        return
    entry = flow.to_fetch[0]
    where = {"layer": entry.layer, "kind": KIND_NAMES[entry.kind]}
    site = "column_fetch", "push_valid"
    if hands.is_low("push ready"):
        site = "work_queue", "push_ready"
    elif entry.type != END and hands.is_low("burst ready"):
        site = "burst_reader", "burst_ready"
    yield site, f"the request for {entry}", where


def _encoder(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    one = flow.current
    if one is None:
        return
    text = f"{one.entries[0] if one.entries else ENTRY_NAMES[END]} of {PASS_NAMES[one.type]}"
    where = {"step": flow.step_number(one.step), "layer": one.layer}
    if one.type == PASS_X and one.layer == 0 and hands.is_low("x valid"):
        if flow.x_beats:
            yield ("x_ingress", "x_valid"), "a beat of x", where
        if flow.x_open:
            yield _x_bus(hands), "the rest of a packet of x", where
    site = hands.of_both(
        "entry",
        ("delta_encoder", "entry_valid"),
        ("column_fetch", "entry_ready"),
    )
    yield site, text, where


def _sequencer(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    site = hands.of_both(
        "pass",
        ("sequencer", "pass_valid"),
        ("delta_encoder", "pass_ready"),
    )
    if not hands.is_high("pass valid"):  # it waits for one that says it is at work
        busy = [name for name in QUIET if hands.is_low(f"{name} idle")]
        site = (busy[0], QUIET[busy[0]]) if busy else site
    begun = len(flow.latest.steps) if flow.latest is not None else 0
    for layer, state in enumerate(flow.layers if flow.alive else []):
        if state.step_x < begun or state.step_h < begun or state.gates < begun:
            where = {"step": flow.step_number(begun - 1), "layer": layer}
            text = "a pass over x" if state.step_x < begun else "a pass over h"
            if state.step_h >= begun and state.step_x >= begun:
                theta = flow.sequence.theta(H, begun - 1, layer)
                stale = theta != state.theta_h
                text = "the undo of a pass over h" if stale else "the start of the gates"
            yield site, text, where
            break
    if not flow.alive:
        text = "a START, or the end of a reset"
        yield (site if site[0] in QUIET else ("sequencer", "state")), text, {}


def _input(flow: Flow, hands: Handshakes) -> Iterator[Stop]:
    if flow.x_beats:
        yield ("x_ingress", "x_valid"), "a beat of x", {}
    if hands.is_low("open") and not flow.x_open:
        site = hands.of_both("x bus", (SOURCE, "s_axis_x_tvalid"), ("sequencer", "x_open"))
        yield site, "the next x", {}
    yield _x_bus(hands), "the next x", {}


def _x_bus(hands: Handshakes) -> Site:
    return hands.of_both("x bus", (SOURCE, "s_axis_x_tvalid"), ("x_ingress", "s_axis_x_tready"))
