# SPDX-License-Identifier: Apache-2.0
"""A timeline as a trace of the Trace Event Format, which ui.perfetto.dev and chrome://tracing open.

One process, a thread for each track. Times are microseconds at ``CLOCK_MHZ``, and every slice says
its cycles too.

Names are ASCII: Perfetto's trace processor (v52) shows the escapes of JSON as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from golden.timing import CLOCK_MHZ
from tb.debug.timeline.account import by_cause, clipped
from tb.debug.timeline.causes import BY_CODE, MOVES
from tb.debug.timeline.reader import Span, Step, Timeline

PROCESS = 1
FIRST_THREAD = PROCESS + 1  # Perfetto calls the thread of the process's number the main thread
LETTERS = str.maketrans({"Δ": "delta ", "Θ": "theta "})
KINDS = {"x": "delta x", "h": "delta h"}
# Names of colours that chrome://tracing knows; ui.perfetto.dev has colours of its own.
COLOURS = {"x": "good", "h": "good", "b": "grey", "m": "terrible", "g": "bad", "o": "bad"}

Event = dict[str, Any]


def chrome_trace(timeline: Timeline, steps: Sequence[Step] | None = None) -> dict[str, Any]:
    """The trace as a JSON object; of ``steps`` alone, or of all the run.

    Tracks: steps, x, encoder, columns of each layer and kind, the port, gates, h; and the share of
    cycles with a beat, step by step, as a counter.
    """
    start, end = 0, timeline.end
    if steps:
        start, end = steps[0].begins, steps[-1].finished + 1
    shown = [s for s in timeline.steps if s.finished >= start and s.begins < end]
    tracks: list[tuple[str, list[Event]]] = [
        ("steps", [_step_event(timeline, step) for step in shown]),
        ("x", [_slice("x offered", s.offered, s.taken + 1, step=s.index) for s in shown]),
        ("encoder", [
            _slice(f"{span.kind} of layer {span.layer}", span.start, span.end)
            for span in _within(timeline.encoder, start, end)
        ]),
        *_column_tracks(timeline, start, end),
        ("port", _port_events(timeline, start, end)),
        ("gates", [
            _slice(f"gates of layer {span.layer}", span.start, span.end)
            for span in _within(timeline.gates, start, end)
        ]),
        ("gates held by h", _held_events(timeline, start, end)),
        ("h", [
            _slice({"t": "beat taken", "h": "held"}[span.kind], span.start, span.end)
            for span in _within(timeline.output, start, end)
        ]),
    ]  # fmt: skip
    events: list[Event] = [_name("process_name", 0, "EdgeDRNN")]
    for thread, (name, of_track) in enumerate(tracks, FIRST_THREAD):
        events.append(_name("thread_name", thread, name))
        order = {"name": "thread_sort_index", "ph": "M", "pid": PROCESS, "tid": thread}
        events.append({**order, "args": {"sort_index": thread}})
        events += [{**event, "tid": thread} for event in of_track]
    for step in shown:
        cycles = by_cause(timeline, step.begins, step.finished + 1)
        share = sum(cycles[code] for code in MOVES) / step.cycles
        events.append(
            {"name": "port busy", "ph": "C", "pid": PROCESS, "ts": _us(step.begins),
             "args": {"%": round(100 * share, 2)}}
        )  # fmt: skip
    return {
        "schema": 1,
        "displayTimeUnit": "ns",
        "otherData": {"clock_mhz": CLOCK_MHZ, "port_bytes": timeline.pes},
        "traceEvents": events,
    }


def _us(cycle: int) -> float:
    return round(float(cycle) / CLOCK_MHZ, 3)


def _slice(name: str, start: int, end: int, **args: Any) -> Event:
    """Cycles start to before end."""
    start, end = int(start), int(end)
    args = {plain(key): plain(v) if isinstance(v, str) else v for key, v in args.items()}
    return {
        "name": plain(name),
        "ph": "X",
        "pid": PROCESS,
        "ts": _us(start),
        "dur": round((end - start) / CLOCK_MHZ, 3),
        "args": {"cycle": start, "cycles": end - start, **args},
    }


def _name(kind: str, thread: int, name: str) -> Event:
    return {"name": kind, "ph": "M", "pid": PROCESS, "tid": thread, "args": {"name": name}}


def plain(text: str) -> str:
    """A text in ASCII."""
    return text.translate(LETTERS)


def _within(spans: Iterable[Span], start: int, end: int) -> list[Span]:
    return [span for span in spans if span.end > start and span.start < end]


def _step_event(timeline: Timeline, step: Step) -> Event:
    cycles = by_cause(timeline, step.begins, step.finished + 1)
    spent = {BY_CODE[code].name: n for code, n in cycles.items() if n}
    return _slice(f"step {step.index}", step.begins, step.finished + 1, **spent)


def _port_events(timeline: Timeline, start: int, end: int) -> list[Event]:
    runs, cycles = clipped(timeline, start, end)
    events = []
    for run, length in zip(runs, cycles, strict=True):
        cause = BY_CODE[str(run["cause"])]
        begins = max(int(run["start"]), start)
        name = f"{cause.name}, layer {run['layer']}" if cause.code in "xhub" else cause.name
        event = _slice(name, begins, begins + int(length), why=cause.why)
        if cause.code in COLOURS:
            event["cname"] = COLOURS[cause.code]
        events.append(event)
    return events


def _held_events(timeline: Timeline, start: int, end: int) -> list[Event]:
    runs, _ = clipped(timeline, start, end)
    events: list[Event] = []
    begins: int | None = None
    until = 0
    for run in runs[runs["held"]]:
        if begins is None or until != int(run["start"]):
            if begins is not None:
                events.append(_slice("held", begins, until))
            begins = int(run["start"])
        until = int(run["end"])
    if begins is not None:
        events.append(_slice("held", begins, until))
    return events


def streams(timeline: Timeline, start: int, end: int) -> dict[tuple[int, str], list[Event]]:
    """For each (layer, code of x, h, u, b): from the first to the last beat of each pass."""
    runs, _ = clipped(timeline, start, end)
    found: dict[tuple[int, str], list[Event]] = {}
    moving = runs[np.isin(runs["cause"], list("xhub"))]
    columns = dict(zip(*np.unique(timeline.columns["number"], return_counts=True), strict=True))
    for number in dict.fromkeys(moving["number"].tolist()):
        mine = moving[moving["number"] == number]
        for key in dict.fromkeys(zip(mine["layer"].tolist(), mine["cause"].tolist(), strict=True)):
            part = mine[(mine["layer"] == key[0]) & (mine["cause"] == key[1])]
            beats = int((part["end"] - part["start"]).sum())
            begins, ends = int(part["start"][0]), int(part["end"][-1])
            args = {"beats": beats, "rests": ends - begins - beats}
            if key[1] != "b":
                args["columns"] = int(columns.get(number, 0))
            name = f"{BY_CODE[key[1]].name}, layer {key[0]}"
            found.setdefault(key, []).append(_slice(name, begins, ends, **args))
    return found


def _column_tracks(timeline: Timeline, start: int, end: int) -> list[tuple[str, list[Event]]]:
    found = streams(timeline, start, end)
    tracks = []
    biases = [event for (_, code), events in found.items() if code == "b" for event in events]
    if biases:
        tracks.append(("biases", sorted(biases, key=lambda event: event["ts"])))
    for layer in range(timeline.layers):
        for code, name in KINDS.items():
            events = list(found.get((layer, code), []))
            if code == "h":
                events += found.get((layer, "u"), [])
            events.sort(key=lambda event: event["ts"])
            tracks.append((f"layer {layer} {name}", events))
    return tracks
