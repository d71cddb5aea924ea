# SPDX-License-Identifier: Apache-2.0
"""Ablations: a recipe trained again with one thing changed, in a table."""

import csv

import numpy as np
import pytest

from golden.train import training as train
from golden.tuning import ablate

RECIPE = {
    "set": "csv",
    "target": "state",
    "hidden": [8],
    "window": 40,
    "batch": 8,
    "epochs-float": 2,
    "epochs-quantised": 1,
    "epochs-delta": 1,
    "theta-h": [32],
    "ablations": {
        "not retrained": {"epochs-delta": 0},
        "thresholds of the other layer too": {"theta-x": [16], "theta-h": [16]},
        "half as many steps": {"scratch": True, "block": 2},
        "with deviations": {"scratch": True, "spread": True, "smooth": 8},
    },
}


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Files of two states, told apart by a channel's activity; a recipe for them."""
    rng = np.random.default_rng(61)
    folder = tmp_path / "series"
    folder.mkdir()
    for i in range(8):
        state = np.repeat(rng.integers(0, 2, 10), 30)
        values = np.cumsum(rng.normal(0, 0.05, 300)) + state * np.sin(np.arange(300))
        rows = "\n".join(
            f"{v:.4f},{'on' if s else 'off'}" for v, s in zip(values, state, strict=True)
        )
        (folder / f"{i}.csv").write_text(f"v,state\n{rows}\n")
    monkeypatch.setattr(train, "recipes", lambda: {"tiny": RECIPE})
    return folder


def test_single_change_per_row(series, tmp_path, capsys):
    whole = tmp_path / "whole.npz"
    assert train.main(["--recipe", "tiny", "--data", str(series), "--out", str(whole)]) == 0
    out = tmp_path / "table"
    words = ["--recipe", "tiny", "--data", str(series), "--folder", str(tmp_path / "runs")]
    start = ["--start", str(whole.with_suffix(".quantised.ckpt"))]
    assert ablate.main([*words, *start, "--out", str(out)]) == 0
    with out.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
        rows = {row["ablation"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["the recipe", *RECIPE["ablations"]]
    assert rows["the recipe"]["theta_h"] == "32"
    assert rows["thresholds of the other layer too"]["theta_h"] == "16"
    # The recipe's own row is the model that a whole training gives.
    again = tmp_path / "runs" / "tiny-0.log.csv"
    assert (
        again.read_text().splitlines()[-1]
        == (whole.with_suffix(".log.csv").read_text().splitlines()[-1])
    )
    same = rows["not retrained"]["test_error_theta_0"] == rows["the recipe"]["test_error_theta_0"]
    assert same  # one reference for all that start from it
    table = out.with_suffix(".md").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 2 + len(rows)


def test_bad_start_checkpoint_message(series, tmp_path, capsys):
    words = ["--recipe", "tiny", "--data", str(series), "--folder", str(tmp_path / "runs")]
    start = ["--start", str(tmp_path / "none.ckpt")]
    assert ablate.main([*words, *start, "--out", str(tmp_path / "t")]) == 2
    assert "none.ckpt: found No such file" in capsys.readouterr().err
