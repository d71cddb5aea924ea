# SPDX-License-Identifier: Apache-2.0
"""From a trained float network to the integer `Model`, with a report of what rounding cost."""

from dataclasses import asdict, dataclass
from typing import NoReturn

import numpy as np

from golden import fixed
from golden.model_file import Model, resolve_theta

# The tensors of a layer in their order here, each with its fraction bits and bits.
_FORMATS = (
    ("weight_ih", fixed.W_FRAC, fixed.W_BITS),
    ("weight_hh", fixed.W_FRAC, fixed.W_BITS),
    ("bias", fixed.ACC_FRAC, fixed.ACC_BITS),
)


class ConversionError(ValueError):
    """A network that has no integer form here: one line, ``name: found ..., expected ...``."""


def refuse(source: object, found: str, expected: str) -> NoReturn:
    """Raise the ConversionError ``source: found ..., expected ...``."""
    raise ConversionError(f"{source}: found {found}, expected {expected}")


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

    @property
    def clipped_weights(self):
        """Share of all weights (not biases) that were clipped, 0...1."""
        weights = [t for t in self.tensors if not t.name.endswith(".bias")]
        return sum(t.clipped for t in weights) / sum(t.size for t in weights)

    def records(self):
        """One dict per tensor, of the fields of `TensorReport` and `clipped_fraction`."""
        return [asdict(t) | {"clipped_fraction": t.clipped_fraction} for t in self.tensors]

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
        refuse("gru", "bidirectional", "one direction")
    if getattr(gru, "proj_size", 0):
        refuse("gru", f"proj_size {gru.proj_size}", "no projection")
    names = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if gru.bias else ()))
    layers = []
    for i in range(gru.num_layers):
        weight_ih, weight_hh, *biases = _arrays(getattr(gru, f"{name}_l{i}") for name in names)
        layers.append((weight_ih, weight_hh, merge_biases(len(weight_hh) // 3, *biases)))
    return convert_layers(layers, theta_x, theta_h, lut_frac, extras)


def convert_delta_gru(net, extras=None):
    """A `DeltaGRU` with its own thresholds and table precision; else like `convert_gru`.

    Thresholds are rounded to Q8.8.
    """
    layers = list(zip(net.weight_ih, net.weight_hh, net.bias, strict=True))
    theta_x, theta_h = (
        fixed.to_fixed(theta, fixed.X_FRAC, fixed.X_BITS) for theta in (net.theta_x, net.theta_h)
    )
    return convert_layers(map(_arrays, layers), theta_x, theta_h, net.lut_frac, extras)


def _arrays(tensors):
    return tuple(t.detach().cpu().double().numpy() for t in tensors)


def merge_biases(hidden, bias_ih=None, bias_hh=None):
    """The initial M_r, M_z, M_nx, M_nh (4, H) of biases (3H,), rows r, z, n; zeros if left out."""
    if bias_ih is None:
        return np.zeros((4, hidden))
    b_ih, b_hh = (np.asarray(b, np.float64).reshape(3, hidden) for b in (bias_ih, bias_hh))
    return np.stack([*(b_ih[:2] + b_hh[:2]), b_ih[2], b_hh[2]])


def convert_layers(
    layers,
    theta_x=0,
    theta_h=0,
    lut_frac=fixed.LUT_FRAC_MAX,
    extras=None,
    pad=False,
    source="converted model",
):
    """Layers of float arrays as ``(Model, QuantReport)``; thresholds as in `convert_gru`.

    A layer is ``(weight_ih (3H, I), weight_hh (3H, H), bias (4, H))``: rows r, z, n, and the
    initial M_r, M_z, M_nx, M_nh. With `pad`, hidden sizes grow to multiples of 8 by units whose
    weights and biases are 0. That is exact: such a unit has r = z = 0.5 and n = 0, so its h stays
    0 and never fires. The report leaves them out, and the extra `unpadded_hidden_sizes`, int64
    (L,), says how many units are real. `source` opens the one line of every error.

    Raises ConversionError for shapes that do not fit, a hidden size that is not a multiple of 8
    (without `pad`), and values that are not finite; ModelFileError for sizes and thresholds out of
    range.
    """
    layers, extras = list(layers), dict(extras or {})
    hidden_sizes = _checked_hidden_sizes(layers, pad, source)
    converted, reports = [], []
    for i, layer in enumerate(layers):
        integers = []
        for (name, frac, bits), values in zip(_FORMATS, layer, strict=True):
            tensor, report = _quantise(f"l{i}.{name}", values, frac, bits, source)
            integers.append(tensor)
            reports.append(report)
        converted.append(integers)
    if pad and any(hidden % fixed.HIDDEN_STEP for hidden in hidden_sizes):
        extras["unpadded_hidden_sizes"] = np.array(hidden_sizes, np.int64)
        converted = _padded(converted)
    zeros = np.zeros(len(converted), np.int16)
    weight_ih, weight_hh, bias = zip(*converted, strict=True)
    model = Model(
        num_layers=len(converted),
        lut_frac=int(lut_frac),
        weight_ih=weight_ih,
        weight_hh=weight_hh,
        bias=bias,
        theta_x=resolve_theta(theta_x, zeros, "theta_x"),
        theta_h=resolve_theta(theta_h, zeros, "theta_h"),
        extras=extras,
    )
    model.validate(source)
    return model, QuantReport(tuple(reports))


def _checked_hidden_sizes(layers, pad, source):
    """Hidden sizes of float `layers`; ConversionError unless all shapes fit one another."""
    sizes = []
    for i, (weight_ih, weight_hh, bias) in enumerate(layers):
        hidden = weight_hh.shape[-1] if weight_hh.ndim else 0
        inputs = sizes[-1] if sizes else weight_ih.shape[-1] if weight_ih.ndim else 0
        for (name, _, _), tensor, shape in zip(
            _FORMATS,
            (weight_ih, weight_hh, bias),
            ((3 * hidden, inputs), (3 * hidden, hidden), (4, hidden)),
            strict=True,
        ):
            if tensor.shape != shape or not tensor.size:
                refuse(f"{source}: l{i}.{name}", f"shape {tensor.shape}", f"{shape}")
        if hidden % fixed.HIDDEN_STEP and not pad:
            refuse(
                f"{source}: layer {i}",
                f"hidden size {hidden}",
                f"a multiple of {fixed.HIDDEN_STEP} (--pad adds zero units, which is exact)",
            )
        sizes.append(hidden)
    return sizes


def _padded(layers):
    """The layers with zero units up to a multiple of 8, and zero weights for them in the next."""
    padded, more_inputs = [], 0
    for weight_ih, weight_hh, bias in layers:
        hidden, inputs = weight_hh.shape[1], weight_ih.shape[1]
        more = -hidden % fixed.HIDDEN_STEP
        units = ((0, 0), (0, more))  # gate by gate
        weight_ih = np.pad(weight_ih.reshape(3, hidden, inputs), (*units, (0, more_inputs)))
        weight_hh = np.pad(weight_hh.reshape(3, hidden, hidden), (*units, (0, more)))
        rows = 3 * (hidden + more)
        padded.append(
            (weight_ih.reshape(rows, -1), weight_hh.reshape(rows, -1), np.pad(bias, units))
        )
        more_inputs = more
    return padded


def _quantise(name, values, frac, bits, source):
    if not np.isfinite(values).all():
        refuse(f"{source}: {name}", "values that are not finite", "numbers")
    with np.errstate(over="ignore"):
        return _quantised(name, values, frac, bits)


def _quantised(name, values, frac, bits):
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
