# SPDX-License-Identifier: Apache-2.0
"""scripts/timeline.py and tb/debug/timeline: sums, steps, traces, pictures, bad input.

tb/tests/system/test_run_timeline.py holds the monitor against the core's counters.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from golden.model_file import save_model
from golden.stimulus import random_inputs, random_model
from golden.timing import CLOCK_MHZ
from tb.debug.timeline.account import by_cause, counters, summarise
from tb.debug.timeline.causes import ALL
from tb.debug.timeline.chrome import PROCESS, chrome_trace, plain
from tb.debug.timeline.reader import Timeline, TimelineError, read_timeline
from tb.paths import SIMULATORS

# Two steps of a layer, made up: 4 columns of 3 beats, rests of each kind, counters frozen at 95.
STORY = """\
T 1 8
K 0
P 0 n n 0 0 0
P 10 i i 0 0 0
P 14 i b 0 0 0
P 20 w w 0 0 0
X 30 0
A 30 0
P 30 w e 0 0 0
D 31 0 0
P 31 s e 0 0 0
C 34 0 0 0
C 35 0 0 0
E 36 0 0 0
D 36 - -
P 37 s m 0 0 0
P 40 s x 0 0 0
P 46 s g 0 0 1
G 46 0
O 50 h
P 51 s o 0 1 1
O 55 t
Y 55 0
O 56 -
P 56 w w 0 0 1
G 56 -
X 60 1
A 60 1
C 61 0 1 0
C 62 0 1 0
E 63 0 1 0
P 61 s e 0 0 1
P 64 s l 0 0 1
P 66 s h 0 0 1
P 69 s m 0 0 1
P 71 s h 0 0 1
P 74 s g 0 0 1
O 80 t
Y 80 1
O 81 -
P 81 w w 0 0 1
F 95 1
"""
LINES = sorted(STORY.splitlines()[1:], key=lambda line: int(line.split()[1]))
TEXT = "\n".join(["T 1 8", *LINES, ""])

EVENT = {
    "type": "object",
    "required": ["name", "ph", "pid"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "ph": {"enum": ["X", "M", "C"]},
        "pid": {"type": "integer"},
        "tid": {"type": "integer"},
        "ts": {"type": "number", "minimum": 0},
        "dur": {"type": "number", "minimum": 0},
        "args": {"type": "object"},
        "cname": {"type": "string"},
    },
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"ph": {"const": "X"}}},
            "then": {"required": ["ts", "dur", "tid"]},
        },
        {
            "if": {"properties": {"ph": {"const": "C"}}},
            "then": {
                "required": ["ts", "args"],
                "properties": {"args": {"additionalProperties": {"type": "number"}}},
            },
        },
        {"if": {"properties": {"ph": {"const": "M"}}}, "then": {"required": ["args"]}},
    ],
}
# The JSON Object Format of the Trace Event Format, for the phases used here.
TRACE = {
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "traceEvents": {"type": "array", "minItems": 1, "items": EVENT},
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "schema": {"const": 1},
    },
}


@pytest.fixture
def story(tmp_path: Path) -> Timeline:
    path = tmp_path / "timeline.txt"
    path.write_text(TEXT)
    return read_timeline(path)


def type_(folder: Path, *words: str) -> tuple[int, str, str]:
    """Run scripts/timeline.py in this process; exit status, stdout, stderr."""
    module = importlib.import_module("tb.cli.timeline")
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            status = module.main(list(words))
        except SystemExit as leaving:
            status = leaving.code
    return status, out.getvalue(), err.getvalue()


# ------------------------------------------------------------------------------------- sums


def test_sums_of_a_known_sequence(story: Timeline) -> None:
    """Could break: any sum, by a cycle. The story's numbers are counted by hand."""
    assert counters(story, 2) == {
        "cycles": 94 - 10,
        "steps": 2,
        "beats": 6 + 6 + 6,
        "stall_mem": 3 + 2,
        "stall_out": 5,
        "idle": (31 - 20) + (61 - 56) + (94 - 81),
        "bias_beats": 6,
        "columns_undone": 0,
        "columns_x": (2, 0),
        "columns_h": (2, 0),
    }
    first, second = summarise(story, story.steps).accounts
    assert (first.step.begins, first.step.finished) == (30, 55)
    assert {code: n for code, n in first.cycles.items() if n} == {
        **{"e": 7, "m": 3, "x": 6, "g": 5, "o": 5},
    }
    assert second.step.begins == 56 and sum(second.cycles.values()) == 25 == second.step.cycles
    assert second.cycles["w"] == 5 and second.rest == 19


