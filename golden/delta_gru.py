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


class _Recurrence(torch.autograd.Function):
    """The recurrent half of a layer over all time steps, with its own backward pass.

    Autograd would keep some twenty nodes a step; written out, a step costs half as much. Gates,
    held values and every rounding are those of the integer model if the network is quantised; the
    gradient passes straight through holding and rounding.
    """

    @staticmethod
    def forward(ctx, from_x, weight, bias_nh, net, theta):
        """h (T, B, H) from `from_x` (T, B, 3H), W_hh (3H, H), the bias of M_nh (H,)."""
        steps, batch, hidden = len(from_x), from_x.shape[1], weight.shape[1]
        hold = theta > 0 or net.quantised
        to_x, to_gate, to_product = net.roundings()
        gates = torch.empty_like(from_x)  # r, z, n
        m_nh = from_x.new_empty(steps, batch, hidden)
        h = from_x.new_zeros(steps + 1, batch, hidden)  # h[t] is the state before step t
        held = torch.empty_like(m_nh) if hold else h[:-1]
        reference = h[0]
        for t in range(steps):
            if hold:
                reference = net._next_reference(h[t], reference, theta)
                held[t] = reference
            from_h = held[t] @ weight.T
            rz, n = gates[t, :, : 2 * hidden], gates[t, :, 2 * hidden :]
            torch.add(from_x[t, :, : 2 * hidden], from_h[:, : 2 * hidden], out=rz)
            to_gate(to_x(rz).sigmoid_())
            r, z = rz[:, :hidden], rz[:, hidden:]
            torch.add(from_h[:, 2 * hidden :], bias_nh, out=m_nh[t])
            to_x(m_nh[t])
            torch.addcmul(from_x[t, :, 2 * hidden :], r, m_nh[t], out=n)
            to_gate(to_x(n).tanh_())
            torch.add(to_product((1 - z).mul_(n)), to_product(z * h[t]), out=h[t + 1])
        ctx.save_for_backward(weight, gates, m_nh, h, held)
        return h[1:]

    @staticmethod
    def backward(ctx, grad_h):
        weight, gates, m_nh, h, held = ctx.saved_tensors
        steps, _, hidden = m_nh.shape
        r, z, n = gates.split(hidden, dim=2)
        # What does not depend on later steps, for all steps at once.
        keep_n = (1 - z) * (1 - n * n)
        keep_z = (h[:-1] - n) * z * (1 - z)
        keep_r = m_nh * r * (1 - r)
        grad_x = torch.empty_like(gates)
        grad_from_h = torch.empty_like(gates)
        carried = torch.zeros_like(grad_h[0])
        for t in reversed(range(steps)):
            grad = carried.add_(grad_h[t])
            grad_r, grad_z, grad_n = grad_x[t].split(hidden, dim=1)
            torch.mul(grad, keep_n[t], out=grad_n)
            torch.mul(grad, keep_z[t], out=grad_z)
            torch.mul(grad_n, keep_r[t], out=grad_r)
            grad_from_h[t, :, : 2 * hidden] = grad_x[t, :, : 2 * hidden]
            torch.mul(grad_n, r[t], out=grad_from_h[t, :, 2 * hidden :])
            carried = torch.addcmul(grad_from_h[t] @ weight, grad, z[t])
        grad_weight = grad_from_h.flatten(0, 1).T @ held.flatten(0, 1)
        grad_bias = grad_from_h[:, :, 2 * hidden :].sum(dim=(0, 1))
        return grad_x, grad_weight, grad_bias, None, None


def _mean_move(h):
    """Mean of |h_t - h_{t-1}| over (T, B, H), h before the first step being 0."""
    return nn.functional.pad(h, (0, 0, 0, 0, 1, 0)).diff(dim=0).abs().mean()


def _unchanged(value):
    return value


def _rounding_in_place(frac, bits=None):
    """A function that rounds a tensor half to even to 2^-frac, clipped to `bits`, in place."""
    scale = float(1 << frac)
    if bits is None:
        return lambda value: value.mul_(scale).round_().div_(scale)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return lambda value: value.mul_(scale).round_().clamp_(low, high).div_(scale)


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

    def set_theta(self, theta_x, theta_h):
        """Set the thresholds (float units, one or one per layer). ValueError if negative."""
        self.theta_x = _per_layer(theta_x, len(self.hidden_sizes), "theta_x")
        self.theta_h = _per_layer(theta_h, len(self.hidden_sizes), "theta_h")

    def roundings(self):
        """What rounds a table argument, a gate, a product of a gate with n or h, all in place."""
        if not self.quantised:
            return _unchanged, _unchanged, _unchanged
        return (
            _rounding_in_place(fixed.X_FRAC, fixed.X_BITS),
            _rounding_in_place(self.lut_frac),
            _rounding_in_place(fixed.GATE_FRAC),
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
        from_x = held @ weight_ih.T + bias[:3].reshape(-1)
        h = _Recurrence.apply(from_x, weight_hh, bias[3], self, self.theta_h[i])
        if self.track_moves:
            self.moves.append(_mean_move(h))
        return h

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

    def _next_reference(self, value, reference, theta):
        delta = value - reference
        if self.quantised:
            fires = delta.abs() >= max(theta, 1 / _X_ONE)
            return torch.where(fires, reference + delta.clamp(_X_LOW, _X_HIGH), reference)
        return torch.where(delta.abs() >= theta, value, reference)


def merged_bias(gru, layer):
    """Biases of one layer of a torch.nn.GRU as (4, H): r, z (both summed), n input, n hidden."""
    hidden = gru.hidden_size
    if not gru.bias:
        return torch.zeros(4, hidden, dtype=gru.weight_ih_l0.dtype)
    b_ih = getattr(gru, f"bias_ih_l{layer}").detach().reshape(3, hidden)
    b_hh = getattr(gru, f"bias_hh_l{layer}").detach().reshape(3, hidden)
    return torch.cat([b_ih[:2] + b_hh[:2], b_ih[2:], b_hh[2:]])
