# SPDX-License-Identifier: Apache-2.0
"""Every kind of stimulus at small and large thresholds: bit for bit, and it does what it is for.

That a stimulus reaches its corner is measured on what the core fired, not on what was meant.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest

from golden import fixed
from golden.arrays import Int64s
from golden.edges import distances, edge_hits, hidden_edges
from golden.model_file import Model, load_model, save_model
from golden.stimulus import KINDS, random_inputs, random_model
from golden.trace import read_trace, replay
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.checks.trace import StepRecord
from tb.flows import simulation
from tb.paths import REPO, SIMULATORS

THETA_MAX = fixed.THETA_MAX
CONFIGS = ("w64", "i64")


@dataclass(frozen=True)
class Size:
    """How much is run: `hidden` units of `inputs` inputs for `steps`, at each of `thetas`."""

    inputs: int
    hidden: tuple[int, ...]
    steps: int
    thetas: tuple[int, ...]


def size() -> Size:
    """Inside the simulation: as much as this simulator does in seconds."""
    if bench.on_icarus():
        return Size(9, (8, 8), 20, (0, 64, THETA_MAX))
    return Size(12, (16, 24), 40, (0, 1, 64, THETA_MAX))


class Firing:
    """What one delta encoder of the core was given, and what it fired, at one threshold.

    values, deltas: (T, N), Q8.8, deltas 0 where silent. distance: (T, N), from the reference that
    follows from the deltas fired before. theta: max(Θ, 1). columns: (T,), elements that fired.
    """

    def __init__(
        self, values: npt.ArrayLike, columns: list[list[tuple[int, int]]], theta: int
    ) -> None:
        self.values: Int64s = np.array(values, np.int64)
        self.deltas: Int64s = np.zeros_like(self.values)
        for row, fired in zip(self.deltas, columns, strict=True):
            for index, delta in fired:
                row[index] = delta
        self.theta = max(int(theta), 1)
        self.distance = distances(self.values, self.deltas)
        self.fired = self.deltas != 0
        self.columns = np.array([len(fired) for fired in columns])
        self.moves = np.diff(self.values, axis=0, prepend=0)
        due = fixed.sat16(self.distance)
        expected = np.where(np.abs(due) >= self.theta, due, 0)
        assert np.array_equal(self.deltas, expected), "the core fired what it should not, or not"

    @property
    def edge_hits(self) -> np.ndarray:
        """How often |Δ| was Θ-1, Θ, Θ+1 (rows), below and above 0 (columns)."""
        return edge_hits(self.distance, self.theta)

    def longest_creep(self) -> int:
        """Most steps in a row in which an element moved in silence, and then fired."""
        longest = 0
        for fired, moved in zip(self.fired.T, (self.moves != 0).T, strict=True):
            silent = 0
            for now, move in zip(fired, moved, strict=True):
                if now:
                    longest, silent = max(longest, silent), 0
                else:
                    silent += move
        return longest


def of_x(records: list[StepRecord], layer: int, theta: int) -> Firing:
    """The encoder of a layer's inputs, from the core's trace."""
    values = [r.layers[layer - 1].h if layer else r.x for r in records]
    return Firing(values, [r.layers[layer].columns_x for r in records], theta)


def of_h(records: list[StepRecord], layer: int, theta: int) -> Firing:
    """The encoder of a layer's hidden states, from the core's trace."""
    h = [r.layers[layer].h for r in records]
    return Firing(
        [np.zeros_like(h[0]), *h[:-1]], [r.layers[layer].columns_h for r in records], theta
    )


# --------------------------------------------------------------------- what each kind is for


def uniform(x: Firing) -> None:
    """Most elements fire, and by far."""
    assert np.ptp(x.values) > 1 << 15
    assert x.fired.mean() > 0.5 or x.theta > 64


def walk(x: Firing) -> None:
    """Some elements fire in a step and others do not; none does at the largest threshold."""
    assert (0 < x.fired.mean() < 1) == (x.theta <= 64)


def edges(x: Firing) -> None:
    """|Δ| is Θ-1, Θ and Θ+1, with either sign, and never anything else."""
    assert x.edge_hits.all() and (np.abs(np.abs(x.distance) - x.theta) <= 1).all()


def quiet(x: Firing) -> None:
    """After the first step next to nothing fires, in some steps nothing at all."""
    assert x.fired[1:].mean() < 0.15 and (x.columns == 0).any()


def burst(x: Firing) -> None:
    """In some steps nothing fires, in others most elements do."""
    assert (x.columns == 0).any()
    assert x.columns.max() >= x.fired.shape[1] / 2 or x.theta > 64


def saturate(x: Firing) -> None:
    """Distances leave 16 bits both ways, and the deltas sent stop at the ends."""
    assert (x.deltas[x.distance > fixed.X_MAX] == fixed.X_MAX).any()
    assert (x.deltas[x.distance < fixed.X_MIN] == fixed.X_MIN).any()


def ramp(x: Firing) -> None:
    """No move reaches Θ, yet elements fire: after moves in silence, exactly at Θ, both ways."""
    if x.theta == 1:  # there is no move below it
        assert set(np.unique(x.moves)) == {-1, 0, 1} and np.array_equal(x.fired, x.moves != 0)
        return
    assert np.abs(x.moves).max() < x.theta
    assert x.edge_hits[:2].all() and x.longest_creep() >= 3


def quiet_burst(x: Firing) -> None:
    """At least four steps in which nothing fires, then one in which everything does."""
    columns = x.columns.tolist()
    elements = x.fired.shape[1]
    starts = range(len(columns) - 4)
    assert any(columns[t : t + 5] == [0, 0, 0, 0, elements] for t in starts)
    assert set(columns) == {0, elements}


CLAIMS: dict[str, Callable[[Firing], None]] = {
    claim.__name__: claim
    for claim in (uniform, walk, edges, quiet, burst, saturate, ramp, quiet_burst)
}


# ------------------------------------------------------------------------------- the runs


async def run_recorded(tb: TB, model: Model, x: np.ndarray) -> list[StepRecord]:
    """Run x through the core; what it fired and computed, all compared with the golden model."""
    records: list[StepRecord] = []
    first = len(tb.scoreboard.history)
    tb.scoreboard.on_record = [records.append]
    await tb.run(model, x)
    await tb.drained()
    await tb.cycles(3)  # the trace of a step is whole a cycle after its last beat
    tb.scoreboard.settle()
    await tb.driver.soft_reset()
    golden = tb.scoreboard.history[first:]
    for side in ("columns_x", "columns_h"):
        core = [[len(getattr(layer, side)) for layer in record.layers] for record in records]
        assert core == [[getattr(layer, side) for layer in step.layers] for step in golden]
    assert np.array_equal([record.x for record in records], x)
    return records


@cocotb.test()
async def kind_of_input(dut: Any) -> None:
    """Could break: the encoder where it decides: the threshold off by one or of one sign only, the
    reference moved in silence or by another amount than was sent, a delta that wraps, a pass in
    which nothing or everything fires. One kind of input, thresholds small and large, two layers.
    """
    tb = TB(dut)
    await tb.reset()
    kind, run = bench.case()["kind"], size()
    for theta in run.thetas:
        # Weights at which hidden states come to rest when the inputs do.
        model = random_model(
            tb.rng, run.inputs, run.hidden, weight_scale=0.3, theta_x=theta, theta_h=theta
        )
        x = random_inputs(tb.rng, run.steps, run.inputs, kind, theta)
        records = await run_recorded(tb, model, x)
        firing = of_x(records, 0, theta)
        tb.log.info(
            "theta %d: %.1f %% fire, |delta| at theta - 1, theta, theta + 1: %s, longest creep %d",
            *(theta, 100 * firing.fired.mean(), firing.edge_hits.tolist(), firing.longest_creep()),
        )
        if kind in CLAIMS:  # a kind that is not is red below, and compared all the same
            CLAIMS[kind](firing)
        for layer in range(len(run.hidden)):
            of_x(records, layer, theta)
            of_h(records, layer, theta)
        if kind == "quiet_burst" and theta >= 64:
            # a step that reads no weight in any layer, then one that does
            beats = [record.column_beats for record in records]
            assert any(a == 0 < b for a, b in itertools.pairwise(beats))
    await tb.finish(at_least=run.steps * len(run.thetas))


@cocotb.test()
async def hidden_states_on_the_edge(dut: Any) -> None:
    """Could break: the same for hidden states, which no input aims at: the pass ahead of the step,
    its threshold, a layer's inputs that are the hidden states below. Thresholds that hidden states
    come to by Θ-1, Θ and Θ+1 with either sign, in every layer.
    """
    tb = TB(dut)
    await tb.reset()
    run = size()
    for theta_x in (0, 30):
        model = random_model(tb.rng, run.inputs, run.hidden, weight_scale=0.5, theta_x=theta_x)
        x = random_inputs(tb.rng, run.steps, run.inputs, "walk")
        model = hidden_edges(model, x)
        tb.log.info("theta_x %s, theta_h %s", model.theta_x.tolist(), model.theta_h.tolist())
        records = await run_recorded(tb, model, x)
        for layer, theta in enumerate(model.theta_h):
            assert of_h(records, layer, theta).edge_hits.all()
            firing = of_x(records, layer, model.theta_x[layer])
            assert layer == 0 or firing.edge_hits.all()
    await tb.finish(at_least=2 * run.steps)


# ---------------------------------------------------------------------------- for pytest


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_input(kind: str, config: str) -> None:
    """Each kind that golden/stimulus.py makes, on both simulators."""
    bench.simulate(__file__, "kind_of_input", config, kind=kind)


@pytest.mark.parametrize("config", CONFIGS)
def test_hidden_states_on_the_edge(config: str) -> None:
    """On both simulators."""
    bench.simulate(__file__, "hidden_states_on_the_edge", config)


def test_purpose_of_every_kind() -> None:
    """Could break: a new kind of stimulus that nobody measures, or that nobody describes."""
    assert set(CLAIMS) == set(KINDS)
    page = (REPO / "docs" / "verification.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if f"| `{kind}` |" not in page]
    assert not missing, f"docs/verification.md: no row for {missing}"


@pytest.mark.parametrize("sim", SIMULATORS)
def test_golden_trace_on_the_core(sim: str, tmp_path: Path) -> None:
    """Could break: a trace file that is not what the core computes. The command writes one; the
    core runs its stimulus, compared with nothing but the file: h, and columns by step and layer.
    """
    rng = np.random.default_rng(12)
    save_model(tmp_path / "m.npz", random_model(rng, 9, (16, 24), weight_scale=0.5))
    words = ["--model", "m.npz", "--output", "t.npz", "--kind", "ramp", "--steps", "20"]
    words += ["--theta-x", "40,9", "--theta-h", "12", "--memories"]
    command = [sys.executable, str(REPO / "scripts" / "stimulus.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model, trace = load_model(tmp_path / "m.npz"), read_trace(tmp_path / "t.npz")
    assert replay(model, trace) is None
    result = simulation.simulate(
        model.with_theta(trace.theta_x, trace.theta_h), trace.x, sim=sim, check=False
    )
    assert np.array_equal(result.h, trace.h) and trace.h.any()
    assert np.array_equal(result.columns_x, trace.columns_x)
    assert np.array_equal(result.columns_h, trace.columns_h)
    column_bytes = 3 * np.array(model.hidden_sizes)
    assert np.array_equal(result.dram_bytes, (trace.columns_x + trace.columns_h) @ column_bytes)
