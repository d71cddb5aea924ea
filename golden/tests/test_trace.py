# SPDX-License-Identifier: Apache-2.0
"""Golden traces: what is written comes back and replays; what is malformed or stale is named."""

from dataclasses import replace

import numpy as np
import pytest

from golden.integer import run
from golden.stimulus import random_inputs, random_model
from golden.trace import TraceFileError, model_digest, read_trace, record, replay, write_trace


@pytest.fixture
def model():
    return random_model(np.random.default_rng(2), 5, (16, 8), theta_x=(20, 3), theta_h=(4, 0))


@pytest.fixture
def x():
    return random_inputs(np.random.default_rng(3), 12, 5, "walk")


@pytest.fixture
def trace(model, x):
    return record(model, x, kind="walk", seed=3, memories=True, gates=True)


@pytest.fixture
def arrays(tmp_path, trace):
    """The arrays of a good file, to be spoilt one at a time."""
    write_trace(tmp_path / "good.npz", trace)
    with np.load(tmp_path / "good.npz", allow_pickle=False) as archive:
        return dict(archive)


def assert_refused(path, *parts):
    with pytest.raises(TraceFileError) as caught:
        read_trace(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    for part in (*parts, "found", "expected"):
        assert part in text


def test_file_contents(arrays, model, x):
    steps = run(model, x)
    assert (int(arrays["format"]), int(arrays["seed"])) == (1, 3)
    assert (str(arrays["kind"]), str(arrays["model_sha256"])) == ("walk", model_digest(model))
    assert np.array_equal(arrays["x"], x)
    assert np.array_equal(arrays["theta_x"], model.theta_x)
    for i in range(2):
        for name in ("dx", "dh", "memory", "r", "z", "n", "h"):
            wanted = np.stack([getattr(step.layers[i], name) for step in steps])
            assert arrays[f"l{i}.{name}"].dtype == wanted.dtype
            assert np.array_equal(arrays[f"l{i}.{name}"], wanted)
        for name in ("fired_x", "fired_h"):
            pattern = arrays[f"l{i}.{name}"]
            assert pattern.dtype == np.bool_
            for row, step in zip(pattern, steps, strict=True):
                assert np.array_equal(np.flatnonzero(row), getattr(step.layers[i], name))


@pytest.mark.parametrize("memories", [False, True])
@pytest.mark.parametrize("gates", [False, True])
def test_trace_round_trip_and_replay(tmp_path, model, x, memories, gates):
    path = tmp_path / "t.npz"
    trace = record(model, x, kind="walk", seed=9, memories=memories, gates=gates)
    write_trace(path, trace)
    back = read_trace(path)
    assert (back.kind, back.seed) == ("walk", 9)
    for mine, theirs in zip(trace.layers, back.layers, strict=True):
        assert mine.keys() == theirs.keys()
        assert ("memory" in mine, "r" in mine) == (memories, gates)
        assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    assert back.h is back.layers[1]["h"]
    steps = run(model, x)
    assert back.columns_x.tolist() == [[s.layers[i].columns_x for i in (0, 1)] for s in steps]
    assert back.columns_h.tolist() == [[s.layers[i].columns_h for i in (0, 1)] for s in steps]
    assert replay(model, back) is None
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def test_thresholds_of_a_trace(model, trace):
    """A model file keeps the thresholds of its training; a trace may have been made at others."""
    assert replay(model.with_theta(99, 99), trace) is None


def test_trace_of_another_model(model, trace):
    weight = model.weight_hh[1].copy()
    weight[3, 4] ^= 1
    other = replace(model, weight_hh=(model.weight_hh[0], weight))
    assert "SHA-256" in replay(other, trace)
    assert "SHA-256" in replay(replace(model, lut_frac=4), trace)
    wide = random_model(np.random.default_rng(0), 6, (16, 8))
    crafted = replace(trace, model_sha256=model_digest(wide))
    assert replay(wide, crafted) == "model: found sizes (6, 16, 8), trace of (5, 16, 8)"


@pytest.mark.parametrize(
    ("spoilt", "text"),
    [
        ([(7, 1, "h", 2)], "step 7, layer 1, h, element 2: trace "),
        ([(7, 0, "h", 2), (5, 1, "dh", 3)], "step 5, layer 1, dh, element 3: trace "),
        ([(5, 1, "dx", 0), (5, 0, "h", 1)], "step 5, layer 0, h, element 1: trace "),
        ([(5, 0, "n", 0), (5, 0, "memory", (2, 7))], "layer 0, memory, element (2, 7): trace "),
        ([(0, 0, "fired_x", 1)], "step 0, layer 0, fired_x, element 1: trace "),
    ],
)
def test_first_difference(model, trace, spoilt, text):
    """Could break: a golden model that has changed. The trace is spoilt instead: the same thing."""
    layers = tuple({name: array.copy() for name, array in layer.items()} for layer in trace.layers)
    for step, layer, name, element in spoilt:
        where = (step, *np.atleast_1d(element))
        layers[layer][name][where] ^= 1
    assert text in replay(model, replace(trace, layers=layers))


def drop(arrays, key):
    del arrays[key]


def put(key, value):
    def change(arrays):
        arrays[key] = value(arrays) if callable(value) else value

    return change


SPOILS = {
    "format": put("format", np.int64(2)),
    "seed": put("seed", np.float64(2)),
    "kind": put("kind", np.int64(2)),
    "model_sha256": lambda arrays: drop(arrays, "model_sha256"),
    "x": put("x", np.zeros((12, 5), np.int32)),
    "theta_x": put("theta_x", np.int16([1, -1])),
    "theta_h": put("theta_h", np.int16([1])),
    "l0.dx": put("l0.dx", np.zeros((12, 6), np.int16)),
    "l1.dx": put("l1.dx", np.zeros((11, 16), np.int16)),
    "l0.h": lambda arrays: drop(arrays, "l0.h"),
    "l1.memory": lambda arrays: drop(arrays, "l1.memory"),
    "l1.z": lambda arrays: drop(arrays, "l1.z"),
    "l0.fired_x": put("l0.fired_x", lambda arrays: ~arrays["l0.fired_x"]),
    "l1.fired_h": put("theta_h", np.int16([4, 32767])),
    "l2.h": put("l2.h", np.zeros((12, 8), np.int16)),
    "note": put("note", np.array("text")),
}


@pytest.mark.parametrize("key", SPOILS)
def test_bad_key_message(tmp_path, arrays, key):
    SPOILS[key](arrays)
    np.savez(tmp_path / "bad.npz", **arrays)
    assert_refused(tmp_path / "bad.npz", f": {key}: ")


@pytest.mark.parametrize("shape", [(0, 5), (12, 0), (12,)])
def test_empty_and_flat_stimulus(tmp_path, arrays, shape):
    arrays["x"] = np.zeros(shape, np.int16)
    np.savez(tmp_path / "bad.npz", **arrays)
    assert_refused(tmp_path / "bad.npz", ": x: ", "('T', 'I')")


def test_unreadable_files(tmp_path, trace):
    path = tmp_path / "t.npz"
    assert_refused(path, "no such file")
    write_trace(path, trace)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert_refused(path)
    np.savez(path, kind=np.array([{}], object))
    assert_refused(path, "kind")


def test_no_file_for_a_bad_trace(tmp_path, trace):
    path = tmp_path / "t.npz"
    path.write_bytes(b"the trace before")
    with pytest.raises(TraceFileError, match=r"t\.npz: theta_h: "):
        write_trace(path, replace(trace, theta_h=np.int16([1, 2, 3])))
    assert path.read_bytes() == b"the trace before"
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]
