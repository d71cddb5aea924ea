# SPDX-License-Identifier: Apache-2.0
"""Variants for training: of a recording (speed, edges, noise) and of its features (masks)."""

import numpy as np

SPEED = (0.85, 1.18)
EDGE = (-160, 1600)  # samples before and after: from 20 ms cut off to 200 ms of near-silence
NOISE_DBFS = (-65.0, -45.0)  # white noise below full scale, the word itself at about -26
WORD_RMS = 0.05
BAND_MASKS = 2
MASKED_BANDS = 6  # at most, in each mask
MASKED_TIME = 1 / 6  # of the frames, at most, in one mask


def levelled(samples, _rng=None):
    """`samples` (N,) at the level of speech here: a copy of rms 0.05, or silence as it is."""
    rms = np.sqrt(np.mean(np.square(samples)))
    return samples * (WORD_RMS / rms) if rms > 0 else samples


def respoken(samples, rng):
    """`samples` (N,) faster or slower, pitch and all, and levelled: float64 of another length."""
    speed = rng.uniform(*SPEED)
    positions = np.arange(0, len(samples) - 1, speed)
    return levelled(np.interp(positions, np.arange(len(samples)), samples))


def variant(samples, rng):
    """A changed copy of `samples` (N,), 8 kHz: float64 of another length."""
    word = respoken(samples, rng)
    before, after = (int(edge) for edge in rng.integers(*EDGE, 2))
    # Recordings come cut close, some into the word; a short one is only padded.
    if len(word) > 2 * -EDGE[0]:
        word = word[max(0, -before) : len(word) - max(0, -after)]
    word = np.pad(word, (max(0, before), max(0, after)))
    return word + rng.normal(0, 10 ** (rng.uniform(*NOISE_DBFS) / 20), len(word))


def masked(features, rng):
    """A copy of `features` int16 (T, bands) with stretches at 0, their mean (SpecAugment).

    Park et al., Interspeech 2019 (arXiv 1904.08779): random bands, and a random span of time.
    """
    features = features.copy()
    frames, bands = features.shape
    for _ in range(BAND_MASKS):
        width = rng.integers(MASKED_BANDS + 1)
        start = rng.integers(bands - width + 1)
        features[:, start : start + width] = 0
    width = rng.integers(max(1, int(frames * MASKED_TIME)))
    start = rng.integers(frames - width + 1)
    features[start : start + width] = 0
    return features
