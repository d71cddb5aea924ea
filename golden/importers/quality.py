# SPDX-License-Identifier: Apache-2.0
"""How far a converted network strays from the float network, and why.

Both run on a calibration input from the zero state, the integer one at thresholds of 0. The error
of a layer is in its h. A signal-to-noise ratio is the power of the float h over that of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from golden import fixed
from golden.batch import run_batch
from golden.importers.convert import QuantReport, convert_layers, refuse
from golden.model_file import INPUT_SCALE, Model

WARN_DB = 20.0
REFUSE_DB = 6.0
SCALE_GAIN_DB = 3.0  # for which scaled inputs are worth their trouble
WORST_UNITS = 3  # named for each layer
MAX_STEPS = 2048  # of a calibration input that are run
_RANDOM = (4, 192)  # sequences and steps of random inputs, in which errors have time to add up
_LEAST_STEPS, _RANDOM_WORK = 32, 1 << 28  # steps times weights, for large networks
_CAUSE_SHARE = 0.25  # of the noise, from which a cause is named
_LIMIT = (fixed.X_MAX + 1) / (1 << fixed.X_FRAC)  # of inputs and table arguments: 128
_TOP = fixed.X_MAX / (1 << fixed.X_FRAC)
_HEADROOM = 1.25  # of a chosen input scale, for what the calibration input did not show
_SCALING = "--calibrate with --input-scale auto, which scales inputs"
_GATES = ("r", "z", "n")

Layers = Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class LayerError:
    """The error of one layer's h: `snr_db` over all units, `units_db` (H,) each, `rms` and
    `signal` in h's units. A unit is below `limit` if that holds beside the layer's mean power too,
    so that one that hardly moves does not count.
    """

    snr_db: float
    units_db: np.ndarray
    rms: float
    signal: float
    largest: float
    _weighed_db: np.ndarray

    def below(self, limit: float) -> list[int]:
        """Units whose ratio is below `limit` dB, worst first."""
        order = np.argsort(self._weighed_db, kind="stable")
        return [int(i) for i in order if self._weighed_db[i] < limit]

    def row(self, name: str) -> str:
        """The line of `Quality.table` for this layer."""
        worst = np.argsort(self._weighed_db, kind="stable")[:WORST_UNITS]
        units = ", ".join(f"{i} ({_db(self.units_db[i])})" for i in worst)
        return f"{name:<8} {_db(self.snr_db):>7} {self.rms:>10.2e} {self.largest:>10.2e}   {units}"


@dataclass(frozen=True, eq=False)
class Quality:
    """The errors of all layers on the input that `source` describes. `causes`: for a network below
    WARN_DB, in words what does most harm, and what helps.
    """

    layers: tuple[LayerError, ...]
    source: str
    causes: tuple[str, ...]

    @property
    def snr_db(self) -> float:
        """The ratio of the worst layer."""
        return min(layer.snr_db for layer in self.layers)

    @property
    def poor(self) -> bool:
        """Whether a layer or a unit is below WARN_DB."""
        return self.snr_db < WARN_DB or any(layer.below(WARN_DB) for layer in self.layers)

    @property
    def bad(self) -> bool:
        """Whether a layer is below REFUSE_DB."""
        return self.snr_db < REFUSE_DB

    def table(self) -> str:
        """The errors as text: a heading and one line per layer."""
        heading = (
            f"{'layer':<8} {'SNR dB':>7} {'rms error':>10} {'max error':>10}   worst units (dB)"
        )
        lines = [layer.row(f"l{i}") for i, layer in enumerate(self.layers)]
        return "\n".join([f"error of h on {self.source}", heading, *lines])

    def complaint(self) -> str:
        """One line on what is below WARN_DB, and why."""
        parts = []
        for i, layer in enumerate(self.layers):
            units = layer.below(WARN_DB)
            if layer.snr_db < WARN_DB:
                parts.append(f"l{i} at {_db(layer.snr_db)} dB")
            elif units:
                parts.append(f"{len(units)} of {len(layer.units_db)} units of l{i} "
                             f"({listing(units)})")  # fmt: skip
        return f"{'; '.join(parts)}, below {WARN_DB:.0f} dB on {self.source}: " + "; ".join(
            self.causes
        )


def _db(ratio: float) -> str:
    return f"{ratio:.1f}"


def listing(numbers: Sequence[int], most: int = 8) -> str:
    """Numbers as text, the first ones of many."""
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more


def random_input(inputs: int, weights: int = 1) -> np.ndarray:
    """The calibration input for want of a better one: normal, float64 (N, T, I). It is shorter for
    a network of very many `weights`.
    """
    sequences, steps = _RANDOM
    steps = max(_LEAST_STEPS, min(steps, _RANDOM_WORK // weights))
    return np.random.default_rng(2020).normal(size=(sequences, steps, inputs))


def checked_input(source: object, x: np.ndarray, inputs: int) -> tuple[np.ndarray, str]:
    """A calibration input as float64 (N, T, I), and in words what it is. ConversionError unless it
    is finite floats (T, I) or (N, T, I).
    """
    expected = f"floats (T, {inputs}) or (N, T, {inputs}): the network's own inputs"
    if x.dtype.kind != "f":
        refuse(source, f"{x.dtype} of shape {x.shape}", expected)
    if x.ndim not in (2, 3) or x.shape[-1] != inputs or not x.size:
        refuse(source, f"shape {x.shape}", expected)
    if not np.isfinite(x).all():
        refuse(source, "values that are not finite", expected)
    x = x.astype(np.float64)[None] if x.ndim == 2 else x.astype(np.float64)
    count = max(1, MAX_STEPS // x.shape[1])
    used = x[:count, :MAX_STEPS]
    part = "" if used.shape == x.shape else f", the first {used.shape[0] * used.shape[1]} steps"
    return used, f"{source}{part}"


def choose_scale(weight_ih: np.ndarray, x: np.ndarray) -> np.ndarray:
    """k, int64 (I,), so that inputs x 2^-k with weights 2^k are best in their formats.

    Rounding adds noise of weights, which falls with k, and of inputs, which grows with it. Within
    that, no value and no move from step to step leaves Q8.8, and no weight -1...0.992 if there is
    room for both.
    """
    flat = x.reshape(-1, x.shape[-1])
    moves = np.diff(x, axis=1, prepend=0.0).reshape(flat.shape)
    peak = _HEADROOM * np.maximum(np.abs(flat).max(0), np.abs(moves).max(0))
    rms_x, rms_w = np.sqrt(np.mean(flat**2, 0)), np.sqrt(np.mean(weight_ih**2, 0))
    largest = np.abs(weight_ih).max(0)
    scale = np.zeros(len(peak), np.int64)
    for j in np.flatnonzero(peak > 0):
        low = int(np.ceil(np.log2(peak[j] / _TOP)))
        if largest[j] == 0:
            scale[j] = max(0, low)
            continue
        high = int(np.floor(np.log2(fixed.W_MAX / (1 << fixed.W_FRAC) / largest[j])))
        step = 2.0 ** (fixed.X_FRAC - fixed.W_FRAC)  # of weights, in those of inputs
        best = round(0.5 * np.log2(step * rms_x[j] / rms_w[j]))
        scale[j] = max(min(best, high), low)
    return scale


def scaled_layers(layers: Layers, scale: np.ndarray) -> list[tuple]:
    """The layers with 2^k folded into the columns of the first, which is exact."""
    (weight_ih, weight_hh, bias), *rest = layers
    return [(np.ldexp(weight_ih, scale.astype(np.int32)), weight_hh, bias), *rest]


@dataclass(frozen=True, eq=False)
class _Floats:
    """A float run: h of each layer, (N, T, H), and the largest memory and M_nh of each unit."""

    h: tuple[np.ndarray, ...]
    memory: tuple[np.ndarray, ...]
    memory_nh: tuple[np.ndarray, ...]


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def run_floats(layers: Layers, x: np.ndarray) -> _Floats:
    """The float network on x (N, T, I), from the zero state, as torch.nn.GRU computes it."""
    outputs, memories, memories_nh = [], [], []
    for weight_ih, weight_hh, bias in layers:
        hidden = weight_hh.shape[1]
        from_x = x @ weight_ih.T + bias[:3].reshape(-1)
        h = np.zeros((len(x), hidden))
        states = np.empty((*x.shape[:2], hidden))
        memory, memory_nh = np.zeros((4, hidden)), np.zeros(hidden)
        for t in range(x.shape[1]):
            from_h = h @ weight_hh.T
            m_r, m_z = np.split((from_x[:, t] + from_h)[:, : 2 * hidden], 2, axis=1)
            m_nx, m_nh = from_x[:, t, 2 * hidden :], from_h[:, 2 * hidden :] + bias[3]
            z = _sigmoid(m_z)
            h = (1.0 - z) * np.tanh(m_nx + _sigmoid(m_r) * m_nh) + z * h
            states[:, t] = h
            largest = [np.abs(m).max(0) for m in (m_r, m_z, m_nx, m_nh)]
            memory = np.maximum(memory, largest)
            memory_nh = np.maximum(memory_nh, largest[3])
        outputs.append(states)
        memories.append(memory.max(0))
        memories_nh.append(memory_nh)
        x = states
    return _Floats(tuple(outputs), tuple(memories), tuple(memories_nh))


def run_integers(model: Model, x: np.ndarray, dense: bool = True) -> list[np.ndarray]:
    """h of each layer in float units, (N, T, H), for float inputs x (N, T, I) of the network."""
    values = list(model.quantise_input(x))
    outputs = []
    for i in range(model.num_layers):
        one = replace(
            model,
            num_layers=1,
            weight_ih=model.weight_ih[i : i + 1],
            weight_hh=model.weight_hh[i : i + 1],
            bias=model.bias[i : i + 1],
            theta_x=model.theta_x[i : i + 1],
            theta_h=model.theta_h[i : i + 1],
            extras={},
        )
        theta = 0 if dense else None
        values = [trace.h for trace in run_batch(one, values, theta, theta)]
        outputs.append(fixed.to_float(np.stack(values), fixed.X_FRAC))
    return outputs


def measure(layers: Layers, model: Model, x: np.ndarray, source: str) -> Quality:
    """The error of `model`, converted from the float `layers`, on x (N, T, I), float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        truth = run_floats(layers, x)
    if not all(np.isfinite(h).all() for h in truth.h):
        refuse(source, "inputs and weights whose products overflow", "a float network with numbers")
    found = run_integers(model, x)
    errors = tuple(map(_error, truth.h, found))
    quality = Quality(errors, source, ())
    if not quality.poor:
        return quality
    return replace(quality, causes=tuple(_causes(layers, model, x, truth, found, quality)))


