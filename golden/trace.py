# SPDX-License-Identifier: Apache-2.0
"""Golden traces: a stimulus, what the golden model makes of it, and which elements fired.

The ``.npz`` file (format 1; T steps, I inputs and H units of layer i, L layers):

    format, seed         int64      1; the seed that the stimulus was made from
    kind                 text       how: one of golden.stimulus.KINDS, or ``file``
    model_sha256         text       `model_digest` of the model
    theta_x, theta_h     (L,)       int16, Q8.8: the thresholds it ran with
    x                    (T, I)     int16, Q8.8: input of the network
    l{i}.dx, l{i}.dh     (T, I), (T, H)  int16, Q8.8: deltas, 0 where silent
    l{i}.fired_x, l{i}.fired_h           bool: the firing pattern
    l{i}.h               (T, H)     int16, Q8.8: the expected output of the layer
    l{i}.memory          (T, 4, H)  int32, Q17.15: M_r, M_z, M_nx, M_nh; if asked for
    l{i}.r, .z, .n       (T, H)     int16, 2^-8 units: the gates; if asked for

A trace holds no weights: the model file goes with it, and its digest says whether it is that one.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from golden import fixed, integer
from golden.arrays import AnyArray, Int16s, Int64s
from golden.files import whole_file
from golden.integer import LayerTrace
from golden.model_file import Model
from golden.npz_file import NpzFileError, expect, read_arrays

FORMAT = 1
# Key: dtype, and shape after T. In the order of the data flow, in which differences are looked for.
_KEYS: dict[str, tuple[npt.DTypeLike, tuple[int | str, ...]]] = {
    "dx": (np.int16, ("I",)),
    "fired_x": (np.bool_, ("I",)),
    "dh": (np.int16, ("H",)),
    "fired_h": (np.bool_, ("H",)),
    "memory": (np.int32, (4, "H")),
    "r": (np.int16, ("H",)),
    "z": (np.int16, ("H",)),
    "n": (np.int16, ("H",)),
    "h": (np.int16, ("H",)),
}
_MEMORIES, _GATES = ("memory",), ("r", "z", "n")
_HEADER = ("format", "seed", "kind", "model_sha256", "theta_x", "theta_h", "x")


class TraceFileError(NpzFileError):
    """A golden trace that cannot be used: ``source: key: found ..., expected ...``, one line."""


@dataclass(frozen=True, eq=False)
class GoldenTrace:
    """A golden trace; attributes and shapes are the file's.

    `layers`: one dict of arrays for each layer, keys without their ``l{i}.``.
    """

    kind: str
    seed: int
    model_sha256: str
    theta_x: Int16s
    theta_h: Int16s
    x: Int16s
    layers: tuple[dict[str, AnyArray], ...]

    @property
    def h(self) -> Int16s:
        """Expected output of the network, int16 (T, H), Q8.8."""
        return self.layers[-1]["h"]

    @property
    def columns_x(self) -> Int64s:
        """Input weight columns read, int64 (T, L)."""
        return np.stack([layer["fired_x"].sum(1) for layer in self.layers], axis=1)

    @property
    def columns_h(self) -> Int64s:
        """Recurrent weight columns read, int64 (T, L)."""
        return np.stack([layer["fired_h"].sum(1) for layer in self.layers], axis=1)


def model_digest(model: Model) -> str:
    """SHA-256 (hex) of what a model computes with; thresholds apart, as a trace has its own."""
    digest = hashlib.sha256(f"{model.num_layers} {model.lut_frac}".encode())
    arrays: tuple[AnyArray, ...] = (*model.weight_ih, *model.weight_hh, *model.bias)
    for array in arrays:
        digest.update(f"{array.dtype.name} {array.shape}".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def record(
    model: Model,
    x: npt.ArrayLike,
    *,
    kind: str = "file",
    seed: int = 0,
    memories: bool = False,
    gates: bool = False,
) -> GoldenTrace:
    """Run the golden model, with its own thresholds, on `x` int16 (T, I), Q8.8: a GoldenTrace.

    `memories`, `gates`: keep these too. Raises ValueError and ModelFileError as `integer.run` does.
    """
    left_out = (() if memories else _MEMORIES) + (() if gates else _GATES)
    names = [name for name in _KEYS if name not in left_out]
    steps = integer.run(model, x)
    layers = [
        {name: np.stack([_array(step.layers[i], name) for step in steps]) for name in names}
        for i in range(model.num_layers)
    ]
    return GoldenTrace(
        kind=kind,
        seed=seed,
        model_sha256=model_digest(model),
        theta_x=model.theta_x,
        theta_h=model.theta_h,
        x=np.asarray(x, np.int16),
        layers=tuple(layers),
    )


def _array(layer: LayerTrace, name: str) -> AnyArray:
    """One array of a LayerTrace as the file has it: firing elements as a pattern of bool."""
    array: AnyArray = getattr(layer, name)
    if name not in ("fired_x", "fired_h"):
        return array
    pattern = np.zeros(len(layer.dx if name == "fired_x" else layer.dh), np.bool_)
    pattern[array] = True
    return pattern


def replay(model: Model, trace: GoldenTrace) -> str | None:
    """Run `model` on the trace again: None if it still agrees, else one line on the first value
    that differs, by step, layer and data flow. The model's own thresholds are not looked at.
    """
    if model_digest(model) != trace.model_sha256:
        return f"model: found SHA-256 {model_digest(model)}, the trace is of {trace.model_sha256}"
    sizes = (trace.x.shape[1], *(layer["h"].shape[1] for layer in trace.layers))
    if sizes != (model.input_size, *model.hidden_sizes):
        return f"model: found sizes {(model.input_size, *model.hidden_sizes)}, trace of {sizes}"
    names = trace.layers[0]
    now = record(
        model.with_theta(trace.theta_x, trace.theta_h),
        trace.x,
        memories="memory" in names,
        gates="r" in names,
    )
    first = None
    for i, (want, got) in enumerate(zip(trace.layers, now.layers, strict=True)):
        for name in got:
            unequal = np.argwhere(want[name] != got[name])
            if len(unequal) and (first is None or unequal[0][0] < first[0]):
                where = tuple(int(n) for n in unequal[0])
                first = (where[0], i, name, where[1:], want[name][where], got[name][where])
    if first is None:
        return None
    step, layer, name, element, want, got = first
    place = element[0] if len(element) == 1 else element
    return f"step {step}, layer {layer}, {name}, element {place}: trace {want}, model {got}"


def write_trace(path: str | Path, trace: GoldenTrace) -> None:
    """Write a GoldenTrace to `path`, all or nothing. Raises TraceFileError if it is not valid."""
    arrays: dict[str, AnyArray] = {
        "format": np.asarray(FORMAT, np.int64),
        "seed": np.asarray(trace.seed, np.int64),
        "kind": np.array(trace.kind),
        "model_sha256": np.array(trace.model_sha256),
        "theta_x": trace.theta_x,
        "theta_h": trace.theta_h,
        "x": trace.x,
    }
    for i, layer in enumerate(trace.layers):
        arrays |= {f"l{i}.{name}": array for name, array in layer.items()}
    _from_arrays(path, arrays)
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_trace(path: str | Path) -> GoldenTrace:
    """Read and validate a golden trace.

    Raises TraceFileError, of one line, for everything that keeps the file from being one.
    """
    return _from_arrays(path, read_arrays(path, TraceFileError))


def _from_arrays(path: str | Path, arrays: dict[str, AnyArray]) -> GoldenTrace:
    """The GoldenTrace that a file's arrays make, or TraceFileError."""
    if (found := int(_take(path, arrays, "format", np.int64, ()))) != FORMAT:
        raise TraceFileError.of(path, "format", found, FORMAT)
    x = _take(path, arrays, "x", np.int16, ("T", "I"))
    theta_x = _take(path, arrays, "theta_x", np.int16, ("L",))
    theta_h = _take(path, arrays, "theta_h", np.int16, theta_x.shape)
    for key, theta in (("theta_x", theta_x), ("theta_h", theta_h)):
        if theta.min() < 0:
            raise TraceFileError.of(path, key, int(theta.min()), f"0...{fixed.THETA_MAX}")
    optional = [n for group in (_MEMORIES, _GATES) if f"l0.{group[0]}" not in arrays for n in group]
    names = [name for name in _KEYS if name not in optional]
    known = {*_HEADER, *(f"l{i}.{name}" for i in range(len(theta_x)) for name in names)}
    for key in arrays.keys() - known:
        raise TraceFileError.of(path, key, "such a key", f"none, with {len(theta_x)} thresholds")
    layers, width = [], x.shape[1]
    for i, thetas in enumerate(zip(theta_x, theta_h, strict=True)):
        h = _take(path, arrays, f"l{i}.h", np.int16, ("T", "H"))
        sizes = {"I": width, "H": h.shape[1]}
        layer = {}
        for name in names:
            dtype, shape = _KEYS[name]
            shape = (len(x), *(sizes[n] if isinstance(n, str) else n for n in shape))
            layer[name] = _take(path, arrays, f"l{i}.{name}", dtype, shape)
        for side, theta in zip("xh", thetas, strict=True):
            _check_pattern(path, f"l{i}.fired_{side}", layer, side, max(int(theta), 1))
        layers.append(layer)
        width = h.shape[1]
    return GoldenTrace(
        kind=_text(path, arrays, "kind"),
        seed=int(_take(path, arrays, "seed", np.int64, ())),
        model_sha256=_text(path, arrays, "model_sha256"),
        theta_x=theta_x,
        theta_h=theta_h,
        x=x,
        layers=tuple(layers),
    )