def test_one_cycle_shift_of_freeze_and_clear(tmp_path: Path) -> None:
    """Could break: counting while frozen, or what came before a clear. The counters are a cycle
    late: FREEZE seen in cycle f stops the count after f - 2.
    """
    path = tmp_path / "t.txt"
    path.write_text("T 1 4\nK 0\nP 0 w w 0 0 0\nF 10 1\nF 20 0\nF 30 1\nF 40 0\nX 49 0\n")
    timeline = read_timeline(path)
    assert timeline.counting == [(0, 9), (19, 29), (39, 50)]
    assert counters(timeline, 1)["idle"] == 9 + 10 + 11
    assert counters(timeline, 1, freezes=1)["idle"] == 9
    path.write_text(path.read_text().replace("F 20 0\n", "K 15\nF 20 0\n"))
    assert counters(read_timeline(path), 1)["idle"] == 10 + 11


def test_bottleneck(story: Timeline, tmp_path: Path) -> None:
    """Could break: the verdict. The port when it moves more than anything else holds it up."""
    summary = summarise(story, story.steps)
    assert summary.bottleneck is None and summary.moving == 12
    assert summary.worst.step.index == 0 and summary.worst.rest == 20
    path = tmp_path / "slow.txt"
    path.write_text(TEXT.replace(" s g ", " s m ").replace(" s o ", " s m "))
    slow = read_timeline(path)
    bottleneck = summarise(slow, slow.steps).bottleneck
    assert bottleneck is not None and bottleneck.name == "memory"


def test_truncated_file(story: Timeline, tmp_path: Path) -> None:
    """Could break: a run that was killed. The line that was being written does not count."""
    path = tmp_path / "cut.txt"
    path.write_text(TEXT[: TEXT.index("Y 80") + 3])
    cut = read_timeline(path)
    assert len(cut.steps) == 1 and cut.end == 81
    assert by_cause(cut, 30, 56) == by_cause(story, 30, 56)


# ------------------------------------------------------------------------------------ traces


def test_documented_trace_format(story: Timeline) -> None:
    """Could break: a field that Perfetto does not take; slices of a track that overlap; cycles of
    the port that are missing from its track.
    """
    trace = json.loads(json.dumps(chrome_trace(story)))
    jsonschema.validate(trace, TRACE)
    names = {
        event["tid"]: event["args"]["name"]
        for event in trace["traceEvents"]
        if event["name"] == "thread_name"
    }
    assert [*names.values()] == [
        *("steps", "x", "encoder", "biases", "layer 0 delta x", "layer 0 delta h"),
        *("port", "gates", "gates held by h", "h"),
    ]
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    for thread in names:
        mine = [(e["args"]["cycle"], e["args"]["cycles"]) for e in slices if e["tid"] == thread]
        assert mine and all(a + n <= b for (a, n), (b, _) in itertools.pairwise(mine))
    port = [event for event in slices if names[event["tid"]] == "port"]
    assert sum(event["args"]["cycles"] for event in port) == story.end
    assert all(e["ts"] == round(e["args"]["cycle"] / CLOCK_MHZ, 3) for e in slices)
    (stream,) = [event for event in slices if names[event["tid"]] == "layer 0 delta h"]
    assert stream["args"] == {"cycle": 66, "cycles": 8, "beats": 6, "rests": 2, "columns": 2}


def strings(part: object) -> Iterator[str]:
    """All names, keys and texts of a trace."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from (key, *strings(value))
    elif isinstance(part, list):
        for value in part:
            yield from strings(value)
    elif isinstance(part, str):
        yield part


def test_names_as_written(story: Timeline) -> None:
    """Could break: a Δ, which json writes as an escape that Perfetto does not take back; a track
    that Perfetto calls the main thread since its number is the process's.
    """
    trace = chrome_trace(story)
    written = {*strings(trace)}
    assert {"beats of delta x", "beats of delta h, layer 0", "delta x of layer 0"} <= written
    assert all(text.isascii() for text in written)
    assert all(plain(text).isascii() for cause in ALL for text in (cause.name, cause.why))
    threads = {event["tid"] for event in trace["traceEvents"] if event["name"] == "thread_name"}
    assert len(threads) == 10 and PROCESS not in threads


def nested(trace: dict[str, Any]) -> bool:
    """Whether slices of one thread lie beside or inside each other, in whole ns, as viewers ask."""
    threads: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            start, length = (Decimal(str(event[name])) * 1000 for name in ("ts", "dur"))
            assert start == int(start) and length == int(length) > 0, event
            spans = threads.setdefault((event["pid"], event["tid"]), [])
            spans.append((int(start), int(start + length)))
    for spans in threads.values():
        open_until: list[int] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= begin:
                open_until.pop()
            if open_until and end > open_until[-1]:
                return False
            open_until.append(end)
    return True


def test_disjoint_slices_of_a_thread(story: Timeline) -> None:
    """Could break: times that overlap once they are microseconds, which viewers draw wrongly."""
    trace = chrome_trace(story)
    assert nested(trace) and nested(chrome_trace(story, story.steps[1:]))
    longer = copy.deepcopy(trace)
    slices = [event for event in longer["traceEvents"] if event["ph"] == "X"]
    first, second = [event for event in slices if event["tid"] == slices[0]["tid"]][:2]
    first["dur"] = round(second["ts"] + 0.004 - first["ts"], 3)
    assert not nested(longer)


def test_trace_of_some_steps(story: Timeline) -> None:
    trace = chrome_trace(story, story.steps[1:])
    slices = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert {e["name"] for e in slices if e["name"].startswith("step")} == {"step 1"}
    assert all(event["args"]["cycle"] + event["args"]["cycles"] > 56 for event in slices)


# ----------------------------------------------------------------------------- the command


@pytest.mark.parametrize("sim", SIMULATORS)
def test_sums_equal_to_the_counters(tmp_path: Path, sim: str) -> None:
    """Could break: run_top's side of it. A small network with a DDR3L, on either simulator."""
    rng = np.random.default_rng(4)
    model = random_model(rng, 9, [16, 8], weight_scale=0.5, theta_x=[8, 8], theta_h=[8, 8])
    save_model(tmp_path / "m.npz", model)
    np.save(tmp_path / "x.npy", random_inputs(rng, 6, 9, "walk"))
    status, out, err = type_(
        tmp_path,
        *("--model", "m.npz", "--stimulus", "x.npy", "--sim", sim, "--dram", "ddr3l"),
        *("--interval", "300", "--steps", "1:5", "--json", "t.json", "--plot", "t.png"),
        *("--record", "t.txt"),
    )
    assert status == 0, err
    assert "sums equal the core's 10 performance counters" in out
    assert "bottleneck: x, " in out and "longest rest: step " in out
    trace = json.loads((tmp_path / "t.json").read_text())
    jsonschema.validate(trace, TRACE)
    assert nested(trace)
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    again = type_(tmp_path, "--trace", "t.txt", "--steps", "1:5", "--json", "u.json",
                  "--plot", "u.svg")  # fmt: skip
    assert again[0] == 0 and again[1].splitlines()[:4] == out.splitlines()[:4]
    assert (tmp_path / "u.json").read_text() == (tmp_path / "t.json").read_text()
    assert "<svg" in (tmp_path / "u.svg").read_text()


