# SPDX-License-Identifier: Apache-2.0
"""Loader for the Free Spoken Digit Dataset, or any folder of ``{digit}_{speaker}_{index}.wav``.

Jakobovski et al., CC BY-SA 4.0. Nothing is fetched. The split goes by index (`splits.toml`).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.datasets.base import Dataset, DatasetError, Example, written_splits
from golden.datasets.features import read_wav

SOURCE = "github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0)"
_NAME = re.compile(r"(\d)_([^_]+)_(\d+)\.wav")
DIGITS = tuple(str(digit) for digit in range(10))
SAMPLE_RATE = 8000


@dataclass(frozen=True, eq=False)
class Recording:
    """One utterance of a digit: `samples` float64 (N,) at 8 kHz, full scale 1."""

    digit: int
    speaker: str
    index: int
    samples: np.ndarray

    @property
    def split(self):
        """'test', 'validation' or 'train', from the index alone."""
        splits = written_splits().fsdd
        for split in ("test", "validation"):
            if self.index in getattr(splits, split):
                return split
        return "train"


def load_folder(folder):
    """Every recording in `folder`, or in its subfolder ``recordings``, in order of file name.

    Raises DatasetError if there is none, or if a WAV is unreadable or named otherwise.
    """
    folder = Path(folder)
    if (folder / "recordings").is_dir():
        folder = folder / "recordings"
    paths = sorted(folder.glob("*.wav"))
    if not paths:
        found = "no WAV file" if folder.is_dir() else "no such folder"
        raise DatasetError(
            f"{folder}: found {found}, expected {{digit}}_{{speaker}}_{{index}}.wav; "
            f"the set is at {SOURCE}"
        )
    return [_load(path) for path in paths]


def _load(path):
    match = _NAME.fullmatch(path.name)
    if not match:
        raise DatasetError(
            f"{path}: found the name {path.name}, expected {{digit}}_{{speaker}}_{{index}}.wav"
        )
    try:
        samples = read_wav(path)
    except ValueError as error:
        raise DatasetError(str(error)) from None
    return Recording(int(match[1]), match[2], int(match[3]), samples)


def of_split(recordings, split):
    """Those of `recordings` in `split`: 'train', 'validation' or 'test'."""
    return [recording for recording in recordings if recording.split == split]


def dataset(recordings):
    """Single digits: a label for each recording, which is a group of its own (`splits.toml`)."""
    names = [f"{r.digit}_{r.speaker}_{r.index}" for r in recordings]
    examples = tuple(
        Example(name, r.split, r.samples, r.digit, name)
        for name, r in zip(names, recordings, strict=True)
    )
    return Dataset("fsdd", "label", DIGITS, examples, SAMPLE_RATE, SOURCE)
