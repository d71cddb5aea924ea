"""Finding the first wrong value: a deep trace spoiled in each place is laid at the right door.

One small simulation makes a good deep trace; each test spoils a line of it and asks which module is
named. `make localise` does the same with real faults in the RTL.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.model_file import save_model
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.debug.divergence import first_divergence, planted
from tb.debug.divergence import replay_settings as environment
from tb.debug.divergence.deep import DeepTraceError, Event, History, read_events, read_history
from tb.debug.divergence.hanging import awaited
from tb.debug.divergence.search import search
from tb.paths import REPO
from tb.sim.build import build, first_error
from tb.sim.run import run


@cocotb.test()
async def short_run(dut: Any) -> None:
    """Two layers, four steps: the trace that all tests here look at."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 9, [16, 8], 6, 0.5, theta_x=[12, 3], theta_h=[5, 4])
    await tb.run(model, random_inputs(tb.rng, 4, 9, "walk"))
    await tb.finish(at_least=4)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Event], History, Path]:
    """A deep trace without a fault, its history, and the folder they are in."""
    folder = tmp_path_factory.mktemp("deep")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPLAY_DIR", str(folder))
        patch.setenv("WAVES_FROM_NS", str(10**12))
        chosen = bench.configs()["i64"]
        built = build(
            "icarus", bench.TOP, chosen["parameters"], **environment.build_options(bench.SOURCES)
        )
        replay = environment.wanted()
        run(
            built,
            "tb.tests.tools.test_divergence",
            "short_run",
            plusargs=["TRACE=trace.txt", *replay.plusargs],
            seed=3,
            **environment.run_options(built.wave_suffix),
        )
    with (folder / "deep.txt").open() as file:
        events = list(read_events(file))
    return events, read_history(folder / "history.jsonl"), folder


def spoiled(events: list[Event], code: str, word: int, number: int = 20) -> list[Event]:
    """The events with the lowest bit of a field of one line of this code turned over.

    The line is the `number`-th, or the last where there are fewer.
    """
    lines = [at for at, event in enumerate(events) if event.code == code]
    at = lines[min(number, len(lines) - 1)]
    words = list(events[at].words)
    words[word] = words[word][:-1] + f"{int(words[word][-1], 16) ^ 1:x}"
    return [*events[:at], events[at]._replace(words=words), *events[at + 1 :]]


def test_a_good_run_has_no_divergence(good) -> None:
    """Could break: a check that is stricter than the core's contract. Golden values are made for
    columns, sums, memories, gates, h and beats of it.
    """
    events, history, _ = good
    outcome = search(events, history)
    assert outcome.divergence is None
    assert [step["step"] for step in outcome.steps] == [0, 1, 2, 3]
    assert {line.split()[1] for line in outcome.golden} == set("CESMRNHY")


@pytest.mark.parametrize(
    ("code", "word", "module"),
    [
        ("x", 0, "x_ingress"),
        ("P", 0, "sequencer"),
        ("P", 2, "sequencer"),
        ("P", 3, "sequencer"),
        ("P", 4, "sequencer"),
        ("S", 3, "hidden_memory"),
        ("S", 4, "delta_encoder"),
        ("E", 4, "delta_encoder"),
        ("E", 5, "delta_encoder"),
        ("F", 1, "delta_encoder"),
        ("Q", 0, "column_fetch"),
        ("Q", 1, "column_fetch"),
        ("W", 4, "column_fetch"),
        ("A", 0, "burst_reader"),
        ("A", 1, "burst_reader"),
        ("R", 0, "memory outside the core"),
        ("d", 4, "work_queue"),
        ("d", 6, "burst_reader"),
        ("M", 0, "pe_array"),
        ("M", 1, "pe_array"),
        ("M", 3, "pe_array"),
        ("0", 1, "gate_pipeline"),
        ("1", 3, "pe_array"),
        ("2", 3, "gate_pipeline"),
        ("3", 5, "gate_lane"),
        ("4", 6, "activation_rom"),
        ("5", 3, "activation_rom"),
        ("5", 4, "gate_lane"),
        ("8", 2, "gate_lane"),
        ("8", 3, "gate_lane"),
        ("9", 2, "activation_rom"),
        ("9", 3, "hidden_memory"),
        ("a", 2, "gate_lane"),
        ("a", 3, "gate_pipeline"),
        ("c", 1, "gate_pipeline"),
        ("c", 2, "gate_lane"),
        ("h", 0, "h_egress"),
        ("h", 1, "h_egress"),
    ],
)
def test_spoiled_value_is_laid_at_the_right_door(good, code: str, word: int, module: str) -> None:
    """Could break: a stage whose outputs are not looked at, or that is blamed for another's."""
    events, history, _ = good
    wrong = spoiled(events, code, word)
    found = first_divergence(wrong, history)
    at = next(a for a, b in zip(wrong, events, strict=True) if a != b)
    assert found is not None and (found.module, found.time_ns) == (module, at.time), found
    report = json.loads(json.dumps(found.json()))
    assert report["schema"] == 1 and report["module"] == module and report["cycle"] == at.cycle


