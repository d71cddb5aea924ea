# SPDX-License-Identifier: Apache-2.0
"""Spoken digits from the espeak-ng synthesiser: demo clips, and optional extra training data.

A synthesiser is too regular for a claim of accuracy. It serves to make sound that anyone may
redistribute, in voices that the training data can be kept apart from.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from golden.datasets.base import Example
from golden.datasets.features import read_wav

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# Voices of the demo clips: never trained on, neither their accent with their variant nor the
# variant in another accent.
CLIP_VOICES = ("en-us+m3", "en-us+f4")
TRAIN_VOICES = tuple(
    f"{accent}+{variant}"
    for accent in ("en-us", "en-gb", "en-gb-scotland")
    for variant in (
        *("m1", "m2", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f5"),
        *("Alex", "Andrea", "Annie", "Diogo", "Gene", "linda", "max", "steph"),
    )
)
TRAIN_SPEEDS = (130, 165)  # words a minute

_SILENCE = 0.02  # of the peak: below it, an edge is silence
_MARGIN = 160  # samples of silence kept at each edge: 20 ms


class SynthesisError(RuntimeError):
    """espeak-ng is missing or failed; one line."""


def available():
    """Whether espeak-ng can be run."""
    return shutil.which("espeak-ng") is not None


def speak(digit, voice, speed=150):
    """The digit spoken in `voice` at `speed` words a minute: float64 (N,), 8 kHz, trimmed.

    Raises SynthesisError if espeak-ng is missing or refuses.
    """
    if not available():
        raise SynthesisError("espeak-ng: found no such program, expected it on PATH")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "word.wav"
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), WORDS[digit]]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode or not path.is_file():
            raise SynthesisError(f"espeak-ng: voice {voice}: {result.stderr.strip()}")
        samples = read_wav(path)
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * np.abs(samples).max())
    return samples[max(0, loud[0] - _MARGIN) : loud[-1] + _MARGIN]


def training_examples(progress=lambda items: items):
    """Every digit in every training voice and speed, as Examples of the training split.

    `progress` may wrap the iteration in a progress bar.
    """
    jobs = [(v, s, d) for v in TRAIN_VOICES for s in TRAIN_SPEEDS for d in range(len(WORDS))]
    return [
        Example(f"{digit}_{voice}_{speed}", "train", speak(digit, voice, speed), digit, voice)
        for voice, speed, digit in progress(jobs)
    ]
