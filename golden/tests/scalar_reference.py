# SPDX-License-Identifier: Apache-2.0
"""The delta-GRU once more, from its definition, in plain Python integers and loops.

Written to be checked by eye against the definition, and to share nothing with the package: not
the rounding, not the tables, not the order of summation.
"""

import math
from fractions import Fraction


def round_half_even(value):
    """Nearest integer of a Fraction, ties to even (Python's own rule for Fractions)."""
    return round(Fraction(value))


def rne(a, s):
    return round_half_even(Fraction(a, 2**s))


def sat16(a):
    return max(-32768, min(32767, a))


def wrap(a):
    return (a + 2**31) % 2**32 - 2**31


def q(memory):
    return sat16(rne(memory, 7))


def sigma(a, f):
    return round(2**f / (1 + math.exp(-a / 256))) * 2 ** (8 - f)


def tanh(a, f):
    return round(2**f * math.tanh(a / 256)) * 2 ** (8 - f)


class Layer:
    def __init__(self, weight_ih, weight_hh, bias, f):
        self.w_i, self.w_h = weight_ih.tolist(), weight_hh.tolist()
        self.f = f
        self.hidden = len(self.w_h[0])
        self.x_ref = [0] * len(self.w_i[0])
        self.h_ref = [0] * self.hidden
        self.h = [0] * self.hidden
        self.m = bias.tolist()  # r, z, nx, nh

    def step(self, x, theta_x, theta_h):
        dx = self.deltas(x, self.x_ref, theta_x)
        dh = self.deltas(self.h, self.h_ref, theta_h)
        h = []
        for k in range(self.hidden):
            for gate in range(3):
                row = gate * self.hidden + k
                from_x = sum(w * d for w, d in zip(self.w_i[row], dx, strict=True))
                from_h = sum(w * d for w, d in zip(self.w_h[row], dh, strict=True))
                if gate < 2:
                    self.m[gate][k] = wrap(self.m[gate][k] + from_x + from_h)
                else:
                    self.m[2][k] = wrap(self.m[2][k] + from_x)
                    self.m[3][k] = wrap(self.m[3][k] + from_h)
            r = sigma(q(self.m[0][k]), self.f)
            z = sigma(q(self.m[1][k]), self.f)
            n = tanh(sat16(rne(2 * self.m[2][k] + r * q(self.m[3][k]), 8)), self.f)
            h.append(rne((256 - z) * n, 8) + rne(z * self.h[k], 8))
        self.h = h
        return dx, dh

    @staticmethod
    def deltas(values, reference, theta):
        result = []
        for j, value in enumerate(values):
            delta = sat16(value - reference[j])
            if abs(delta) >= max(theta, 1):
                reference[j] += delta
            else:
                delta = 0
            result.append(delta)
        return result


def run(model, x):
    """h, memories and deltas of every layer and step: ``[[(h, m, dx, dh), ...], ...]``."""
    layers = [
        Layer(*tensors, model.lut_frac)
        for tensors in zip(model.weight_ih, model.weight_hh, model.bias, strict=True)
    ]
    steps = []
    for row in x.tolist():
        step = []
        for i, layer in enumerate(layers):
            dx, dh = layer.step(row, int(model.theta_x[i]), int(model.theta_h[i]))
            row = layer.h
            step.append((list(layer.h), [list(m) for m in layer.m], dx, dh))
        steps.append(step)
    return steps
