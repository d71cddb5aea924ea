# SPDX-License-Identifier: Apache-2.0
"""Finding the first wrong value: corrupt one trace line per stage; the right module must be named.

One small simulation makes a good deep trace; each test spoils a line of it and asks which module is
named. `make localise` does the same with real faults in the RTL.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from msgspec import structs

from golden.model_file import save_model
from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.debug.divergence import first_divergence, planted, replay_options
from tb.debug.divergence.deep import DeepTraceError, Event, History, read_events, read_history
from tb.debug.divergence.encoding import Encoding
from tb.debug.divergence.events import KINDS
from tb.debug.divergence.fetching import Fetching
from tb.debug.divergence.flow import Flow
from tb.debug.divergence.gating import Gating
from tb.debug.divergence.hanging import awaited
from tb.debug.divergence.search import search
from tb.handover import Handover, Replay
from tb.paths import MONITORS, REPO
from tb.settings import HANDOVER, Settings, child_env
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


Good = tuple[list[Event], History, Path]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Good:
    """A deep trace without a fault, its history, and the folder they are in."""
    folder = tmp_path_factory.mktemp("deep")
    with pytest.MonkeyPatch.context() as patch:
        replay = Replay(folder)
        patch.setenv(HANDOVER, Handover(replay=replay).text())
        patch.setenv("WAVES_FROM_NS", str(10**12))
        chosen = bench.configs()["i64"]
        options = replay_options.of_build(replay, bench.SOURCES)
        built = build("icarus", bench.TOP, chosen.parameters, **options)
        run(
            built,
            "tb.tests.tools.test_divergence",
            "short_run",
            plusargs=["TRACE=trace.txt", *replay_options.plusargs(replay)],
            seed=3,
            **replay_options.of_run(replay, built.wave_suffix),
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


def test_good_run_without_divergence(good: Good) -> None:
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
def test_module_blamed_for_a_corrupted_value(good: Good, code: str, word: int, module: str) -> None:
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
def test_lost_and_repeated_handover(
    good: Good, code: str, times: int, module: str, what: str
) -> None:
    """Could break: a column that nobody fetches, found only where the wrong sums are read."""
    events, history, _ = good
    at = [i for i, event in enumerate(events) if event.code == code][-1]
    wrong = [*events[:at], *times * [events[at]], *events[at + 1 :]]
    found = first_divergence(wrong, history)
    assert found is not None and (found.module, found.what) == (module, what), found


@pytest.mark.parametrize(
    ("last", "cause", "expected"),
    [
        (True, 12, None),
        (True, 0, None),
        (True, None, "r_short"),
        (False, 12, "r_short"),
        (False, 13, "r_long"),
        (False, 14, "r_unowed"),
        (False, 1, None),
    ],
)
def test_beat_out_of_place(good: Good, last: bool, cause: int | None, expected: str | None) -> None:
    """Could break: a burst of a wrong length that the core does not tell, and a fault that it tells
    of a good one. `last`: rlast of a beat is turned over; `cause`: of the stop behind it, None for
    none.
    """
    events, history, _ = good
    at = [i for i, event in enumerate(events) if event.code == "R"][60]
    wrong = spoiled(events, "R", 2, 60) if last else events
    if cause is not None:
        beat = events[at]
        stop = beat._replace(cycle=beat.cycle + 2, code="Z", words=["0", f"{cause:02x}"])
        wrong = [*wrong[: at + 1], stop]
    found = first_divergence(wrong, history)
    assert (found and found.signal) == expected, found
    assert found is None or found.module == "burst_reader"


def test_repeated_gate_start(good: Good) -> None:
    """Could break: a start that nothing asked for walks past the steps that there are."""
    events, history, _ = good
    at = [i for i, event in enumerate(events) if event.code == "g"][-1]
    found = first_divergence([*events[: at + 1], events[at], *events[at + 1 :]], history)
    assert found is not None and found.module == "pe_array", found
    assert (found.signal, found.time_ns) == ("gate_start", events[at].time)


def test_inconsistent_trace_message(good: Good) -> None:
    """Could break: a traceback, when a line lacks what the search needs."""
    events, history, _ = good
    at = next(i for i, event in enumerate(events) if event.code == "E")
    with pytest.raises(DeepTraceError, match=rf"'E' at {events[at].time} ns makes no sense"):
        first_divergence([*events[:at], events[at]._replace(words=[])], history)


def test_monitor_lines_of_the_event_table(good: Good) -> None:
    """Could break: a field put into deep_monitor.sv that the search takes for its neighbour."""
    events, _, _ = good
    source = (MONITORS / "deep_monitor.sv").read_text(encoding="utf-8")
    written = {
        code: len(re.findall(r"%[hb]", fields)) + len(re.findall(r" [01](?= |$)", fields))
        for code, fields in re.findall(r'"(?:%0d %0d|0 0) (\w)((?: %[hb]| [01])*)\\n"', source)
    }
    assert written == {code: len(kind.fields) for code, kind in KINDS.items()}
    assert {event.code for event in events} >= set(KINDS) - set("KZH")


def test_handler_for_every_kind_of_line(good: Good) -> None:
    """Could break: a kind that no method takes, or that two do."""
    flow = Flow(good[1])
    stages = Encoding(flow, {}), Fetching(flow), Gating(flow)
    names = [name for stage in stages for name in stage.handlers()]
    assert sorted([*names, "build", "reset", "still"]) == sorted(k.name for k in KINDS.values())


@pytest.mark.parametrize("line", ["1 2 q 0\n", "1 2 Q 0\n", "1 2 Q 0 1 2\n"])
def test_line_of_another_form(line: str) -> None:
    """Could break: a trace of another version read as if it were this one's."""
    with pytest.raises(DeepTraceError, match="expected"):
        list(read_events([line]))


