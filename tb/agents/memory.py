# SPDX-License-Identifier: Apache-2.0
"""AXI4 read slave in Python: the DRAM of tests that need faults, stalls or odd timing.

It answers bursts in order from an image of bytes, several under way at once, and refuses to be
kind: a read outside the image or of bytes that nothing wrote is recorded, answered DECERR and fails
the test at its end. `AxiReadMonitor` watches the same port, whatever drives it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from cocotb.triggers import RisingEdge
from cocotb_bus.drivers import BusDriver
from cocotb_bus.monitors import BusMonitor

OKAY, SLVERR, DECERR = 0, 2, 3
BOUNDARY = 4096
"""Bytes: no burst crosses a multiple of this."""

_AR = ["arid", "araddr", "arlen", "arsize", "arburst", "arvalid", "arready"]
_R = ["rid", "rdata", "rresp", "rlast", "rvalid", "rready"]


class Image(Protocol):
    """Bytes at addresses. `read` gives None where a byte is outside or was never written."""

    def read(self, address: int, size: int) -> bytes | None:
        """The `size` bytes at `address`."""


@dataclass
class Burst:
    """A burst on the bus: `address` in bytes, `length` in beats, and the responses so far."""

    address: int
    length: int
    size: int
    responses: list[int] = field(default_factory=list)
    ready_at: int = 0
    faults: dict[int, int] = field(default_factory=dict)
    more: int = 0
    """Beats that the memory gives beyond `length`; negative: it gives fewer."""
    has_last: bool = True
    """Whether RLAST comes with the last of them."""


@dataclass
class MemoryStatistics:
    """What the port was asked for: bursts and beats answered, start addresses, lengths in beats."""

    bursts: int = 0
    beats: int = 0
    addresses: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    deepest: int = 0


class AxiReadMemory(BusDriver):
    """AXI4 read slave over an image.

    `latency`: cycles from the address to the first beat of its burst, one number a burst, at least
    1. `ar_pause`, `r_pause`: True holds the channel for that cycle. `depth`: most bursts accepted
    and not yet answered. `alternate`: takes no address in a cycle in which it offers a beat.
    `survives_reset`: the reset pin is that of the core alone, and what is owed still comes.
    """

    _signals = _AR + _R

    def __init__(
        self,
        entity: Any,
        name: str,
        clock: Any,
        reset_n: Any,
        image: Image,
        *,
        latency: Iterator[int] | None = None,
        ar_pause: Iterator[bool] | None = None,
        r_pause: Iterator[bool] | None = None,
        depth: int = 64,
        alternate: bool = False,
    ) -> None:
        self.image = image
        self.latency = latency or itertools.repeat(1)
        self.ar_pause = ar_pause or itertools.repeat(False)
        self.r_pause = r_pause or itertools.repeat(False)
        self.depth = depth
        self.alternate = alternate
        self.survives_reset = False
        self._forgets = False
        self.stalled_ar = False
        self.stalled_r = False
        self.statistics = MemoryStatistics()
        self.wild: list[str] = []
        self._reset_n = reset_n
        self._bursts: deque[Burst] = deque()
        self._address_faults: dict[int, int] = {}
        self._beat_faults: dict[int, int] = {}
        self._burst_faults: dict[int, tuple[str, int]] = {}
        self._misfits: dict[int, tuple[int, bool]] = {}
        super().__init__(entity, name, clock, case_insensitive=False)
        self.width = len(self.bus.rdata)
        self.bytes = self.width // 8
        for signal in ("arready", "rvalid", "rlast", "rresp", "rdata", "rid"):
            getattr(self.bus, signal).value = 0

    # ------------------------------------------------------------ faults and stalls

    def fail_address(self, address: int, response: int) -> None:
        """Answer `response` on each beat that holds byte `address`, until cleared."""
        self._address_faults[address // self.bytes * self.bytes] = response

    def fail_beat(self, beat: int, response: int) -> None:
        """Answer `response` on the beat that is `beat` beats from now (0: the next one)."""
        self._beat_faults[self.statistics.beats + beat] = response

    def fail_burst(self, burst: int, where: str, response: int) -> None:
        """Answer `response` on the 'first', 'middle' or 'last' beat of a burst (0: the next)."""
        assert where in ("first", "middle", "last"), where
        self._burst_faults[self.statistics.bursts + burst] = (where, response)

    def misfit(self, burst: int, more: int, *, has_last: bool = True) -> None:
        """Answer a burst (0: the next) with `more` beats than it has, or with fewer where negative,
        but with one at least; RLAST comes on the last of them, or not at all.
        """
        self._misfits[self.statistics.bursts + burst] = (more, has_last)

    def owe(self, beats: int, *, has_last: bool = True) -> None:
        """Give beats that nobody asked for, after those that are owed."""
        self._bursts.append(Burst(0, 0, self.bytes, more=beats, has_last=has_last))

    def forget(self) -> None:
        """Owe nothing any more, as after a reset of the memory alone, but a beat on offer."""
        self._forgets = True

    def clear_faults(self) -> None:
        """Answer OKAY again from here on, bursts already accepted included."""
        self._address_faults.clear()
        self._beat_faults.clear()
        self._burst_faults.clear()
        self._misfits.clear()
        for burst in self._bursts:
            burst.faults.clear()

    def stall(self, *, ar: bool = True, r: bool = True) -> None:
        """Move nothing on these channels until `release`; a beat on offer stays on offer."""
        self.stalled_ar, self.stalled_r = ar, r

    def release(self) -> None:
        """End a stall."""
        self.stalled_ar = self.stalled_r = False

    @property
    def outstanding(self) -> int:
        """Bursts accepted whose last beat has not been taken."""
        return len(self._bursts)

    # ------------------------------------------------------------ the bus

    async def _send_thread(self) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        ar_up = r_up = False
        cycle = 0
        while True:
            await edge
            cycle += 1
            if self._reset_n.value != 1 and not self.survives_reset:
                self._bursts.clear()
                ar_up = r_up = False
                bus.arready.value = 0
                bus.rvalid.value = 0
                continue
            if ar_up and bus.arvalid.value == 1:
                self._accept(cycle)
            if r_up and bus.rready.value == 1:
                self._beat_taken()
                r_up = False
            if self._forgets and not r_up:
                self._bursts.clear()
                self._forgets = False
            if not r_up:
                r_up = (
                    bool(self._bursts)
                    and self._bursts[0].ready_at <= cycle
                    and not self.stalled_r
                    and not next(self.r_pause)
                )
                bus.rvalid.value = int(r_up)
                if r_up:
                    self._offer(self._bursts[0])
            ar_up = (
                len(self._bursts) < self.depth
                and not self.stalled_ar
                and not next(self.ar_pause)
                and not (self.alternate and r_up)
            )
            bus.arready.value = int(ar_up)

    def _accept(self, cycle: int) -> None:
        bus, statistics = self.bus, self.statistics
        burst = Burst(int(bus.araddr.value), int(bus.arlen.value) + 1, 1 << int(bus.arsize.value))
        burst.ready_at = cycle + max(1, next(self.latency)) - 1
        if statistics.bursts in self._burst_faults:
            where, response = self._burst_faults.pop(statistics.bursts)
            beat = {"first": 0, "middle": burst.length // 2, "last": burst.length - 1}[where]
            burst.faults[beat] = response
        burst.more, burst.has_last = self._misfits.pop(statistics.bursts, (0, True))
        burst.more = max(burst.more, 1 - burst.length)
        statistics.bursts += 1
        statistics.addresses.append(burst.address)
        statistics.lengths.append(burst.length)
        if burst.size != self.bytes or int(bus.arburst.value) != 1:
            self.wild.append(f"burst at {burst.address:#x} is not full-width INCR")
        if burst.address % BOUNDARY + burst.length * burst.size > BOUNDARY:
            self.wild.append(f"burst at {burst.address:#x} of {burst.length} crosses 4 KiB")
        self._bursts.append(burst)
        statistics.deepest = max(statistics.deepest, len(self._bursts))

    def _offer(self, burst: Burst) -> None:
        beat = len(burst.responses)
        address = burst.address + beat * burst.size
        asked_for = beat < burst.length
        data = self.image.read(address, burst.size) if asked_for else b""
        response = burst.faults.get(beat, OKAY)
        response = self._address_faults.get(address, response)
        response = self._beat_faults.pop(self.statistics.beats, response)
        if data is None:
            self.wild.append(f"read of {burst.size} bytes at {address:#x}: outside or not written")
            response = DECERR
        if data is None or response != OKAY or not asked_for:
            data = b"\xa5" * burst.size  # a fault must not leave good data for the core to use
        burst.responses.append(response)
        bus = self.bus
        bus.rdata.value = int.from_bytes(data, "little")
        bus.rresp.value = response
        bus.rlast.value = int(burst.has_last and beat == burst.length + burst.more - 1)

    def _beat_taken(self) -> None:
        self.statistics.beats += 1
        burst = self._bursts[0]
        if len(burst.responses) >= burst.length + burst.more:
            self._bursts.popleft()


class AxiReadMonitor(BusMonitor):
    """Reports each finished `Burst`; counts beats as they are taken.

    `regions`: list of (name, first byte, end); `region_beats` counts beats by name, and by None
    where no region holds the address. `misuse`: the memory gives what nobody asked for, and bursts
    end with RLAST, wherever that comes.
    """

    _signals = _AR + _R

    def __init__(self, entity: Any, name: str, clock: Any, reset_n: Any, **kwargs: Any) -> None:
        self.beats = 0
        self.bursts = 0
        self.regions: list[tuple[str, int, int]] = []
        self.region_beats: dict[str | None, int] = {}
        self.pending: deque[Burst] = deque()
        self.deepest = 0
        self.misuse = False
        super().__init__(entity, name, clock, reset_n=reset_n, case_insensitive=False, **kwargs)

    def _region(self, address: int) -> str | None:
        for name, start, end in self.regions:
            if start <= address < end:
                return name
        return None

    async def _monitor_recv(self) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        while True:
            await edge
            if self._reset_n.value != 1:
                self.pending.clear()
                continue
            beat = bus.rvalid.value == 1 and bus.rready.value == 1
            if beat and not (self.misuse and not self.pending):
                assert self.pending, f"{self}: a beat without a burst"
                burst = self.pending[0]
                region = self._region(burst.address + len(burst.responses) * burst.size)
                self.region_beats[region] = self.region_beats.get(region, 0) + 1
                burst.responses.append(int(bus.rresp.value))
                self.beats += 1
                if bus.rlast.value == 1:
                    fits = len(burst.responses) == burst.length
                    assert fits or self.misuse, f"{self}: rlast out of place"
                    self._recv(self.pending.popleft())
            if bus.arvalid.value == 1 and bus.arready.value == 1:
                self.bursts += 1
                self.pending.append(
                    Burst(
                        int(bus.araddr.value),
                        int(bus.arlen.value) + 1,
                        1 << int(bus.arsize.value),
                    )
                )
                self.deepest = max(self.deepest, len(self.pending))
