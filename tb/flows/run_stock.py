# SPDX-License-Identifier: Apache-2.0
"""A model on the RTL as cocotb comes: its runner, its clock, and cocotbext-axi on every bus.

``scripts/bench_sim.py`` compares the speed of ``tb.flows.simulation`` with it. The file holds three
sides: ``run_stock`` for a caller, ``main`` for the process that calls cocotb's runner, and the
cocotb test that runs inside the simulator. A JSON file that they share is the job they are told of.
"""

from __future__ import annotations

import functools
import json
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotb.utils import get_sim_time
from cocotbext.axi import (
    AxiRamRead,
    AxiReadBus,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from golden.model_file import Model
from tb.agents.third_party import ThirdPartyPort
from tb.device.beats import BEAT_BYTES, pack
from tb.device.clock import RUN_CLOCK_NS
from tb.device.config import DeviceConfig
from tb.device.driver import EdgeDrnnDriver
from tb.device.image import DramImage
from tb.failure import BuildError, SimulationError
from tb.flows.job import Job, job_of_this_run
from tb.flows.simulation import BenchLog
from tb.handover import Handover, Simulation, simulation
from tb.paths import REPO, RTL_FILELIST
from tb.settings import simulator_env
from tb.sim.build import read_filelist
from tb.sim.folders import log_tail, run_folder
from tb.sim.process import supervise
from tb.sim.toolchain import VERILATED_MK_FIXES, verilator_root

MODULE = "tb.flows.run_stock"
TOP = "edgedrnn"
PORT_BITS = 64  # the RTL's default
RESET_CYCLES = 8
TIMEOUT_S = 3600.0
BUILT = "built"  # file that says that the build went well


@dataclass(frozen=True)
class StockResult:
    """What the run measured: ``h`` int16 (T, H), Q8.8, of the last layer.

    ``cycles``, ``wall_seconds``, ``cpu_seconds``: from the first x sent to the last h received.
    """

    h: np.ndarray
    cycles: int
    wall_seconds: float
    cpu_seconds: float
    build_seconds: float


# ----------------------------------------------------------------------------------- the caller


@functools.cache
def _build_folder() -> Path:
    return run_folder("stock-build")


def run_stock(
    model: Model,
    stimulus: np.ndarray,
    *,
    seed: int = 1,
    progress: Callable[[int], object] | None = None,
) -> StockResult:
    """Build with cocotb's runner and run ``stimulus``, int16 (T, I) Q8.8, through ``model``.

    A process builds once; ``build_seconds`` is 0 when it had been built before.
    ``progress`` is called with the number of steps newly finished. A folder under ``build/run`` is
    kept when the run fails. Raises BuildError, SimulationError; h is the caller's to compare.
    """
    folder = run_folder("stock")
    image = DramImage(model, PORT_BITS)
    image.dense().tofile(folder / "dram.bin")
    np.save(folder / "x.npy", stimulus)
    outcome = folder / "result.json"
    job = Job(DeviceConfig.of(model, image), len(stimulus), outcome).write(folder)
    told = Handover(simulation=Simulation(seed, MODULE, job=job))
    env = simulator_env(
        told.text(),
        python_path=[REPO, *(p for p in sys.path if p)],
        path_first=[verilator_root() / "bin"],
        VERILATOR_ROOT=str(verilator_root()),
        # make hands them on to the make that Verilator's files ask for
        MAKEFLAGS=" ".join(shlex.quote(fix) for fix in VERILATED_MK_FIXES),
    )
    log = folder / "sim.log"
    log.touch()
    bench_log = BenchLog(folder / "bench.log")
    seen = 0

    def poll() -> None:
        nonlocal seen
        bench_log.poll()
        if progress and len(bench_log.taken) > seen:
            progress(len(bench_log.taken) - seen)
        seen = len(bench_log.taken)

    command = [sys.executable, "-m", MODULE, str(_build_folder())]
    status = supervise(command, env=env, work_dir=folder, log=log, timeout_s=TIMEOUT_S, poll=poll)
    if status != 0 or not outcome.exists():
        built = (_build_folder() / BUILT).exists()
        kind, text = (
            (SimulationError, log) if built else (BuildError, _build_folder() / "build.log")
        )
        raise kind(f"stock run: exit status {status}\n--- end of {text}\n{log_tail(text)}\n---")
    poll()
    if len(bench_log.taken) != len(stimulus):
        raise SimulationError(f"stock run: {len(bench_log.taken)} steps, expected {len(stimulus)}")
    measured = json.loads(outcome.read_text())
    result = StockResult(
        h=bench_log.hidden(len(stimulus), model.hidden_size),
        cycles=measured["cycles"],
        wall_seconds=measured["wall_seconds"],
        cpu_seconds=measured["cpu_seconds"],
        build_seconds=measured["build_seconds"],
    )
    shutil.rmtree(folder, ignore_errors=True)
    return result


# ------------------------------------------------------------------------- cocotb's runner


def main(build_folder: Path) -> int:
    """Build and run with cocotb's runner and its defaults; the exit status."""
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    job = job_of_this_run()
    folder = job.result.parent
    runner = get_runner("verilator")
    started = time.monotonic()
    if not (build_folder / BUILT).exists():
        sources, include_dirs = read_filelist(RTL_FILELIST)
        runner.build(
            sources=sources,
            includes=include_dirs,
            hdl_toplevel=TOP,
            build_dir=build_folder,
            log_file=build_folder / "build.log",
        )
        (build_folder / BUILT).touch()
        build_seconds = time.monotonic() - started
    else:
        build_seconds = 0.0
    results = runner.test(
        test_module=MODULE,
        hdl_toplevel=TOP,
        hdl_toplevel_lang="verilog",
        seed=simulation().seed,
        build_dir=build_folder,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
    )
    tests, failed = get_results(results)
    if tests != 1 or failed:
        return 1
    measured = json.loads(job.result.read_text()) | {"build_seconds": build_seconds}
    job.result.write_text(json.dumps(measured))
    return 0


# ----------------------------------------------------------------------- inside the simulator


@cocotb.test()
async def run_model(dut: Any) -> None:
    """Configure the core, stream x back to back, note h."""
    job = job_of_this_run()
    folder = job.result.parent
    stimulus = np.load(folder / "x.npy")
    memory = (folder / "dram.bin").read_bytes()
    buses = {"clock": dut.clk_i, "reset": dut.rst_ni, "reset_active_level": False}
    port = ThirdPartyPort(dut, "s_axil", dut.clk_i, dut.rst_ni)
    size = 1 << (len(memory) - 1).bit_length()
    ram = AxiRamRead(AxiReadBus.from_prefix(dut, "m_axi"), **buses, size=size)
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_x"), **buses)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis_h"), **buses)
    ram.write(0, memory)
    dut._log.setLevel(logging.WARNING)  # a line for each burst would cost more than the burst
    logging.getLogger(f"cocotb.{TOP}").setLevel(logging.WARNING)
    dut.rst_ni.value = 0
    Clock(dut.clk_i, RUN_CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk_i, RESET_CYCLES)
    dut.rst_ni.value = 1
    driver = EdgeDrnnDriver(port, polls=10**9, idle_wait=lambda: ClockCycles(dut.clk_i, 20))
    await driver.configure(job.config)
    await driver.start()

    def cycle() -> int:
        return round(get_sim_time("ns") / RUN_CLOCK_NS)

    packets = [
        AxiStreamFrame(b"".join(beat.to_bytes(BEAT_BYTES, "little") for beat in pack(x)))
        for x in stimulus
    ]
    with (folder / "bench.log").open("w") as log:
        first = cycle()
        started, computed = time.perf_counter(), time.process_time()
        for step, packet in enumerate(packets):
            print("X", step, cycle(), file=log)
            await source.send(packet)
            frame = await sink.recv()
            data = bytes(frame.tdata)
            for beat in range(0, len(data), BEAT_BYTES):
                print("H", data[beat : beat + BEAT_BYTES][::-1].hex(), file=log)
            print("Y", step, cycle(), 0, file=log, flush=True)
        wall_seconds = time.perf_counter() - started
        cpu_seconds = time.process_time() - computed
    cycles = cycle() - first
    result = {"cycles": cycles, "wall_seconds": wall_seconds, "cpu_seconds": cpu_seconds}
    job.result.write_text(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