def convert_checked(
    layers: Layers,
    x: np.ndarray | None = None,
    words: str = "random inputs of deviation 1",
    scale: bool = True,
    **options,
) -> tuple[Model, QuantReport, Quality]:
    """`convert_layers` of the float `layers`, and the error on x (N, T, I), float64.

    `words` say what x is; None stands for `random_input`. With `scale`, inputs of a given x are
    scaled by powers of two where they leave Q8.8 or where the error falls by SCALE_GAIN_DB; the
    extra ``input_scale_log2`` keeps them. `options` are those of `convert_layers`.
    """
    layers = list(layers)
    converted = convert_layers(layers, **options)
    values = x
    if values is None:
        values = random_input(converted[0].input_size, converted[0].weight_bytes)
    quality = measure(layers, converted[0], values, words)
    if x is None or not scale:
        return *converted, quality
    chosen = choose_scale(layers[0][0], values)
    if not chosen.any():
        return *converted, quality
    extras = {**(options.pop("extras", None) or {}), INPUT_SCALE: chosen}
    other = convert_layers(scaled_layers(layers, chosen), extras=extras, **options)
    better = measure(layers, other[0], values, words)
    if (
        clipped_inputs(converted[0], values)
        or better.layers[-1].snr_db >= quality.layers[-1].snr_db + SCALE_GAIN_DB
    ):
        return *other, better
    return *converted, quality


