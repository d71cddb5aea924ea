# SPDX-License-Identifier: Apache-2.0
"""AXI4-Lite: a master that drives register accesses and a monitor that sees them go by.

All delays are in clock cycles. A delay generator is any iterator of non-negative ints; one number
is drawn for each access, so the five channels move independently of each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cocotb.triggers import Lock, RisingEdge
from cocotb_bus.drivers import BusDriver
from cocotb_bus.monitors import BusMonitor

OKAY, SLVERR, DECERR = 0, 2, 3

_SIGNALS = [
    *("awaddr", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready"),
    *("bresp", "bvalid", "bready"),
    *("araddr", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready"),
]
_OPTIONAL = ["awprot", "arprot"]


class AxiLiteTimeoutError(Exception):
    """An access got no answer within the bound."""


@dataclass
class Access:
    """One register access. `data` is what was written or read; `resp` is None until answered."""

    write: bool
    address: int
    data: int = 0
    strb: int = 0xF
    resp: int | None = None


class AxiLiteMaster(BusDriver):
    """Drives register reads and writes; one read and one write may be under way together.

    `aw_delay`, `w_delay`, `ar_delay`: cycles until the channel's valid rises, each on its own, so
    that either of AW and W may come first. `b_delay`, `r_delay`: cycles from the answer's valid to
    ready; while 0, ready is up from the start. `timeout`: cycles an access may take in all.
    """

    _signals = _SIGNALS
    _optional_signals = _OPTIONAL

    def __init__(self, entity: Any, name: str, clock: Any, *, timeout: int = 1000) -> None:
        super().__init__(entity, name, clock, case_insensitive=False)
        self.timeout = timeout
        self.aw_delay: Iterator[int] = itertools.repeat(0)
        self.w_delay: Iterator[int] = itertools.repeat(0)
        self.b_delay: Iterator[int] = itertools.repeat(0)
        self.ar_delay: Iterator[int] = itertools.repeat(0)
        self.r_delay: Iterator[int] = itertools.repeat(0)
        self._write_lock = Lock()
        self._read_lock = Lock()
        for signal in _SIGNALS:
            if signal.endswith(("valid", "ready", "addr", "data", "strb")) and signal not in (
                *("awready", "wready", "bvalid", "arready", "rvalid", "rdata"),
            ):
                getattr(self.bus, signal).value = 0
        for signal in _OPTIONAL:
            if hasattr(self.bus, signal):
                getattr(self.bus, signal).value = 0

    async def write(self, address: int, data: int, strb: int = 0xF) -> int:
        """Write a 32-bit word at byte `address`; return the response code."""
        access = Access(True, int(address), data & 0xFFFF_FFFF, strb)
        await self.send(access)
        assert access.resp is not None
        return access.resp

    async def read(self, address: int) -> tuple[int, int]:
        """Read the word at byte `address`; return (data, response code)."""
        access = Access(False, int(address))
        await self.send(access)
        assert access.resp is not None
        return access.data, access.resp

    async def _driver_send(self, transaction: Access, sync: bool = True) -> None:
        lock = self._write_lock if transaction.write else self._read_lock
        async with lock:
            if sync:
                await RisingEdge(self.clock)
            if transaction.write:
                await self._write(transaction)
            else:
                await self._read(transaction)

    async def _write(self, access: Access) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        aw_delay, w_delay, b_delay = next(self.aw_delay), next(self.w_delay), next(self.b_delay)
        aw_done = w_done = False
        seen = 0  # cycles for which bvalid has been up
        for cycle in range(self.timeout):
            aw_up = not aw_done and cycle >= aw_delay
            w_up = not w_done and cycle >= w_delay
            b_up = seen >= b_delay
            bus.awvalid.value = int(aw_up)
            bus.wvalid.value = int(w_up)
            bus.bready.value = int(b_up)
            if aw_up:
                bus.awaddr.value = access.address
            if w_up:
                bus.wdata.value = access.data
                bus.wstrb.value = access.strb
            await edge
            if bus.bvalid.value == 1:
                assert aw_done and w_done, f"{self}: B before AW and W at {access.address:#05x}"
                if b_up:
                    access.resp = int(bus.bresp.value)
                    bus.bready.value = 0
                    return
                seen += 1
            aw_done |= aw_up and bus.awready.value == 1
            w_done |= w_up and bus.wready.value == 1
        bus.awvalid.value = 0
        bus.wvalid.value = 0
        bus.bready.value = 0
        raise AxiLiteTimeoutError(
            f"{self}: write of {access.address:#05x} not answered in {self.timeout} cycles"
            f" (AW taken: {aw_done}, W taken: {w_done})"
        )

    async def _read(self, access: Access) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        ar_delay, r_delay = next(self.ar_delay), next(self.r_delay)
        ar_done = False
        seen = 0
        for cycle in range(self.timeout):
            ar_up = not ar_done and cycle >= ar_delay
            r_up = seen >= r_delay
            bus.arvalid.value = int(ar_up)
            bus.rready.value = int(r_up)
            if ar_up:
                bus.araddr.value = access.address
            await edge
            if bus.rvalid.value == 1:
                assert ar_done, f"{self}: R before AR at {access.address:#05x}"
                if r_up:
                    access.data = int(bus.rdata.value)
                    access.resp = int(bus.rresp.value)
                    bus.rready.value = 0
                    return
                seen += 1
            ar_done |= ar_up and bus.arready.value == 1
        bus.arvalid.value = 0
        bus.rready.value = 0
        raise AxiLiteTimeoutError(
            f"{self}: read of {access.address:#05x} not answered in {self.timeout} cycles"
            f" (AR taken: {ar_done})"
        )


class AxiLiteMonitor(BusMonitor):
    """Reports each answered `Access`; `on_write` hears of a write when AW and W both are taken.

    The early call matters to a model that follows the core: a write acts before its response.
    """

    _signals = _SIGNALS

    def __init__(self, entity: Any, name: str, clock: Any, reset_n: Any, **kwargs: Any) -> None:
        self.on_write: list[Callable[[Access], None]] = []
        super().__init__(entity, name, clock, reset_n=reset_n, case_insensitive=False, **kwargs)

    async def _monitor_recv(self) -> None:
        bus, edge = self.bus, RisingEdge(self.clock)
        addresses: list[int] = []
        datas: list[tuple[int, int]] = []
        writes: list[Access] = []
        reads: list[Access] = []
        while True:
            await edge
            if self._reset_n.value != 1:
                for queue in (addresses, datas, writes, reads):
                    queue.clear()
                continue
            if bus.bvalid.value == 1 and bus.bready.value == 1:
                assert writes, f"{self}: B without a write"
                writes[0].resp = int(bus.bresp.value)
                self._recv(writes.pop(0))
            if bus.rvalid.value == 1 and bus.rready.value == 1:
                assert reads, f"{self}: R without a read"
                reads[0].data = int(bus.rdata.value)
                reads[0].resp = int(bus.rresp.value)
                self._recv(reads.pop(0))
            if bus.awvalid.value == 1 and bus.awready.value == 1:
                addresses.append(int(bus.awaddr.value))
            if bus.wvalid.value == 1 and bus.wready.value == 1:
                datas.append((int(bus.wdata.value), int(bus.wstrb.value)))
            if bus.arvalid.value == 1 and bus.arready.value == 1:
                reads.append(Access(False, int(bus.araddr.value)))
            while addresses and datas:
                data, strb = datas.pop(0)
                access = Access(True, addresses.pop(0), data, strb)
                writes.append(access)
                for call in self.on_write:
                    call(access)
