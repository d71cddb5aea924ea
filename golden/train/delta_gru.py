# SPDX-License-Identifier: Apache-2.0
"""The delta-GRU in floating point, to train with torch.

Thresholding deltas and accumulating weight columns leaves, after every step, a delta memory of
W x_ref + b: a delta-GRU is a GRU that sees *held* values (Gao et al., JETCAS 2020, arXiv
2012.13600, section II). So the input part of all time steps is one matrix product, and training
costs what a GRU costs. Gradients pass straight through the hold and every rounding.

With `quantised` set, every value is what the integer model computes: held in floats, it is exact
as long as no delta memory leaves +-2^16 (where the integers wrap) in float64; in float32 as long
as they stay within +-2^8, table entries apart whose float32 value rounds to the other neighbour.
"""

import math

import torch
from torch import nn

from golden import fixed

_STEPS_AT_ONCE = 8  # of a backward pass: some 100 KB a value
_X_ONE = float(1 << fixed.X_FRAC)
_X_LOW, _X_HIGH = fixed.X_MIN / _X_ONE, fixed.X_MAX / _X_ONE


class _StraightThrough(torch.autograd.Function):
    """Value of the second argument, gradient to the first."""

    @staticmethod
    def forward(ctx, value, stand_in):
        return stand_in.view_as(stand_in)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def _round_to(value, frac, bits=None):
    """`value` rounded half to even to 2^-frac, clipped to `bits` if given; gradient untouched."""
    with torch.no_grad():
        rounded = torch.round(value * (1 << frac))
        if bits is not None:
            rounded = rounded.clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        rounded = rounded / (1 << frac)
    return _StraightThrough.apply(value, rounded)


