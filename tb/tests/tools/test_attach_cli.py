# SPDX-License-Identifier: Apache-2.0
"""attach.py: a network from elsewhere gets features and a read-out, and sweep.py takes it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from golden.model_file import Model, load_model
from tb.cli import attach, convert, sweep

UNITS, ROWS = 20, 240
LABELS = ("idle", "left", "right")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A torch GRU of 20 units that nobody trained, converted, and series whose label it can hear:
    which of two channels is larger, if any is large.
    """
    folder = tmp_path_factory.mktemp("attach")
    torch.manual_seed(3)
    torch.save(torch.nn.GRU(2, UNITS).state_dict(), folder / "net.pt")
    words = ["--input", str(folder / "net.pt"), "--output", str(folder / "m.npz"), "--pad"]
    assert convert.main(words) == 0
    rng = np.random.default_rng(4)
    (folder / "data").mkdir()
    for name in "abcdef":
        label = np.repeat(rng.integers(0, 3, ROWS // 12), 12)
        level = np.stack([label == 1, label == 2], axis=1) * 1.5 + rng.normal(0, 0.1, (ROWS, 2))
        rows = [f"{a:.4f},{b:.4f},{LABELS[n]}" for (a, b), n in zip(level, label, strict=True)]
        (folder / "data" / f"{name}.csv").write_text("\n".join(["p,q,label", *rows]) + "\n")
    return folder


def attached(folder: Path, *words: object) -> int:
    """Run attach.py on the converted network; later words win."""
    base = ("--model", folder / "m.npz", "--set", "csv", "--data", folder / "data")
    rest = ("--features", "raw", "--readout", "fit", "--output", folder / "ready.npz")
    return attach.main([str(word) for word in (*base, *rest, *words)])


def readout_of(model: Model) -> tuple[np.ndarray, np.ndarray]:
    return model.extras["readout.weight"], model.extras["readout.bias"]


def test_fitted_readout_taken_by_sweep(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Could break: a converted network without features and read-out, which sweep.py refuses."""
    assert attached(folder) == 0
    said = capsys.readouterr().out
    assert "outputs: idle, left, right" in said and "warning" not in said
    figures = re.search(r"step error %: ([\d.]+) \(always the same answer: ([\d.]+)\)", said)
    assert figures is not None
    error, chance = map(float, figures.groups())
    assert error < 25 < 50 < chance
    ready = load_model(folder / "ready.npz")
    weight, bias = readout_of(ready)
    assert weight.shape == (3, 24) and bias.shape == (3,) and not weight[:, UNITS:].any()
    words = ("--model", folder / "ready.npz", "--set", "csv", "--data", folder / "data")
    more = ("--theta-x", "0,64", "--theta-h", "0", "--confirm", "0", "--jobs", "1")
    out = ("--output", tmp_path / "s")
    assert sweep.main([str(word) for word in (*words, *more, *out)]) == 0
    assert (tmp_path / "s.csv").read_text().count("\n") == 4 - 1


def test_readout_from_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: rows of a given layer in another order, its padding, or a bias that is lost."""
    assert attached(folder) == 0
    weight, bias = readout_of(load_model(folder / "ready.npz"))
    weight = weight[:, :UNITS]
    first = capsys.readouterr().out
    np.savez(folder / "head.npz", weight=weight, bias=bias)
    turned = {"fc.weight": weight[[2, 0, 1]].copy(), "fc.bias": bias[[2, 0, 1]].copy()}
    save_file(turned, folder / "head.safetensors")
    torch.save({k: torch.from_numpy(v) for k, v in turned.items()}, folder / "head.pt")
    for file, labels in (
        ("head.npz", ()),
        ("head.safetensors", ("--labels", "right,idle,left")),
        ("head.pt", ("--labels", "right,idle,left")),
    ):
        assert attached(folder, "--readout", folder / file, *labels) == 0
        assert capsys.readouterr().out == first
        found = readout_of(load_model(folder / "ready.npz"))
        assert np.allclose(found[0][:, :UNITS], weight) and np.allclose(found[1], bias)


def test_units_as_outputs_and_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: a read-out that cannot work, praised. The units of this network mean nothing."""
    scale = folder / "scale.npz"
    np.savez(scale, mean=np.array([5.0, -5.0]), std=np.array([0.01, 4.0]))
    assert attached(folder, "--readout", "identity", "--features", scale) == 0
    assert "warning: the network is no better" in capsys.readouterr().out
    ready = load_model(folder / "ready.npz")
    assert np.array_equal(readout_of(ready)[0], np.eye(3, 24))
    assert ready.extras["features.mean"].tolist() == [5.0, -5.0]


def test_scale_over_the_training_split(folder: Path) -> None:
    """Could break: inputs in units that the network was not trained with."""
    assert attached(folder, "--features", "standard") == 0
    extras = load_model(folder / "ready.npz").extras
    assert (extras["features.mean"] > 0.2).all() and (extras["features.std"] > 0.4).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--features", "none.npz"), "none.npz: found No such file"),
        (("--features", "one.npz"), "found no array 'std', expected mean and std of 2 inputs"),
        (("--readout", "wide.npz"), "expected one weight of shape (outputs, 20)"),
        (("--readout", "four.npz"), "found 4 outputs, expected 3: idle, left, right"),
        (("--readout", "net.pt"), "found no weights of a layer on 20 units"),
        (("--readout", "data"), "data: found"),
        (("--labels", "idle,left"), "--labels: found 'idle,left', expected those of the data set"),
        (("--pooling", "mean"), "pooling: found 'mean', expected none for the task 'frames'"),
        (("--model", "three.npz"), "found 2 channels, expected 3, the network's inputs"),
        (("--output", "no/such/x.npz"), "--output"),
    ],
)
def test_refusal_in_one_line(
    folder: Path,
    words: tuple[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Could break: a traceback, or a model file with a read-out that does not belong to it."""
    monkeypatch.chdir(folder)
    np.savez("one.npz", mean=np.zeros(2))
    np.savez("wide.npz", weight=np.zeros((3, 21)), bias=np.zeros(3))
    np.savez("four.npz", weight=np.zeros((4, UNITS)), bias=np.zeros(4))
    torch.save(torch.nn.GRU(3, 8).state_dict(), "three.pt")
    assert convert.main(["--input", "three.pt", "--output", "three.npz"]) == 0
    Path("ready.npz").unlink(missing_ok=True)
    capsys.readouterr()
    assert attached(folder, *words) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
    assert not Path("ready.npz").exists()
