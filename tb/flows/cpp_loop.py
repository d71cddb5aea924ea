# SPDX-License-Identifier: Apache-2.0
"""Run a model on the RTL in a bare C++ loop: core and DRAM, no cocotb, no checker, no trace.

``scripts/bench_sim.py`` holds the speed of ``tb.flows.simulation`` against it; it is also a second
way to h and to cycle counts. The program is ``tb/sv/cpp/loop_main.cpp``, around
``tb/sv/tops/loop_top.sv``.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.model_file import Model
from tb.device import registers as regs
from tb.device.config import DeviceConfig
from tb.device.dram import Dram, load_dram
from tb.device.driver import OKAY, BuildParameters, EdgeDrnnDriver
from tb.device.image import DramImage
from tb.device.registers import IrqEnable, Reg, Status
from tb.failure import SimulationError
from tb.flows.simulation import BenchLog, bench_parameters, hang_cycles, write_inputs
from tb.sim.build import build, loop_top_sources
from tb.sim.folders import log_tail, run_folder
from tb.sim.process import supervise

SLOWEST = 100  # cycles a step may take, in beats of all weights together
TIMEOUT_S = 3600.0
REST = 1000  # cycles until the first x: long enough to scan an all-zero h


@dataclass(frozen=True)
class LoopResult:
    """What the loop measured: ``h`` int16 (T, H), Q8.8, of the last layer.

    ``latency``, ``period`` int64 (T,) clock cycles, as in ``tb.flows.simulation.Result``.
    ``cycles``, ``wall_seconds``, ``cpu_seconds``: from the first x offered to the last h taken.
    """

    h: np.ndarray
    latency: np.ndarray
    period: np.ndarray
    cycles: int
    wall_seconds: float
    cpu_seconds: float
    build_seconds: float


class _Script:
    """A register port that notes what is done to it, in the words of ``loop_main.cpp``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def write(self, address: int, data: int) -> int:
        self.lines.append(f"W {address:x} {data:x}")
        return OKAY

    async def read(self, address: int) -> tuple[int, int]:
        raise NotImplementedError("nobody is there yet to answer")

    def poll(self, address: int, mask: int) -> None:
        """Wait until a bit of ``mask`` is 1."""
        self.lines.append(f"P {address:x} {mask:x}")

    def idle(self, cycles: int) -> None:
        """Let ``cycles`` go by."""
        self.lines.append(f"I 0 {cycles:x}")


async def _configuration(model: Model, image: DramImage, parameters: dict[str, int]) -> list[str]:
    """What the driver writes to open a sequence, faults to the interrupt line."""
    script = _Script()
    driver = EdgeDrnnDriver(script)
    driver.build = BuildParameters(
        version=(0, 1, 0),
        data_width=parameters["AxiDataWidth"],
        outstanding=parameters["Outstanding"],
        max_layers=regs.LAYER_COUNT,
        max_units=1 << 10,
    )
    await driver.configure(DeviceConfig.of(model, image))
    await driver.write(Reg.IRQ_ENABLE, IrqEnable.ERROR)
    await driver.start(wait=False)
    script.poll(Reg.STATUS, Status.WAIT_X)
    script.idle(REST)
    return script.lines


def run_cpp_loop(
    model: Model,
    stimulus: np.ndarray,
    *,
    dram: str | Path | Dram = "ideal",
    seed: int = 1,
    port_bits: int = 64,
    outstanding: int = 16,
    progress: Callable[[int], object] | None = None,
) -> LoopResult:
    """Run ``stimulus``, int16 (T, I) Q8.8, through ``model``, x back to back.

    ``seed``: of stalls, padding lanes and random initial values. ``progress`` is called with the
    number of steps newly finished. A folder under ``build/run`` is kept when the run fails. Raises
    SimulationError when core, DRAM or simulator fail, BuildError; h is the caller's to compare.
    """
    memory = dram if isinstance(dram, Dram) else load_dram(dram)
    image = DramImage(model, port_bits)
    parameters = bench_parameters(image, outstanding)
    built = build("verilator", "loop_top", parameters, sources=loop_top_sources(), waves=False)
    folder = run_folder("loop")
    plusargs = write_inputs(folder, model, stimulus, image, seed)
    lines = asyncio.run(_configuration(model, image, parameters))
    (folder / "config.txt").write_text("".join(f"{line}\n" for line in lines))
    plusargs += [
        f"CONFIG={folder / 'config.txt'}",
        f"HANG={hang_cycles(memory) + SLOWEST * image.size // image.port_bytes}",
        *memory.plusargs(seed),
    ]
    log = folder / "sim.log"
    bench_log = BenchLog(folder / "bench.log")
    seen = 0

    def poll() -> None:
        nonlocal seen
        bench_log.poll()
        if progress and len(bench_log.taken) > seen:
            progress(len(bench_log.taken) - seen)
        seen = len(bench_log.taken)

    random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
    status = supervise(
        [str(built.executable), *random, *(f"+{arg}" for arg in plusargs)],
        env={},
        work_dir=folder,
        log=log,
        timeout_s=TIMEOUT_S,
        poll=poll,
    )
    if status != 0:
        why = "no end, killed" if status is None else f"exit status {status}"
        raise SimulationError(f"C++ loop: {why}\n--- end of {log}\n{log_tail(log)}\n---")
    poll()
    if len(bench_log.taken) != len(stimulus):
        raise SimulationError(f"C++ loop: {len(bench_log.taken)} steps, expected {len(stimulus)}")
    measured = json.loads(log.read_text().splitlines()[-1])
    offered, taken = np.array(bench_log.offered), np.array(bench_log.taken)
    result = LoopResult(
        h=bench_log.hidden(len(stimulus), model.hidden_size),
        latency=(taken - offered).astype(np.int64),
        period=np.diff(taken, prepend=offered[0]).astype(np.int64),
        cycles=measured["cycles"],
        wall_seconds=measured["wall_seconds"],
        cpu_seconds=measured["cpu_seconds"],
        build_seconds=built.seconds,
    )
    shutil.rmtree(folder, ignore_errors=True)
    return result