def test_module_blamed_for_a_wrong_threshold(good: Good) -> None:
    """Could break: a threshold that the registers hold wrongly blamed on the encoder."""
    events, history, _ = good
    steps = {t: (n, [x[0] + 1, *x[1:]], h) for t, (n, x, h) in history.steps.items()}
    found = first_divergence(events, replace(history, steps=steps))
    assert found is not None and found.module == "settings_registers"
    assert (found.step, found.layer, found.kind) == (0, 0, "x")


@pytest.mark.parametrize(("code", "module"), [("M", "pe_array"), ("h", "h_egress")])
def test_awaited_handshake_of_a_hang(good: Good, code: str, module: str) -> None:
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


def test_unknown_bits(good: Good) -> None:
    """Could break: x in the trace of a four-state simulator ends the search without a verdict."""
    events, history, _ = good
    at = next(i for i, e in enumerate(events) if e.code == "M" and i > 300)
    words = [*events[at].words[:3], "x" * len(events[at].words[3])]
    wrong = [*events[:at], events[at]._replace(words=words), *events[at + 1 :]]
    found = first_divergence(wrong, history)
    assert found is not None and found.module == "pe_array" and "unknown" in found.text()


def test_planted_faults_match_of_the_rtl() -> None:
    """Could break: a fault of localise.toml that nobody plants any more. In ten modules."""
    cases = planted.load()
    assert len({case.module for case in cases}) >= 10
    with pytest.raises(ValueError, match="'nonsense' is not in"):
        planted.load(["nonsense"])


def test_rtl_with_a_compile_error(tmp_path: Path) -> None:
    """Could break: the compiler's complaint hidden behind a trace that is missing."""
    case = next(case for case in planted.load() if case.name == "closing end stays at the head")
    planted.plant(structs.replace(case, new="assign work_ready_o = item_last || nobody;"), tmp_path)
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


def test_localised_mismatch_of_simulate(tmp_path: Path) -> None:
    """Could break: a run of a model that only says which value of h is wrong."""
    case = next(case for case in planted.load() if case.name == "address of every odd column")
    planted.plant(case, tmp_path)
    rng = np.random.default_rng(3)
    save_model(tmp_path / "m.npz", random_model(rng, 9, [16, 8], 6, 0.5))
    np.save(tmp_path / "x.npy", random_inputs(rng, 3, 9))
    words = "scripts/simulate.py --model m.npz --stimulus x.npy --output o.npz --sim icarus"

    def simulate(localise: bool) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, *words.split()],
            cwd=tmp_path,
            env=child_env(Settings(localise=localise)),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    again = f"LOCALISE=1 python {words}"
    status, said = simulate(False)
    assert status == 1 and "mismatch: step 0" in said and said.endswith(f"LOCALISE: {again}\n")
    status, said = simulate(True)
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
def test_bad_arguments(arguments: list[str], said: str) -> None:
    """Could break: a traceback for a mistake at the keyboard."""
    done = subprocess.run(
        [sys.executable, "scripts/localise.py", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
