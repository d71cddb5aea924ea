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
    ".index.json": STATE_DICT,
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
    for suffix, form in SUFFIXES.items():
        if path.name.endswith(suffix):
            return form
    return refuse(path, f"the suffix {path.suffix!r}", f"one of {' '.join(SUFFIXES)}, or --format")


def read_network(
    path: Path | str,
    form: str | None = None,
    prefix: str | None = None,
    direction: str | None = None,
) -> Network:
    """The GRU in the file `path`, of format `form` (one of FORMATS; None: by the suffix).

    `prefix` picks one of several: in a state_dict what its tensors' names begin with, in ONNX the
    name of its node; several in a chain have commas between them. `direction` ('forward',
    'reverse') picks one of two. Raises ConversionError, of one line, for whatever is not a GRU that
    the device computes.
    """
    path = Path(path)
    form = form or format_of(path)
    if not path.is_file():
        refuse(path, "a folder" if path.is_dir() else "no such file", "a network")
    # Either reader takes a second to import, and a user of one need not have installed the other.
    if form == ONNX:
        from golden.importers.onnx_file import read_onnx

        layers, notes = read_onnx(path, prefix, direction)
    else:
        from golden.importers.state_dict import read_state_dict

        layers, notes = read_state_dict(path, prefix, direction)
    return Network(tuple(layers), tuple(notes))
