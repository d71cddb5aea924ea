# SPDX-License-Identifier: Apache-2.0
"""The float delta-GRU against torch.nn.GRU, and its quantised form against the integer model."""

import numpy as np
import pytest
import torch

from golden import fixed
from golden.importers.convert import convert_delta_gru
from golden.integer import run
from golden.stimulus import random_inputs
from golden.train.delta_gru import DeltaGRU

DTYPES = [torch.float32, torch.float64]


def random_gru(seed, dtype=torch.float32):
    """A torch.nn.GRU of random shape, and an input for it."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    inputs, hidden = (int(v) for v in rng.integers(1, 40, 2))
    gru = torch.nn.GRU(inputs, hidden, 1 + seed % 4, batch_first=bool(seed % 2)).to(dtype)
    return gru, torch.randn(6, 5, inputs, dtype=dtype)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("dtype", DTYPES)
def test_equality_to_torch_gru_at_theta_0(seed, dtype):
    gru, x = random_gru(seed, dtype)
    net = DeltaGRU.from_gru(gru)
    expected, h_n = gru(x)
    found, final = net(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.stack(final), h_n, rtol=0, atol=1e-6)
    torch.testing.assert_close(net.to_gru()(x)[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_equal_to_torch_gru_at_theta_0(seed):
    gru, x = random_gru(seed, torch.float64)
    net = DeltaGRU.from_gru(gru)
    gru(x)[0].square().sum().backward()
    net(x)[0].square().sum().backward()
    for i in range(gru.num_layers):
        torch.testing.assert_close(net.weight_ih[i].grad, getattr(gru, f"weight_ih_l{i}").grad)
        torch.testing.assert_close(net.weight_hh[i].grad, getattr(gru, f"weight_hh_l{i}").grad)


def test_gru_without_biases():
    gru = torch.nn.GRU(4, 8, bias=False)
    x = torch.randn(5, 2, 4)
    torch.testing.assert_close(DeltaGRU.from_gru(gru)(x)[0], gru(x)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("lut_frac", range(fixed.LUT_FRAC_MIN, fixed.LUT_FRAC_MAX + 1))
@pytest.mark.parametrize(("theta_x", "theta_h"), [(0, 0), (64, 64), ((64, 9, 0), (0, 30, 128))])
def test_quantised_equality_to_integer_model(theta_x, theta_h, lut_frac):
    torch.manual_seed(lut_frac)
    net = DeltaGRU(10, [24, 16, 32], quantised=True, lut_frac=lut_frac).double()
    net.set_theta(np.asarray(theta_x) / 256 if theta_x else 0, np.asarray(theta_h) / 256)
    model, _ = convert_delta_gru(net)
    x = random_inputs(np.random.default_rng(lut_frac), 80, 10, "walk")
    with torch.no_grad():
        found = net(torch.tensor(x / 256)[:, None])[0][:, 0].numpy() * 256
    expected = np.array([trace.h for trace in run(model, x)])
    assert np.array_equal(found, expected)
    assert expected.std() > 5  # LSB: the network is alive


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantised_saturated_delta(dtype):
    net = DeltaGRU(3, [8], quantised=True).to(dtype)
    with torch.no_grad():
        net.weight_ih[0] /= 64
    model, _ = convert_delta_gru(net)
    x = random_inputs(np.random.default_rng(0), 20, 3, "saturate")
    with torch.no_grad():
        found = net(torch.tensor(x / 256, dtype=dtype)[:, None])[0][:, 0].numpy() * 256
    assert np.array_equal(found, [trace.h for trace in run(model, x)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("theta", [1, 85, 86, 128])
def test_deltas_at_and_just_below_theta(dtype, theta):
    """In units of Q8.8, from a reference of 0: the edge that rounding must not move."""
    net = DeltaGRU(1, [8], theta_x=theta / 256, quantised=True).to(dtype)
    x = torch.tensor([theta - 1, 0, theta, theta + 1, 2 * theta], dtype=dtype) / 256
    held = net._held_sequence(x[:, None, None], theta / 256).flatten() * 256
    expected = [0, 0, 1, 2, 2] if theta == 1 else [0, 0, theta, theta, 2 * theta]
    assert held.tolist() == expected


def test_large_theta_without_firing():
    net = DeltaGRU(4, [8], theta_x=100, theta_h=100)
    x = torch.randn(6, 2, 4)
    torch.testing.assert_close(net(x)[0], net(torch.zeros_like(x))[0])


@pytest.mark.parametrize("quantised", [False, True])
def test_gradients_through_hold_and_rounding(quantised):
    net = DeltaGRU(4, [8, 16], theta_x=0.25, theta_h=0.25, quantised=quantised)
    x = torch.randn(12, 3, 4, requires_grad=True)
    net(x)[0].square().sum().backward()
    assert x.grad.abs().sum() > 0
    for name, parameter in net.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_clamped_weights_within_rounding():
    net = DeltaGRU(4, [8])
    with torch.no_grad():
        net.weight_hh[0] *= 100
    net.clamp_weights()
    _, report = convert_delta_gru(net)
    assert report.clipped == 0


def test_unsupported_options():
    with pytest.raises(ValueError, match="bidirectional"):
        DeltaGRU.from_gru(torch.nn.GRU(4, 8, bidirectional=True))
    with pytest.raises(ValueError, match="hidden sizes"):
        DeltaGRU(4, [8, 16]).to_gru()
    for theta in (-1, [0.1, 0.2]):
        with pytest.raises(ValueError, match="theta_h: found"):
            DeltaGRU(4, [8], theta_h=theta)
