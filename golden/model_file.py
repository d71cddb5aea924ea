# SPDX-License-Identifier: Apache-2.0
"""The model a device runs, and the ``.npz`` file that holds it (format 1).

Keys: ``format``, ``num_layers``, ``lut_frac`` (int64 scalars); per layer i ``l{i}.weight_ih``
int8 (3H, I), ``l{i}.weight_hh`` int8 (3H, H), both Q1.7 with rows in torch's order r, z, n, and
``l{i}.bias`` int32 (4, H), Q17.15, the initial M_r, M_z, M_nx, M_nh; ``theta_x`` and ``theta_h``
int16 (L,), Q8.8. Every other key is kept in `Model.extras` and means nothing to the device. One of
them, ``input_scale_log2`` int64 (I,), is for whoever makes x: see `Model.quantise_input`.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from golden import fixed
from golden.arrays import AnyArray, Int8s, Int16s, Int32s, Int64s, Thetas
from golden.files import whole_file
from golden.npz_file import NpzFileError, expect, read_arrays

FORMAT = 1
_LAYER_KEY = re.compile(r"l(\d+)\.(weight_ih|weight_hh|bias)")
INPUT_SCALE = "input_scale_log2"
_HEADER_KEYS = ("format", "num_layers", "lut_frac", "theta_x", "theta_h")


class ModelFileError(NpzFileError):
    """A model that cannot be run: one line, ``source: key: found ..., expected ...``."""


def _fail(source: object, key: str, found: object, expected: object) -> NoReturn:
    raise ModelFileError.of(source, key, found, expected)


@dataclass(frozen=True, eq=False)
class Model:
    """An integer delta-GRU of L layers.

    Shapes: `weight_ih[i]` int8 (3H, I) and `weight_hh[i]` int8 (3H, H), Q1.7; `bias[i]` int32
    (4, H), Q17.15; `theta_x`, `theta_h` int16 (L,), Q8.8. Building one checks nothing: call
    `validate`.
    """

    num_layers: int
    lut_frac: int
    weight_ih: tuple[Int8s, ...]
    weight_hh: tuple[Int8s, ...]
    bias: tuple[Int32s, ...]
    theta_x: Int16s
    theta_h: Int16s
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def input_sizes(self) -> tuple[int, ...]:
        """Input width of each layer, a tuple of L ints."""
        return tuple(w.shape[1] for w in self.weight_ih)

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """Hidden width of each layer, a tuple of L ints."""
        return tuple(w.shape[1] for w in self.weight_hh)

    @property
    def input_size(self) -> int:
        """Width of the network's input."""
        return self.input_sizes[0]

    @property
    def hidden_size(self) -> int:
        """Width of the network's output, the last layer's hidden state."""
        return self.hidden_sizes[-1]

    @property
    def parameters(self) -> int:
        """Number of weights and biases together."""
        weights = sum(weight.size for weight in (*self.weight_ih, *self.weight_hh))
        return weights + sum(bias.size for bias in self.bias)

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights: what a dense GRU reads in every time step."""
        return sum(weight.nbytes for weight in (*self.weight_ih, *self.weight_hh))

    @property
    def input_scale_log2(self) -> Int64s:
        """k, int64 (I,): the device takes input j as x_j 2^-k_j. Zeros unless the file says more.

        Raises ModelFileError unless the extra is int64 (I,).
        """
        if INPUT_SCALE not in self.extras:
            return np.zeros(self.input_size, np.int64)
        scale: Int64s = np.asarray(self.extras[INPUT_SCALE])
        _expect("model", INPUT_SCALE, scale, np.int64, (self.input_size,))
        return scale

    def quantise_input(self, x: npt.ArrayLike) -> Int16s:
        """What the device takes for float inputs `x` (..., I): int16, Q8.8, each input scaled by
        its power of two, rounded half to even and clipped.

        Raises ModelFileError if the model's scale is malformed, ValueError for another width.
        """
        values = np.asarray(x, np.float64)
        if values.ndim < 1 or values.shape[-1] != self.input_size:
            raise ValueError(f"x: found shape {values.shape}, expected (..., {self.input_size})")
        scaled = np.ldexp(values, np.clip(-self.input_scale_log2, -2000, 2000).astype(np.int32))
        return fixed.to_fixed(scaled, fixed.X_FRAC, fixed.X_BITS)

    def with_theta(self, theta_x: Thetas = None, theta_h: Thetas = None) -> "Model":
        """A copy with other thresholds (Q8.8): a scalar, or one per layer; None keeps the old.

        Raises ModelFileError for a value outside 0...32767 or a wrong count.
        """
        return replace(
            self,
            theta_x=resolve_theta(theta_x, self.theta_x, "theta_x"),
            theta_h=resolve_theta(theta_h, self.theta_h, "theta_h"),
        )

    def validate(self, source: object = "model") -> None:
        """Raise ModelFileError, naming `source` and the key, unless the device can run this."""
        layers = self.num_layers
        if not 1 <= layers <= fixed.MAX_LAYERS:
            _fail(source, "num_layers", layers, f"1...{fixed.MAX_LAYERS}")
        if not fixed.LUT_FRAC_MIN <= self.lut_frac <= fixed.LUT_FRAC_MAX:
            _fail(source, "lut_frac", self.lut_frac, f"{fixed.LUT_FRAC_MIN}...{fixed.LUT_FRAC_MAX}")
        for name in ("weight_ih", "weight_hh", "bias"):
            if len(getattr(self, name)) != layers:
                _fail(source, name, f"{len(getattr(self, name))} layers", f"{layers} layers")
        input_size = None  # layer 0 sets the network's input width
        for i in range(layers):
            input_size = self._validate_layer(i, input_size, source)
        for key in ("theta_x", "theta_h"):
            theta = getattr(self, key)
            _expect(source, key, theta, np.int16, (layers,))
            if theta.min() < 0:
                _fail(source, key, int(theta.min()), f"0...{fixed.THETA_MAX}")
        for key in self.extras:
            if key in _HEADER_KEYS or _LAYER_KEY.fullmatch(key):
                _fail(source, key, "an extra of a reserved name", "another name")

    def _validate_layer(self, i: int, input_size: int | None, source: object) -> int:
        """Check layer i, fed by `input_size` values (None: any); return its hidden size."""
        key = f"l{i}.weight_hh"
        weight = self.weight_hh[i]
        _expect(source, key, weight, np.int8, None)
        if weight.ndim != 2 or weight.shape[0] != 3 * weight.shape[1]:
            _fail(source, key, f"shape {weight.shape}", "shape (3H, H)")
        hidden: int = weight.shape[1]
        if hidden % fixed.HIDDEN_STEP or not fixed.MIN_HIDDEN <= hidden <= fixed.MAX_HIDDEN:
            _fail(
                source,
                key,
                f"H = {hidden}",
                f"{fixed.MIN_HIDDEN}...{fixed.MAX_HIDDEN} in steps of {fixed.HIDDEN_STEP}",
            )
        key = f"l{i}.weight_ih"
        weight = self.weight_ih[i]
        _expect(source, key, weight, np.int8, None)
        wanted = input_size if input_size is not None else f"1...{fixed.MAX_INPUT}"
        if weight.ndim != 2 or weight.shape[0] != 3 * hidden:
            _fail(source, key, f"shape {weight.shape}", f"shape ({3 * hidden}, {wanted})")
        if input_size is None:
            if not 1 <= weight.shape[1] <= fixed.MAX_INPUT:
                _fail(source, key, f"{weight.shape[1]} inputs", f"1...{fixed.MAX_INPUT}")
        elif weight.shape[1] != input_size:
            _fail(
                source,
                key,
                f"{weight.shape[1]} inputs",
                f"{input_size}, the hidden size of layer {i - 1}",
            )
        _expect(source, f"l{i}.bias", self.bias[i], np.int32, (4, hidden))
        return hidden


def _expect(
    source: object,
    key: str,
    array: AnyArray,
    dtype: npt.DTypeLike,
    shape: tuple[int, ...] | None,
) -> None:
    """Check one array's dtype, and its shape unless that is None."""
    expect(ModelFileError, source, key, array, dtype, shape)