def _take(
    path: str | Path,
    arrays: dict[str, AnyArray],
    key: str,
    dtype: npt.DTypeLike,
    shape: tuple[int | str, ...],
) -> AnyArray:
    """The array at `key`; a letter in `shape` stands for any size from 1."""
    if key not in arrays:
        expected = f"a golden trace of format {FORMAT} to have it"
        raise TraceFileError.of(path, key, "no such key", expected)
    array = arrays[key]
    if len(shape) == array.ndim and array.size:
        shape = tuple(
            n if isinstance(s, str) else s for s, n in zip(shape, array.shape, strict=True)
        )
    expect(TraceFileError, path, key, array, dtype, shape)
    return array


def _text(path: str | Path, arrays: dict[str, AnyArray], key: str) -> str:
    """The text at `key`, whose dtype depends on its length."""
    dtype = arrays[key].dtype if key in arrays and arrays[key].dtype.kind == "U" else np.str_
    return str(_take(path, arrays, key, dtype, ()))


def _check_pattern(
    path: str | Path, key: str, layer: dict[str, AnyArray], side: str, theta: int
) -> None:
    """Raise TraceFileError unless exactly what fired has a delta, and that reaches `theta`."""
    fired, delta = layer[f"fired_{side}"], layer[f"d{side}"].astype(np.int64)
    if (fired != (np.abs(delta) >= theta)).any() or delta[~fired].any():
        expected = f"it to be |d{side}| >= {theta}, and d{side} 0 elsewhere"
        raise TraceFileError.of(path, key, "a pattern that does not fit the deltas", expected)
