# SPDX-License-Identifier: Apache-2.0
"""What a data set is here: examples with a signal, a target and a split that is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct

from golden.toml_file import Count, Text, read_toml

SPLITS = ("train", "validation", "test")
TASKS = ("label", "ctc", "frames", "regression")


class DatasetError(ValueError):
    """Data that cannot be used; one line that says what was found and what was expected."""


@dataclass(frozen=True, eq=False)
class Example:
    """One sequence.

    `signal`: sound float64 (N,), full scale 1, or channels float64 (T, I) in their own units.
    `target`: by the set's task, an index into the labels ('label'), a tuple of them ('ctc'), an
    index per row int64 (T,) ('frames'), or values per row float64 (T, targets) ('regression').
    `group`: what must not be in two splits at once, such as the person or the recording; empty for
    an example that is made of several.
    """

    name: str
    split: str
    signal: np.ndarray
    target: object
    group: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples of one task.

    `labels`: names of the classes, or of the targets of a regression. `channels`: names of the
    columns of a signal, empty for sound. `rate`: samples or rows per second. `source`: where the
    set is from, and its licence. `notes`: what was decided in reading it, a line each.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    examples: tuple[Example, ...]
    rate: float
    source: str
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of_split(self, split: str) -> list[Example]:
        """The examples of 'train', 'validation' or 'test'."""
        return [example for example in self.examples if example.split == split]

    def summary(self) -> str:
        """How many examples each split has, and the notes, in lines."""
        count = Counter(example.split for example in self.examples)
        sizes = ", ".join(f"{count[split]} {split}" for split in SPLITS)
        first = f"{self.name}: {self.task}, {sizes}; {self.source}"
        return "\n".join([first, *(f"  {note}" for note in self.notes)])


Groups = Annotated[tuple[Text, ...], Meta(min_length=1)]
Indices = Annotated[tuple[Annotated[int, Meta(ge=0)], ...], Meta(min_length=1)]


class GroupSplits(Struct, frozen=True, forbid_unknown_fields=True):
    """The people or files of each split."""

    train: Groups
    validation: Groups
    test: Groups


class IndexSplits(Struct, frozen=True, forbid_unknown_fields=True):
    """The indices of recordings that validate and test."""

    test: Indices
    validation: Indices
    train: Literal["the rest"]


class Utterances(Struct, frozen=True, forbid_unknown_fields=True):
    """How many utterances of a split are made, and from which seed."""

    seed: int
    utterances: Count


class UtteranceSplits(Struct, frozen=True, forbid_unknown_fields=True):
    """The utterances of each split."""

    train: Utterances
    validation: Utterances
    test: Utterances


class SpeakerSplits(Struct, frozen=True, forbid_unknown_fields=True):
    """Every how many of the training speakers one validates."""

    validation_every: Count


class Splits(Struct, frozen=True, forbid_unknown_fields=True):
    """`splits.toml`: a table for each data set."""

    fsdd: IndexSplits
    connected: UtteranceSplits
    har: GroupSplits
    skab: GroupSplits
    tidigits: SpeakerSplits


@cache
def written_splits() -> Splits:
    """`splits.toml`: which people, files or indices of each set belong to which split.

    Raises TomlError of one line.
    """
    return read_toml(Path(__file__).with_name("splits.toml"), Splits)


def split_of(dataset: str, group: str) -> str:
    """The split that `splits.toml` puts a group of a data set into. DatasetError if into none."""
    for split in SPLITS:
        if group in getattr(getattr(written_splits(), dataset), split):
            return split
    raise DatasetError(f"{dataset}: found {group!r}, expected one that splits.toml names")


def existing_folder(folder: str | Path, expected: str) -> Path:
    """`folder` as a Path; DatasetError, naming what should be there, if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: found no such folder, expected {expected}")
    return folder


def label_indices(values: Sequence[str], labels: Sequence[str], source: object) -> np.ndarray:
    """Indices int64 into `labels` of text `values`. DatasetError names the first unknown one."""
    known = {label: index for index, label in enumerate(labels)}
    for row, value in enumerate(values):
        if value not in known:
            raise DatasetError(
                f"{source}: row {row + 1}: found label {value!r}, expected {', '.join(labels)}"
            )
    return np.array([known[value] for value in values], np.int64)


def check_finite(values: np.ndarray, channels: Sequence[str], source: object) -> None:
    """DatasetError if `values` (T, channels) have a NaN or an infinity; it names the first one."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, channel = bad[0]
        raise DatasetError(
            f"{source}: column {channels[channel]}: row {row + 1}: "
            f"found {values[row, channel]}, expected a finite number"
        )
