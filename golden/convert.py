"""From a trained float network to the integer `Model`, with a report of what rounding cost."""

from dataclasses import dataclass

import numpy as np

from golden import fixed
from golden.delta_gru import merged_bias
from golden.model_file import Model, resolve_theta


class ConversionError(ValueError):
    """A network that has no integer form here: one line, ``name: found ..., expected ...``."""


@dataclass(frozen=True)
class TensorReport:
    """What quantisation did to one tensor; errors in the tensor's own float units.

    `clipped` counts values outside the format's range; `snr_db` is inf where nothing was lost.
    """

    name: str
    size: int
    clipped: int
    max_error: float
    rms_error: float
    snr_db: float

    @property
    def clipped_fraction(self):
        """Share of the values that were clipped, 0...1."""
        return self.clipped / self.size

    def row(self):
        """The line of `QuantReport.table` for this tensor."""
        return (
            f"{self.name:<14} {self.size:>8} {self.clipped:>8} {100 * self.clipped_fraction:>9.3f} "
            f"{self.max_error:>10.2e} {self.rms_error:>10.2e} {self.snr_db:>7.1f}"
        )


@dataclass(frozen=True)
class QuantReport:
    """One `TensorReport` per tensor of a converted network."""

    tensors: tuple

    @property
    def clipped(self):
        """Values clipped in all tensors together."""
        return sum(t.clipped for t in self.tensors)

    def table(self):
        """The report as text: a heading and one line per tensor."""
        heading = (
            f"{'tensor':<14} {'values':>8} {'clipped':>8} {'clipped %':>9} "
            f"{'max error':>10} {'rms error':>10} {'SNR dB':>7}"
        )
        return "\n".join([heading, *(t.row() for t in self.tensors)])


def convert_gru(gru, theta_x=0, theta_h=0, lut_frac=fixed.LUT_FRAC_MAX, extras=None):
    """A torch.nn.GRU (any batch_first, layers, dtype) as ``(Model, QuantReport)``.

    Thresholds are Q8.8 integers, one or one per layer. Biases: b_ih + b_hh for r and z, b_in for
    M_nx, b_hn for M_nh. Raises ConversionError for a bidirectional or projecting GRU, a hidden
    size that is not a multiple of 8, and weights that are not finite; ModelFileError for sizes
    and thresholds out of range.
    """
    if gru.bidirectional:
        raise ConversionError("gru: found bidirectional, expected one direction")
    if getattr(gru, "proj_size", 0):
        raise ConversionError(f"gru: found proj_size {gru.proj_size}, expected no projection")
    layers = [
        (getattr(gru, f"weight_ih_l{i}"), getattr(gru, f"weight_hh_l{i}"), merged_bias(gru, i))
        for i in range(gru.num_layers)
    ]
    return _convert(layers, theta_x, theta_h, lut_frac, extras)


def convert_delta_gru(net, extras=None):
    """A `DeltaGRU` with its own thresholds and table precision; else like `convert_gru`.

    Thresholds are rounded to Q8.8.
    """
    layers = list(zip(net.weight_ih, net.weight_hh, net.bias, strict=True))
    theta_x, theta_h = (
        fixed.to_fixed(theta, fixed.X_FRAC, fixed.X_BITS) for theta in (net.theta_x, net.theta_h)
    )
    return _convert(layers, theta_x, theta_h, net.lut_frac, extras)


def _convert(layers, theta_x, theta_h, lut_frac, extras):
    converted, reports = [], []
    for i, tensors in enumerate(layers):
        weight_ih, weight_hh, bias = (t.detach().cpu().double().numpy() for t in tensors)
        hidden = weight_hh.shape[1]
        if hidden % fixed.HIDDEN_STEP:
            raise ConversionError(
                f"layer {i}: found hidden size {hidden}, expected a multiple of {fixed.HIDDEN_STEP}"
            )
        layer = []
        for name, values, frac, bits in (
            ("weight_ih", weight_ih, fixed.W_FRAC, fixed.W_BITS),
            ("weight_hh", weight_hh, fixed.W_FRAC, fixed.W_BITS),
            ("bias", bias, fixed.ACC_FRAC, fixed.ACC_BITS),
        ):
            integers, report = _quantise(f"l{i}.{name}", values, frac, bits)
            layer.append(integers)
            reports.append(report)
        converted.append(layer)
    zeros = np.zeros(len(layers), np.int16)
    weight_ih, weight_hh, bias = zip(*converted, strict=True)
    model = Model(
        num_layers=len(layers),
        lut_frac=int(lut_frac),
        weight_ih=weight_ih,
        weight_hh=weight_hh,
        bias=bias,
        theta_x=resolve_theta(theta_x, zeros, "theta_x"),
        theta_h=resolve_theta(theta_h, zeros, "theta_h"),
        extras=dict(extras or {}),
    )
    model.validate("converted model")
    return model, QuantReport(tuple(reports))


def _quantise(name, values, frac, bits):
    if not np.isfinite(values).all():
        raise ConversionError(f"{name}: found values that are not finite, expected numbers")
    integers = fixed.to_fixed(values, frac, bits)
    error = values - fixed.to_float(integers, frac)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    wanted = np.rint(values * (1 << frac))
    noise, signal = np.mean(error**2), np.mean(values**2)
    return integers, TensorReport(
        name=name,
        size=values.size,
        clipped=int(np.count_nonzero((wanted < low) | (wanted > high))),
        max_error=float(np.abs(error).max()),
        rms_error=float(np.sqrt(noise)),
        snr_db=float(10 * np.log10(signal / noise)) if noise and signal else float("inf"),
    )
