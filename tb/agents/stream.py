# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream of 16-bit elements: source, sink and monitor of numpy int16 packets.

A beat holds 8 elements (128 bits), element e in bits 16e+15 : 16e. A pause generator is an
iterator of bools, asked once a cycle: True holds the channel for that cycle. A source never takes
back a beat that it has offered.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cocotb.triggers import Event, RisingEdge
from cocotb.utils import get_sim_time
from cocotb_bus.drivers import BusDriver
from cocotb_bus.monitors import BusMonitor

from tb.device.beats import BEAT_BYTES, LANES, pack, unpack


@dataclass
class Packet:
    """One packet on the bus.

    `beats`: 128-bit words. `user`: the last beat's tuser. `offered`, `first`, `last`: the clock
    edge, counted from the monitor's start, at which the first beat was first seen offered, was
    taken, and at which the last beat was taken.
    """

    beats: list[int] = field(default_factory=list)
    user: int = 0
    offered: int = 0
    first: int = 0
    last: int = 0

    @property
    def elements(self) -> np.ndarray:
        """int16 elements, spare lanes included."""
        return unpack(self.beats)


@dataclass
class _Outgoing:
    beats: list[int]
    last_at: int | None


class AxisSource(BusDriver):
    """Sends int16 packets. Spare lanes and the idle bus carry noise when `noise` is set.

    `pause` holds the next beat back. `last_at` of a packet moves its tlast: a beat index, or -1
    for none at all; by default the last beat has it.
    """

    _signals = ("tdata", "tvalid", "tready", "tlast")

    def __init__(
        self,
        entity: Any,
        name: str,
        clock: Any,
        reset_n: Any,
        *,
        pause: Iterator[bool] | None = None,
        noise: np.random.Generator | None = None,
    ) -> None:
        self.pause = pause or itertools.repeat(False)
        self.noise = noise
        self.sending = False
        self._idle = Event()
        self._reset_n = reset_n
        super().__init__(entity, name, clock, case_insensitive=False)
        self.bus.tvalid.value = 0
        self.bus.tlast.value = 0
        self.bus.tdata.value = 0

    def queue(self, elements: np.ndarray, *, last_at: int | None = None) -> None:
        """Queue a packet of int16 elements and return at once."""
        self.append(self._packet(elements, last_at))

    async def send_packet(self, elements: np.ndarray, *, last_at: int | None = None) -> None:
        """Queue a packet and wait until its last beat has been taken."""
        done = Event()
        self.append(self._packet(elements, last_at), event=done)
        await done.wait()

    def drop_queued(self) -> None:
        """Forget packets of which no beat has been offered yet."""
        self.clear()

    @property
    def idle(self) -> bool:
        """No packet is queued or under way."""
        return not self.sending and not self._sendQ

    def _packet(self, elements: np.ndarray, last_at: int | None) -> _Outgoing:
        elements = np.asarray(elements, np.int16)
        if self.noise is not None and len(elements) % LANES:
            spare = LANES - len(elements) % LANES
            filler = self.noise.integers(-32768, 32768, spare, dtype=np.int16)
            elements = np.concatenate([elements, filler])
        return _Outgoing(pack(elements), last_at)

    async def _driver_send(self, transaction: _Outgoing, sync: bool = True) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        self.sending = True
        final = len(transaction.beats) - 1 if transaction.last_at is None else transaction.last_at
        for index, beat in enumerate(transaction.beats):
            while next(self.pause):
                await edge
            bus.tvalid.value = 1
            bus.tdata.value = beat
            bus.tlast.value = int(index == final)
            while True:
                await edge
                if self._reset_n.value != 1:
                    self.clear()
                    break
                if bus.tready.value == 1:
                    break
            bus.tvalid.value = 0
            if self.noise is not None:
                bus.tdata.value = int.from_bytes(self.noise.bytes(BEAT_BYTES), "little")
                bus.tlast.value = int(self.noise.integers(2))
            if self._reset_n.value != 1:
                break
        self.sending = False


class AxisSink(BusDriver):
    """Drives tready: up except where `pause` says so. `hold` keeps it down until released."""

    _signals = ("tvalid", "tready")

    def __init__(
        self, entity: Any, name: str, clock: Any, *, pause: Iterator[bool] | None = None
    ) -> None:
        self.pause = pause or itertools.repeat(False)
        self.hold = False
        super().__init__(entity, name, clock, case_insensitive=False)
        self.bus.tready.value = 0

    async def _send_thread(self) -> None:
        edge = RisingEdge(self.clock)
        ready = None
        while True:
            wanted = not self.hold and not next(self.pause)
            if wanted != ready:
                self.bus.tready.value = int(wanted)
                ready = wanted
            await edge


class AxisMonitor(BusMonitor):
    """Collects packets. `on_first` hears of the first beat of each packet when it is taken."""

    _signals = ("tdata", "tvalid", "tready", "tlast")
    _optional_signals = ("tuser",)

    def __init__(self, entity: Any, name: str, clock: Any, reset_n: Any, **kwargs: Any) -> None:
        self.cycle = 0
        self.beats = 0
        self.on_first: list[Callable[[], None]] = []
        self.partial: Packet | None = None
        super().__init__(entity, name, clock, reset_n=reset_n, case_insensitive=False, **kwargs)

    def drop_partial(self) -> None:
        """Forget the beats of a packet that will not be finished."""
        self.partial = None

    async def _monitor_recv(self) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        has_user = hasattr(bus, "tuser")
        offered: int | None = None
        while True:
            await edge
            self.cycle += 1
            if self._reset_n.value != 1:
                self.partial = None
                offered = None
                continue
            if bus.tvalid.value != 1:
                continue
            if offered is None:
                offered = self.cycle
            if bus.tready.value != 1:
                continue
            self.beats += 1
            packet = self.partial
            if packet is None:
                packet = self.partial = Packet(offered=offered, first=self.cycle)
                for call in self.on_first:
                    call()
            offered = None
            try:
                packet.beats.append(int(bus.tdata.value))
            except ValueError:
                raise AssertionError(f"{self}: X in tdata at {get_sim_time('ns')} ns") from None
            user = int(bus.tuser.value) if has_user else 0
            if bus.tlast.value == 1:
                packet.user = user
                packet.last = self.cycle
                self.partial = None
                self._recv(packet)
            else:
                assert user == 0, f"{self}: tuser without tlast"