def test_every_cause_in_help(tmp_path: Path) -> None:
    status, out, _ = type_(tmp_path, "--help")
    assert status == 0 and all(cause.name in out for cause in ALL) and "perfetto" in out


BAD_FILES = {
    "missing": (None, "expected a timeline file"),
    "empty": ("", "T 1 PES"),
    "trace": ("I 0\nX 0 12\n", "T 1 PES"),
    "newer": ("T 2 8\nP 0 n n 0 0 0\n", "format: found 2, expected 1"),
    "nothing": ("T 1 8\n", "no P line"),
    "no step": ("T 1 8\nP 0 n n 0 0 0\n", "no finished step"),
    "code": (TEXT.replace("P 40 s x", "P 40 s q"), "P 40 s q"),
    "fields": (TEXT.replace("G 46 0", "G 46"), "G 46"),
    "backwards": (TEXT.replace("Y 80 1", "Y 8 1"), "Y 8 1"),
    "letters": (TEXT.replace("C 61 0 1 0", "C 61 0 x 0"), "C 61 0 x 0"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_recordings(tmp_path: Path, kind: str) -> None:
    """Exit status 2, one line, nothing written."""
    text, expected = BAD_FILES[kind]
    if text is not None:
        (tmp_path / "t.txt").write_text(text)
        if kind != "no step":
            with pytest.raises(TimelineError):
                read_timeline(tmp_path / "t.txt")
    status, out, err = type_(tmp_path, "--trace", "t.txt", "--json", "o.json", "--plot", "o.png")
    assert status == 2 and out == "" and err.count("\n") == 1, err
    assert expected in err and "t.txt" in err
    assert {path.name for path in tmp_path.iterdir()} <= {"t.txt"}


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--steps", "3"], ["--steps", "1 to 2"]),
        (["--steps", "1:1"], ["--steps", "2 to 2"]),
        (["--steps", "a:2"], ["--steps", "'a'"]),
        (["--plot", "t.gif"], ["--plot", "t.gif", ".svg"]),
        (["--plot", "no/t.png"], ["--plot", "no/t.png"]),
        (["--json", "no/t.json"], ["--json", "no/t.json"]),
        (["--model", "m.npz"], ["--model", "--trace"]),
        (["--theta-x", "3"], ["--theta-x", "--trace"]),
        (["--such", "3"], ["--such"]),
    ],
)
def test_bad_options(tmp_path: Path, words: list[str], names: list[str]) -> None:
    (tmp_path / "t.txt").write_text(TEXT)
    status, out, err = type_(tmp_path, "--trace", "t.txt", *words)
    assert status == 2 and out == "" and err.count("\n") == 1, err
    assert all(name in err for name in names), err
    assert {path.name for path in tmp_path.iterdir()} == {"t.txt"}


def test_missing_and_unsuitable_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    save_model(tmp_path / "m.npz", random_model(rng, 3, [8]))
    for words, expected in ((["--model", "no.npz"], "no.npz"), (["--model", "m.npz"], "m.npz")):
        status, out, err = type_(tmp_path, *words)
        assert status == 2 and out == "" and err.count("\n") == 1 and expected in err, err
