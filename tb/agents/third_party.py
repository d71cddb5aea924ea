# SPDX-License-Identifier: Apache-2.0
"""Agents that this project did not write, behind our agents' interface: cocotbext-axi on all buses.

They have none of our agents' special powers: no fault answers, no latencies, no packets cut short,
no partial strobes. A story that makes use of none runs with either kind, see `tb.agents.factory`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiRamRead,
    AxiReadBus,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from tb.agents.memory import Image
from tb.device.beats import BEAT_BYTES, LANES, pack, unpack

QUIET = "WARNING"  # they log each transfer


class Pauses:
    """Pauses of one channel: a generator handed in, or held until released."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._pause: Iterator[bool] | None = None
        self._hold = False

    @property
    def hold(self) -> bool:
        """Whether nothing moves until this is False again; what is on offer stays."""
        return self._hold

    @hold.setter
    def hold(self, held: bool) -> None:
        self._hold = held
        if self._pause is None:
            self.follow(itertools.repeat(False))

    def follow(self, pause: Iterator[bool]) -> None:
        """Pause where `pause` says so, one answer a cycle."""
        self._pause = pause
        self._channel.set_pause_generator(self._answers(pause))

    def _answers(self, pause: Iterator[bool]) -> Iterator[bool]:
        while True:
            yield self._hold or next(pause)


class PauseOf:
    """An attribute that hands its value, a pause generator, to the `Pauses` of this name."""

    def __init__(self, pauses: str) -> None:
        self._pauses = pauses

    def __get__(self, owner: Any, kind: type) -> None:
        raise AttributeError("a pause is handed in, not read")

    def __set__(self, owner: Any, pause: Iterator[bool]) -> None:
        getattr(owner, self._pauses).follow(pause)


class ThirdPartyPort:
    """Register words through cocotbext-axi's AXI4-Lite master."""

    def __init__(self, dut: Any, name: str, clock: Any, reset_n: Any) -> None:
        bus = AxiLiteBus.from_prefix(dut, name)
        self.master = AxiLiteMaster(bus, clock, reset_n, reset_active_level=False)
        write, read = self.master.write_if, self.master.read_if
        self.channels = {
            "aw": write.aw_channel,
            "w": write.w_channel,
            "b": write.b_channel,
            "ar": read.ar_channel,
            "r": read.r_channel,
        }
        for part in (write, read):
            part.log.setLevel(QUIET)

    async def write(self, address: int, data: int) -> int:
        """Write a word, return the response."""
        answer = await self.master.write(address, data.to_bytes(4, "little"))
        return int(answer.resp)

    async def read(self, address: int) -> tuple[int, int]:
        """Read a word, return (data, response)."""
        answer = await self.master.read(address, 4)
        return int.from_bytes(answer.data, "little"), int(answer.resp)


class ThirdPartySource:
    """x packets through cocotbext-axi's stream source; spare lanes carry noise."""

    def __init__(
        self, dut: Any, name: str, clock: Any, reset_n: Any, noise: np.random.Generator
    ) -> None:
        bus = AxiStreamBus.from_prefix(dut, name)
        self.source = AxiStreamSource(bus, clock, reset_n, reset_active_level=False)
        self.source.log.setLevel(QUIET)
        self._pauses = Pauses(self.source)
        self._noise = noise

    def queue(self, elements: np.ndarray) -> None:
        """Queue a packet of int16 elements and return at once."""
        spare = -len(elements) % LANES
        filler = self._noise.integers(-32768, 32768, spare, dtype=np.int16)
        beats = pack(np.concatenate([np.asarray(elements, np.int16), filler]))
        data = b"".join(beat.to_bytes(BEAT_BYTES, "little") for beat in beats)
        self.source.send_nowait(AxiStreamFrame(data))

    def drop_queued(self) -> None:
        """Forget packets that have not been begun."""
        self.source.clear()

    @property
    def idle(self) -> bool:
        """No packet is queued or under way."""
        return bool(self.source.idle())

    pause = PauseOf("_pauses")  # where the next beat is held back


class ThirdPartySink:
    """h packets through cocotbext-axi's stream sink, which keeps what it took in `packets`."""

    def __init__(self, dut: Any, name: str, clock: Any, reset_n: Any) -> None:
        bus = AxiStreamBus.from_prefix(dut, name)
        self.sink = AxiStreamSink(bus, clock, reset_n, reset_active_level=False)
        self.sink.log.setLevel(QUIET)
        self._pauses = Pauses(self.sink)

    def packets(self) -> list[np.ndarray]:
        """int16 elements of each packet since the last call, as this sink understood them."""
        found = []
        while not self.sink.empty():
            data = bytes(self.sink.recv_nowait(compact=False).tdata)
            beats = range(0, len(data), BEAT_BYTES)
            found.append(
                unpack([int.from_bytes(data[i : i + BEAT_BYTES], "little") for i in beats])
            )
        return found

    @property
    def hold(self) -> bool:
        """Whether tready stays down."""
        return self._pauses.hold

    @hold.setter
    def hold(self, held: bool) -> None:
        self._pauses.hold = held

    pause = PauseOf("_pauses")  # where tready is down


class ThirdPartyMemory(AxiRamRead):
    """Weights from cocotbext-axi's RAM. By itself it wraps addresses at its end and reads 0 where
    nobody wrote; here either is recorded in `wild`, which fails the test, and answered SLVERR.
    """

    def __init__(self, dut: Any, name: str, clock: Any, reset_n: Any, image: Image) -> None:
        super().__init__(
            AxiReadBus.from_prefix(dut, name),
            clock,
            reset_n,
            reset_active_level=False,
            size=1 << len(dut.m_axi_araddr),
        )
        self.log.setLevel(QUIET)
        self.wild: list[str] = []
        self._ar, self._r = Pauses(self.ar_channel), Pauses(self.r_channel)
        self.image = image

    @property
    def image(self) -> Image:
        """What is in the RAM."""
        return self._image

    @image.setter
    def image(self, image: Image) -> None:
        self._image = image
        for region in getattr(image, "regions", ()):
            self.write(region.address, region.data.tobytes())

    async def _read(self, address: int, length: int) -> bytes:
        if self._image.read(address, length) is None:
            said = f"read of {length} bytes at {address:#x}: outside or not written"
            self.wild.append(said)
            raise IndexError(said)  # which cocotbext-axi answers with SLVERR
        return bytes(await super()._read(address, length))

    def stall(self, *, ar: bool = True, r: bool = True) -> None:
        """Move nothing on these channels until `release`; a beat on offer stays on offer."""
        self._ar.hold, self._r.hold = ar, r

    def release(self) -> None:
        """End a stall."""
        self._ar.hold = self._r.hold = False

    ar_pause = PauseOf("_ar")  # where no address is taken

    r_pause = PauseOf("_r")  # where the next beat is held back
