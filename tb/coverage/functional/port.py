# SPDX-License-Identifier: Apache-2.0
"""Samples the weight port, and resets by the state they meet, from one word of signals a cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cocotb.triggers import RisingEdge

from tb.coverage.functional import bins, probe
from tb.coverage.functional.groups import Hits
from tb.coverage.functional.probe import Probe
from tb.device.image import BIAS, PAGE_BYTES, DramImage
from tb.device.registers import State

MOVING = probe.ARVALID | probe.RVALID | probe.RREADY | probe.RLAST
"""None of these: a port at rest."""
LATE_CYCLES = 16
"""From an address to its first beat: from here on, with no other burst before it, it is latency."""


@dataclass
class _Burst:
    address: int
    length: int
    since: int
    beats: int = 0


class PortSampler:
    """Counts bursts, stalls, depth, error responses and resets; `cycle` is called once a cycle.

    `width`: bits of the port. `limit`: bursts that may be under way. `address`: reads (araddr,
    arlen) off the bus, asked only when an address is taken. `image`: the image in place, or None.
    """

    def __init__(
        self,
        hits: Hits,
        width: int,
        limit: int,
        address: Callable[[], tuple[int, int]],
        image: Callable[[], DramImage | None],
    ) -> None:
        self.hits = hits
        self.width = str(width)
        self.bytes = width // 8
        self.limit = limit
        self._address = address
        self._image = image
        self._under_way: deque[_Burst] = deque()
        self._stalled = {"ar": 0, "gap": 0, "held": 0}
        self._time = 0
        self._state: int | None = None
        self._profiles: set[str] = set()
        self._soft = False

    def reset(self) -> None:
        """The reset pin is low in this cycle."""
        if self._state is not None:
            self._count_reset("hard", self._state)
        self._state = None
        self._under_way.clear()
        self._stalled = dict.fromkeys(self._stalled, 0)

    def latency_profiles(self) -> set[str]:
        """How the memory has behaved since this was asked last."""
        found, self._profiles = self._profiles, set()
        return found or {"ideal"}

    def cycle(self, word: int) -> None:
        """One clock edge out of reset, with the word of `probe_o` before it."""
        self._time += 1
        if self._state == State.DRAIN != word >> probe.STATE_LSB & probe.STATE_MASK:
            self._under_way.clear()  # what never came is forgotten
        self._state = word >> probe.STATE_LSB & probe.STATE_MASK
        soft = bool(word & probe.SOFT_RESET)
        if soft and not self._soft:
            self._count_reset("soft", self._state)
        self._soft = soft
        if word & MOVING == 0 and not self._under_way:
            return  # a port at rest: most cycles
        now = Probe.of(word)
        if now.rvalid and self._under_way:
            self._beat(now)
        elif self._under_way and self._under_way[0].beats:
            self._stalled["gap"] += 1
        elif now.rvalid and now.rready:
            self.hits.add("unowed_beat", bins.STATES[self._state])
        if now.arvalid:
            if now.arready:
                self._stand_ends("ar", "AR held by memory")
                self._taken(*self._address())
            else:
                self._stalled["ar"] += 1

    def _count_reset(self, kind: str, state: int) -> None:
        self.hits.add("reset", kind, bins.STATES[state])

    def _stand_ends(self, which: str, channel: str) -> None:
        cycles, self._stalled[which] = self._stalled[which], 0
        self.hits.add("stall", channel, bins.STALL.label(cycles))
        if cycles and which != "held":
            self._profiles.add("stalls")

    def _beat(self, now: Probe) -> None:
        burst = self._under_way[0]
        if not now.rready:
            self._stalled["held"] += 1
            return
        if burst.beats:
            self._stand_ends("gap", "R late in a burst")
        elif self._time - burst.since >= LATE_CYCLES:
            self._profiles.add("latency")
        self._stand_ends("held", "R held by the core")
        if now.rresp >= 2 and burst.length >= 3:
            place = "first" if burst.beats == 0 else "last" if now.rlast else "middle"
            response = "SLVERR" if now.rresp == 2 else "DECERR"
            region = self._region(burst.address)
            if region is not None:
                kind = "bias" if region.kind == BIAS else "columns"
                self.hits.add("read_error", response, place, kind)
        burst.beats += 1
        if now.rlast != (burst.beats == burst.length):
            region = self._region(burst.address)
            if region is not None and burst.beats <= burst.length:
                kind = "bias" if region.kind == BIAS else "columns"
                self.hits.add("read_length", "short" if now.rlast else "long", kind)
        if now.rlast:
            self._under_way.popleft()
            if self._under_way:
                self._under_way[0].since = self._time

    def _taken(self, address: int, length: int) -> None:
        self._under_way.append(_Burst(address, length, self._time))
        self.hits.add("burst", bins.BURST.label(length), self.width)
        depth = len(self._under_way)
        self.hits.add("outstanding", bins.depth(depth, self.limit))
        if depth >= self.limit:
            self._profiles.add("outstanding")
        image, region = self._image(), self._region(address)
        if image is None or region is None:
            return
        end = address + length * self.bytes
        stride = len(region.data) if region.kind == BIAS else image.column_bytes(region.layer)
        starts, ends = address % PAGE_BYTES == 0, end % PAGE_BYTES == 0
        split = (starts and (address - region.address) % stride) or (
            ends and (end - region.address) % stride
        )
        at = "split by one" if split else "touches an edge" if starts or ends else "inside"
        self.hits.add("page", region.kind, at)

    def _region(self, address: int) -> Any:
        image = self._image()
        regions = image.regions if image else ()
        return next((r for r in regions if r.address <= address < r.end), None)


async def watch(dut: Any, sampler: PortSampler) -> None:
    """Feed `sampler` from the bench top, for ever."""
    edge = RisingEdge(dut.clk_i)
    signals, reset_n = dut.probe_o, dut.rst_ni
    while True:
        await edge
        if reset_n.value == 1:
            word = signals.value
            if word.is_resolvable:  # not so on Icarus, while nothing drives the memory's side
                sampler.cycle(word.to_unsigned())
        else:
            sampler.reset()
