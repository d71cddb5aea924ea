# SPDX-License-Identifier: Apache-2.0
"""Connected digits: several recordings of one speaker in a row, as in TIDIGITS.

Made from the recordings of single digits of the same split. An utterance has 1 to 7 digits of one
speaker with silence before, between and after them, and white noise over all of it. Utterances
follow from a seed; those of the splits are always the same.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from golden.datasets import fsdd
from golden.datasets.augment import levelled
from golden.datasets.base import SPLITS, Dataset, DatasetError, Example, written_splits

MAX_DIGITS = 7
GAP_MS = (30, 250)
EDGE_MS = (200, 500)
NOISE_DBFS = (-65.0, -50.0)


def utterance(recordings, rng, change=levelled):
    """Join digits of one speaker: ``(samples float64 (N,), digits tuple)``, 8 kHz, full scale 1.

    `recordings`: a dict from speaker to a list of Recordings. `change(samples, rng)` makes what
    is put in of each recording; by default the recording at a level of its own.
    """
    speaker = sorted(recordings)[rng.integers(len(recordings))]
    count = int(rng.integers(1, MAX_DIGITS + 1))
    chosen = [recordings[speaker][i] for i in rng.integers(len(recordings[speaker]), size=count)]
    pieces = [_silence(rng, EDGE_MS)]
    for recording in chosen:
        pieces += [change(recording.samples, rng), _silence(rng, GAP_MS)]
    pieces[-1] = _silence(rng, EDGE_MS)
    samples = np.concatenate(pieces)
    samples += rng.normal(0, 10 ** (rng.uniform(*NOISE_DBFS) / 20), len(samples))
    return samples, tuple(recording.digit for recording in chosen)


def _silence(rng, milliseconds):
    return np.zeros(int(rng.integers(*milliseconds, endpoint=True)) * fsdd.SAMPLE_RATE // 1000)


def _by_speaker(recordings):
    groups = defaultdict(list)
    for recording in recordings:
        groups[recording.speaker].append(recording)
    return dict(groups)


@dataclass(frozen=True, eq=False)
class ConnectedDigits(Dataset):
    """The set, and the training recordings that it was made from, by speaker."""

    recordings: dict | None = None

    def more_utterances(self, count, rng, change):
        """Other utterances of the training split: pairs of samples and digits."""
        return (utterance(self.recordings, rng, change) for _ in range(count))


def dataset(recordings):
    """The utterances of `splits.toml` from `recordings` of single digits."""
    examples, groups = [], {}
    for split in SPLITS:
        written = getattr(written_splits().connected, split)
        rng = np.random.default_rng(written.seed)
        groups[split] = _by_speaker(fsdd.of_split(recordings, split))
        if not groups[split]:
            raise DatasetError(f"connected: found no recording of the {split} split, expected some")
        for i in range(written.utterances):
            samples, digits = utterance(groups[split], rng)
            examples.append(Example(f"{split}-{i}", split, samples, digits))
    return ConnectedDigits(
        name="connected",
        task="ctc",
        labels=fsdd.DIGITS,
        examples=tuple(examples),
        rate=fsdd.SAMPLE_RATE,
        source=fsdd.SOURCE,
        recordings=groups["train"],
    )
