# SPDX-License-Identifier: Apache-2.0
"""scripts/stimulus.py as a person uses it: traces that are right, and each kind of bad input."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from golden.edges import distances, edge_hits
from golden.model_file import Model, load_model, save_model
from golden.stimulus import DESCRIPTIONS, KINDS, random_inputs, random_model
from golden.trace import read_trace, record


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model in m.npz, in the folder in which the command is typed."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    save_model("m.npz", random_model(rng, 9, (16, 8), weight_scale=0.5, theta_x=(20, 4), theta_h=6))
    return load_model("m.npz")


def typed(*words: str) -> int:
    """Type the command, here and now: its exit status."""
    module = importlib.import_module("tb.cli.stimulus")
    try:
        status: int = module.main(["--model", "m.npz", *words])
    except SystemExit as leaving:
        assert isinstance(leaving.code, int)
        return leaving.code
    return status


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_its_options(model: Model, kind: str) -> None:
    words = ["--kind", kind, "--steps", "20", "--seed", "4", "--theta-x", "64,3", "--theta-h", "5"]
    assert typed(*words, "--output", "t.npz", "--x-out", "x.npy") == 0
    trace = read_trace("t.npz")
    x = random_inputs(np.random.default_rng(4), 20, 9, kind, 64)
    assert np.array_equal(np.load("x.npy"), x) and np.array_equal(trace.x, x)
    assert (trace.kind, trace.seed) == (kind, 4)
    wanted = record(model.with_theta((64, 3), 5), x)
    for want, got in zip(wanted.layers, trace.layers, strict=True):
        assert want.keys() == got.keys()
        assert all(np.array_equal(want[name], got[name]) for name in want)
    assert typed("--replay", "t.npz") == 0


def test_user_stimulus(model: Model) -> None:
    x = random_inputs(np.random.default_rng(1), 6, 9, "walk")
    np.save("mine.npy", x)
    words = ("--stimulus", "mine.npy", "--steps", "5", "--memories", "--gates")
    assert typed(*words, "--output", "t.npz") == 0
    trace = read_trace("t.npz")
    assert (trace.kind, trace.theta_x.tolist()) == ("file", [20, 4])
    assert np.array_equal(trace.x, x[:5])
    assert trace.layers[1]["memory"].shape == (5, 4, 8) and "n" in trace.layers[0]


def test_float_inputs(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: inputs of the float network are not scaled as the model says."""
    model.extras["input_scale_log2"] = k = np.arange(-3, 6)
    save_model("m.npz", model)
    x = np.random.default_rng(1).normal(size=(6, 9))
    np.save("mine.npy", x)
    assert typed("--floats", "mine.npy", "--output", "t.npz", "--x-out", "x.npy") == 0
    assert np.array_equal(np.load("x.npy"), np.rint(x / 2.0**k * 256))
    assert capsys.readouterr().err == ""
    np.save("mine.npy", 1000 * x)
    assert typed("--floats", "mine.npy", "--output", "u.npz") == 0
    assert "are clipped to -128" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [None, "text", np.zeros((4, 9), np.int16), np.full((4, 9), np.nan),
                                 np.zeros((4, 8)), np.zeros(9), np.zeros((0, 9))])  # fmt: skip
def test_unfit_float_inputs(model: Model, capsys: pytest.CaptureFixture[str], bad: object) -> None:
    """Could break: an int16 stimulus is scaled a second time."""
    if isinstance(bad, np.ndarray):
        np.save("mine.npy", bad)
    elif bad is not None:
        Path("mine.npy").write_text("no array")
    assert typed("--floats", "mine.npy", "--output", "t.npz") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--floats: mine.npy: found" in said and "(T, 9)" in said
    assert not Path("t.npz").exists()


