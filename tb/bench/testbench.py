# SPDX-License-Identifier: Apache-2.0
"""The bench around the core: clock, reset, agents, scoreboard, and the questions asked at the end.

A test makes one `TB`, awaits `reset`, then `load` and `open` a model, sends x, and awaits `finish`,
which fails unless everything was drained, compared and clean. Lengths of time are clock cycles.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, RisingEdge
from cocotb.utils import get_sim_time

from golden.model_file import Model
from tb.agents.axil import AxiLiteMonitor
from tb.agents.factory import make_agents
from tb.agents.memory import AxiReadMonitor
from tb.agents.stream import AxisMonitor
from tb.bench.replay_recorder import recorder_of
from tb.checks.scoreboard import DeltaGruScoreboard
from tb.coverage.functional.collector import Collector
from tb.device.beats import beats_of
from tb.device.clock import BENCH_CLOCK_NS
from tb.device.config import DeviceConfig
from tb.device.driver import EdgeDrnnDriver
from tb.device.image import DramImage
from tb.failure import CheckerError, HangError
from tb.handover import simulation

RESET_CYCLES = 5


def run_seed() -> int:
    """The seed of this run: printed first thing in the log, and all randomness comes from it."""
    return simulation().seed


def rng_for(name: str) -> np.random.Generator:
    """A random generator of its own for each purpose, derived from the run's one seed."""
    return np.random.default_rng([run_seed(), zlib.crc32(name.encode())])


def never() -> Iterator[bool]:
    """Never pause."""
    return itertools.repeat(False)


def at_random(rng: np.random.Generator, chance: float) -> Iterator[bool]:
    """Pause each cycle with probability `chance`."""
    while True:
        yield from (rng.random(256) < chance).tolist()


def in_runs(rng: np.random.Generator, go: int, wait: int) -> Iterator[bool]:
    """Runs of up to `go` cycles of movement and up to `wait` of pause, lengths at random."""
    while True:
        yield from itertools.repeat(False, int(rng.integers(1, go + 1)))
        yield from itertools.repeat(True, int(rng.integers(1, wait + 1)))


def now_and_then(rng: np.random.Generator, chance: float, wait: int) -> Iterator[bool]:
    """Pauses of exactly `wait` cycles that begin with probability `chance`."""
    while True:
        if rng.random() < chance:
            yield from itertools.repeat(True, wait)
        yield False


def between(rng: np.random.Generator, low: int, high: int) -> Iterator[int]:
    """Delays uniform in low...high."""
    while True:
        yield from rng.integers(low, high + 1, 64).tolist()


PAUSES = ("free", "random", "runs", "heavy", "hiccup")
"""Kinds of back-pressure that `pause_of` makes."""


def pause_of(kind: str, rng: np.random.Generator) -> Iterator[bool]:
    """A pause generator by name."""
    makers: dict[str, Callable[[], Iterator[bool]]] = {
        "free": never,
        "random": lambda: at_random(rng, 0.4),
        "runs": lambda: in_runs(rng, 12, 12),
        "heavy": lambda: at_random(rng, 0.9),
        "hiccup": lambda: now_and_then(rng, 0.02, 40),
    }
    return makers[kind]()


class _Nothing:
    """A DRAM that nobody has written."""

    def read(self, _address: int, _size: int) -> None:
        """Nothing is there."""
        return