@pytest.mark.parametrize(
    ("code", "times", "module", "what"),
    [
        ("Q", 0, "column_fetch", "request for what is queued"),
        ("Q", 2, "column_fetch", "a request made twice"),
        ("g", 0, "pe_array", "start of the gates at the end of a pass"),
    ],
)
def test_a_handover_lost_or_made_twice(good, code: str, times: int, module: str, what: str) -> None:
    """Could break: a column that nobody fetches, found only where the wrong sums are read."""
    events, history, _ = good
    at = [i for i, event in enumerate(events) if event.code == code][-1]
    wrong = [*events[:at], *times * [events[at]], *events[at + 1 :]]
    found = first_divergence(wrong, history)
    assert found is not None and (found.module, found.what) == (module, what), found


def test_gates_that_start_twice(good) -> None:
    """Could break: a start that nothing asked for walks past the steps that there are."""
    events, history, _ = good
    at = [i for i, event in enumerate(events) if event.code == "g"][-1]
    found = first_divergence([*events[: at + 1], events[at], *events[at + 1 :]], history)
    assert found is not None and found.module == "pe_array", found
    assert (found.signal, found.time_ns) == ("u_pe_array.gate_start_o", events[at].time)


def test_a_trace_that_makes_no_sense_is_named(good) -> None:
    """Could break: a traceback, when a line lacks what the search needs."""
    events, history, _ = good
    at = next(i for i, event in enumerate(events) if event.code == "E")
    with pytest.raises(DeepTraceError, match=rf"'E' at {events[at].time} ns makes no sense"):
        first_divergence([*events[:at], events[at]._replace(words=[])], history)


def test_wrong_threshold_is_the_registers(good) -> None:
    """Could break: a threshold that the registers hold wrongly blamed on the encoder."""
    events, history, _ = good
    steps = {t: (n, [x[0] + 1, *x[1:]], h) for t, (n, x, h) in history.steps.items()}
    found = first_divergence(events, replace(history, steps=steps))
    assert found is not None and found.module == "settings_registers"
    assert (found.step, found.layer, found.kind) == (0, 0, "x")


@pytest.mark.parametrize(("code", "module"), [("M", "pe_array"), ("h", "h_egress")])
def test_hang_names_what_is_awaited(good, code: str, module: str) -> None:
    """Could break: a hang without a wrong value that says nothing. The trace ends before an event
    of the last step, which the core then owes.
    """
    events, history, _ = good
    end = next(i for i, e in enumerate(events) if e.code == code and e.time > max(history.steps))
    outcome = search(events[:end], history)
    assert outcome.divergence is None
    found = awaited(outcome, "hang")
    assert found.what.startswith("hang") and found.last_right
    assert found.module == module, found


