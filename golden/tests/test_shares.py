"""Shares of a batch on several threads: the network is the same, and so is what a seed gives."""

import pytest
import torch

from golden.network import orthogonal_gru
from golden.shares import Shares


@pytest.fixture
def gru():
    torch.manual_seed(3)
    return orthogonal_gru(5, 8, 2).double()


def gradients(gru, run, x, wanted):
    h, _ = run(x)
    loss = ((h - wanted) ** 2).mean()
    gru.zero_grad()
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in gru.parameters()]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("sequences", [1, 2, 7])
def test_shares_give_the_gradients_of_the_whole(gru, sequences, count):
    """Equal but for the order of the sums: float64, so that a share that is lost would be seen."""
    x, wanted = torch.randn(9, sequences, 5).double(), torch.randn(9, sequences, 8).double()
    loss, whole = gradients(gru, gru, x, wanted)
    with Shares(gru, count) as shares:
        dealt_loss, dealt = gradients(gru, shares, x, wanted)
        again_loss, again = gradients(gru, shares, x, wanted)
    assert dealt_loss == pytest.approx(loss, rel=1e-12)
    assert dealt_loss == again_loss
    for one, other, repeated in zip(whole, dealt, again, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-13)
        assert torch.equal(other, repeated)


def test_shares_see_a_step_of_the_optimiser(gru):
    x = torch.randn(4, 6, 5).double()
    with Shares(gru, 2) as shares:
        with torch.no_grad():
            for parameter in gru.parameters():
                parameter.mul_(0.5)
        torch.testing.assert_close(shares(x)[0], gru(x)[0], rtol=1e-12, atol=1e-15)