def test_hidden_edges(model: Model) -> None:
    assert typed("--kind", "walk", "--hidden-edges", "--steps", "50", "--output", "t.npz") == 0
    trace = read_trace("t.npz")
    assert trace.theta_x[0] == 20
    h = trace.layers[0]["h"]
    before = np.vstack([np.zeros_like(h[:1]), h[:-1]])
    assert edge_hits(distances(before, trace.layers[0]["dh"]), trace.theta_h[0]).all()
    assert edge_hits(distances(h, trace.layers[1]["dx"]), trace.theta_x[1]).all()


def test_equal_files_from_equal_seeds(model: Model) -> None:
    for name, seed in (("a", "2"), ("b", "2"), ("c", "3")):
        assert typed("--seed", seed, "--output", f"{name}.npz") == 0
    a, b, c = (read_trace(f"{name}.npz").x for name in "abc")
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_every_kind_in_list_and_help(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--list", "--help"):
        assert typed(option) == 0
        shown = capsys.readouterr().out
        assert all(kind in shown and str(text) in shown for kind, text in DESCRIPTIONS.items())


def test_different_replay(model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("--steps", "5", "--output", "t.npz") == 0
    with np.load("t.npz") as file:
        arrays = dict(file)
    arrays["l1.h"][3, 2] ^= 1
    np.savez("t.npz", **arrays)
    capsys.readouterr()
    assert typed("--replay", "t.npz") == 1
    assert "t.npz: step 3, layer 1, h, element 2: trace " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--kind", "noise"], ["--kind", "'noise'", "quiet_burst"]),
        (["--steps", "0"], ["--steps", "'0'"]),
        (["--seed", "-1"], ["--seed", "'-1'"]),
        (["--theta-x", "32768"], ["--theta-x", "0 to 32767"]),
        (["--theta-h", "1,2,3"], ["--theta-h", "3 values"]),
        (["--theta-h", "1", "--hidden-edges"], ["--theta-h", "--hidden-edges"]),
        (["--hidden-edges", "--steps", "2"], ["--hidden-edges", "layer 0", "more steps"]),
        (["--stimulus", "none.npy"], ["none.npy"]),
        (["--stimulus", "wide.npy"], ["wide.npy", "(T, 9)", "m.npz"]),
        (["--stimulus", "good.npy", "--steps", "7"], ["--steps", "1 to 6"]),
        (["--stimulus", "good.npy", "--seed", "1"], ["--seed", "--stimulus"]),
        (["--stimulus", "good.npy", "--kind", "walk"], ["--stimulus", "--kind"]),
        (["--model", "none.npz"], ["none.npz", "no such file"]),
        (["--model", "good.npy"], ["good.npy", ".npz archive"]),
        (["--x-out", "t.npz"], ["--x-out", "t.npz"]),
        (["--x-out", "no/x.npy"], ["no/x.npy"]),
        (["--output", "no/t.npz"], ["no/t.npz"]),
        (["--replay", "t.npz"], ["--replay", "--output"]),
    ],
)
def test_bad_input_message(
    model: Model, capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
) -> None:
    np.save("wide.npy", np.zeros((6, 10), np.int16))
    np.save("good.npy", np.zeros((6, 9), np.int16))
    expect_bad_input(capsys, ["--output", "t.npz", *words], names)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["--output", "--replay"]),
        (["--replay", "none.npz"], ["none.npz", "no such file"]),
        (["--replay", "m.npz"], ["m.npz", "x", "no such key"]),
        (["--replay", "m.npz", "--kind", "walk"], ["--kind", "--replay"]),
        (["--replay", "m.npz", "--hidden-edges"], ["--hidden-edges", "--replay"]),
    ],
)
def test_bad_replay_message(
    model: Model, capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
) -> None:
    expect_bad_input(capsys, words, names)


def expect_bad_input(
    capsys: pytest.CaptureFixture[str], words: list[str], names: list[str]
) -> None:
    """Exit status 2, one line that holds all of `names`, and nothing written."""
    before = set(Path().rglob("*"))
    assert typed(*words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1, err
    missing = [name for name in names if name not in err]
    assert not missing, f"{missing} not in {err}"
    assert set(Path().rglob("*")) == before
