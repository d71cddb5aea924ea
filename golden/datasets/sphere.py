# SPDX-License-Identifier: Apache-2.0
"""Reads NIST SPHERE, the sound file format of the Linguistic Data Consortium's corpora."""

import re
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from golden.datasets.base import DatasetError
from golden.datasets.features import SAMPLE_RATE

MAGIC = b"NIST_1A"
HEADER = 1024  # bytes; what is after them is sound
_FIELD = re.compile(r"^(\w+) -(?:i|r|s\d+) (.*)$", re.MULTILINE)


def is_sphere(path):
    """Whether the file `path` is NIST SPHERE, whatever its suffix. DatasetError if unreadable."""
    return _start(path).startswith(MAGIC)


def read_sphere(path, sample_rate=SAMPLE_RATE):
    """Samples of a mono 16-bit PCM SPHERE file at `sample_rate` Hz, float64 (N,), full scale 1.

    Another rate is resampled. Raises DatasetError of one line for a file that is not such a one,
    that is compressed, or that is shorter than its header says.
    """
    # Here, so that only who reads SPHERE needs libsndfile.
    import soundfile

    fields = _fields(path)
    if "shorten" in fields.get("sample_coding", ""):
        raise DatasetError(
            f"{path}: found sound compressed with shorten, expected PCM; "
            "convert it with sph2pipe -p -f sph, which the Linguistic Data Consortium gives away"
        )
    try:
        with soundfile.SoundFile(path) as file:
            channels, kind, rate = file.channels, file.subtype, file.samplerate
            samples = file.read(dtype="int16")
    except (OSError, soundfile.SoundFileError) as error:
        text = " ".join(str(error).split())
        raise DatasetError(f"{path}: found {text}, expected NIST SPHERE") from None
    if (channels, kind) != (1, "PCM_16") or not len(samples):
        raise DatasetError(
            f"{path}: found {channels} channels of {kind}, {len(samples)} samples, "
            "expected one channel of PCM_16 that is not empty"
        )
    # libsndfile takes what there is: a half-copied file would lose digits that its name promises.
    if fields.get("sample_count", str(len(samples))) != str(len(samples)):
        raise DatasetError(
            f"{path}: found {len(samples)} samples, expected {fields['sample_count']}"
        )
    samples = samples / 32768.0
    if rate != sample_rate:
        common = gcd(rate, sample_rate)
        samples = resample_poly(samples, sample_rate // common, rate // common)
    return np.asarray(samples, np.float64)


def _fields(path):
    """The header's fields, text to text. DatasetError if it is not a SPHERE header."""
    start = _start(path)
    header, found, _ = start.decode("latin-1").partition("end_head")
    if not start.startswith(MAGIC) or not found:
        raise DatasetError(f"{path}: found no NIST_1A header that ends, expected NIST SPHERE")
    return {name: value.strip() for name, value in _FIELD.findall(header)}


def _start(path):
    try:
        with Path(path).open("rb") as file:
            return file.read(HEADER)
    except OSError as error:
        raise DatasetError(f"{path}: found {error.strerror}, expected a sound file") from None