class TB:
    """Everything around one core.

    `agents` drive its buses: "ours" or "cocotbext" (cocotbext-axi's); None takes those that
    `tb.sim.run` was given, so that a story runs with either. Monitors, checkers and scoreboard are
    always ours.
    """

    def __init__(self, dut: Any, *, agents: str | None = None) -> None:
        self.dut = dut
        self.log = dut._log
        self.log.info("seed %d", run_seed())
        self.rng = rng_for("test")
        clock, reset_n = dut.clk_i, dut.rst_ni
        self.clock = clock
        self.width = len(dut.m_axi_rdata)
        self.image: DramImage | None = None
        self.model: Model | None = None
        for signal in (dut.done_i, dut.misuse_i, dut.x_beats_i, dut.h_beats_i):
            signal.value = 0
        reset_n.value = 0
        agents = agents or simulation().agents
        self.agents = make_agents(agents, dut, _Nothing(), rng_for("x noise"))
        self.source, self.sink = self.agents.source, self.agents.sink
        self.axil, self.memory = self.agents.axil, self.agents.memory
        self.driver = EdgeDrnnDriver(self.axil, idle_wait=lambda: self.cycles(10))
        self.x_monitor = AxisMonitor(dut, "s_axis_x", clock, reset_n)
        self.h_monitor = AxisMonitor(dut, "m_axis_h", clock, reset_n)
        self.axi_monitor = AxiReadMonitor(dut, "m_axi", clock, reset_n)
        self.axi_monitor.add_callback(lambda burst: None)  # counted; nobody reads a queue of them
        self.axil_monitor = AxiLiteMonitor(dut, "s_axil", clock, reset_n)
        self.scoreboard = DeltaGruScoreboard(dut, self.width)
        self.scoreboard.attach(self.axil_monitor, self.x_monitor, self.h_monitor)
        self.recorder = recorder_of(self.scoreboard, self.x_monitor)
        if "TRACE" in cocotb.plusargs:
            self.scoreboard.follow(Path(str(cocotb.plusargs["TRACE"])))
            self._h_out = Event()
            self.h_monitor.add_callback(lambda packet: self._h_out.set())
            cocotb.start_soon(self._settle_after_h())
        self.coverage = Collector(self) if simulation().coverage else None
        Clock(clock, BENCH_CLOCK_NS, unit="ns", impl="gpi").start(start_high=False)

    async def _settle_after_h(self) -> None:
        edge = RisingEdge(self.clock)
        while True:
            await self._h_out.wait()
            self._h_out.clear()
            await edge
            await edge
            self.scoreboard.settle()

    # ------------------------------------------------------------ time

    async def cycles(self, count: int = 1) -> None:
        """Wait clock cycles."""
        await ClockCycles(self.clock, count)

    async def until(
        self, condition: Callable[..., bool], what: str, limit: int = 200_000, hold: int = 1
    ) -> None:
        """Wait until `condition()` is true in `hold` cycles in a row; fail after `limit` cycles."""
        edge = RisingEdge(self.clock)
        true_for = 0
        for _ in range(limit):
            true_for = true_for + 1 if condition() else 0
            if true_for == hold:
                return
            await edge
        raise HangError(f"{what}: not in {limit} cycles")

    async def reset(self) -> None:
        """Hard reset, from any state; configuration is gone afterwards."""
        self.dut.rst_ni.value = 0
        self.source.drop_queued()
        self.scoreboard.reset_begins()
        await self.cycles(RESET_CYCLES)
        self.scoreboard.reset_ends()
        self.dut.rst_ni.value = 1
        await self.cycles(2)

    # ------------------------------------------------------------ traffic

    def pressure(self, kind: str) -> None:
        """Back-pressure of one kind on every stream and on the memory; delays on the registers."""
        self.agents.pressure(
            lambda name: pause_of(kind, rng_for(name)),
            lambda name, low, high: between(rng_for(name), low, high),
            free=kind == "free",
        )

    def misuse(self, on: bool) -> None:
        """From here on the memory breaks the rules of the weight port, or keeps to them again.

        Meanwhile neither the port's checker nor its monitor complains. End it with the port at
        rest: what was under way is forgotten.
        """
        self.dut.misuse_i.value = int(on)
        self.axi_monitor.misuse = on
        self.axi_monitor.pending.clear()

    # ------------------------------------------------------------ models

    def place(self, model: Model, **layout: Any) -> DramImage:
        """Put a model into DRAM and tell scoreboard and checkers; registers are not touched."""
        self.model = model
        self.image = DramImage(model, self.width, **layout)
        self.scoreboard.use(model)
        if self.recorder is not None:
            self.recorder.place(get_sim_time("ns"), model, self.image)
        self.axi_monitor.regions = [
            (f"layer {region.layer} {region.kind}", region.address, region.end)
            for region in self.image.regions
        ]
        self.memory.image = self.image
        self.dut.x_beats_i.value = beats_of(model.input_size)
        self.dut.h_beats_i.value = beats_of(model.hidden_size)
        return self.image

    async def load(self, model: Model, *, timeout: int = 0, **layout: Any) -> DramImage:
        """Put a model into DRAM and write the configuration registers."""
        image = self.place(model, **layout)
        await self.driver.configure(DeviceConfig.of(model, image), timeout=timeout)
        return image

    async def open(self, model: Model, *, timeout: int = 0, **layout: Any) -> DramImage:
        """Load a model and start a sequence; returns when the core waits for x."""
        image = await self.load(model, timeout=timeout, **layout)
        await self.driver.start()
        return image

    async def send(self, inputs: np.ndarray, *, limit: int = 400_000) -> None:
        """Send x rows, int16 (T, I), and wait until all h packets are out."""
        for row in inputs:
            self.source.queue(row)
        await self.settled(limit)

    async def settled(self, limit: int = 400_000) -> None:
        """Wait until each x packet offered has been taken and its h has come out."""
        await self.until(
            lambda: self.source.idle and not self.scoreboard.owed, "all h packets", limit, hold=2
        )

    async def run(self, model: Model, inputs: np.ndarray, **options: Any) -> None:
        """Load, start and send."""
        await self.open(model, **options)
        await self.send(inputs)

    # ------------------------------------------------------------ the end

    async def at_rest(self) -> None:
        """Wait until the recurrent columns of the step to come have been read as well."""
        await self.until(
            lambda: not self.axi_monitor.pending and self.dut.m_axi_arvalid.value == 0,
            "at rest",
            hold=200,  # longer than any pause inside or between passes
        )

    async def drained(self, limit: int = 20_000) -> None:
        """Wait until no stream, burst or access is under way."""
        dut = self.dut
        await self.until(
            lambda: (
                self.source.idle
                and self.h_monitor.partial is None
                and dut.m_axis_h_tvalid.value == 0
                and not self.axi_monitor.pending
                and dut.m_axi_arvalid.value == 0
            ),
            "drained",
            limit,
            hold=2,
        )

    def checker_errors(self) -> dict[str, int]:
        """What each protocol checker has counted."""
        return {
            name: int(getattr(self.dut, f"{name}_errors_o").value)
            for name in ("axil", "axi", "x", "h", "core")
        }

    async def finish(self, *, at_least: int = 1) -> None:
        """Fail unless all is drained, no checker complained and `at_least` steps were compared."""
        await self.drained()
        await self.cycles(20)
        await self.drained()
        self.dut.done_i.value = 1
        await self.cycles(3)
        errors = self.checker_errors()
        if any(errors.values()):
            raise CheckerError(f"protocol checkers: {errors}, see CHECKER lines in the log")
        if self.memory.wild:
            raise CheckerError(f"wild reads: {self.memory.wild[:5]}")
        self.scoreboard.result(at_least=at_least)
        self.log.info(
            "%d steps compared, %d trace records, %d beats",
            self.scoreboard.compared,
            self.scoreboard.compared_trace,
            self.axi_monitor.beats,
        )
