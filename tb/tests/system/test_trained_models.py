# SPDX-License-Identifier: Apache-2.0
"""The committed models through simulate.py: h on the RTL is exactly the integer model's.

The recordings they were trained on are not in the repository: `scripts/results.py` runs whole test
utterances of those. Here sound comes from the clips beside the models, and sensors are made up.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from golden.batch import run_batch
from golden.datasets import fsdd
from golden.datasets.features import Channels, features_from_model
from golden.model_file import Model, load_model
from golden.train import training as train
from tb.failure import Failure, SimulationError
from tb.paths import REPO
from tb.records import from_json

MODELS = REPO / "golden" / "models"


def stimulus(model: Model, name: str) -> np.ndarray:
    """Inputs int16 (T, I) of the kind that `model` was trained for."""
    extract = features_from_model(model)
    if isinstance(extract, Channels):
        rng = np.random.default_rng(17)
        steps, channels = 60 * extract.block, len(extract.names)
        rest = extract.mean[:channels] + extract.std[:channels] * rng.normal(size=channels)
        swing = np.sin(np.arange(steps)[:, None] / (2 + 3 * np.arange(channels)))
        active = np.repeat([0, 1, 0], steps // 3)[:, None]
        noise = 0.02 * rng.normal(size=(steps, channels))
        swung: np.ndarray = extract(rest + extract.std[:channels] * (swing * active + noise))
        return swung
    clips = fsdd.load_folder(REPO / "golden" / "clips")
    words = clips[3:6] if name.startswith("connected") else clips[3:4]
    silence = np.zeros(1600)
    joined = [silence]
    for clip in words:
        joined += [clip.samples, silence]
    spoken: np.ndarray = extract(np.concatenate(joined))
    return spoken


@pytest.mark.parametrize("name", train.recipes())
def test_trained_models_on_the_rtl(name: str, tmp_path: Path) -> None:
    path = MODELS / f"{name}.npz"
    assert path.stat().st_size < 2_000_000
    model = load_model(path)
    x = stimulus(model, name)
    np.save(tmp_path / "x.npy", x)
    words = ["--model", str(path), "--stimulus", "x.npy", "--output", "out.npz"]
    words += ["--failure", "why.json"]
    done = subprocess.run(
        [sys.executable, str(REPO / "scripts" / "simulate.py"), *words, "--dram", "ddr3l"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        why = tmp_path / "why.json"
        failure = from_json(why.read_text(), Failure) if why.exists() else None
        raise SimulationError(done.stderr, failure)
    (trace,) = run_batch(model, [x])
    with np.load(tmp_path / "out.npz") as out:
        assert np.array_equal(out["h"], trace.h)
        assert np.array_equal(out["columns_x"], trace.columns_x)
        assert np.array_equal(out["columns_h"], trace.columns_h)
        read = out["dram_bytes"].mean()
    assert trace.h.std() > 5  # LSB: the network is alive
    # It has learnt to rest, on what it was not trained on as well.
    assert model.weight_bytes / read > 5


@pytest.mark.parametrize("name", train.recipes())
def test_dense_network_beside_each_model(name: str) -> None:
    model, dense = (load_model(MODELS / f"{name}{kind}.npz") for kind in ("", ".dense"))
    assert dense.theta_x.max() == dense.theta_h.max() == 0
    assert model.theta_x.min() > 0
    assert model.theta_h.min() > 0
    assert dense.hidden_sizes == model.hidden_sizes
    assert (MODELS / f"{name}.log.csv").is_file()
