# SPDX-License-Identifier: Apache-2.0
"""A GRU exported to ONNX: as onnxruntime computes it, and as the RTL does."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from golden import fixed
from golden.importers.convert import convert_layers
from golden.importers.importing import read_network
from tb.flows.simulation import simulate
from tb.paths import REPO, SIMULATORS

INPUTS, UNITS, STEPS = 8, 16, 24
# Bounds on |h - onnxruntime's h|, in h's units, where 2^-8 is one LSB.
# Weights and inputs exact in their formats: what is left is rounding, which
# golden/tests/test_convert.py bounds and argues for. Largest in 200 seeds here: 2.7 LSB.
ROUNDING = 4 / 256
# Weights as they are: each is off by at most 2^-8, evenly spread, hence by 2^-8 / sqrt(3) rms. A
# gate of layer 0 sums 8 inputs of variance 1 and 16 states of some 0.1: its argument is off by
# 2^-8 sqrt((8 + 1.6) / 3) = 0.007 rms, and h by less, as tanh and (1 - z) shrink it. Four times
# that, for the worst of all units and steps. Largest in 200 seeds here: 0.017.
QUANTISATION = 0.028


def trained_like(seed: int, exact: bool) -> tuple[torch.nn.GRU, np.ndarray]:
    """A two-layer GRU, weights in its formats if `exact`, and x float32 (T, I), always in Q8.8."""
    generator = torch.Generator().manual_seed(seed)
    gru = torch.nn.GRU(INPUTS, UNITS, 2)
    bound = UNITS**-0.5  # torch.nn.GRU's own range
    with torch.no_grad():
        for parameter in gru.parameters():
            values = bound * (2 * torch.rand(parameter.shape, generator=generator) - 1)
            parameter.copy_(torch.round(128 * values) / 128 if exact else values)
    x = torch.randn(STEPS, INPUTS, generator=generator)
    return gru, (torch.round(256 * x) / 256).numpy()


def export(gru: torch.nn.GRU, path: Path, *, dynamo: bool) -> None:
    example = torch.zeros(STEPS, 1, INPUTS)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(gru, (example,), path, dynamo=dynamo, verbose=False)


def by_onnxruntime(path: Path, x: np.ndarray) -> np.ndarray:
    """h float32 (T, H) of the last layer."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = (value.name for value in session.get_inputs())
    outputs: np.ndarray = session.run(None, {name: x[:, None]})[0]
    return outputs[:, 0]


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("exact", [True, False], ids=["exact weights", "float weights"])
@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_rtl_against_onnxruntime(tmp_path: Path, sim: str, exact: bool, dynamo: bool) -> None:
    """Could break: anything between another tool's file and the RTL's h, such as gates or layers
    in another order. At Θ = 0 the RTL equals the integer model in every value (simulate compares
    them), and its h is onnxruntime's but for rounding.
    """
    gru, x = trained_like(1, exact)
    export(gru, tmp_path / "net.onnx", dynamo=dynamo)
    expected = by_onnxruntime(tmp_path / "net.onnx", x)
    model, report = convert_layers(read_network(tmp_path / "net.onnx").layers)
    assert report.clipped == 0
    result = simulate(model, fixed.to_fixed(x, fixed.X_FRAC, fixed.X_BITS), sim=sim)
    assert result.compared == STEPS * 2 * 8 * UNITS
    error = np.abs(fixed.to_float(result.h, fixed.X_FRAC) - expected).max()
    bound = ROUNDING if exact else QUANTISATION
    assert error < bound
    # The bound is worth something: a GRU with r and z swapped is far outside.
    with torch.no_grad():
        for parameter in gru.parameters():
            r, z, n = parameter.detach().clone().chunk(3)
            parameter.copy_(torch.cat([z, r, n]))
        swapped = gru(torch.from_numpy(x))[0].numpy()
    assert np.abs(swapped - expected).max() > 5 * bound


def test_converted_network_in_simulation(tmp_path: Path) -> None:
    """Could break: the two commands as typed one after the other: what convert.py writes is what
    simulate.py reads, thresholds and padding included.
    """
    gru = torch.nn.GRU(INPUTS, 12, 2)
    export(gru, tmp_path / "net.onnx", dynamo=True)
    np.save(tmp_path / "x.npy", (256 * np.random.default_rng(1).normal(size=(6, 8))).astype("i2"))

    def typed(script: str, *words: str) -> str:
        command = [sys.executable, str(REPO / "scripts" / script), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    said = typed(
        *("convert.py", "--input", "net.onnx", "--output", "m.npz", "--pad"),
        *("--theta-x", "8,4", "--theta-h", "16", "--lut-frac", "7", "--report", "cost.csv"),
    )
    assert "l1.weight_hh" in said and "padded from 12-12 units" in said
    said = typed("simulate.py", "--model", "m.npz", "--stimulus", "x.npy", "--output", "out.npz")
    assert "equal to the golden model" in said
    with np.load(tmp_path / "out.npz") as out:
        assert out["h"].shape == (6, 16)
        assert out["h"][:, :12].any() and not out["h"][:, 12:].any()
        assert (out["columns_h"].max(0) <= 12).all()
    with np.load(tmp_path / "m.npz") as model:
        assert model["theta_x"].tolist() == [8, 4] and model["theta_h"].tolist() == [16, 16]
        assert model["lut_frac"] == 7
