# SPDX-License-Identifier: Apache-2.0
"""Run a model on the RTL: ``simulate`` is what ``scripts/simulate.py`` and the benchmarks call.

The simulator runs in a process of its own and writes a trace; this process reads it as it grows,
compares every step with the golden model and ends the simulation at the first difference.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from golden.files import move_file
from golden.integer import IntegerGru, encode_delta
from golden.model_file import Model
from tb.bench.replay_recorder import Recorder
from tb.checks.compare import MismatchError, step_difference
from tb.checks.trace import StepRecord, TraceReader
from tb.debug.divergence import replay_options
from tb.device.beats import LANES, beats_of, pack_bytes, unpack_hex
from tb.device.config import DeviceConfig
from tb.device.dram import Dram, load_dram
from tb.device.image import DramImage
from tb.device.registers import Counters
from tb.failure import (
    BuildError,
    Difference,
    NoProgressError,
    ReportedError,
    SimulationError,
)
from tb.flows.job import Job
from tb.handover import handover
from tb.sim.build import build, run_top_sources
from tb.sim.folders import run_folder
from tb.sim.run import run

MEMORY_BYTES = (8 << 20, 32 << 20, 128 << 20)  # DRAM sizes built for; the smallest that fits
QUIET_LIMIT_S = 3600.0  # wall clock without a finished step


@dataclass(frozen=True)
class Result:
    """What a run measured; arrays as in OUT.npz (T steps, L layers, H units of the last layer).

    ``h`` int16 (T, H) Q8.8. ``latency``, ``period`` int64 (T,) clock cycles. ``columns_x``,
    ``columns_h`` int64 (T, L). ``dram_bytes`` int64 (T,): bytes of the weight columns whose sums
    the step used. ``wall_seconds``, ``cpu_seconds``, ``cycles``: of the simulation loop; the second
    is what the simulator computed for, the first includes that it had to wait for a processor.
    ``bias_bytes``: read once before the first step. ``compared``: values compared with the golden
    model. ``counters``: the performance counters after the last step.
    """

    h: np.ndarray
    latency: np.ndarray
    period: np.ndarray
    columns_x: np.ndarray
    columns_h: np.ndarray
    dram_bytes: np.ndarray
    wall_seconds: float
    cpu_seconds: float
    cycles: int
    bias_bytes: int
    compared: int
    build_seconds: float
    counters: Counters


@dataclass
class BenchLog:
    """What ``run_top`` noted on the streams, read while it grows."""

    path: Path
    offered: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    _handle: TextIO | None = None
    _rest: str = ""

    def poll(self) -> None:
        """Read what is new. Lines: ``X step cycle``, ``H data``, ``Y step cycle beats``."""
        if self._handle is None:
            if not self.path.exists():
                return
            self._handle = self.path.open()
        *lines, self._rest = (self._rest + self._handle.read()).split("\n")
        for line in lines:
            code, *fields = line.split()
            if code == "H":
                self.words.append(fields[0])
            else:
                cycles = self.offered if code == "X" else self.taken
                if int(fields[0]) != len(cycles):
                    raise SimulationError(f"{self.path}: {line!r}, expected step {len(cycles)}")
                cycles.append(int(fields[1]))

    def hidden(self, steps: int, units: int) -> np.ndarray:
        """h of every step as it went over the bus, int16 (steps, units)."""
        return unpack_hex(self.words[: steps * beats_of(units)]).reshape(steps, units)


def simulate(
    model: Model,
    stimulus: np.ndarray,
    *,
    sim: str = "verilator",
    dram: str | Path | Dram = "ideal",
    interval: int = 0,
    seed: int = 1,
    check: bool = True,
    waves_file: Path | None = None,
    timeline_file: Path | None = None,
    port_bits: int = 64,
    outstanding: int = 16,
    h_stall: float = 0.0,
    rest: int = 0,
    image: DramImage | None = None,
    progress: Callable[[int], object] | None = None,
    reproduce: str | None = None,
) -> Result:
    """Run ``stimulus``, int16 (T, I) Q8.8, through ``model`` on the RTL.

    ``interval``: cycles from h_t having left to x_{t+1} being offered. ``seed``: of the stalls, the
    padding lanes and the simulator's random initial values. ``h_stall``: chance, for each cycle,
    that nobody takes h. ``rest``: cycles for which the first x is held back once the core is ready;
    it works ahead meanwhile. ``progress`` is called with the number of steps newly finished.
    ``waves_file``: where waveforms go, its suffix replaced by the format's: FST, or VCD where
    Verilator cannot write FST. The build with waves is another one, and slower.
    ``timeline_file``: where the port's timeline goes, for ``tb.debug.timeline``; a run that fails
    leaves what it had.

    A folder under ``build/run`` holds the simulator's files; it is kept when the run fails.
    Raises MismatchError on the first difference to the golden model (unless ``check`` is False),
    SimulationError when the core, a checker or the simulator fails, BuildError.
    """
    if stimulus.dtype != np.int16 or stimulus.ndim != 2 or len(stimulus) == 0:
        raise ValueError(f"stimulus: {stimulus.dtype} {stimulus.shape}, expected int16 (T, I)")
    if stimulus.shape[1] != model.input_size:
        raise ValueError(f"stimulus: {stimulus.shape[1]} inputs, the model has {model.input_size}")
    memory = dram if isinstance(dram, Dram) else load_dram(dram)
    image = image or DramImage(model, port_bits)
    replay = handover().replay
    options = {"waves": waves_file is not None} | replay_options.of_build(replay, run_top_sources())
    try:
        built = build(sim, "run_top", bench_parameters(image, outstanding), **options)
    except BuildError as error:
        if replay:
            error.attach(None, replay.folder)
        raise
    folder = run_folder("simulate")
    plusargs = write_inputs(folder, model, stimulus, image, seed)
    plusargs += [
        f"TRACE={folder / 'trace.txt'}",
        f"H_BEATS={beats_of(model.hidden_size)}",
        f"INTERVAL={interval}",
        f"H_STALL={round(1000 * h_stall)}",
        f"H_STALL_SEED={seed % 2**31}",
        f"HANG={hang_cycles(memory)}",
        *memory.plusargs(seed),
    ]
    if replay:
        plusargs += replay_options.plusargs(replay)
        Recorder(replay.folder).place(0.0, model, image)
    timeline = folder / "timeline.txt"
    if timeline_file is not None:
        plusargs.append(f"TIMELINE={timeline}")
    outcome = folder / "result.json"
    job = Job(DeviceConfig.of(model, image), len(stimulus), outcome, rest)
    comparison = _Comparison(folder, model, stimulus, check, progress)
    records = replay.folder if replay else folder
    waves = folder / f"waves{built.wave_suffix}"
    if replay:
        waves = replay_options.dump_file(replay, built.wave_suffix)
    try:
        done = run(
            built,
            "tb.flows.run_model",
            plusargs=plusargs,
            job=job.write(folder),
            seed=seed,
            work_dir=folder,
            waves_file=waves if built.waves else None,
            log=records / "sim.log",
            results_xml=records / "results.xml",
            timeout_s=float("inf"),
            poll=comparison.poll,
            reproduce=reproduce,
        )
        try:
            comparison.poll()
            measured = json.loads(outcome.read_text())
            result = comparison.result(measured, image, built.seconds)
        except ReportedError as error:
            error.attach(done.record, records)
            raise
    finally:
        comparison.close()
        if waves_file is not None and not replay and waves.exists():
            move_file(waves, waves_file.with_suffix(built.wave_suffix))
        if timeline_file is not None and timeline.exists():
            move_file(timeline, timeline_file)
    shutil.rmtree(folder, ignore_errors=True)
    return result


def bench_parameters(image: DramImage, outstanding: int) -> dict[str, int]:
    """Parameters of ``run_top`` and ``loop_top`` for this image; ValueError if it is too large."""
    fitting = [size for size in MEMORY_BYTES if size >= image.size]
    if not fitting:
        raise ValueError(f"model: {image.size} bytes of weights, at most {MEMORY_BYTES[-1]} fit")
    return {
        "AxiDataWidth": 8 * image.port_bytes,
        "Outstanding": outstanding,
        "MemBytes": fitting[0],
    }


def hang_cycles(memory: Dram) -> int:
    """Cycles of silence that no working core shows, however slow the memory."""
    slowest = sum(memory.values.get(f"DRAM_{t}", 0) for t in ("FRONT", "BACK", "TRFC", "TRAS"))
    return 50_000 + 4 * slowest // memory.values.get("DRAM_PORT_PERIOD", 8000)


def write_inputs(
    folder: Path, model: Model, stimulus: np.ndarray, image: DramImage, seed: int
) -> list[str]:
    """Write what ``run_top`` and ``loop_top`` read; the plusargs that name it, and their log."""
    image.write(folder / "dram.bin")
    steps, inputs = stimulus.shape
    x_beats = beats_of(inputs)
    # Lanes past I mean nothing to the core; noise there finds a core that looks.
    padded = np.random.default_rng(seed).integers(
        -(2**15), 2**15, (steps, x_beats * LANES), np.int16
    )
    padded[:, :inputs] = stimulus
    (folder / "x.bin").write_bytes(pack_bytes(padded))
    return [
        f"DRAM_IMAGE={folder / 'dram.bin'}",
        f"X_FILE={folder / 'x.bin'}",
        f"LOG={folder / 'bench.log'}",
        f"X_BEATS={x_beats}",
        f"STEPS={steps}",
    ]


def counters_of(measured: dict[str, Any]) -> Counters:
    """The counters as the cocotb side wrote them; JSON has no tuples."""
    fields: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in measured.items()
    }
    return Counters(**fields)


class _Comparison:
    """Follows a run: reads its trace and log, compares, and keeps what the result needs."""

    def __init__(
        self,
        folder: Path,
        model: Model,
        stimulus: np.ndarray,
        check: bool,
        progress: Callable[[int], object] | None,
    ) -> None:
        self.model = model
        self.stimulus = stimulus
        self.progress = progress
        self.golden = IntegerGru(model) if check else None
        self.log = BenchLog(folder / "bench.log")
        self.trace_path = folder / "trace.txt"
        self.trace = TraceReader(self.trace_path, model.input_size, model.hidden_sizes)
        self.columns: list[tuple[list[int], list[int], int]] = []
        self.cycles: list[tuple[int, int]] = []
        self.hidden: list[np.ndarray] = []
        self.compared = 0
        self.last_progress = time.monotonic()

    def poll(self) -> None:
        """Take in the steps that have been finished since the last call."""
        if self.trace_path.exists():
            for record in self.trace.poll():
                self._step(record)
                if self.progress:
                    self.progress(1)
                self.last_progress = time.monotonic()
        if time.monotonic() - self.last_progress > QUIET_LIMIT_S:
            raise NoProgressError(f"no step has ended for {QUIET_LIMIT_S:.0f} s of wall clock")

    def close(self) -> None:
        """Close the trace."""
        self.trace.close()

    def _step(self, record: StepRecord) -> None:
        step = len(self.columns)
        if record.step != step or step >= len(self.stimulus):
            raise SimulationError(f"trace: step {record.step}, expected {step}")
        if self.golden is not None:
            if not np.array_equal(record.x, self.stimulus[step]):
                raise MismatchError("the core took another x than was sent", step)
            expected = self.golden.step(self.stimulus[step])
            difference = step_difference(expected, record)
            if difference:
                raise MismatchError(difference, step)
            self.compared += sum(x.memory.size + 4 * x.h.size for x in record.layers)  # r, z, n, h
        self.columns.append(
            (
                [len(layer.columns_x) for layer in record.layers],
                [len(layer.columns_h) for layer in record.layers],
                record.column_beats,
            )
        )
        self.cycles.append((record.offered, record.finished))
        self.hidden.append(record.h)

    def result(self, measured: dict[str, Any], image: DramImage, build_seconds: float) -> Result:
        """All results, once the independent sources have been compared with each other."""
        self.log.poll()
        steps = len(self.stimulus)
        for name, count in (("trace", len(self.columns)), ("log", len(self.log.taken))):
            if count != steps:
                raise SimulationError(f"{name}: {count} steps, expected {steps}")
        offered, taken = np.array(self.log.offered), np.array(self.log.taken)
        latency = taken - offered
        if (latency != [end - begin for begin, end in self.cycles]).any():
            raise SimulationError("bench and trace monitor disagree on the latency of a step")
        hidden = self.log.hidden(steps, self.model.hidden_size)
        if not np.array_equal(hidden, self.hidden):
            step, unit = np.argwhere(hidden != np.array(self.hidden))[0]
            on_bus, in_core = int(hidden[step, unit]), int(self.hidden[step][unit])
            text = f"element {unit}, h: {on_bus} on the bus, {in_core} in the core"
            found = Difference(text, element=int(unit), expected=in_core, found=on_bus)
            raise MismatchError(found.in_layer(self.model.num_layers - 1), int(step))
        beats = np.array([b for _, _, b in self.columns], np.int64)
        bias_bytes = measured["bias_beats"] * image.port_bytes
        if bias_bytes != sum(image.bias_bytes(i) for i in range(self.model.num_layers)):
            raise SimulationError(f"{bias_bytes} bytes read before the first step, not the biases")
        # Columns that belong to a step after the last may have been fetched ahead.
        extra = measured["dram_beats"] - measured["bias_beats"] - int(beats.sum())
        if not 0 <= extra <= self._ahead_beats(image):
            raise SimulationError(
                f"DRAM: {measured['dram_beats']} beats, {beats.sum()} of them in columns that were"
                f" used, {measured['bias_beats']} in biases: {extra} unaccounted for"
            )
        return Result(
            h=hidden,
            latency=latency.astype(np.int64),
            period=np.diff(taken, prepend=offered[0]).astype(np.int64),
            columns_x=np.array([x for x, _, _ in self.columns], np.int64),
            columns_h=np.array([h for _, h, _ in self.columns], np.int64),
            dram_bytes=beats * image.port_bytes,
            wall_seconds=float(measured["wall_seconds"]),
            cpu_seconds=float(measured["cpu_seconds"]),
            cycles=int(measured["cycles"]),
            bias_bytes=bias_bytes,
            compared=self.compared,
            build_seconds=build_seconds,
            counters=counters_of(measured["counters"]),
        )

    def _ahead_beats(self, image: DramImage) -> int:
        """Most beats that columns of the step after the last can take."""
        columns = list(self.model.hidden_sizes)
        if self.golden is not None:
            thetas = self.model.theta_h
            columns = [
                len(encode_delta(layer.h, layer.h_ref, theta)[1])
                for layer, theta in zip(self.golden.layers, thetas, strict=True)
            ]
        return sum(n * image.column_bytes(i) // image.port_bytes for i, n in enumerate(columns))