def resolve_theta(value: Thetas, default: Int16s, key: str) -> Int16s:
    """Thresholds per layer, int16 (L,), Q8.8, from a scalar, a sequence of 1 or L, or None.

    `default` (int16 (L,)) is returned for None. Raises ModelFileError for anything but integers
    in 0...32767, or for a wrong count.
    """
    if value is None:
        return default
    theta = np.atleast_1d(np.asarray(value))
    expected = f"0...{fixed.THETA_MAX}, one integer or one per layer ({len(default)})"
    if theta.dtype.kind not in "iu" or theta.ndim != 1 or theta.size not in (1, len(default)):
        _fail("model", key, value, expected)
    if theta.min() < 0 or theta.max() > fixed.THETA_MAX:
        _fail("model", key, value, expected)
    return np.broadcast_to(theta.astype(np.int16), (len(default),)).copy()


def load_model(path: str | Path) -> Model:
    """Read and validate a model file.

    Raises ModelFileError, of one line, for everything that keeps the file from being a model.
    """
    arrays = read_arrays(path, ModelFileError)
    for key in ("format", "num_layers", "lut_frac"):
        _expect(path, key, _take(arrays, key, path), np.int64, ())
    if arrays["format"] != FORMAT:
        _fail(path, "format", int(arrays["format"]), FORMAT)
    layers = int(arrays["num_layers"])
    if not 1 <= layers <= fixed.MAX_LAYERS:
        _fail(path, "num_layers", layers, f"1...{fixed.MAX_LAYERS}")
    for key in arrays:
        match = _LAYER_KEY.fullmatch(key)
        # A file of more layers than it declares would run, and silently be another network.
        if match and key not in _layer_keys(layers):
            _fail(path, key, f"a tensor of layer {match[1]}", f"layers 0...{layers - 1}")
    known = set(_HEADER_KEYS) | set(_layer_keys(layers))
    model = Model(
        num_layers=layers,
        lut_frac=int(arrays["lut_frac"]),
        weight_ih=tuple(_take(arrays, f"l{i}.weight_ih", path) for i in range(layers)),
        weight_hh=tuple(_take(arrays, f"l{i}.weight_hh", path) for i in range(layers)),
        bias=tuple(_take(arrays, f"l{i}.bias", path) for i in range(layers)),
        theta_x=_take(arrays, "theta_x", path),
        theta_h=_take(arrays, "theta_h", path),
        extras={key: value for key, value in arrays.items() if key not in known},
    )
    model.validate(path)
    return model