class _Recurrence(torch.autograd.Function):
    """The recurrent half of a layer over all time steps, with its own backward pass.

    Autograd would keep some twenty nodes a step; written out, a step costs half as much. Gates,
    held values and every rounding are those of the integer model if the network is quantised; the
    gradient passes straight through holding and rounding.
    """

    @staticmethod
    def forward(ctx, from_x, weight, bias_nh, net, theta):
        """h (T, B, H) from `from_x` (T, B, 3H: n, r, z), W_hh (3H, H), the bias of M_nh (H,)."""
        hidden = weight.shape[1]
        hold = theta > 0 or net.quantised
        fired = net.firing(theta, from_x.dtype)
        to_x, to_gate, to_product = net.roundings(from_x.dtype)
        gates = torch.empty_like(from_x)  # n, r, z
        m_nh = from_x.new_empty(*from_x.shape[:2], hidden)
        h = from_x.new_zeros(len(from_x) + 1, *m_nh.shape[1:])  # h[t]: the state before step t
        held = torch.empty_like(m_nh) if hold else h[:-1]
        reference, weight_t = h[0], weight.T
        # Views of all steps at once: a view costs as much as a small product.
        for x_n, x_rz, g_rz, g_n, g_r, g_z, m, h_t, h_next, held_t in zip(
            *(part.unbind() for part in from_x.split((hidden, 2 * hidden), dim=2)),
            gates[:, :, hidden:].unbind(),
            *(part.unbind() for part in gates.split(hidden, dim=2)),
            m_nh.unbind(),
            h[:-1].unbind(),
            h[1:].unbind(),
            held.unbind(),
            strict=True,
        ):
            if hold:
                reference = torch.add(fired(h_t - reference), reference, out=held_t)
            from_h_rz, from_h_n = (held_t @ weight_t).split((2 * hidden, hidden), dim=1)
            torch.add(x_rz, from_h_rz, out=g_rz)
            to_gate(to_x(g_rz).sigmoid_())
            to_x(torch.add(from_h_n, bias_nh, out=m))
            torch.addcmul(x_n, g_r, m, out=g_n)
            to_gate(to_x(g_n).tanh_())
            kept = to_product(g_z * h_t)
            torch.add(to_product(torch.addcmul(g_n, g_z, g_n, value=-1)), kept, out=h_next)
        ctx.save_for_backward(weight, gates, m_nh, h, held)
        return h[1:]

    @staticmethod
    def backward(ctx, grad_h):
        weight, gates, m_nh, h, held = ctx.saved_tensors
        steps, batch, hidden = m_nh.shape
        # Gradients of the arguments of tanh and sigmoid, and of M_nh: n, r, z, nh. So those from
        # x (n, r, z) and from h (r, z, nh) are views of the same memory.
        grads = grad_h.new_empty(steps, batch, 4 * hidden)
        grad_x, grad_from_h = grads[:, :, : 3 * hidden], grads[:, :, hidden:]
        carried = torch.zeros_like(grad_h[0])
        # What does not depend on later steps, for as many steps at once as a cache holds.
        kept = grad_h.new_empty(4, _STEPS_AT_ONCE, batch, hidden)
        for start in reversed(range(0, steps, _STEPS_AT_ONCE)):
            part = slice(start, min(start + _STEPS_AT_ONCE, steps))
            n, r, z = gates[part].split(hidden, dim=2)
            keep_n, keep_r, keep_z, left = kept[:, : len(n)].unbind()
            torch.sub(1, z, out=left)
            torch.addcmul(left, left * n, n, value=-1, out=keep_n)  # (1 - z)(1 - n^2)
            torch.sub(h[part], n, out=keep_z).mul_(z).mul_(left)  # (h - n) z (1 - z)
            torch.sub(1, r, out=keep_r).mul_(r).mul_(m_nh[part])
            views = zip(
                grad_h[part].unbind(),
                grad_from_h[part].unbind(),
                *(gate.unbind() for gate in grads[part].split(hidden, dim=2)),
                *(values.unbind() for values in (keep_n, keep_r, keep_z, r, z)),
                strict=True,
            )
            for g_h, g_all, g_n, g_r, g_z, g_nh, k_n, k_r, k_z, r_t, z_t in reversed(list(views)):
                grad = carried.add_(g_h)
                torch.mul(grad, k_n, out=g_n)
                torch.mul(grad, k_z, out=g_z)
                torch.mul(g_n, k_r, out=g_r)
                torch.mul(g_n, r_t, out=g_nh)
                carried = torch.addcmul(g_all @ weight, grad, z_t)
        grad_weight = grad_from_h.flatten(0, 1).T @ held.flatten(0, 1)
        grad_bias = grads[:, :, 3 * hidden :].sum(dim=(0, 1))
        return grad_x, grad_weight, grad_bias, None, None


def _mean_move(h):
    """Mean of |h_t - h_{t-1}| over (T, B, H), h before the first step being 0."""
    return nn.functional.pad(h, (0, 0, 0, 0, 1, 0)).diff(dim=0).abs().mean()


def _unchanged(value):
    return value


def _rounding_in_place(frac, dtype, bits=None):
    """A function that rounds a tensor half to even to 2^-frac, clipped to `bits`, in place.

    The sum with 1.5 * 2^(m - frac), m the mantissa's bits, has no room for smaller ones, and is
    rounded as IEEE 754 rounds. Without `bits`, values have to lie within +-2^(m - frac - 2).
    """
    one = float(1 << frac)
    mantissa = round(-math.log2(torch.finfo(dtype).eps))
    shift = torch.tensor(1.5 * 2.0 ** (mantissa - frac), dtype=dtype)
    if bits is None:
        return lambda value: value.add_(shift).sub_(shift)
    low, high = -(1 << (bits - 1)) / one, ((1 << (bits - 1)) - 1) / one
    return lambda value: value.clamp_(low, high).add_(shift).sub_(shift)


def _per_layer(theta, layers, name):
    values = [float(v) for v in (theta if hasattr(theta, "__len__") else [theta] * layers)]
    if len(values) != layers or min(values) < 0:
        raise ValueError(f"{name}: found {theta}, expected one value >= 0 or {layers} of them")
    return tuple(values)


