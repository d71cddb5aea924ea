# SPDX-License-Identifier: Apache-2.0
"""Data-parallel training: the sequences of a batch are sharded across worker processes.

Sequences of a batch meet only in the loss. So each process runs its share of them through the
stack, forward and backward, and the gradients are summed in the order of the shares: what comes out
depends on the number of shares, as any sum of floats does, but not on who was first. Processes, for
the steps of a DeltaGRU are Python, whose threads wait for each other.
"""

import copy

import torch

from golden.workers import Workers

SETTINGS = ("theta_x", "theta_h", "quantised", "lut_frac", "track_moves")  # of a DeltaGRU


class Shares:
    """Runs a torch.nn.GRU or DeltaGRU, on the CPU, as if it were called itself, on `count` cores.

    The input (T, B, I) is dealt along B; it gets no gradient. One share is run here, the others
    each in a process of its own, which is sent the parameters with every batch. Use it in a `with`,
    which ends the processes.
    """

    def __init__(self, stack, count):
        self.stack, self.count = stack, count
        self.moves = []
        self.workers = [Workers(1, _begin, (copy.deepcopy(stack),)) for _ in range(count - 1)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            worker.kill()

    def __call__(self, x):
        """Output over time (T, B, H), and None for last states; `moves` as those of the stack."""
        h, *self.moves = _Sharded.apply(x, self, torch.is_grad_enabled(), *self.stack.parameters())
        return h, None


class _Sharded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, shares, with_graph, *parameters):
        first, *others = x.split(-(-x.shape[1] // shares.count), dim=1)
        settings = {n: getattr(shares.stack, n) for n in SETTINGS if hasattr(shares.stack, n)}
        values = [parameter.detach().numpy() for parameter in parameters]
        ctx.workers = shares.workers[: len(others)]
        waiting = [
            worker.submit(_forward, values, settings, part.numpy(), with_graph)
            for worker, part in zip(ctx.workers, others, strict=True)
        ]
        ctx.share = _Share(shares.stack, first, with_graph)
        parts = [ctx.share.values(), *([torch.from_numpy(v) for v in w.result()] for w in waiting)]
        ctx.widths = [part[0].shape[1] for part in parts]
        h, *moves = zip(*parts, strict=True)
        weights = torch.tensor(ctx.widths, dtype=x.dtype) / x.shape[1]
        # A move is a mean over sequences.
        return torch.cat(h, dim=1), *(torch.stack(of_layer) @ weights for of_layer in moves)

    @staticmethod
    def backward(ctx, grad_h, *grad_moves):
        grads = [
            [grad, *(move * grad.shape[1] / grad_h.shape[1] for move in grad_moves)]
            for grad in grad_h.split(ctx.widths, dim=1)
        ]
        waiting = [
            worker.submit(_backward, [value.numpy() for value in part])
            for worker, part in zip(ctx.workers, grads[1:], strict=True)
        ]
        pulled = [ctx.share.pull(grads[0])]
        pulled += [[torch.from_numpy(value) for value in one.result()] for one in waiting]
        ctx.share = None
        return None, None, None, *(sum(of_one) for of_one in zip(*pulled, strict=True))


class _Share:
    """One share on its way: what came out of the stack, with the graph to go back through."""

    def __init__(self, stack, x, with_graph):
        self.parameters = tuple(stack.parameters())
        with torch.set_grad_enabled(with_graph):
            self.outputs = [stack(x)[0], *getattr(stack, "moves", ())]

    def values(self):
        return [output.detach() for output in self.outputs]

    def pull(self, grads):
        """Gradients of the parameters from those of the outputs."""
        return torch.autograd.grad(self.outputs, self.parameters, grads)


# What a process of its own has: the stack, and the share that waits for its gradient.
_own = {}


def _begin(stack):
    torch.set_num_threads(1)
    _own["stack"] = stack


def _forward(values, settings, x, with_graph):
    stack = _own["stack"]
    for name, value in settings.items():
        setattr(stack, name, value)
    with torch.no_grad():
        for parameter, value in zip(stack.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(value))
    _own["share"] = _Share(stack, torch.from_numpy(x), with_graph)
    return [value.numpy() for value in _own["share"].values()]


def _backward(grads):
    grads = [torch.from_numpy(grad) for grad in grads]
    return [grad.numpy() for grad in _own.pop("share").pull(grads)]
