"""Variants of a recording for training: other speed, edges of near-silence, background noise."""

import numpy as np

SPEED = (0.85, 1.18)
EDGE = (0, 1600)  # samples of near-silence before and after: up to 200 ms
NOISE_DBFS = (-65.0, -45.0)  # white noise below full scale, the word itself at about -26
WORD_RMS = 0.05


def variant(samples, rng):
    """A changed copy of `samples` (N,), 8 kHz: float64 of another length."""
    speed = rng.uniform(*SPEED)
    positions = np.arange(0, len(samples) - 1, speed)
    word = np.interp(positions, np.arange(len(samples)), samples)
    rms = np.sqrt(np.mean(word**2))
    word = word * (WORD_RMS / rms) if rms > 0 else word
    word = np.pad(word, tuple(rng.integers(*EDGE, 2)))
    return word + rng.normal(0, 10 ** (rng.uniform(*NOISE_DBFS) / 20), len(word))
