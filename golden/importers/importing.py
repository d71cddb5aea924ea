# SPDX-License-Identifier: Apache-2.0
"""From a file that another tool wrote to the float layers that `golden.importers.convert` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from golden.importers.convert import refuse

STATE_DICT, ONNX = FORMATS = ("state-dict", "onnx")
SUFFIXES = {
    ".safetensors": STATE_DICT,
    ".pt": STATE_DICT,
    ".pth": STATE_DICT,
    ".bin": STATE_DICT,
    ".ckpt": STATE_DICT,
    ".onnx": ONNX,
}


@dataclass(frozen=True, eq=False)
class Network:
    """A stack of GRU layers in floats, for `golden.importers.convert.convert_layers`.

    A layer is ``(weight_ih (3H, I), weight_hh (3H, H), bias (4, H))``, float64. `notes`: one line
    each on what the file holds and the device will not do.
    """

    layers: tuple[tuple, ...]
    notes: tuple[str, ...]


def format_of(path: Path) -> str:
    """The format that the suffix of `path` stands for, or ConversionError."""
    if path.suffix not in SUFFIXES:
        refuse(path, f"the suffix {path.suffix!r}", f"one of {' '.join(SUFFIXES)}, or --format")
    return SUFFIXES[path.suffix]


def read_network(path: Path | str, form: str | None = None, prefix: str | None = None) -> Network:
    """The GRU in the file `path`, of format `form` (one of FORMATS; None: by the suffix).

    `prefix` picks one of several in a state_dict. Raises ConversionError, of one line, for
    whatever is not a GRU that the device computes.
    """
    path = Path(path)
    form = form or format_of(path)
    if not path.is_file():
        refuse(path, "a folder" if path.is_dir() else "no such file", "a network")
    # Either reader takes a second to import, and a user of one need not have installed the other.
    if form == ONNX:
        if prefix is not None:
            refuse(path, f"a prefix, {prefix!r}, for an ONNX file", "none: it is for a state_dict")
        from golden.importers.onnx_file import read_onnx

        layers, notes = read_onnx(path)
    else:
        from golden.importers.state_dict import read_state_dict

        layers, notes = read_state_dict(path, prefix)
    return Network(tuple(layers), tuple(notes))
