# SPDX-License-Identifier: Apache-2.0
"""Shares of a batch on several processes: the network is the same, and so is what a seed gives."""

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import pytest
import torch

from golden.train.data_parallel import Shares
from golden.train.delta_gru import DeltaGRU
from golden.train.network import orthogonal_gru


def stacks():
    torch.manual_seed(3)
    gru = orthogonal_gru(5, 8, 2).double()
    delta = DeltaGRU.from_gru(gru, quantised=True, theta_x=0.2, theta_h=[0.1, 0.05])
    delta.track_moves = True
    return {"gru": gru, "delta": delta}


def gradients(stack, run, x, wanted):
    h, _ = run(x)
    loss = ((h - wanted) ** 2).mean() + 3 * sum(getattr(run, "moves", ()))
    stack.zero_grad()
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in stack.parameters()]


@pytest.mark.parametrize("kind", ["gru", "delta"])
@pytest.mark.parametrize("count", [2, 3])
def test_gradients_of_shards_equal_to_the_whole_batch(kind, count):
    """Equal but for the order of the sums: float64, so that a share that is lost would be seen.

    With fewer sequences than shares, as many, and a number that they do not divide.
    """
    stack = stacks()[kind]
    with Shares(stack, count) as shares:
        for sequences in (1, count, 7):
            x, wanted = torch.randn(9, sequences, 5).double(), torch.randn(9, sequences, 8).double()
            loss, whole = gradients(stack, stack, x, wanted)
            dealt_loss, dealt = gradients(stack, shares, x, wanted)
            again_loss, again = gradients(stack, shares, x, wanted)
            assert dealt_loss == pytest.approx(loss, rel=1e-12)
            assert dealt_loss == again_loss
            for one, other, repeated in zip(whole, dealt, again, strict=True):
                torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-13)
                assert torch.equal(other, repeated)


def test_optimiser_steps_and_thresholds_in_workers():
    stack = stacks()["delta"]
    x = torch.randn(4, 6, 5).double()
    with Shares(stack, 2) as shares, torch.no_grad():
        before = shares(x)[0]
        for parameter in stack.parameters():
            parameter.mul_(0.5)
        stack.set_theta(0.5, 0.3)
        assert not torch.equal(shares(x)[0], before)
        assert torch.equal(shares(x)[0], stack(x)[0])


def test_killed_worker_without_hang():
    stack = stacks()["gru"]
    with Shares(stack, 2) as shares:
        pid = shares.workers[0].submit(os.getpid).result()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            shares(torch.randn(4, 6, 5).double())


def test_message_of_a_failing_worker(monkeypatch):
    stack = stacks()["gru"]
    with Shares(stack, 2) as shares:
        monkeypatch.setattr(shares, "stack", torch.nn.Linear(5, 8).double())  # not that of before
        with pytest.raises(RuntimeError, match="must match the size"):
            shares(torch.randn(4, 6, 5).double())
