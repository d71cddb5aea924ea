# SPDX-License-Identifier: Apache-2.0
"""The coverage groups: what they cross, and what each of their bins is called.

Points, crosses and the bins they span are `cocotb-coverage`'s. Hits are counted in `Hits`, many at
a time: the library samples by one call an event, its database is one for the whole process, and
its merging of files loses or doubles bins (its issues 96 and 97).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cocotb_coverage.coverage import CoverCross, CoverPoint, coverage_db

from tb.coverage.functional import bins
from tb.device.constants import SIGMA_ENTRIES, TANH_ENTRIES
from tb.device.registers import Cause

Bin = tuple[str, ...]
ROM_ROW = 32
"""Entries of a table in one row of its group."""


@dataclass(frozen=True)
class Group:
    """A cross (or a single point) to be covered in every bin.

    `axes`: name of each axis and its bins. `key`: small enough to be closed in a quick cut.
    """

    name: str
    title: str
    axes: Mapping[str, tuple[str, ...]]
    key: bool = False

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """All bins, one label an axis, the last axis fastest."""
        if f"functional.{self.name}" not in coverage_db:
            points = [
                CoverPoint(f"functional.points.{self.name}.{axis}", bins=list(names))
                for axis, names in self.axes.items()
            ]
            if len(points) == 1:
                return tuple((label,) for label in points[0].detailed_coverage)
            CoverCross(f"functional.{self.name}", items=[point._name for point in points])
        return tuple(coverage_db[f"functional.{self.name}"].detailed_coverage)

    @cached_property
    def known(self) -> frozenset[Bin]:
        """The bins as a set."""
        return frozenset(self.bins)


def _rom(entries: int) -> dict[str, tuple[str, ...]]:
    return {
        "from": tuple(str(first) for first in range(0, entries, ROM_ROW)),
        "plus": tuple(str(offset) for offset in range(ROM_ROW)),
    }


_VECTOR = {"kind": bins.KINDS, "layer": bins.LAYERS}

GROUPS: dict[str, Group] = {
    group.name: group
    for group in (
        Group("theta", "Thresholds in force", {"theta": bins.THETA.labels, **_VECTOR}, key=True),
        Group(
            "delta",
            "|Δ| of an element, fired or not, around the threshold (Θ of 2 and more for its edges)",
            {"delta": bins.DELTAS, "sign": bins.SIGNS, **_VECTOR},
            key=True,
        ),
        Group(
            "delta_size",
            "|Δ| at the edges of the threshold by size of the vector",
            {"delta": bins.EDGES, "kind": bins.KINDS, "size": bins.SIZE.labels},
        ),
        Group(
            "delta_lane",
            "|Δ| at the edges of the threshold by lane of the encoder: each compares by itself",
            {"delta": bins.EDGES, "sign": bins.SIGNS, "lane": bins.LANES},
        ),
        Group(
            "delta_port",
            "|Δ| at the edges of the threshold by port width",
            {
                "delta": bins.EDGES,
                "sign": bins.SIGNS,
                "kind": bins.KINDS,
                "width": bins.WIDTHS,
            },
        ),
        Group("firing", "Share of a vector that fired", {"fired": bins.RATES, **_VECTOR}, key=True),
        Group(
            "firing_size",
            "Share of a vector that fired by size of the vector",
            {"fired": bins.RATES, "kind": bins.KINDS, "size": bins.SIZE.labels},
        ),
        Group(
            "silence",
            "Silent vectors before one that fires",
            {"silent": bins.SILENCE.labels, **_VECTOR},
            key=True,
        ),
        Group(
            "theta_change",
            "Threshold changed between two steps, columns read ahead under the old one or not",
            {"change": bins.CHANGES, "kind": bins.KINDS, "ahead": ("done", "not done")},
            key=True,
        ),
        Group(
            "shape",
            "Vectors by size",
            {**_VECTOR, "size": bins.SIZE.labels},
            key=True,
        ),
        Group(
            "precision",
            "Table precision by gate and sign of its argument: negative ones are mirrored",
            {"lut_frac": bins.LUT_FRACS, "gate": bins.GATES, "argument": bins.SIGNS},
            key=True,
        ),
        Group(
            "port",
            "What the memory did while the columns of a step came in",
            {
                "kind": bins.KINDS,
                "width": bins.WIDTHS,
                "memory": ("ideal", "stalls", "latency", "outstanding"),
            },
        ),
        Group("sigma_r", "Entries of the sigma table, for r", _rom(SIGMA_ENTRIES), key=True),
        Group("sigma_z", "Entries of the sigma table, for z", _rom(SIGMA_ENTRIES), key=True),
        Group("tanh_n", "Entries of the tanh table, for n", _rom(TANH_ENTRIES), key=True),
        Group(
            "accumulator",
            "Delta memories within 2^24 of the ends of int32, and beyond",
            {
                "memory": ("r", "z", "nx", "nh"),
                "at": ("lowest", "highest", "wrapped down", "wrapped up"),
            },
            key=True,
        ),
        Group(
            "burst",
            "Length of a burst in beats",
            {"beats": bins.BURST.labels, "width": bins.WIDTHS},
        ),
        Group(
            "page",
            "Where a burst lies to the multiples of 4 KiB",
            {"region": ("wx", "wh", "bias"), "at": ("inside", "touches an edge", "split by one")},
            key=True,
        ),
        Group(
            "outstanding",
            "Bursts under way as an address is taken",
            {"bursts": bins.DEPTHS},
            key=True,
        ),
        Group(
            "stall",
            "Cycles that a channel of the weight port was stalled",
            {
                "channel": ("AR held by memory", "R late in a burst", "R held by the core"),
                "cycles": bins.STALL.labels,
            },
        ),
        Group(
            "read_error",
            "Error response by place in a burst of three beats and more",
            {
                "response": ("SLVERR", "DECERR"),
                "beat": ("first", "middle", "last"),
                "region": ("columns", "bias"),
            },
            key=True,
        ),
        Group(
            "read_length",
            "Bursts that came back short or long",
            {"answer": ("short", "long"), "region": ("columns", "bias")},
        ),
        Group(
            "unowed_beat",
            "Read beats that nobody owed, by state of the sequencer",
            {"state": bins.STATES},
        ),
        Group(
            "stream",
            "Cycles that a stream was stalled: until a packet's first beat, and inside it",
            {
                "stream": ("x offered", "x inside", "h offered", "h inside"),
                "cycles": bins.STALL.labels,
            },
        ),
        Group(
            "packet_end",
            "How an h packet ended",
            {"end": ("whole", "closed alone", "closed after beats")},
        ),
        Group(
            "register_access",
            "Answers of the register bus",
            {"access": ("read", "write"), "answer": ("OKAY", "SLVERR")},
        ),
        Group(
            "fault",
            "Causes that the ERROR register told",
            {"cause": tuple(c.name for c in Cause if c)},
        ),
        Group(
            "reset",
            "Resets by state of the sequencer",
            {"reset": ("soft", "hard"), "state": bins.STATES},
            key=True,
        ),
    )
}
"""All groups by name."""


class Hits:
    """How often each bin was hit: a Counter of bins for each group by name.

    Raises KeyError for a group or a bin that is not defined.
    """

    def __init__(self, groups: Mapping[str, Group] = GROUPS) -> None:
        self.groups = groups
        self.counts: dict[str, Counter[Bin]] = {name: Counter() for name in groups}

    def add(self, group: str, *at: str, count: int = 1) -> None:
        """`count` hits of a bin, 0 included."""
        if at not in self.groups[group].known:
            raise KeyError(f"{group}: no bin {at}")
        if count:
            self.counts[group][at] += int(count)

    def open(self, group: str) -> set[Bin]:
        """Bins not hit."""
        return set(self.groups[group].known - self.counts[group].keys())

    def update(self, others: Iterable[Hits]) -> None:
        """Add what others counted."""
        for other in others:
            for name, counter in other.counts.items():
                self.counts[name].update(counter)
