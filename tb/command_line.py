# SPDX-License-Identifier: Apache-2.0
"""What commands share: one line for a mistake, exit statuses, options, files written whole."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from golden import command
from golden.command import BAD_INPUT, FAILED, INTERRUPTED, OK, guarded, status_of
from golden.fixed import THETA_MAX
from golden.model_file import Model
from golden.outputs import FORCE, FORCE_HELP, Output, Recogniser, check_outputs, check_place
from tb.paths import REPO
from tb.settings import SettingError, settings

__all__ = [
    "BAD_INPUT",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "BadInputError",
    "Output",
    "Parser",
    "add_force",
    "add_thresholds",
    "check_outputs",
    "check_place",
    "check_reports",
    "guarded",
    "load_stimulus",
    "status_of",
    "thresholds",
    "whole_number",
]


class BadInputError(ValueError):
    """One line for the person who typed the command."""


class Parser(command.Parser):
    """The parser of every command: a variable of the environment that has a bad value is a mistake
    at the command line as well.
    """

    def parse_args(  # type: ignore[override]  # a namespace of one's own is never given
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        """The arguments, once `tb.settings` has understood the environment."""
        parsed = super().parse_args(args, namespace)
        try:
            settings()
        except SettingError as error:
            self.error(str(error))
        return parsed


def add_force(parser: argparse.ArgumentParser) -> None:
    """Option ``--force``, for `golden.outputs.check_outputs`."""
    parser.add_argument(FORCE, action="store_true", help=FORCE_HELP)


def check_reports(
    outputs: Mapping[str, Path | None],
    force: bool,
    made: Recogniser,
    inputs: Mapping[str, str | Path | None] | None = None,
) -> None:
    """`check_outputs` for pages and figures, by option: those under docs/, reports/ and build/ of
    the repository are the commands' own, others if `made` recognises them. None: not wanted.
    """
    own = [(REPO / folder).resolve() for folder in ("docs", "reports", "build")]

    def ours(path: Path) -> bool:
        return made(path) or any(path.resolve().is_relative_to(folder) for folder in own)

    wanted = [Output(option, path, ours) for option, path in outputs.items() if path is not None]
    check_outputs(wanted, inputs or {}, force)


def add_thresholds(parser: argparse.ArgumentParser, default: str) -> None:
    """Options ``--theta-x`` and ``--theta-h``, for `thresholds` to read; ``default`` in words."""
    for name, what in (("x", "inputs"), ("h", "hidden states")):
        parser.add_argument(f"--theta-{name}", metavar="V[,V...]",
                            help=f"thresholds of {what}, Q8.8 (0 to {THETA_MAX}): one for all "
                            f"layers or one for each (default: {default})")  # fmt: skip


def whole_number(text: str, option: str, low: int, high: int, step: int = 1) -> int:
    """``text`` as an integer; BadInputError unless it is one of ``low``, ``low + step``..."""
    try:
        value = int(text)
    except ValueError:
        value = None
    if value is None or not low <= value <= high or value % step:
        steps = f" in steps of {step}" if step > 1 else ""
        raise BadInputError(
            f"{option}: found {text!r}, expected an integer from {low} to {high}{steps}"
        )
    return value


def thresholds(text: str | None, option: str, layers: int) -> list[int] | None:
    """Q8.8 thresholds of ``layers`` layers, one or one for each; None for None."""
    if text is None:
        return None
    values = [whole_number(word, option, 0, THETA_MAX) for word in text.split(",")]
    if len(values) not in (1, layers):
        raise BadInputError(
            f"{option}: found {len(values)} values, expected one, or {layers}: one for each layer"
        )
    return values


def load_stimulus(path: str, model: Model, model_path: str) -> np.ndarray:
    """The input sequence in a .npy file, int16 (T, I), Q8.8, as wide as ``model``'s input."""
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