def test_unknown_bits_are_wrong(good) -> None:
    """Could break: x in the trace of a four-state simulator ends the search without a verdict."""
    events, history, _ = good
    at = next(i for i, e in enumerate(events) if e.code == "M" and i > 300)
    words = [*events[at].words[:3], "x" * len(events[at].words[3])]
    wrong = [*events[:at], events[at]._replace(words=words), *events[at + 1 :]]
    found = first_divergence(wrong, history)
    assert found is not None and found.module == "pe_array" and "unknown" in found.text()


def test_planted_faults_fit_the_rtl() -> None:
    """Could break: a fault of localise.toml that nobody plants any more. In ten modules."""
    cases = planted.load()
    assert len({case.module for case in cases}) >= 10
    with pytest.raises(ValueError, match="'nonsense' is not in"):
        planted.load(["nonsense"])


def test_rtl_that_does_not_compile_is_said_so(tmp_path: Path) -> None:
    """Could break: the compiler's complaint hidden behind a trace that is missing."""
    case = next(case for case in planted.load() if case.name == "closing end stays at the head")
    planted.plant(replace(case, new="assign work_ready_o = item_last || nobody;"), tmp_path)
    done = subprocess.run(
        [sys.executable, "scripts/localise.py", case.test, "--seed", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    said = done.stderr.strip()
    assert re.search(r"the build failed: \S*pe_array\.sv:\d+: error: .*nobody", said), said
    assert Path(said.split("whole log: ")[1]).is_file()


def test_a_mismatch_of_simulate_is_localised(tmp_path: Path) -> None:
    """Could break: a run of a model that only says which value of h is wrong."""
    case = next(case for case in planted.load() if case.name == "address of every odd column")
    planted.plant(case, tmp_path)
    rng = np.random.default_rng(3)
    save_model(tmp_path / "m.npz", random_model(rng, 9, [16, 8], 6, 0.5))
    np.save(tmp_path / "x.npy", random_inputs(rng, 3, 9))
    words = "scripts/simulate.py --model m.npz --stimulus x.npy --output o.npz --sim icarus"

    def simulate(localise: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *words.split()],
            cwd=tmp_path,
            env=os.environ | {"LOCALISE": localise},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    again = f"LOCALISE=1 python {words}"
    status, said = simulate("0")
    assert status == 1 and "mismatch: step 0" in said and said.endswith(f"LOCALISE: {again}\n")
    status, said = simulate("1")
    assert status == 1 and "first divergence: address of a request\n" in said, said
    assert "  module    column_fetch\n" in said and said.endswith(f"  again     {again}\n")
    (dump,) = (tmp_path / "reports" / "localise" / "simulate").glob("replay.*")
    assert dump.stat().st_size > 0 and f"  waves     {dump}, " in said


@pytest.mark.parametrize(
    ("log", "first"),
    [
        ("iverilog a.sv\na.sv:3: warning: x\na.sv:7: syntax error\nb.sv:1: error: y\n",
         "a.sv:7: syntax error"),
        ("verilator error.sv\n%Warning-WIDTH: a.sv:2:1: x\n%Error: a.sv:9:4: y\n%Error: exit\n",
         "%Error: a.sv:9:4: y"),
        ("g++ -c a.cpp\na.cpp: In function 'f':\na.cpp:5:1: fatal error: no x.h\nmake: *** [a]\n",
         "a.cpp:5:1: fatal error: no x.h"),
        ("make\nkilled\n", "killed"),
    ],
)  # fmt: skip
def test_first_complaint_of_a_compiler(tmp_path: Path, log: str, first: str) -> None:
    """Could break: a warning, the command or what follows from an error shown instead of it."""
    (tmp_path / "build.log").write_text(log)
    assert first_error(tmp_path / "build.log") == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tb/tests/system/none.py::test_x"], "node: no file"),
        ([], "expected a pytest node, or --faults"),
        (["--faults", "--only", "nonsense"], "'nonsense' is not in localise.toml"),
    ],
)
def test_bad_arguments_get_one_line(arguments: list[str], said: str) -> None:
    """Could break: a traceback for a mistake at the keyboard."""
    done = subprocess.run(
        [sys.executable, "scripts/localise.py", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
