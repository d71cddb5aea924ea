"""Two cores for one torch.nn.GRU: the sequences of a batch are dealt to threads.

Sequences of a batch meet only in the loss. So each thread runs its share of them through the
recurrent stack, forward and backward, and the gradients are summed in the order of the shares:
what comes out depends on the number of shares, as any sum of floats does, but not on who was first.

Steps of a torch.nn.GRU are C++ and run side by side. Those of a DeltaGRU are Python, whose threads
wait for each other: dealt to two, it gets slower.
"""

import copy
from concurrent.futures import ThreadPoolExecutor

import torch


class Shares:
    """Runs a torch.nn.GRU as if it were called itself, on `count` threads.

    The input (T, B, I) is dealt along B; it gets no gradient. Each thread has a copy of the stack
    that has its parameters in common. Use it in a `with`, which ends the threads.
    """

    def __init__(self, gru, count):
        self.parameters = tuple(gru.parameters())
        same = {id(parameter): parameter for parameter in self.parameters}
        self.stacks = [gru, *(copy.deepcopy(gru, dict(same)) for _ in range(count - 1))]
        self.threads = ThreadPoolExecutor(count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.threads.shutdown()

    def __call__(self, x):
        """Output over time (T, B, H), and None in place of the last states."""
        return _Dealt.apply(x, self, *self.parameters), None


class _Dealt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, shares, *parameters):
        def run(stack, part):
            with torch.enable_grad():
                return stack(part)[0]

        parts = x.split(-(-x.shape[1] // len(shares.stacks)), dim=1)
        ctx.outputs = list(shares.threads.map(run, shares.stacks, parts))
        ctx.threads, ctx.inputs = shares.threads, parameters
        return torch.cat([h.detach() for h in ctx.outputs], dim=1)

    @staticmethod
    def backward(ctx, grad_h):
        def pull(h, grad):
            return torch.autograd.grad(h, ctx.inputs, grad)

        grads = grad_h.split([h.shape[1] for h in ctx.outputs], dim=1)
        pulled = list(ctx.threads.map(pull, ctx.outputs, grads))
        ctx.outputs = None
        return None, None, *(sum(of_one) for of_one in zip(*pulled, strict=True))
