# SPDX-License-Identifier: Apache-2.0
"""Walks a deep trace beside the golden model and stops at the first value that differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tb.debug.divergence.deep import DeepTraceError, Event, Handler, History
from tb.debug.divergence.encoding import Encoding
from tb.debug.divergence.events import KINDS
from tb.debug.divergence.fetching import Fetching
from tb.debug.divergence.finding import Divergence
from tb.debug.divergence.flow import Flow
from tb.debug.divergence.gating import Gating

AFTER_NS = 4000
"""How long golden values are made for after the divergence, as far as they mean anything."""


@dataclass
class Search:
    """Outcome: the `divergence` (None: all was right), the `flow` it ended with, lines for
    golden_probe, events walked.
    """

    divergence: Divergence | None
    flow: Flow
    golden: list[str] = field(default_factory=list)
    events: int = 0

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
    fetching = Fetching(flow)
    stages = (Encoding(flow, _packets(events)), fetching, Gating(flow))
    handlers = {name: handler for stage in stages for name, handler in stage.handlers().items()}
    walked = 0
    for event in events:
        if flow.found is not None and event.time > flow.found.time_ns + AFTER_NS:
            break
        walked += 1
        kind = KINDS[event.code]
        if kind.name == "still":
            flow.still = event
            continue
        flow.event, flow.still = event, None
        found = flow.found
        try:
            fetching.before(event)
            _one(flow, fetching, event, handlers)
        except (ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
            if flow.found is None:
                raise DeepTraceError(
                    f"deep trace: {event.code!r} at {event.time} ns makes no sense: {error!r}"
                ) from error
            break  # what follows a divergence need not make sense
        if flow.found is None and kind.shown:
            flow.last_right = f"{kind.shown} at {event.time} ns, cycle {event.cycle}"
        elif found is None and flow.found is not None:
            flow.found.last_right = flow.last_right
    outcome = Search(flow.found, flow, flow.golden, walked)
    if flow.found is not None:
        flow.found.steps = outcome.steps
    return outcome


def _one(flow: Flow, fetching: Fetching, event: Event, handlers: dict[str, Handler]) -> None:
    name = KINDS[event.code].name
    if name == "build":
        flow.width, flow.max_layers, flow.max_units = (event.number(i) for i in range(3))
    elif name == "reset":
        if event.number(0):
            flow.hard_reset()
        else:
            fetching.on_stop(event)
            flow.flush()
            flow.must_close = False
    else:
        handlers[name](event)


def _packets(events: list[Event]) -> dict[int, np.ndarray]:
    """Elements of each x packet that begins a step, by the time of its first beat."""
    packets: dict[int, list[np.ndarray]] = {}
    current: list[np.ndarray] | None = None
    for event in events:
        if KINDS[event.code].name != "x_bus_beat":
            continue
        if event.number(2) == 1:
            current = packets[event.time] = []
        if current is not None:
            current.append(event.lanes(0, 16))
        if event.number(1):
            current = None
    return {time: np.concatenate(beats) for time, beats in packets.items()}
