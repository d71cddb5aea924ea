# SPDX-License-Identifier: Apache-2.0
"""Conversion of a trained torch.nn.GRU, and how far the integers stray from it."""

import numpy as np
import pytest
import torch

from golden import fixed
from golden.importers.convert import ConversionError, convert_gru
from golden.integer import run
from golden.model_file import ModelFileError, load_model, save_model


def integer_output(model, x):
    """h (T, H) in float units for x (T, I) in float units."""
    integers = fixed.to_fixed(x.numpy(), fixed.X_FRAC, fixed.X_BITS)
    return fixed.to_float(np.array([t.h for t in run(model, integers)]), fixed.X_FRAC)


def test_tensor_placement():
    gru = torch.nn.GRU(3, 8, 2)
    model, report = convert_gru(gru, theta_x=64, theta_h=[0, 32], lut_frac=5)
    for i in range(2):
        for name in ("weight_ih", "weight_hh"):
            values = getattr(gru, f"{name}_l{i}").detach().numpy()
            assert np.array_equal(getattr(model, name)[i], np.rint(values * 128))
        b_ih = getattr(gru, f"bias_ih_l{i}").detach().double().numpy().reshape(3, 8)
        b_hh = getattr(gru, f"bias_hh_l{i}").detach().double().numpy().reshape(3, 8)
        expected = np.stack([b_ih[0] + b_hh[0], b_ih[1] + b_hh[1], b_ih[2], b_hh[2]])
        assert np.array_equal(model.bias[i], np.rint(expected * 2**15))
    assert model.lut_frac == 5
    assert model.theta_x.tolist() == [64, 64]
    assert model.theta_h.tolist() == [0, 32]
    assert report.clipped == 0


def random_gru(seed):
    """A GRU as torch initialises it (|w|, |b| <= H^-1/2), and 40 inputs of unit variance."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    gru = torch.nn.GRU(int(rng.integers(1, 65)), int(rng.integers(1, 9)) * 8, 1 + seed % 4)
    return gru.double(), torch.randn(40, gru.input_size).double()


@pytest.mark.parametrize("seed", range(12))
def test_arithmetic_error_below_4_lsb_of_torch(seed):
    """|h - torch's h| < 4 * 2^-8 at theta 0 and 8-bit tables, weights and inputs being exact.

    Each step rounds h twice (half a unit each), n and z once in the tables and once in their
    arguments: some 2 units a step, that the blend by z < 1 forgets again. The largest error in
    300 draws of `random_gru` was 2.9 units.
    """
    gru, x = random_gru(seed)
    with torch.no_grad():
        for parameter in gru.parameters():
            parameter.copy_(torch.round(parameter * 128) / 128)
        x = torch.round(x * 256) / 256
        expected = gru(x)[0].numpy()
    error = np.abs(integer_output(convert_gru(gru)[0], x) - expected).max()
    assert error < 4 / 256


@pytest.mark.parametrize("seed", range(12))
def test_converted_network_within_0_08_of_torch(seed):
    """|h - torch's h| < 0.08 (20 units of 2^-8) at theta 0 and 8-bit tables.

    Nearly all of it comes from 8-bit weights: each is off by up to 2^-8, evenly spread, so with I
    inputs of unit variance a gate's argument is off by 2^-8 sqrt(I / 3) rms, 0.018 at I = 64; the
    bound allows four times that, for the worst of H units and 40 steps. The largest error in 300
    draws of `random_gru` was 0.052.
    """
    gru, x = random_gru(seed)
    with torch.no_grad():
        expected = gru(x)[0].numpy()
    assert np.abs(integer_output(convert_gru(gru)[0], x) - expected).max() < 0.08


def test_batch_first_layout():
    torch.manual_seed(3)
    gru = torch.nn.GRU(5, 16, 2)
    other = torch.nn.GRU(5, 16, 2, batch_first=True)
    other.load_state_dict(gru.state_dict())
    for a, b in zip(convert_gru(gru)[0].weight_hh, convert_gru(other)[0].weight_hh, strict=True):
        assert np.array_equal(a, b)
    x = torch.randn(20, 5)
    with torch.no_grad():
        expected = other(x[None])[0][0].numpy()
    assert np.abs(integer_output(convert_gru(other)[0], x) - expected).max() < 0.08


def test_zero_memories_without_biases():
    model, _ = convert_gru(torch.nn.GRU(3, 8, bias=False))
    assert not model.bias[0].any()


def test_clipping_count_in_report():
    gru = torch.nn.GRU(2, 8)
    with torch.no_grad():
        gru.weight_ih_l0.zero_()
        gru.weight_ih_l0[0] = torch.tensor([1.5, 127 / 128])
        gru.weight_ih_l0[1] = torch.tensor([-1.0, -1.5])
    model, report = convert_gru(gru)
    tensor = report.tensors[0]
    assert (tensor.name, tensor.size, tensor.clipped) == ("l0.weight_ih", 48, 2)
    assert tensor.clipped_fraction == 2 / 48
    assert tensor.max_error == pytest.approx(1.5 - 127 / 128)
    assert model.weight_ih[0][:2].tolist() == [[127, 127], [-128, -128]]
    lines = report.table().splitlines()
    assert len(lines) == 1 + 3
    assert "clipped" in lines[0]
    assert lines[1].split()[:3] == ["l0.weight_ih", "48", "2"]


def test_signal_to_noise_ratio_definition():
    torch.manual_seed(0)
    gru = torch.nn.GRU(4, 8)
    model, report = convert_gru(gru)
    values = gru.weight_hh_l0.detach().double().numpy()
    error = values - model.weight_hh[0] / 128
    expected = 10 * np.log10((values**2).sum() / (error**2).sum())
    assert report.tensors[1].snr_db == pytest.approx(expected)
    assert report.tensors[1].rms_error == pytest.approx(np.sqrt((error**2).mean()))


def test_extras_in_the_file(tmp_path):
    model, _ = convert_gru(torch.nn.GRU(3, 8), extras={"note": np.array("here")})
    save_model(tmp_path / "m.npz", model)
    assert str(load_model(tmp_path / "m.npz").extras["note"]) == "here"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 8, "bidirectional": True}, "gru: found bidirectional, expected"),
        ({"hidden_size": 16, "proj_size": 8}, "gru: found proj_size 8, expected no projection"),
        ({"hidden_size": 12}, "layer 0: found hidden size 12, expected a multiple of 8"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_networks_without_integer_form(options, message):
    if "proj_size" in options:
        # torch builds projections for LSTM alone: a GRU can only claim to have one.
        gru = torch.nn.GRU(4, 16)
        gru.proj_size = 8
    else:
        gru = torch.nn.GRU(4, **options)
    with pytest.raises(ConversionError, match=message):
        convert_gru(gru)


def test_weights_that_are_not_finite():
    gru = torch.nn.GRU(4, 8)
    with torch.no_grad():
        gru.weight_hh_l0[0, 0] = float("nan")
    with pytest.raises(ConversionError, match=r"l0\.weight_hh: found values that are not finite"):
        convert_gru(gru)


def test_bad_thresholds_and_sizes():
    with pytest.raises(ModelFileError, match="theta_x"):
        convert_gru(torch.nn.GRU(4, 8), theta_x=-1)
    with pytest.raises(ModelFileError, match="num_layers: found 5"):
        convert_gru(torch.nn.GRU(4, 8, 5))
    with pytest.raises(ModelFileError, match="lut_frac: found 3"):
        convert_gru(torch.nn.GRU(4, 8), lut_frac=3)
