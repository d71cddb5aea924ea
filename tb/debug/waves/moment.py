# SPDX-License-Identifier: Apache-2.0
"""Which moment of a dump to look at: where a divergence is, a time, or a step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tb.debug.wave_query import PS_PER_NS, Wave, WaveError

SCHEMA = 1
STEP = "u_trace.step_q"
DONE, FIRST = "packet_done", "x_first"
GATES = ("gate_start", "gate_ready", "start_layer")
NEEDED = ("what", "time_ns", "signal", "module", "expected", "actual", "dump")
PLACE = ("step", "layer", "kind", "column", "unit", "gate")


@dataclass(frozen=True)
class Divergence:
    """The first wrong value, as the localisation wrote it into ``divergence.json``.

    ``dump``: None when it was made without waves. ``notes``: the inputs of that stage, one a line.
    """

    time_ns: float
    signal: str
    module: str
    expected: str
    actual: str
    format: str
    title: str
    notes: tuple[str, ...]
    dump: Path | None
    data: dict[str, Any]


def load_divergence(path: Path) -> Divergence:
    """Read ``divergence.json``; WaveError says what is missing in it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WaveError(f"{path}: {error.strerror}, expected a divergence.json") from error
    except ValueError:
        raise WaveError(f"{path}: found no JSON, expected a divergence.json") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise WaveError(f'{path}: expected an object with "schema": {SCHEMA}')
    missing = [key for key in NEEDED if key not in data]
    if missing:
        raise WaveError(f"{path}: found no {', '.join(missing)}, expected {', '.join(NEEDED)}")
    places = [f"{key} {data[key]}" for key in PLACE if data.get(key) is not None]
    expected, actual = _value(data["expected"]), _value(data["actual"])
    form = data.get("format") or ""
    title = ", ".join([str(data["what"]), *places]) + f": expected {expected}, actual {actual}"
    return Divergence(
        float(data["time_ns"]),
        str(data["signal"]),
        str(data["module"]),
        expected,
        actual,
        form,
        f"{title} in {form}" if form and not form.endswith(".0") else title,
        tuple(_input(one) for one in data.get("inputs", ())),
        path.parent / str(data["dump"]) if data["dump"] else None,
        data,
    )


def _input(one: dict[str, Any]) -> str:
    if one.get("right"):
        return f"input {one['name']}: {one.get('actual')}, right"
    return f"input {one['name']}: {one.get('actual')}, WRONG, expected {one.get('expected')}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("q") if value.get("q") not in (None, "") else value.get("hex")
    if value is None:
        return "?"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Step:
    """A time step in a dump: from its first x beat, or the dump's begin, to its last h beat."""

    number: int
    from_ps: int
    to_ps: int


def steps_of(wave: Wave, divergence: Divergence | None = None) -> list[Step]:
    """The steps that a dump holds; a step whose end is cut off ends with the dump."""
    if divergence and divergence.data.get("steps"):
        return [
            Step(int(s["step"]), round(s["from_ns"] * PS_PER_NS), round(s["to_ns"] * PS_PER_NS))
            for s in divergence.data["steps"]
        ]
    if DONE not in wave or FIRST not in wave:
        return []
    ends = np.flatnonzero(wave.get(DONE, unknown=0) == 1).tolist()
    firsts = np.flatnonzero(wave.get(FIRST, unknown=0) == 1)
    numbers = wave.get(STEP, unknown=-1) if STEP in wave else None
    if len(firsts) and (not ends or firsts[-1] > ends[-1]):
        ends.append(len(wave.edges) - 1)
    steps, previous = [], -1
    for place, end in enumerate(ends):
        begun = firsts[(firsts > previous) & (firsts <= end)]
        begin = int(begun[0]) if len(begun) else previous + 1
        number = place if numbers is None else int(numbers[end])
        steps.append(Step(number, int(wave.edges[begin]), int(wave.edges[end])))
        previous = end
    return steps


def layers_of(wave: Wave) -> list[tuple[int, int]]:
    """(time in ps, layer) whenever the gates of a layer start."""
    if any(name not in wave for name in GATES):
        return []
    start, ready, layer = (wave.get(name, unknown=0) for name in GATES)
    return [
        (int(wave.edges[i]), int(layer[i])) for i in np.flatnonzero((start == 1) & (ready == 1))
    ]


@dataclass(frozen=True)
class Marker:
    """A named time; the first of a view is what it is about."""

    name: str
    time_ps: int


@dataclass(frozen=True)
class View:
    """What to look at: ``centre``, an index of an edge, and all that is marked around it."""

    centre: int
    markers: tuple[Marker, ...]
    divergence: Divergence | None = None

    def window(self, wave: Wave, before: int, after: int) -> range:
        """Indices of edges from ``before`` cycles ahead of the centre to ``after`` behind it."""
        last = len(wave.edges) - 1
        begin = max(0, min(self.centre - before, last - before - after))
        return range(begin, min(last, begin + before + after) + 1)


def view_of(
    wave: Wave,
    divergence: Divergence | None = None,
    at_ns: float | None = None,
    step: int | None = None,
) -> View:
    """The view of a time, a step, a divergence or, without any, of the first step's begin."""
    steps = steps_of(wave, divergence)
    own: list[Marker] = []
    if at_ns is not None:
        centre = wave.index_at_ns(at_ns)
        own = [Marker(f"{at_ns:g} ns", int(wave.edges[centre]))]
    elif step is not None:
        chosen = [s for s in steps if s.number == step]
        if not chosen:
            held = ", ".join(str(s.number) for s in steps) or "none"
            raise WaveError(f"{wave.path}: step {step} not found, the dump holds {held}")
        centre = wave.index_at_ns(chosen[0].from_ps / PS_PER_NS)
    elif divergence:
        centre = wave.index_at_ns(divergence.time_ns)
    else:
        centre = wave.index_at_ns(steps[0].from_ps / PS_PER_NS) if steps else 0
    if divergence:
        wrong = Marker("divergence", round(divergence.time_ns * PS_PER_NS))
        own = [wrong, *own] if at_ns is None else [*own, wrong]
    around = [Marker(f"step {s.number}", s.from_ps) for s in steps]
    around += [Marker(f"gates of layer {layer}", time) for time, layer in layers_of(wave)]
    near = int(wave.edges[centre])
    around.sort(key=lambda marker: abs(marker.time_ps - near))
    return View(centre, (*own, *around), divergence)