def threshold_db(layers: Layers, model: Model, x: np.ndarray | None) -> float:
    """The ratio of the last layer, in dB, at the model's thresholds; x as in `convert_checked`."""
    if x is None:
        x = random_input(model.input_size, model.weight_bytes)
    found = run_integers(model, x, dense=False)[-1]
    return _error(run_floats(layers, x).h[-1], found).snr_db


def _ratio_db(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(signal / noise)
    return np.where(noise == 0, np.inf, ratio)


def _error(truth: np.ndarray, found: np.ndarray) -> LayerError:
    """`found` may have more units, of padding."""
    error = found[..., : truth.shape[-1]] - truth
    signal, noise = np.mean(truth**2, (0, 1)), np.mean(error**2, (0, 1))
    return LayerError(
        snr_db=float(_ratio_db(signal.mean(), noise.mean())),
        units_db=_ratio_db(signal, noise),
        rms=float(np.sqrt(noise.mean())),
        signal=float(np.sqrt(signal.mean())),
        largest=float(np.abs(error).max()),
        _weighed_db=_ratio_db(np.maximum(signal, signal.mean()), noise),
    )


def _rounded(values: np.ndarray, frac: int, bits: int) -> np.ndarray:
    return fixed.to_float(fixed.to_fixed(values, frac, bits), frac)


def _clipped(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -1.0, fixed.W_MAX / (1 << fixed.W_FRAC))


def _causes(
    layers: Layers,
    model: Model,
    x: np.ndarray,
    truth: _Floats,
    found: list[np.ndarray],
    quality: Quality,
) -> list[str]:
    """What each step of quantisation does alone to the float network, worst first, in words."""
    at = _worst_layer(quality)
    scale = model.input_scale_log2
    layers = scaled_layers(layers[: at + 1], scale)
    given, x = x, np.ldexp(x, -scale.astype(np.int32))

    def with_weights(change: Callable[[np.ndarray], np.ndarray]) -> list[tuple]:
        return [(change(w), change(u), b) for w, u, b in layers]

    def of_weights(values: np.ndarray) -> np.ndarray:
        return _rounded(values, fixed.W_FRAC, fixed.W_BITS)

    def of_x(values: np.ndarray) -> np.ndarray:
        return _rounded(values, fixed.X_FRAC, fixed.X_BITS)

    noises: dict[str, float] = {}

    def alone(name: str, changed: Layers, inputs: np.ndarray) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            error = run_floats(changed, inputs).h[at] - truth.h[at]
        noises[name] = float(_noise(error, quality.layers[at]))

    alone("clipped weights", with_weights(_clipped), x)
    alone("rounded weights", with_weights(lambda w: w - _clipped(w) + of_weights(w)), x)
    alone("clipped inputs", layers, np.clip(x, -_LIMIT, _TOP))
    alone("rounded inputs", layers, x - np.clip(x, -_LIMIT, _TOP) + of_x(x))
    total = _noise(found[at][..., : truth.h[at].shape[-1]] - truth.h[at], quality.layers[at])
    words = {
        "clipped weights": lambda: _on_clipped_weights(layers),
        "rounded weights": lambda: _on_small_weights(layers),
        "clipped inputs": lambda: _on_clipped_inputs(model, given),
        "rounded inputs": lambda: _on_small_inputs(x),
    }
    named = [name for name in noises if noises[name] >= _CAUSE_SHARE * total]
    texts = []
    for name in sorted(named, key=lambda name: -noises[name]):
        signal = _noise(truth.h[at], quality.layers[at])
        alone_db = float(_ratio_db(np.float64(signal), np.float64(noises[name])))
        texts.append(f"{words[name]()} (alone {_db(alone_db)} dB)")
    texts += _on_memories(truth, at)
    if not texts:
        worst = quality.layers[at]
        texts.append(
            f"states round to steps of 2^-{fixed.X_FRAC}, and those of l{at} have an rms of only "
            f"{worst.signal:.2g}; a network with larger states loses less"
            if worst.signal < 0.1
            else "many small errors together; quantise in training (edgedrnn train), or "
            f"use --lut-frac {fixed.LUT_FRAC_MAX}"
        )
    return texts


def _worst_layer(quality: Quality) -> int:
    """The layer to explain: the first that is below WARN_DB, as those behind it inherit."""
    for i, layer in enumerate(quality.layers):
        if layer.snr_db < WARN_DB:
            return i
    return next(i for i, layer in enumerate(quality.layers) if layer.below(WARN_DB))


def _noise(error: np.ndarray, layer: LayerError) -> np.float64:
    """Mean power over all units, or over those that are below the limit where the layer is not."""
    if layer.snr_db >= WARN_DB:
        error = error[..., layer.below(WARN_DB)]
    return np.mean(error**2)


def clipped_weights(layers: Layers) -> list[str]:
    """For each weight matrix that leaves -1...0.992: how many values, which rows, how large."""
    found = []
    for i, layer in enumerate(layers):
        for name, weight in zip(("weight_ih", "weight_hh"), layer[:2], strict=True):
            wanted = np.rint(weight * (1 << fixed.W_FRAC))
            outside = (wanted < fixed.W_MIN) | (wanted > fixed.W_MAX)
            if not outside.any():
                continue
            hidden = layer[1].shape[1]
            order = np.argsort(-np.where(outside, np.abs(weight), 0).max(1), kind="stable")
            rows = [f"{_GATES[r // hidden]}{r % hidden}" for r in order if outside[r].any()]
            names = ", ".join(rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
            found.append(
                f"{outside.sum()} of {weight.size} values of l{i}.{name} clipped to -1...0.992, "
                f"up to {np.abs(weight[outside]).max():.3g}, in rows {names}"
            )
    return found


def _on_clipped_weights(layers: Layers) -> str:
    found = "; ".join(clipped_weights(layers))
    first = "l0.weight_ih" in found
    return f"{found}; keep weights in range in training (DeltaGRU.clamp_weights)" + (
        ", or give --calibrate, which scales inputs" if first else ""
    )


def _on_small_weights(layers: Layers) -> str:
    shares = {}
    step = 1.0 / (1 << fixed.W_FRAC)
    for i, layer in enumerate(layers):
        for name, weight in zip(("weight_ih", "weight_hh"), layer[:2], strict=True):
            shares[f"l{i}.{name}"] = float(np.sqrt(np.mean(weight**2))) / step
    name = min(shares, key=shares.__getitem__)
    return (
        f"weights round to steps of 2^-{fixed.W_FRAC}, and those of {name} have an rms of "
        f"{shares[name]:.2g} steps; quantise in training (edgedrnn train)"
        + (f", or {_SCALING}" if name == "l0.weight_ih" else "")
    )


def clipped_inputs(model: Model, x: np.ndarray) -> list[int]:
    """Inputs of which a value in x (N, T, I) leaves Q8.8 once it is scaled."""
    x = np.ldexp(x, -model.input_scale_log2.astype(np.int32))
    return np.flatnonzero(((x < -_LIMIT) | (x > _TOP)).any((0, 1))).tolist()


def _on_clipped_inputs(model: Model, x: np.ndarray) -> str:
    return (
        f"inputs beyond +-128 are clipped: {listing(clipped_inputs(model, x))}, up to "
        f"{np.abs(x).max():.4g}; --input-scale auto brings them into range"
    )


def _on_small_inputs(x: np.ndarray) -> str:
    rms = np.sqrt(np.mean(x**2, (0, 1)))
    return (
        f"inputs round to steps of 2^-{fixed.X_FRAC}, and input {int(np.argmin(rms))} has an rms "
        f"of {rms.min():.2g}; --calibrate with --input-scale auto scales inputs"
    )


def _on_memories(truth: _Floats, at: int) -> list[str]:
    """On layer `at` and those before it, whose errors it inherits."""
    found = []
    top = float(1 << (fixed.ACC_BITS - 1 - fixed.ACC_FRAC))
    for i, (memory, memory_nh) in enumerate(
        zip(truth.memory[: at + 1], truth.memory_nh, strict=False)
    ):
        for values, limit, what in (
            (memory, top, f"delta memories wrap at +-{top:.0f}"),
            (memory_nh, _LIMIT, "M_nh saturates at +-128"),
        ):
            units = np.flatnonzero(values >= limit).tolist()
            if units:
                found.append(f"{what} in units {listing(units)} of l{i}, up to "
                             f"{values.max():.3g}; use smaller weights or inputs")  # fmt: skip
    return found


def coarse_inputs(weight_ih: np.ndarray) -> list[int]:
    """Inputs whose weights lose more than WARN_DB to rounding: made for inputs of another range."""
    error = weight_ih - _rounded(weight_ih, fixed.W_FRAC, fixed.W_BITS)
    ratio = _ratio_db(np.mean(weight_ih**2, 0), np.mean(error**2, 0))
    return np.flatnonzero(ratio < WARN_DB).tolist()
