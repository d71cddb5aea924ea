"""What commands that run a model take from a person: numbers, thresholds, a stimulus, a place for
results. Each mistake is a BadInputError of one line.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NoReturn

import numpy as np

from golden.model_file import Model


class BadInputError(ValueError):
    """One line for the person who typed the command."""


def whole_number(text: str, option: str, low: int, high: int) -> int:
    """The number that an option was given, within its limits."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high:
        raise BadInputError(f"{option}: found {text!r}, expected an integer from {low} to {high}")
    return value


def thresholds(text: str | None, option: str, layers: int) -> list[int] | None:
    """Thresholds, Q8.8, from `V` or `V,V,...`: one, or one for each layer."""
    if text is None:
        return None
    values = [whole_number(word, option, 0, 32767) for word in text.split(",")]
    if len(values) not in (1, layers):
        raise BadInputError(
            f"{option}: found {len(values)} values, expected one, or {layers}: one for each layer"
        )
    return values


def load_stimulus(path: str, model: Model, model_path: str) -> np.ndarray:
    """The input sequence of a .npy file, int16 (T, I), Q8.8, as wide as the model's input."""
    expected = f"int16 (T, {model.input_size})"

    def fail(found: str) -> NoReturn:
        raise BadInputError(f"{path}: array: found {found}, expected {expected}")

    try:
        stimulus = np.load(path, allow_pickle=False)
    except OSError as error:
        fail(error.strerror or "something that numpy cannot read")
    except Exception:
        fail("something that numpy cannot read")
    if not isinstance(stimulus, np.ndarray):
        stimulus.close()
        fail("an archive of several arrays")
    if stimulus.dtype != np.int16 or stimulus.ndim != 2:
        fail(f"{stimulus.dtype} of shape {stimulus.shape}")
    if stimulus.shape[1] != model.input_size:
        raise BadInputError(
            f"{path}: array: found shape {stimulus.shape}, expected (T, {model.input_size}), "
            f"since {model_path} has {model.input_size} inputs"
        )
    if len(stimulus) == 0:
        fail("no rows")
    return np.ascontiguousarray(stimulus.astype(np.int16))


def check_output(path: Path) -> None:
    """Find out before a long run whether its results can be written."""
    if path.is_dir():
        raise BadInputError(f"{path}: found a folder, expected a file name for the results")
    if not path.parent.is_dir():
        raise BadInputError(f"{path}: found no folder {path.parent}, expected one that exists")
    try:  # the only test that also holds for root and for read-only file systems
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError:
        raise BadInputError(
            f"{path}: folder {path.parent} found read-only, expected a writable one"
        ) from None