def _layer_keys(layers: int) -> list[str]:
    return [f"l{i}.{name}" for i in range(layers) for name in ("weight_ih", "weight_hh", "bias")]


def _take(arrays: dict[str, AnyArray], key: str, path: str | Path) -> AnyArray:
    if key not in arrays:
        _fail(path, key, "no such key", f"a model of format {FORMAT} to have it")
    return arrays[key]


def save_model(path: str | Path, model: Model) -> None:
    """Validate `model` and write it to `path`, all or nothing (temporary file, then rename)."""
    path = Path(path)
    model.validate(path)
    arrays: dict[str, AnyArray] = {
        "format": np.asarray(FORMAT, np.int64),
        "num_layers": np.asarray(model.num_layers, np.int64),
        "lut_frac": np.asarray(model.lut_frac, np.int64),
        "theta_x": model.theta_x,
        "theta_h": model.theta_h,
    }
    for i in range(model.num_layers):
        arrays[f"l{i}.weight_ih"] = model.weight_ih[i]
        arrays[f"l{i}.weight_hh"] = model.weight_hh[i]
        arrays[f"l{i}.bias"] = model.bias[i]
    for key, value in model.extras.items():
        arrays[key] = np.asarray(value)
        if arrays[key].dtype.hasobject:
            _fail(path, key, "Python objects", "an array of numbers or text")
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
