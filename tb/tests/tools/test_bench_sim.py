# SPDX-License-Identifier: Apache-2.0
"""The benchmark of simulation speed: its C++ loop does the same work, and its command line is kind.

How fast anything is, nothing here asks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from golden.integer import IntegerGru
from golden.model_file import Model
from golden.stimulus import random_inputs, random_model
from tb.device.dram import parse_dram
from tb.device.image import DramImage
from tb.failure import SimulationError
from tb.flows import cpp_loop, speed
from tb.flows.cpp_loop import LoopResult, run_cpp_loop
from tb.flows.simulation import simulate
from tb.paths import REPO

STEPS = 6


@pytest.fixture
def network() -> tuple[Model, np.ndarray]:
    rng = np.random.default_rng(8)
    model = random_model(rng, 11, (16, 24), weight_scale=0.5, theta_x=8, theta_h=8)
    return model, random_inputs(rng, STEPS, 11, "walk")


# --------------------------------------------------------------------------------- the C++ loop


@pytest.mark.parametrize("hidden", [(8,), (16, 24), (64, 128, 72)], ids=str)
def test_equal_h_and_cycles_of_loop_and_cocotb(hidden: tuple[int, ...]) -> None:
    """Could break: the loop's handshakes, reset or clock; then it would measure other work."""
    rng = np.random.default_rng(sum(hidden))
    model = random_model(rng, 11, hidden, weight_scale=0.5, theta_x=8, theta_h=8)
    x = random_inputs(rng, STEPS, 11, "walk")
    steps: list[int] = []
    loop = run_cpp_loop(model, x, progress=steps.append)
    golden = IntegerGru(model)
    assert np.array_equal(loop.h, [golden.step(row).h for row in x])
    ours = simulate(model, x, rest=cpp_loop.REST)
    assert np.array_equal(loop.latency, ours.latency)
    assert np.array_equal(loop.period, ours.period)
    assert loop.cycles == loop.period.sum() + 1  # the cycle of the last h is one of them
    assert sum(steps) == STEPS


def test_loop_on_a_slow_memory(network: tuple[Model, np.ndarray]) -> None:
    model, x = network
    golden = IntegerGru(model)
    loop = run_cpp_loop(model, x, dram="ddr3l")
    assert np.array_equal(loop.h, [golden.step(row).h for row in x])
    assert (loop.latency > run_cpp_loop(model, x).latency).all()


def test_hang_in_the_loop(network: tuple[Model, np.ndarray]) -> None:
    memory = parse_dram({"mode": "ideal"})
    dead = dataclasses.replace(memory, values={**memory.values, "DRAM_STALL_R": 1000})
    with pytest.raises(SimulationError, match="a register never showed"):
        run_cpp_loop(*network, dram=dead)


def test_wild_reads_in_the_loop(
    network: tuple[Model, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tell the core addresses that hold nothing: the DRAM answers DECERR, the core a fault."""

    class Moved(DramImage):
        @property
        def addr_bias(self) -> tuple[int, ...]:
            return (self.end + 4096,) * 2

        @addr_bias.setter
        def addr_bias(self, _value: tuple[int, ...]) -> None:
            pass

    monkeypatch.setattr(cpp_loop, "DramImage", Moved)
    with pytest.raises(SimulationError, match="fault before the first step") as caught:
        run_cpp_loop(*network)
    assert "WILD" in str(caught.value)


# ----------------------------------------------------------------------------- the command line


@functools.cache
def command_line() -> ModuleType:
    """scripts/bench_sim.py as a module."""
    return importlib.import_module("tb.cli.bench_sim")


def type_there(folder: Path, *words: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command typed in ``folder``."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = command_line().main(list(words))
        except SystemExit as leaving:
            status = leaving.code
    return status, out.getvalue(), err.getvalue()


SMALL = ("--units", "16", "--steps", "4", "--stock-steps", "2", "--rounds", "1")
PAGE = "before\n<!-- measured: begin -->\nstale\n<!-- measured: end -->\nafter\n"


def test_all_backends_on_a_small_network(tmp_path: Path) -> None:
    """Every way runs and has the golden model's h; table, JSON and page hold the same figures."""
    (tmp_path / "page.md").write_text(PAGE)
    status, out, err = type_there(tmp_path, *SMALL, "--json", "s.json", "--page", "page.md")
    assert status == 0, err
    found = json.loads((tmp_path / "s.json").read_text())
    assert [way["way"] for way in found["ways"]] == list(speed.WAYS)
    assert [way["steps"] for way in found["ways"]] == [4, 4, 4, 2]
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("before\n<!-- measured: begin -->\n") and "stale" not in page
    assert page.endswith("<!-- measured: end -->\nafter\n")
    for way in found["ways"]:
        assert way["cycles"] > 0 and way["per_second"] > 0 and way["per_cpu_second"] > 0
        for text in (out, page):
            assert way["title"] in text and f"{way['per_second']:,.0f}" in text
    assert found["ways"][1]["cycles"] == found["ways"][2]["cycles"]
    assert "of the C++ loop" in out and "2L-16H" in found["workload"]
    assert str(Path.home()) not in page and str(REPO) not in page
    assert {path.name for path in tmp_path.iterdir()} == {"s.json", "page.md"}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--ways", "loop,icarus"], ["--ways", "'icarus'", "no-check"]),
        (["--ways", ""], ["--ways", "''"]),
        (["--ways", "loop,loop"], ["--ways", "once"]),
        (["--rounds", "0"], ["--rounds", "1 to 100"]),
        (["--units", "12"], ["--units", "'12'", "steps of 8"]),
        (["--units", "2048"], ["--units", "8 to 1024"]),
        (["--steps", "many"], ["--steps", "'many'", "integer"]),
        (["--stock-steps", "-1"], ["--stock-steps"]),
        (["--seed", "0.5"], ["--seed"]),
        (["--json", "no/such/folder/s.json"], ["--json", "no/such/folder"]),
        (["--json", "."], ["--json", "folder"]),
        (["--json", "/proc/s.json"], ["--json", "/proc"]),
        (["--page", "none.md"], ["--page", "none.md"]),
        (["--page", "plain.md"], ["--page", "plain.md", "measured: begin"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_bad_options(tmp_path: Path, words: list[str], names: list[str]) -> None:
    (tmp_path / "plain.md").write_text("a page without a place for a table\n")
    status, out, err = type_there(tmp_path, *words)
    assert status == 2 and out == "" and err.count("\n") == 1, err
    assert not [name for name in names if name not in err], err
    assert [path.name for path in tmp_path.iterdir()] == ["plain.md"]


def test_exit_status_of_a_different_h(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(*args: Any, **options: Any) -> LoopResult:
        result = run_cpp_loop(*args, **options)
        result.h[2, 5] += 1
        return result

    way = dataclasses.replace(speed.WAYS["loop"], run=spoiled)
    monkeypatch.setitem(speed.WAYS, "loop", way)
    (tmp_path / "page.md").write_text(PAGE)
    words = [*SMALL, "--ways", "loop", "--json", "s.json", "--page", "page.md"]
    status, out, err = type_there(tmp_path, *words)
    assert status == 1 and out == ""
    assert "step 2, bare C++ loop: element 5, h: expected" in err
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]
    assert (tmp_path / "page.md").read_text() == PAGE


def test_help_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = type_there(tmp_path, "--help")
    assert status == 0
    for word in ("cycles/s", "cycles/CPU s", "exit status", "examples", "--stock-steps N"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 120
