# SPDX-License-Identifier: Apache-2.0
"""Analytic timing model: cycles of a step from its firing pattern, without simulating the RTL.

The core is a chain of queues around one server, the weight port. A pass of the encoder emits
firing elements, each becomes a column of 3·ceil(H/P) beats, and the port serves columns in order,
a beat a cycle. So the time of everything follows from maxima and sums over columns (a max-plus
recurrence): when a column is asked for, when the port has finished the one before. Which pass
comes when is decided as the sequencer decides it. Cycles of the pipelines are those of
docs/architecture.md.

`golden/tests/test_timing.py` checks the recurrence by hand, `tb/tests/system/test_cycles.py`
that it is within 2 % of the RTL on the benchmark set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from golden.arrays import Floats, Int64s, Integers
from golden.fixed import QUAD_LANES, VEC_LANES
from golden.integer import StepTrace
from golden.layout import ROWS, column_beats, groups_of

CLOCK_MHZ = 125.0
"""The clock of the published core, at which times are given."""

Fired = Sequence[Sequence[tuple[Integers, Integers]]]
"""For each step, for each layer, (indices of Δx, indices of Δh) that fire, ascending."""

# Cycles between the stages of the RTL (docs/architecture.md).
_WALK = 5  # pass handed out -> first element of its first vector emitted
_WALK_H = 1  # more when the source is h
_FETCH = 5  # element emitted -> its address on the bus
_SLICE = 1  # beat on the bus -> beat in S0 of the PEs
_END = 2  # last element emitted -> EntryEnd emitted
_QUEUE = 4  # EntryEnd emitted -> seen at the head of the work queue
_CHOICE = 3  # event -> a recurrent pass can be handed out
_SUM = 2  # last beat of a group in S0 -> its r may be read
_GATES = 12  # r of a quad read -> its h_t written
_OUT = 1  # h_t written -> taken from the output
_NEXT = 2  # h_t of the last layer written -> the next x may enter
_BEHIND = 40  # columns that fit between encoder and port
_SHORT = 4  # groups of a column up to which the queue of the PEs asks early


@dataclass(frozen=True)
class MemoryTiming:
    """latency: cycles from an address to its first beat; beats_per_cycle: sustained, 0 ... 1."""

    latency: float = 1
    beats_per_cycle: float = 1.0


IDEAL = MemoryTiming()


@dataclass(frozen=True)
class Prediction:
    """latency, period: cycles, (T,); as `scripts/simulate.py` measures them."""

    latency: Int64s
    period: Int64s


def spread(columns: int, size: int) -> Int64s:
    """Indices of `columns` firing elements, even over a vector of `size`: for known counts."""
    return (np.arange(columns) * size) // max(columns, 1)


def predict(
    fired: Fired,
    inputs: int,
    hidden: Sequence[int],
    port_bits: int = 64,
    memory: MemoryTiming = IDEAL,
    interval: int = 0,
) -> Prediction:
    """Latency and period of each step.

    fired: for each step, for each layer, (indices of Δx, indices of Δh) that fire, ascending.
    inputs: width of x; hidden: units of each layer; interval: cycles from h taken to x offered.
    Thresholds are taken to be constant: no recurrent pass is taken back.
    """
    taken, offered = _Core(fired, inputs, tuple(hidden), port_bits // 8, memory, interval).run()
    latency = np.array(taken) - np.array(offered)
    period = np.diff(taken, prepend=taken[0] - latency[0])
    return Prediction(np.rint(latency).astype(np.int64), np.rint(period).astype(np.int64))


def fired_of(traces: Iterable[StepTrace]) -> list[list[tuple[Int64s, Int64s]]]:
    """Firing pattern for `predict` from step traces (golden.integer.StepTrace)."""
    return [[(layer.fired_x, layer.fired_h) for layer in trace.layers] for trace in traces]


class _Core:
    """Encoder, port and gates on one time line; cycles are counted from the first x."""

    def __init__(
        self,
        fired: Fired,
        inputs: int,
        hidden: tuple[int, ...],
        lanes: int,
        memory: MemoryTiming,
        interval: int,
    ) -> None:
        self.fired, self.hidden, self.memory, self.interval = fired, hidden, memory, interval
        self.widths = (inputs, *hidden[:-1])
        self.groups = [groups_of(units, lanes) for units in hidden]
        self.beats = [column_beats(units, lanes) for units in hidden]
        self.quads_per_group = max(1, lanes // QUAD_LANES)
        self.encoder = 0.0  # takes the next pass from then on
        self.port = 0.0  # has served all columns by then
        self.heads: list[float] = []  # cycles in which columns reached the head of the queue
        self.asked = 0.0  # the last column or end has left the fetch
        self.event = 0.0  # what may change the choice of a pass
        self.gates_free = 0.0
        self.tail = 0.0  # end of the last column of the last pass
        self.reads = [0.0] * len(hidden)  # last cycle in which each layer's gates read

    def run(self) -> tuple[list[float], list[float]]:
        """Cycles in which each h was taken and each x offered."""
        steps, layers = len(self.fired), len(self.hidden)
        due = [0] * layers  # the step that a layer's next recurrent pass is for
        taken, offered = [], []
        offer, begun = 0.0, [0.0] * layers
        known: list[Floats | None] = [None] * layers  # of the gates' last run
        for t in range(steps):
            next_x = 0
            started: list[float] = []
            written: list[Floats] = []
            while len(started) < layers:
                # (cycle, rank, layer). Rank 0: X; 1: H that its gates wait for; 2, 3: other H.
                moments = []
                if next_x == 0:
                    moments.append((max(self.encoder, offer), 0, 0))
                elif next_x < layers and len(started) == next_x:
                    moments.append((max(self.encoder, started[-1] + 1), 0, next_x))
                for layer in range(layers):
                    ready = max(self.encoder, self.event + _CHOICE)
                    ahead = (
                        due[layer] == t + 1 < steps and layer < len(started) and next_x == layers
                    )
                    if due[layer] == t and layer < next_x:
                        moments.append((ready, 1, layer))
                    elif due[layer] == t or ahead:
                        ready = max(ready, begun[layer] + _CHOICE, self._work_low(layer))
                        moments.append((ready, 2 + due[layer] - t, layer))
                at, rank, layer = min(moments)
                if rank == 0:
                    source = written[layer - 1] if layer else None
                    end = self._pass(
                        at, self.fired[t][layer][0], self.widths[layer], layer, source, 0
                    )
                    next_x += 1
                else:
                    source = known[layer]
                    elements = self.fired[due[layer]][layer][1]
                    end = self._pass(at, elements, self.hidden[layer], layer, source, _WALK_H)
                    due[layer] += 1
                layer = len(started)
                if next_x > layer and due[layer] > t:
                    first, rows = self._gates(layer, end)
                    started.append(first)
                    written.append(rows)
                    begun[layer], known[layer] = first, rows
            offered.append(offer)
            taken.append(written[-1][-1] + _OUT)
            offer = taken[-1] + 1 + self.interval
        return taken, offered

    def _work_low(self, layer: int) -> float:
        """From when on the queue of the PEs is short."""
        groups = self.groups[layer]
        entries = 7 if groups <= _SHORT else 3 if groups <= 4 * _SHORT else 1
        head = self.heads[-entries] if len(self.heads) >= entries else 0.0
        return max(head, self.asked) + 2

    def _pass(
        self,
        at: float,
        elements: Integers,
        size: int,
        layer: int,
        source: Floats | None,
        late: int,
    ) -> float:
        """Walk a vector from cycle `at` on; returns the cycle in which its EntryEnd is emitted."""
        vectors = -(-size // VEC_LANES)
        elements = np.asarray(elements)
        counts = np.bincount(elements // VEC_LANES, minlength=vectors)[:vectors]
        emitted = walked = at + _WALK + late - 1  # the cycle before the first possible emission
        length = self.beats[layer] / self.memory.beats_per_cycle
        for vector in range(vectors):
            walked += 1
            if source is not None:
                walked = max(walked, source[min(vector, len(source) - 1)] + _WALK)
            for _ in range(counts[vector]):
                waits = self.heads[-_BEHIND] if len(self.heads) >= _BEHIND else 0.0
                emitted = max(emitted + 1, walked, waits)
                arrives = emitted + _FETCH + self.memory.latency - 1 + _SLICE
                start = max(arrives, self.port)
                self.heads.append(max(emitted + _QUEUE, self.port))
                self.port = start + length
                if start < self.reads[layer]:  # the gates still read this layer
                    self.port = max(self.port, self.reads[layer] + 3)
            walked = max(walked, emitted - 2) if counts[vector] else walked
        over = max(emitted, walked)
        end = over + _END
        self.tail = self.port  # the last column's end
        if end + _QUEUE <= self.port:
            self.port += 1  # the end itself takes a cycle at the head of the queue
        self.encoder = end + 1
        self.event = max(self.event, at)
        self.asked = end + 3
        return end

    def _gates(self, layer: int, end: float) -> tuple[float, Floats]:
        """Gates of a layer whose last pass ended: cycle of their start, of each vector of h_t."""
        groups, rate = self.groups[layer], self.memory.beats_per_cycle
        queued = end + _QUEUE
        begun = self.tail - self.beats[layer] / rate  # service of the last column
        start = max(self.gates_free, queued, self.heads[-1] if self.heads else 0.0)
        final = begun + ROWS * (np.arange(groups) + 1) / rate - 1 + _SUM
        quads = -(-self.hidden[layer] // QUAD_LANES)
        ready = np.maximum(
            final[np.minimum(np.arange(quads) // self.quads_per_group, groups - 1)], start + 1
        )
        # Columns stream meanwhile, of this step or already of the next, and read r every third
        # cycle: that leaves two quads in three cycles.
        turns = 1.5 * np.arange(quads)
        read = np.ceil(np.maximum.accumulate(ready - turns) + turns)
        self.reads[layer] = read[-1]
        self.gates_free = read[-1] + _GATES + 1
        return start, read[1::2] + _GATES
