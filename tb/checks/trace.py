# SPDX-License-Identifier: Apache-2.0
"""Reads the trace file that tb/sv/monitors/trace_monitor.sv writes, and gathers it into steps.

A line is an event of the core (the monitor's header lists them). Events are sorted into the step
whose sums they feed, however early they came: columns by the passes that end with an `E` line,
memories and gates by the order of their units. A fault or a soft reset (`Z`) voids what is under
way; a new sequence (`I`) starts from nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from tb.device.beats import fields_of, signed_value, unpack_hex
from tb.device.constants import ACT_BITS, QUAD_LANES

KINDS = ("x", "h")
FIELDS = {"M": (32, True), "R": (9, False), "N": (10, True), "H": (16, True)}  # bits, signed


class TraceError(ValueError):
    """The trace file is missing, or a line of it makes no sense; one line says which and why."""


@dataclass
class LayerRecord:
    """What one layer did in one step.

    columns_x, columns_h: fetched columns in order, (index, delta Q8.8). column_beats: beats of the
    weight port that they took. memory: int32 (4, H), Q17.15, order r, z, nx, nh. r, z, n, h:
    int16 (H,), 8 fraction bits. undone: columns read ahead of the step, if any, were taken back.
    """

    columns_x: list[tuple[int, int]]
    columns_h: list[tuple[int, int]]
    column_beats: int
    memory: np.ndarray
    r: np.ndarray
    z: np.ndarray
    n: np.ndarray
    h: np.ndarray
    undone: bool = False


@dataclass
class StepRecord:
    """One time step: `offered` and `finished` are clock cycles since reset."""

    step: int
    layers: list[LayerRecord]
    x: np.ndarray
    offered: int
    finished: int

    @property
    def h(self) -> np.ndarray:
        """h_t of the last layer, int16 (H,), Q8.8."""
        return self.layers[-1].h

    @property
    def latency(self) -> int:
        """Cycles from the first beat of x offered to the last beat of h taken."""
        return self.finished - self.offered

    @property
    def column_beats(self) -> int:
        """Beats of the weight port that this step's columns took."""
        return sum(layer.column_beats for layer in self.layers)


@dataclass
class _Gather:
    """Events of one layer on their way into steps."""

    units: int
    open_columns: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    open_beats: dict[str, int] = field(default_factory=dict)
    closed: dict[str, deque[tuple[list[tuple[int, int]], int]]] = field(default_factory=dict)
    rows: dict[str, list[np.ndarray]] = field(default_factory=dict)
    undone: bool = False

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.open_columns = {kind: [] for kind in KINDS}
        self.open_beats = dict.fromkeys(KINDS, 0)
        self.closed = {kind: deque() for kind in KINDS}
        self.rows = {name: [] for name in ("M", "R", "N", "H")}
        self.undone = False

    def column(self, kind: str, index: int, delta: int, beats: int) -> None:
        self.open_columns[kind].append((index, delta))
        self.open_beats[kind] += beats

    def end(self, kind: str) -> None:
        self.closed[kind].append((self.open_columns[kind], self.open_beats[kind]))
        self.open_columns[kind] = []
        self.open_beats[kind] = 0

    def begin(self) -> None:
        """A new sequence: passes made ahead of their step are void; a step not yet out stays."""
        self.open_columns = {kind: [] for kind in KINDS}
        self.open_beats = dict.fromkeys(KINDS, 0)
        while len(self.closed["h"]) > len(self.closed["x"]):
            self.closed["h"].pop()

    def undo(self) -> int:
        """The columns just asked for took back the last closed pass over h; how many they were."""
        if not self.closed["h"]:
            raise TraceError("U, but no pass over h is closed")
        taken_back, _ = self.closed["h"].pop()
        undone = [(index, -delta) for index, delta in self.open_columns["h"]]
        if undone != taken_back:
            raise TraceError(f"U: columns {undone[:4]}... undo a pass of {taken_back[:4]}...")
        self.open_columns["h"] = []
        self.open_beats["h"] = 0
        self.undone = True
        return len(undone)

    def take(self) -> LayerRecord:
        """The oldest step of this layer, all of whose events are here."""
        quads = self.units // QUAD_LANES
        for name, rows in self.rows.items():
            if len(rows) < quads:
                raise TraceError(
                    f"{name} lines: {len(rows)} quads at the end of a step, expected {quads}"
                )
        taken = {}
        for name, rows in self.rows.items():
            taken[name] = np.concatenate(rows[:quads], axis=1)
            self.rows[name] = rows[quads:]
        for kind in KINDS:
            if not self.closed[kind]:
                raise TraceError(f"no E line of kind {kind} at the end of a step")
        columns_x, beats_x = self.closed["x"].popleft()
        columns_h, beats_h = self.closed["h"].popleft()
        undone, self.undone = self.undone, False
        return LayerRecord(
            columns_x,
            columns_h,
            beats_x + beats_h,
            taken["M"].astype(np.int32),
            taken["R"][0].astype(np.int16),
            taken["R"][1].astype(np.int16),
            taken["N"][0].astype(np.int16),
            taken["H"][0].astype(np.int16),
            undone,
        )


