# SPDX-License-Identifier: Apache-2.0
"""Collects functional coverage in a running simulation, and writes it when its test ends."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from pathlib import Path
from typing import Any, Protocol

import cocotb
from cocotb.triggers import RisingEdge

from golden.files import write_text
from golden.integer import StepTrace
from tb.agents.axil import OKAY, Access, AxiLiteMonitor
from tb.agents.stream import AxisMonitor, Packet
from tb.checks.scoreboard import DeltaGruScoreboard
from tb.checks.trace import StepRecord
from tb.coverage.functional import bins
from tb.coverage.functional.groups import Hits
from tb.coverage.functional.network import Context, NetworkSampler, state_of
from tb.coverage.functional.port import PortSampler, watch
from tb.device.image import DramImage
from tb.device.registers import Cause, ErrorField, Reg
from tb.handover import simulation

SCHEMA = 1
DEFAULT_UNITS = 1024
"""MaxUnits of the default size, at which the entries of the tables count."""


class Bench(Protocol):
    """What a collector samples; `tb.bench.testbench.TB` is one."""

    dut: Any
    width: int  # of the weight port, bits
    image: DramImage | None
    x_monitor: AxisMonitor
    h_monitor: AxisMonitor
    axil_monitor: AxiLiteMonitor
    scoreboard: DeltaGruScoreboard
    coverage: Collector | None


class Collector:
    """Samples a bench: scoreboard, register bus, weight port, streams, resets.

    `hits` can be read at any time. The file, if the run has a folder for it, is written when the
    running cocotb test ends, however it ends.
    """

    def __init__(self, tb: Bench) -> None:
        self.hits = Hits()
        self._tb = tb
        parameters = simulation().parameters
        self.network = NetworkSampler(
            self.hits, tb.width, tables=parameters.get("MaxUnits") == DEFAULT_UNITS
        )
        dut = tb.dut
        self.port = PortSampler(
            self.hits,
            tb.width,
            int(parameters.get("Outstanding", 16)),
            lambda: (int(dut.m_axi_araddr.value), int(dut.m_axi_arlen.value) + 1),
            lambda: tb.image,
        )
        self._begun: Context | None = None
        self._contexts: dict[StepTrace, Context] = {}
        self._order: deque[StepTrace] = deque()
        tb.x_monitor.on_first.append(self._step_begins)  # after the scoreboard's own
        tb.scoreboard.on_step.append(self._step_known)
        tb.scoreboard.on_compared.append(self._step_compared)
        tb.axil_monitor.add_callback(self._access)
        tb.x_monitor.add_callback(lambda packet: self._packet("x", packet))
        tb.h_monitor.add_callback(lambda packet: self._packet("h", packet))
        cocotb.start_soon(watch(dut, self.port))
        cocotb.start_soon(self._until_the_end())

    # ------------------------------------------------------------ what the bench tells

    def _step_begins(self) -> None:
        scoreboard = self._tb.scoreboard
        gru = scoreboard.gru
        if gru is not None and scoreboard.running:
            self._begun = Context(state_of(gru), scoreboard.taken_theta, gru.model.lut_frac)

    def _step_known(self, trace: StepTrace) -> None:
        if self._begun is not None:
            self._contexts[trace] = self._begun
            self._order.append(trace)

    def _step_compared(self, trace: StepTrace, record: StepRecord) -> None:
        context = self._contexts.pop(trace, None)
        while self._order and (older := self._order.popleft()) is not trace:
            self._contexts.pop(older, None)  # a step that a reset cut is never compared
        if context is None:
            return
        columns = [(len(layer.columns_x), len(layer.columns_h)) for layer in record.layers]
        undone = [layer.undone for layer in record.layers]
        self.network.step(context, trace, record.x, columns, undone)
        for profile in self.port.latency_profiles():
            for which, kind in enumerate(bins.KINDS):
                if any(fetched[which] for fetched in columns):
                    self.hits.add("port", kind, str(self._tb.width), profile)

    def _access(self, access: Access) -> None:
        kind = "write" if access.write else "read"
        self.hits.add("register_access", kind, "OKAY" if access.resp == OKAY else "SLVERR")
        if not access.write and access.address == Reg.ERROR:
            cause = Cause(ErrorField.unpack(access.data).cause)
            if cause:
                self.hits.add("fault", cause.name)

    def _packet(self, stream: str, packet: Packet) -> None:
        stalled = packet.first - packet.offered
        self.hits.add("stream", f"{stream} offered", bins.STALL.label(stalled))
        inside = packet.last - packet.first + 1 - len(packet.beats)
        self.hits.add("stream", f"{stream} inside", bins.STALL.label(inside))
        if stream == "h":
            cut = "closed after beats" if len(packet.beats) > 1 else "closed alone"
            self.hits.add("packet_end", cut if packet.user else "whole")

    # ------------------------------------------------------------ the file

    async def _until_the_end(self) -> None:
        edge = RisingEdge(self._tb.dut.done_i)
        try:
            while True:
                await edge
        finally:  # the test ends: its tasks are cancelled
            self.write()

    def write(self) -> None:
        """Write the file, where one is wanted. Its name says what is in it."""
        told = simulation()
        if told.cover_dir is not None:
            run = {
                "module": told.module,
                "filter": told.test_filter or "",
                "parameters": told.parameters,
                "simulator": cocotb.SIM_NAME,
                "seed": told.seed,
            }
            write_hits(told.cover_dir, self.hits, run)


def collector_of(tb: Bench) -> Collector:
    """The bench's collector: its own, or where the run was not asked for coverage, a new one."""
    if tb.coverage is None:
        tb.coverage = Collector(tb)
    return tb.coverage


def write_hits(where: Path, hits: Hits, run: dict[str, Any]) -> Path:
    """Write the hits of one run into folder `where`, whole or not at all; the path."""
    content = {
        "schema": SCHEMA,
        "run": run,
        "hits": {
            name: sorted([list(at), count] for at, count in counter.items())
            for name, counter in sorted(hits.counts.items())
            if counter
        },
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    where.mkdir(parents=True, exist_ok=True)
    path = where / f"functional-{digest}.json"
    write_text(path, text)
    return path
