# SPDX-License-Identifier: Apache-2.0
"""The alarm of a conversion: the error of h beside the float network, its causes, input scales."""

import numpy as np
import pytest
import torch

from golden import fixed
from golden.datasets.features import Channels, features_from_model
from golden.importers.convert import ConversionError, convert_gru, convert_layers, merge_biases
from golden.importers.quality import (
    checked_input,
    choose_scale,
    coarse_inputs,
    convert_checked,
    measure,
    random_input,
    run_floats,
)
from golden.integer import run
from golden.model_file import ModelFileError, load_model, save_model


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(5)


def layers_of(gru):
    """The float layers of a torch.nn.GRU, as the importers give them."""
    found = []
    for i in range(gru.num_layers):
        w, u, b, c = (
            getattr(gru, f"{name}_l{i}").detach().double().numpy()
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        found.append((w, u, merge_biases(u.shape[1], b, c)))
    return found


def torch_h(gru, x):
    """h (T, H) of torch for x (T, I)."""
    with torch.no_grad():
        return gru.double()(torch.from_numpy(x)[:, None])[0][:, 0].numpy()


def ratio(truth, found):
    return 10 * np.log10(np.mean(truth**2) / np.mean((found - truth) ** 2))


def integer_h(model, x):
    return fixed.to_float(np.array([t.h for t in run(model, model.quantise_input(x))]), 8)


def wide_range_gru():
    """A network for inputs around -350, of deviations 8 to 120, and such inputs (T, I)."""
    rng = np.random.default_rng(0)
    mean = np.array([-350.0, 0, 0, 0])
    std = np.array([120, 60, 20, 8.0])
    gru = torch.nn.GRU(4, 16).double()
    with torch.no_grad():
        gru.weight_ih_l0.mul_(torch.from_numpy(1 / std))
        gru.bias_ih_l0.sub_(gru.weight_ih_l0 @ torch.from_numpy(mean))
    return gru, mean + std * np.cumsum(rng.normal(size=(200, 4)), 0) / 12


def test_float_run_against_torch():
    """Could break: the truth that everything is compared with."""
    gru = torch.nn.GRU(5, 16, 3)
    x = random_input(5)
    found = run_floats(layers_of(gru), x).h[-1]
    for sequence, h in zip(x, found, strict=True):
        assert np.allclose(torch_h(gru, sequence), h, atol=1e-12)


@pytest.mark.parametrize("pad", [False, True])
def test_measured_error_against_torch_and_integers(pad):
    """Could break: the figures that are stated are not those of the model that is written."""
    gru = torch.nn.GRU(5, 12 if pad else 16, 2)
    x = np.random.default_rng(1).normal(size=(60, 5))
    model, _, quality = convert_checked(layers_of(gru), x[None], "x", pad=pad)
    h, truth = integer_h(model, x)[:, : gru.hidden_size], torch_h(gru, x)
    assert quality.layers[-1].snr_db == pytest.approx(ratio(truth, h), abs=1e-6)
    assert quality.layers[-1].largest == pytest.approx(np.abs(h - truth).max())
    assert np.allclose(
        quality.layers[-1].units_db,
        [ratio(truth[:, i], h[:, i]) for i in range(gru.hidden_size)],
    )
    assert not quality.poor and quality.causes == ()
    assert "l1" in quality.table() and "worst units" in quality.table()


@pytest.mark.parametrize("outliers", [1, 12])
def test_cause_of_few_outliers(outliers):
    """Could break: a handful of clipped weights goes unmentioned, or only as a share of all."""
    gru = torch.nn.GRU(16, 64)
    with torch.no_grad():
        for unit in range(outliers):
            gru.weight_hh_l0[128 + unit, unit] = 3.5
    _, report, quality = convert_checked(layers_of(gru))
    assert report.clipped_weights < 0.001
    assert quality.poor
    assert set(quality.layers[0].below(20)) >= set(range(outliers))
    said = quality.complaint()
    assert f"{outliers} of 12288 values of l0.weight_hh clipped" in said and "n0" in said
    assert "3.5" in said and "clamp_weights" in said
    assert quality.bad == (outliers == 12)


def test_input_scale_for_wide_ranges():
    """Could break: inputs beyond 128 are clipped, or small weights lose all their bits."""
    gru, x = wide_range_gru()
    plain, _, poor = convert_checked(layers_of(gru), x[None], "x", scale=False)
    assert not plain.input_scale_log2.any() and "input_scale_log2" not in plain.extras
    assert poor.snr_db < 20 and "--input-scale" in poor.complaint()
    model, _, good = convert_checked(layers_of(gru), x[None], "x")
    assert good.snr_db > 35 and not good.poor
    assert ratio(torch_h(gru, x), integer_h(model, x)) == pytest.approx(good.snr_db, abs=1e-6)
    assert np.abs(model.quantise_input(x).astype(int)).max() < 32767


def test_input_scale_for_tiny_values():
    """Could break: farads and amperes become zeros."""
    gru = torch.nn.GRU(3, 16).double()
    x = 1e-12 * np.random.default_rng(2).normal(size=(50, 3))
    with torch.no_grad():
        gru.weight_ih_l0.mul_(1e12)
    model, _, quality = convert_checked(layers_of(gru), x[None], "x")
    assert quality.snr_db > 25 and (model.input_scale_log2 < -30).all()


def test_no_input_scale_without_need():
    """Could break: a stimulus that has always fitted is scaled for nothing."""
    gru = torch.nn.GRU(5, 16)
    x = np.random.default_rng(1).normal(size=(1, 60, 5))
    assert not convert_checked(layers_of(gru), x, "x")[0].input_scale_log2.any()


def test_scale_that_keeps_all_in_range():
    """Could break: a weight or a move of the input leaves its format where there is room."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        size = 2.0 ** rng.integers(-20, 20, 4)
        weight = rng.uniform(-1, 1, (24, 4)) / size
        x = np.cumsum(rng.normal(size=(2, 40, 4)), 1) * size * 2.0 ** rng.integers(-3, 4)
        k = choose_scale(weight, x)
        assert np.abs(x / 2.0**k).max() < 128 and np.abs(np.diff(x / 2.0**k, axis=1)).max() < 128
        room = np.abs(x).max((0, 1)) * np.abs(weight).max(0) < 15
        assert (np.abs(weight * 2.0**k)[:, room] <= 127 / 128).all()


def test_constant_and_unused_inputs():
    """Could break: a logarithm of 0."""
    x = np.zeros((1, 8, 3))
    x[..., 1] = 1000
    weight = np.full((24, 3), 0.5)
    weight[:, 1] = 0
    assert choose_scale(weight, x).tolist() == [0, 4, 0]


def test_wrapping_memories_as_a_cause():
    """Could break: an error without a cause."""
    gru = torch.nn.GRU(3, 8)
    with torch.no_grad():
        gru.bias_ih_l0[:] = 1e6
    quality = convert_checked(layers_of(gru))[2]
    assert quality.bad and "delta memories wrap at +-65536" in quality.complaint()


def test_overflow_of_the_float_network():
    """Could break: a ratio that is not a number passes every limit."""
    layer = (np.full((24, 3), 1e300), np.full((24, 8), -1e308), np.zeros((4, 8)))
    layer[0][8:16] *= -1  # z = 0: h follows n at once
    x = np.full((1, 4, 3), 1e300)
    with pytest.raises(ConversionError, match="products overflow"):
        measure([layer], convert_layers([layer])[0], x, "x")


def test_network_of_zeros():
    """Could break: a ratio of nothing to nothing raises the alarm."""
    layer = (np.zeros((24, 3)), np.zeros((24, 8)), np.zeros((4, 8)))
    assert not convert_checked([layer])[2].poor


def test_inputs_with_small_weights():
    """Could break: without a calibration input, nothing hints at inputs of another range."""
    gru, _ = wide_range_gru()
    assert coarse_inputs(layers_of(gru)[0][0]) == [0, 1, 2, 3]
    assert coarse_inputs(layers_of(torch.nn.GRU(4, 16))[0][0]) == []


def test_scaled_features():
    """Could break: whatever quantises features for a model forgets the scale that it asks for."""
    channels = Channels(("a", "b"), np.array([1.0, 2.0]), np.array([3.0, 0.5]))
    layer = (np.zeros((24, 2)), np.zeros((24, 8)), np.zeros((4, 8)))
    plain = convert_layers([layer], extras=channels.extras())[0]
    k = np.array([2, -3])
    scaled = convert_layers([layer], extras={**channels.extras(), "input_scale_log2": k})[0]
    signal = np.random.default_rng(4).normal(size=(20, 2))
    assert np.array_equal(features_from_model(plain)(signal), channels(signal))
    expected = scaled.quantise_input((signal - channels.mean) / channels.std)
    assert np.array_equal(features_from_model(scaled)(signal), expected)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((3, 2), np.int16), "int16"),
        (np.zeros((3, 3)), "shape (3, 3)"),
        (np.zeros(2), "shape (2,)"),
        (np.zeros((0, 2)), "shape (0, 2)"),
        (np.full((3, 2), np.nan), "not finite"),
    ],
)
def test_unfit_calibration_input(x, words):
    with pytest.raises(ConversionError) as caught:
        checked_input("x.npy", x, 2)
    assert words in str(caught.value) and "(T, 2)" in str(caught.value)


def test_long_calibration_input():
    """Could break: a recording of hours stops the command, or is cut without a word."""
    x, words = checked_input("x.npy", np.zeros((10_000, 2), np.float32), 2)
    assert x.shape == (1, 2048, 2) and "the first 2048 steps" in words


def test_scale_in_the_model_file(tmp_path):
    """Could break: the scale is lost on the way, or the RTL's run refuses the file."""
    gru, x = wide_range_gru()
    model, _, _ = convert_checked(layers_of(gru), x[None], "x")
    save_model(tmp_path / "m.npz", model)
    back = load_model(tmp_path / "m.npz")
    k = back.input_scale_log2
    assert k.dtype == np.int64 and k.tolist() == model.input_scale_log2.tolist() and k.any()
    expected = np.rint(x / 2.0**k * 256)
    assert np.array_equal(back.quantise_input(x), expected)
    plain = convert_gru(gru)[0]
    assert np.array_equal(plain.quantise_input(x[:, 1:2].repeat(4, 1) / 4),
                          np.rint(x[:, 1:2].repeat(4, 1) * 64))  # fmt: skip
    with pytest.raises(ValueError, match="expected"):
        back.quantise_input(x[:, :2])
    model.extras["input_scale_log2"] = np.zeros(3)
    with pytest.raises(ModelFileError, match="input_scale_log2"):
        model.quantise_input(x)