class DeltaGRU(nn.Module):
    """A stack of delta-GRU layers, which may differ in width.

    Parameters of layer i: `weight_ih[i]` (3H, I), `weight_hh[i]` (3H, H), rows r, z, n as in
    torch.nn.GRU, and `bias[i]` (4, H), the initial M_r, M_z, M_nx, M_nh. `theta_x`, `theta_h`
    are thresholds in float units (1.0 is 256 in Q8.8), one or one per layer. At theta 0,
    unquantised, this is torch.nn.GRU. `quantised` and `lut_frac` may be changed at any time.

    With `track_moves` set, `moves` holds after each forward pass the mean |h_t - h_{t-1}| of each
    layer (scalars with a gradient): a cost on it teaches states to rest (Neil et al., "Delta
    Networks for Optimized Recurrent Network Computation", ICML 2017, section 4).
    """

    def __init__(
        self,
        input_size,
        hidden_sizes,
        theta_x=0.0,
        theta_h=0.0,
        batch_first=False,
        quantised=False,
        lut_frac=fixed.LUT_FRAC_MAX,
    ):
        super().__init__()
        self.hidden_sizes = tuple(hidden_sizes)
        self.input_sizes = (input_size, *self.hidden_sizes[:-1])
        self.batch_first = batch_first
        self.quantised = quantised
        self.lut_frac = lut_frac
        self.track_moves = False
        self.moves = []
        self.set_theta(theta_x, theta_h)
        self.weight_ih = nn.ParameterList()
        self.weight_hh = nn.ParameterList()
        self.bias = nn.ParameterList()
        for inputs, hidden in zip(self.input_sizes, self.hidden_sizes, strict=True):
            bound = hidden**-0.5  # torch.nn.GRU's own initial range
            for group, shape in (
                (self.weight_ih, (3 * hidden, inputs)),
                (self.weight_hh, (3 * hidden, hidden)),
                (self.bias, (4, hidden)),
            ):
                group.append(nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def __getstate__(self):
        # A copy of a network is none of its last pass.
        return {**self.__dict__, "moves": []}

    def set_theta(self, theta_x, theta_h):
        """Set the thresholds (float units, one or one per layer). ValueError if negative."""
        self.theta_x = _per_layer(theta_x, len(self.hidden_sizes), "theta_x")
        self.theta_h = _per_layer(theta_h, len(self.hidden_sizes), "theta_h")

    def roundings(self, dtype):
        """What rounds a table argument, a gate, a product of a gate with n or h, all in place."""
        if not self.quantised:
            return _unchanged, _unchanged, _unchanged
        return (
            _rounding_in_place(fixed.X_FRAC, dtype, fixed.X_BITS),
            _rounding_in_place(self.lut_frac, dtype),
            _rounding_in_place(fixed.GATE_FRAC, dtype),
        )

    @classmethod
    def from_gru(cls, gru, **options):
        """A DeltaGRU computing what `gru` (torch.nn.GRU, one direction) does; `options` as above.

        Raises ValueError for a bidirectional GRU or one with a projection.
        """
        if gru.bidirectional or getattr(gru, "proj_size", 0):
            raise ValueError("gru: found bidirectional or proj_size, expected a plain GRU")
        options.setdefault("batch_first", gru.batch_first)
        net = cls(gru.input_size, [gru.hidden_size] * gru.num_layers, **options)
        net = net.to(gru.weight_ih_l0.dtype)
        with torch.no_grad():
            for i in range(gru.num_layers):
                net.weight_ih[i].copy_(getattr(gru, f"weight_ih_l{i}"))
                net.weight_hh[i].copy_(getattr(gru, f"weight_hh_l{i}"))
                net.bias[i].copy_(merged_bias(gru, i))
        return net

    def to_gru(self):
        """The torch.nn.GRU of the same weights; ValueError if the layers differ in width."""
        if len(set(self.hidden_sizes)) != 1:
            raise ValueError(f"hidden sizes: found {self.hidden_sizes}, expected all the same")
        gru = nn.GRU(
            self.input_sizes[0],
            self.hidden_sizes[0],
            len(self.hidden_sizes),
            batch_first=self.batch_first,
        ).to(self.weight_ih[0].dtype)
        with torch.no_grad():
            for i, (r, z, nx, nh) in enumerate(self.bias):
                getattr(gru, f"weight_ih_l{i}").copy_(self.weight_ih[i])
                getattr(gru, f"weight_hh_l{i}").copy_(self.weight_hh[i])
                getattr(gru, f"bias_ih_l{i}").copy_(torch.cat([r, z, nx]))
                zero = torch.zeros_like(nh)
                getattr(gru, f"bias_hh_l{i}").copy_(torch.cat([zero, zero, nh]))
        return gru

    @torch.no_grad()
    def clamp_weights(self):
        """Bring every weight into the range of Q1.7; call it after an optimiser step."""
        one = 1 << fixed.W_FRAC
        for weight in (*self.weight_ih, *self.weight_hh):
            weight.clamp_(fixed.W_MIN / one, fixed.W_MAX / one)

    def forward(self, x):
        """Run sequences `x` (T, B, I), or (B, T, I) with batch_first, from the zero state.

        Returns the last layer's h over time, shaped like x, and the tuple of final h (B, H) of
        every layer.
        """
        if self.batch_first:
            x = x.transpose(0, 1)
        if self.quantised:
            x = _round_to(x, fixed.X_FRAC, fixed.X_BITS)
        final, self.moves = [], []
        for i in range(len(self.hidden_sizes)):
            x = self._layer(i, x)
            final.append(x[-1])
        return (x.transpose(0, 1) if self.batch_first else x), tuple(final)

    def _layer(self, i, x):
        weight_ih, weight_hh, bias = self.weight_ih[i], self.weight_hh[i], self.bias[i]
        if self.quantised:
            weight_ih = _round_to(weight_ih, fixed.W_FRAC, fixed.W_BITS)
            weight_hh = _round_to(weight_hh, fixed.W_FRAC, fixed.W_BITS)
            bias = _round_to(bias, fixed.ACC_FRAC, fixed.ACC_BITS)
        held = self._held_sequence(x, self.theta_x[i])
        # Rows in the order n, r, z: see `_Recurrence`.
        hidden = self.hidden_sizes[i]
        from_x = nn.functional.linear(held, weight_ih.roll(hidden, 0), bias[:3].roll(1, 0).ravel())
        h = _Recurrence.apply(from_x, weight_hh, bias[3], self, self.theta_h[i])
        if self.track_moves:
            self.moves.append(_mean_move(h))
        return h

    def _held_sequence(self, x, theta):
        """Held values of a whole sequence (T, B, I): no recurrence but the reference itself."""
        if theta == 0 and not self.quantised:
            return x
        with torch.no_grad():
            fired = self.firing(theta, x.dtype, saturates=True)
            reference = torch.zeros_like(x[0])
            held = torch.empty_like(x)
            for value, held_t in zip(x.unbind(), held.unbind(), strict=True):
                reference = torch.add(fired(value - reference), reference, out=held_t)
        return _StraightThrough.apply(x, held)

    def firing(self, theta, dtype, saturates=False):
        """A function of a delta that gives it where it is at least `theta`, and 0 elsewhere.

        `saturates`: a delta of Q8.8 may leave its range, as those of h, within +-1, cannot.
        """
        theta = max(theta, 1 / _X_ONE) if self.quantised else theta
        below = torch.tensor(theta, dtype=dtype)
        below = torch.nextafter(below, torch.zeros_like(below)).item()
        if self.quantised and saturates:
            return lambda delta: nn.functional.hardshrink(delta, below).clamp_(_X_LOW, _X_HIGH)
        return lambda delta: nn.functional.hardshrink(delta, below)


def merged_bias(gru, layer):
    """Biases of one layer of a torch.nn.GRU as (4, H): r, z (both summed), n input, n hidden."""
    hidden = gru.hidden_size
    if not gru.bias:
        return torch.zeros(4, hidden, dtype=gru.weight_ih_l0.dtype)
    b_ih = getattr(gru, f"bias_ih_l{layer}").detach().reshape(3, hidden)
    b_hh = getattr(gru, f"bias_hh_l{layer}").detach().reshape(3, hidden)
    return torch.cat([b_ih[:2] + b_hh[:2], b_ih[2:], b_hh[2:]])
