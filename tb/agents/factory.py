# SPDX-License-Identifier: Apache-2.0
"""Who drives the core's four buses: our own agents or third-party ones, behind one interface.

`source.queue/idle/drop_queued/pause`, `sink.hold/pause`, `axil.write/read`, and
`memory.image/wild/stall/release/ar_pause/r_pause` are what both kinds have. A kind is chosen by
name, so that a story need not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tb.agents.axil import AxiLiteMaster
from tb.agents.memory import AxiReadMemory, Image
from tb.agents.stream import AxisSink, AxisSource

KINDS = ("ours", "cocotbext")

CHANNELS = ("aw", "w", "b", "ar", "r")
"""Channels of the register bus."""

Pause = Callable[[str], Iterator[bool]]
"""Makes the pause generator of the channel of this name."""

Delay = Callable[[str, int, int], Iterator[int]]
"""Makes the delays of the channel of this name, between two numbers of cycles."""


@dataclass
class Agents:
    """The drivers of one core's buses."""

    source: Any
    sink: Any
    axil: Any
    memory: Any

    def pressure(self, pause: Pause, delay: Delay, *, free: bool) -> None:
        """Pauses from `pause` on streams and memory; unless `free`, on registers and latency."""
        self.source.pause, self.sink.pause = pause("x pause"), pause("h pause")
        self.memory.ar_pause, self.memory.r_pause = pause("ar pause"), pause("r pause")
        if not free:
            self.slow(pause, delay)

    def slow(self, pause: Pause, delay: Delay) -> None:
        """What a kind of agents has for the latency of the memory and for the registers."""
        raise NotImplementedError


class OurAgents(Agents):
    """On cocotb-bus, with faults, latencies and packets that are cut short."""

    def __init__(self, dut: Any, image: Image, noise: np.random.Generator) -> None:
        clock, reset_n = dut.clk_i, dut.rst_ni
        super().__init__(
            source=AxisSource(dut, "s_axis_x", clock, reset_n, noise=noise),
            sink=AxisSink(dut, "m_axis_h", clock),
            axil=AxiLiteMaster(dut, "s_axil", clock),
            memory=AxiReadMemory(dut, "m_axi", clock, reset_n, image),
        )

    def slow(self, pause: Pause, delay: Delay) -> None:
        """A latency of the memory, delays of the register channels."""
        self.memory.latency = delay("latency", 1, 60)
        for channel in CHANNELS:
            setattr(self.axil, f"{channel}_delay", delay(f"axil {channel}", 0, 6))


class ThirdPartyAgents(Agents):
    """Those of cocotbext-axi."""

    def __init__(self, dut: Any, image: Image, noise: np.random.Generator) -> None:
        from tb.agents import third_party

        clock, reset_n = dut.clk_i, dut.rst_ni
        super().__init__(
            source=third_party.ThirdPartySource(dut, "s_axis_x", clock, reset_n, noise),
            sink=third_party.ThirdPartySink(dut, "m_axis_h", clock, reset_n),
            axil=third_party.ThirdPartyPort(dut, "s_axil", clock, reset_n),
            memory=third_party.ThirdPartyMemory(dut, "m_axi", clock, reset_n, image),
        )

    def slow(self, pause: Pause, delay: Delay) -> None:
        """Pauses of the register channels; the memory's latency is what it is."""
        for name, channel in self.axil.channels.items():
            channel.set_pause_generator(pause(f"axil {name}"))


def make_agents(kind: str | None, dut: Any, image: Image, noise: np.random.Generator) -> Agents:
    """Agents of a kind, ours where None is named."""
    kind = kind or "ours"
    if kind not in KINDS:
        raise ValueError(f"agents: {kind!r} is unknown, expected one of {', '.join(KINDS)}")
    return (OurAgents if kind == "ours" else ThirdPartyAgents)(dut, image, noise)
