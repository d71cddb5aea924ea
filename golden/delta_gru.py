"""The delta-GRU in floating point, to train with torch.

Thresholding deltas and accumulating weight columns leaves, after every step, a delta memory of
W x_ref + b: a delta-GRU is a GRU that sees *held* values (Gao et al., JETCAS 2020, arXiv
2012.13600, section II). So the input part of all time steps is one matrix product, and training
costs what a GRU costs. Gradients pass straight through the hold and every rounding.

With `quantised` set, every value is what the integer model computes: held in floats, it is exact
as long as no delta memory leaves +-2^16 (where the integers wrap) in float64; in float32 as long
as they stay within +-2^8, table entries apart whose float32 value rounds to the other neighbour.
"""

import torch
from torch import nn

from golden import fixed

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

    def set_theta(self, theta_x, theta_h):
        """Set the thresholds (float units, one or one per layer). ValueError if negative."""
        self.theta_x = _per_layer(theta_x, len(self.hidden_sizes), "theta_x")
        self.theta_h = _per_layer(theta_h, len(self.hidden_sizes), "theta_h")

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
        final = []
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
        hidden = self.hidden_sizes[i]
        held = self._held_sequence(x, self.theta_x[i])
        from_x = held @ weight_ih.T + bias[:3].reshape(-1)
        weight_hh = weight_hh.T
        h = h_ref = x.new_zeros(x.shape[1], hidden)
        outputs = []
        for step in from_x:
            h_ref = self._held(h, h_ref, self.theta_h[i])
            from_h = h_ref @ weight_hh
            gates = self._sigmoid(step[:, : 2 * hidden] + from_h[:, : 2 * hidden])
            r, z = gates[:, :hidden], gates[:, hidden:]
            m_nh = self._to_x(from_h[:, 2 * hidden :] + bias[3])
            n = self._tanh(step[:, 2 * hidden :] + r * m_nh)
            h = self._blend((1 - z) * n, z * h)
            outputs.append(h)
        return torch.stack(outputs)

    def _held_sequence(self, x, theta):
        """Held values of a whole sequence (T, B, I): no recurrence but the reference itself."""
        if theta == 0 and not self.quantised:
            return x
        with torch.no_grad():
            reference = torch.zeros_like(x[0])
            held = []
            for value in x:
                reference = self._next_reference(value, reference, theta)
                held.append(reference)
            held = torch.stack(held)
        return _StraightThrough.apply(x, held)

    def _held(self, value, reference, theta):
        if theta == 0 and not self.quantised:
            return value
        with torch.no_grad():
            reference = self._next_reference(value, reference, theta)
        return _StraightThrough.apply(value, reference)

    def _next_reference(self, value, reference, theta):
        delta = value - reference
        if self.quantised:
            fires = delta.abs() >= max(theta, 1 / _X_ONE)
            return torch.where(fires, reference + delta.clamp(_X_LOW, _X_HIGH), reference)
        return torch.where(delta.abs() >= theta, value, reference)

    def _to_x(self, value):
        return _round_to(value, fixed.X_FRAC, fixed.X_BITS) if self.quantised else value

    def _sigmoid(self, value):
        value = torch.sigmoid(self._to_x(value))
        return _round_to(value, self.lut_frac) if self.quantised else value

    def _tanh(self, value):
        value = torch.tanh(self._to_x(value))
        return _round_to(value, self.lut_frac) if self.quantised else value

    def _blend(self, new, old):
        if self.quantised:
            new, old = _round_to(new, fixed.GATE_FRAC), _round_to(old, fixed.GATE_FRAC)
        return new + old


def merged_bias(gru, layer):
    """Biases of one layer of a torch.nn.GRU as (4, H): r, z (both summed), n input, n hidden."""
    hidden = gru.hidden_size
    if not gru.bias:
        return torch.zeros(4, hidden, dtype=gru.weight_ih_l0.dtype)
    b_ih = getattr(gru, f"bias_ih_l{layer}").detach().reshape(3, hidden)
    b_hh = getattr(gru, f"bias_hh_l{layer}").detach().reshape(3, hidden)
    return torch.cat([b_ih[:2] + b_hh[:2], b_ih[2:], b_hh[2:]])
