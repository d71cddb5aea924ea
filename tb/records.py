# SPDX-License-Identifier: Apache-2.0
"""Records (frozen dataclasses) as JSON text and back, checked against their types on the way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

R = TypeVar("R")


class RecordError(ValueError):
    """A text is not the JSON of the record that was expected; one line says where it differs."""


def to_json(record: object) -> str:
    """The record as one line of JSON. Paths become text."""
    return msgspec.json.encode(record, enc_hook=_plain).decode()


def from_json(text: str, kind: type[R]) -> R:
    """The record of this kind. Raises RecordError for any other text."""
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_typed)
    except (msgspec.DecodeError, ValueError) as error:
        raise RecordError(f"{kind.__name__}: {error}") from None


def to_plain(record: object) -> Any:
    """The record as dictionaries, lists, numbers and text, to be part of a larger JSON file."""
    return msgspec.to_builtins(record, enc_hook=_plain)


def from_plain(content: Any, kind: type[R]) -> R:
    """The record that `to_plain` made into this. Raises RecordError for anything else."""
    try:
        return msgspec.convert(content, type=kind, dec_hook=_typed)
    except (msgspec.ValidationError, ValueError) as error:
        raise RecordError(f"{kind.__name__}: {error}") from None


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _typed(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{kind} is not read from {value!r}")