class TraceReader:
    """Steps of a trace file that may still be growing, over sequences, resets and networks.

    Raises TraceError on a line that makes no sense, among them unknown values (x or z) in a number.
    """

    def __init__(self, path: str | Path, input_size: int = 0, hidden: tuple[int, ...] = ()) -> None:
        """`input_size`: I; `hidden`: H of each layer; or `restart` says so later."""
        self.path = Path(path)
        self.sequences = 0
        self.flushes = 0
        self.undone = 0
        self._file: TextIO | None = None
        self._partial = ""
        self._line = 0
        self._next: tuple[int, tuple[int, ...]] | None = (input_size, hidden) if hidden else None
        self._input_size = 0
        self._layers: list[_Gather] = []
        self._offered: deque[int] = deque()
        self._beats: deque[list[int]] = deque()
        self._computed = 0  # steps whose h is whole but has not left
        self._ready: deque[StepRecord] = deque()

    def restart(self, input_size: int, hidden: tuple[int, ...]) -> None:
        """The next sequence to be initialised runs a network of these sizes."""
        self._next = (input_size, hidden)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read_lines(self) -> list[str]:
        if self._file is None:
            try:
                self._file = self.path.open()
            except OSError as error:
                raise TraceError(f"{self.path}: {error.strerror}, expected a trace file") from None
        text = self._partial + self._file.read()
        *lines, self._partial = text.split("\n")
        return lines

    def poll(self) -> list[StepRecord]:
        """All steps that have been completed since the last call."""
        for line in self._read_lines():
            self._line += 1
            try:
                self._event(line.split())
            except TraceError as error:
                raise TraceError(f"{self.path}:{self._line}: {error}") from None
            except (ValueError, IndexError):
                raise TraceError(f"{self.path}:{self._line}: {line!r} is no event") from None
        steps = list(self._ready)
        self._ready.clear()
        return steps

    def read_step(self) -> StepRecord:
        """The next step; TraceError when the file holds no further whole step."""
        if not self._ready:
            self._ready.extend(self.poll())
        if not self._ready:
            raise TraceError(f"{self.path}: no further step")
        return self._ready.popleft()

    def _event(self, words: list[str]) -> None:
        code = words[0]
        if code in "MRNH":
            layer, quad = self._layers[int(words[1], 16)], int(words[2], 16)
            rows = layer.rows[code]
            expected = len(rows) % (layer.units // QUAD_LANES)
            if quad != expected:
                raise TraceError(f"{code} of quad {quad}, expected {expected}")
            bits, signed = FIELDS[code]
            values = [fields_of(int(w, 16), bits, QUAD_LANES, signed=signed) for w in words[3:]]
            rows.append(np.array(values, np.int64))
            if code == "H" and layer is self._layers[-1] and QUAD_LANES * (quad + 1) == layer.units:
                self._computed += 1
        elif code == "C":
            number, kind, index, beats = (int(words[i], 16) for i in (1, 2, 3, 5))
            delta = signed_value(int(words[4], 16), ACT_BITS)
            self._layers[number].column(KINDS[kind], index, delta, beats)
        elif code == "E":
            self._layers[int(words[1], 16)].end(KINDS[int(words[2], 16)])
        elif code == "B":
            self._beats[-1].extend(unpack_hex(words[1:2]).tolist())
        elif code == "X":
            self._offered.append(int(words[2]))
            self._beats.append([])
        elif code == "Y":
            if self._computed:  # else its step was voided with the last beat on offer
                self._computed -= 1
                self._step(int(words[1]), int(words[2]))
        elif code == "U":
            self.undone += self._layers[int(words[1], 16)].undo()
        elif code == "I":
            self._begin(int(words[1], 16))
        elif code == "Z":
            self.flushes += 1
            self._computed = 0
            self._offered.clear()
            self._beats.clear()
            for layer in self._layers:
                layer.clear()
        else:
            raise TraceError(f"unknown event {code!r}")

    def _begin(self, layer: int) -> None:
        if layer == 0:
            self.sequences += 1
            if self._next is not None:
                self._input_size, hidden = self._next
                self._layers = [_Gather(units) for units in hidden]
                self._next = None
        self._layers[layer].begin()

    def _step(self, step: int, finished: int) -> None:
        layers = [layer.take() for layer in self._layers]
        x = np.array(self._beats.popleft()[: self._input_size], np.int16)
        self._ready.append(StepRecord(step, layers, x, self._offered.popleft(), finished))
