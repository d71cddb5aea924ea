# SPDX-License-Identifier: Apache-2.0
"""From a recording to the accelerator's input.

Sound: log-mel features, 25 ms Hamming frames every 10 ms, 40 triangular bands, x = log(E + E0). The
floor E0 hides the noise between words, whose logarithm would move by more than the threshold at
every frame: it is the strongest lever on how many input columns are read. Sensors: their channels,
averaged over blocks of rows. Both are brought to mean 0 and deviation 1 over a training set, in
floating point as on the processor beside the accelerator, and rounded to Q8.8 at its input. All
that makes them again travels in `Model.extras`.
"""

import wave
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from golden import fixed
from golden.model_file import ModelFileError

SAMPLE_RATE = 8000
SAMPLE_RATES = (8000, 16000)
BANDS = 40
LOW_HZ = 60.0
LEVEL_RMS = 0.05  # full scale is 1
FLOOR = 1e-4  # E0, in units of the squared DFT of a windowed frame


def read_wav(path, sample_rate=SAMPLE_RATE):
    """Samples of a mono WAV file at `sample_rate`, float64, full scale 1.

    8 to 32 bits, float, and extensible ones; another rate is resampled. Raises ValueError of one
    line for a file that is none, has several channels, or was cut off.
    """
    import soundfile

    path = Path(path)
    try:
        with soundfile.SoundFile(path) as file:
            form, channels, rate, frames = file.format, file.channels, file.samplerate, file.frames
            samples = file.read(dtype="float64")
        size = path.stat().st_size
    except (OSError, soundfile.SoundFileError) as error:
        found = _reason(path, error)
        raise ValueError(f"{path}: found {found}, expected a WAV file") from None
    if form not in ("WAV", "WAVEX", "RF64"):
        raise ValueError(f"{path}: found a file of the format {form}, expected a WAV file")
    if channels != 1:
        raise ValueError(f"{path}: found {channels} channels, expected one")
    missing = _declared_bytes(path) - size
    if missing > 0 or len(samples) < frames:
        raise ValueError(
            f"{path}: found a file that was cut off, {max(missing, 1)} bytes before its end, "
            "expected a whole WAV file"
        )
    if not len(samples):
        raise ValueError(f"{path}: found no samples, expected a recording")
    if not np.isfinite(samples).all():
        raise ValueError(f"{path}: found samples that are not finite, expected a recording")
    if rate != sample_rate:
        common = gcd(rate, sample_rate)
        samples = resample_poly(samples, sample_rate // common, rate // common)
    return samples


def _reason(path, error):
    """Why a file cannot be read, in words; never empty."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if not path.is_file():
        return "a folder" if path.is_dir() else "no such file"
    if not path.stat().st_size:
        return "an empty file"
    return "something else, or a file that was cut off"


def _declared_bytes(path):
    """Bytes that the data of a RIFF file ends at, as its chunks say; 0 for what is no RIFF."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF":
            return 0  # RF64 keeps its sizes elsewhere; libsndfile reads them
        place = 12
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return place + 8 + size if size != 0xFFFFFFFF else 0
            place += 8 + size + size % 2
            file.seek(place)
    return 0


@dataclass(frozen=True)
class Framing:
    """Sizes, in samples, of 25 ms frames every 10 ms at `sample_rate`; top of the last band."""

    sample_rate: int
    frame: int
    hop: int
    fft: int
    high_hz: float

    @classmethod
    def at(cls, sample_rate):
        """At 8 or 16 kHz. Raises ValueError for another rate."""
        if sample_rate not in SAMPLE_RATES:
            expected = " or ".join(map(str, SAMPLE_RATES))
            raise ValueError(f"sample rate: found {sample_rate}, expected {expected}")
        frame = sample_rate // 40
        fft = 1 << (frame - 1).bit_length()
        return cls(sample_rate, frame, sample_rate // 100, fft, 0.4875 * sample_rate)


@cache
def mel_filters(sample_rate=SAMPLE_RATE):
    """The triangular filter bank, read-only float64 (FFT / 2 + 1, BANDS)."""
    framing = Framing.at(sample_rate)
    edges = np.linspace(_mel(LOW_HZ), _mel(framing.high_hz), BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(framing.fft // 2 + 1) * sample_rate / framing.fft)[:, None]
    filters = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    filters = np.maximum(filters, 0.0)
    filters.flags.writeable = False
    return filters


def _mel(hertz):
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)


def log_mel(samples, floor=FLOOR, sample_rate=SAMPLE_RATE):
    """log(E + floor) of levelled `samples` (N,): float64 (T, 40), T >= 1.

    T = 1 + (N - frame) // hop; anything shorter than a frame is padded to one with silence.
    """
    framing = Framing.at(sample_rate)
    samples = np.asarray(samples, dtype=np.float64)
    rms = np.sqrt(np.mean(samples**2)) if samples.size else 0.0
    if rms > 0:
        samples = samples * (LEVEL_RMS / rms)
    samples = np.pad(samples, (0, max(0, framing.frame - samples.size)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, framing.frame)[:: framing.hop]
    power = np.abs(np.fft.rfft(frames * np.hamming(framing.frame), framing.fft)) ** 2
    return np.log(power @ mel_filters(sample_rate) + floor)


@dataclass(frozen=True, eq=False)
class Extractor:
    """Log-mel features on a fixed scale: `mean`, `std` float64 (40,), `floor` E0.

    A step is the mean of the last `smooth` frames: what chance adds to a band changes from frame to
    frame, the sound hardly does.
    """

    mean: np.ndarray
    std: np.ndarray
    floor: float = FLOOR
    sample_rate: int = SAMPLE_RATE
    smooth: int = 1

    @classmethod
    def fitted(cls, recordings, floor=FLOOR, sample_rate=SAMPLE_RATE, scale=1.0, smooth=1):
        """The extractor whose features have mean 0 and deviation `scale` over `recordings`."""
        made = cls(None, None, floor, sample_rate, smooth)
        frames = np.concatenate([made._steps(samples) for samples in recordings])
        return replace(made, mean=frames.mean(axis=0), std=_deviation(frames) / scale)

    def __call__(self, samples):
        """Features int16 (T, 40), Q8.8, of samples (N,)."""
        return fixed.to_fixed((self._steps(samples) - self.mean) / self.std, fixed.X_FRAC, 16)

    def _steps(self, samples):
        frames = log_mel(samples, self.floor, self.sample_rate)
        return _trailing(frames, self.smooth, 1).mean(axis=2)

    @property
    def width(self):
        """Features in a step."""
        return BANDS

    def extras(self):
        """What a model file must hold to make these features again."""
        framing = Framing.at(self.sample_rate)
        return {
            "features.kind": np.array("log-mel"),
            "features.sample_rate": np.int64(self.sample_rate),
            "features.frame": np.int64(framing.frame),
            "features.hop": np.int64(framing.hop),
            "features.fft": np.int64(framing.fft),
            "features.low_hz": np.float64(LOW_HZ),
            "features.high_hz": np.float64(framing.high_hz),
            "features.level_rms": np.float64(LEVEL_RMS),
            "features.floor": np.float64(self.floor),
            "features.smooth": np.int64(self.smooth),
            "features.mean": self.mean,
            "features.std": self.std,
        }


@dataclass(frozen=True, eq=False)
class Channels:
    """Sensor channels on a fixed scale, one step for `block` rows.

    A step holds the mean of each channel over the last `window` rows, and behind the means, with
    `spread`, log(deviation + floor) over the same rows. A long window makes features that move
    slowly; the floor hides what sensor noise there is at rest. `mean`, `std`: float64 (features,).
    `floors`: float64 (channels,), in units of the channels.
    """

    names: tuple
    mean: np.ndarray
    std: np.ndarray
    block: int = 1
    window: int = 1
    spread: bool = False
    floors: np.ndarray | None = None

    @classmethod
    def fitted(cls, names, signals, block=1, scale=1.0, window=None, spread=False, floor=0.1):
        """Features with mean 0 and deviation `scale` over `signals`, each (T, I).

        `window`: None for `block`. `floor`: in deviations of each channel. A feature that never
        moves is left at 0, see `constant`.
        """
        floors = floor * _deviation(np.concatenate(signals)) if spread else None
        made = cls(tuple(names), None, None, block, window or block, spread, floors)
        rows = np.concatenate([made._steps(signal) for signal in signals])
        return replace(made, mean=rows.mean(axis=0), std=_deviation(rows) / scale)

    def constant(self, signals):
        """Names of the channels that are the same in every row of `signals`, each (T, I)."""
        moves = _moves(np.concatenate(signals))
        return tuple(name for name, moving in zip(self.names, moves, strict=True) if not moving)

    @property
    def width(self):
        """Features in a step."""
        return len(self.names) * (2 if self.spread else 1)

    @property
    def feature_names(self):
        """A name for each feature."""
        return self.names + tuple(f"{n} spread" for n in self.names if self.spread)

    def __call__(self, signal):
        """Features int16 (T // block, I), Q8.8, of a signal (T, channels).

        Raises ValueError for one that is shorter than a block.
        """
        return fixed.to_fixed((self._steps(signal) - self.mean) / self.std, fixed.X_FRAC, 16)

    def _steps(self, signal):
        signal = np.asarray(signal, dtype=np.float64)
        if len(signal) < self.block:
            raise ValueError(f"signal: found {len(signal)} rows, expected at least {self.block}")
        rows = _trailing(signal, self.window, self.block)
        means = rows.mean(axis=2)
        if not self.spread:
            return means
        return np.concatenate([means, np.log(rows.std(axis=2) + self.floors)], axis=1)

    def align(self, target):
        """The targets (T, ...) of the rows in which the steps end: (T // block, ...)."""
        return target[self.block - 1 :: self.block]

    def extras(self):
        """What a model file must hold to make these features again."""
        return {
            "features.kind": np.array("channels"),
            "features.names": np.array(self.names),
            "features.block": np.int64(self.block),
            "features.window": np.int64(self.window),
            "features.spread": np.int64(self.spread),
            "features.mean": self.mean,
            "features.std": self.std,
            **({"features.floors": self.floors} if self.spread else {}),
        }


def _moves(rows):
    """Which columns of `rows` (T, I) change, bool (I,): by more than their own values are rounded,
    whatever their unit.
    """
    return np.ptp(rows, axis=0) > 64 * np.finfo(np.float64).eps * np.abs(rows).max(axis=0)


def _deviation(rows):
    """Standard deviation of the columns of `rows` (T, I), float64 (I,); of a constant one its
    value, or 1.
    """
    largest = np.abs(rows).max(axis=0)
    return np.where(_moves(rows), rows.std(axis=0), np.where(largest > 0, largest, 1.0))


def _trailing(rows, window, block):
    """The last `window` of `rows` (T, I) at the end of every block: (T // block, I, window).

    Before the first row everything is taken to have rested there.
    """
    before = max(0, window - block)
    padded = np.concatenate([np.repeat(rows[:1], before, axis=0), rows])[before + block - window :]
    view = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return view[::block][: len(rows) // block]


# What files from before there was a choice do not say.
_OLDER_FILES = {"features.smooth": np.int64(1)}


def features_from_model(model):
    """The Extractor or Channels that `model` was trained with, scaled as its inputs are.

    Raises ModelFileError if its extras lack one, or hold one of other frames or bands than these.
    """
    extras = {**_OLDER_FILES, **model.extras}
    kind = str(extra(extras, "features.kind"))
    mean, std = extra(extras, "features.mean"), extra(extras, "features.std")
    if kind == "channels":
        names = tuple(str(name) for name in extra(extras, "features.names"))
        block, window, spread = (
            int(extra(extras, f"features.{key}")) for key in ("block", "window", "spread")
        )
        floors = extra(extras, "features.floors") if spread else None
        made = Channels(names, mean, std, block, window, bool(spread), floors)
        width = made.width
    elif kind == "log-mel":
        rate, width = int(extra(extras, "features.sample_rate")), BANDS
        if rate not in SAMPLE_RATES:
            raise ModelFileError(
                f"model: features.sample_rate: found {rate}, expected one of {SAMPLE_RATES}"
            )
        smooth = int(extra(extras, "features.smooth"))
        made = Extractor(mean, std, float(extra(extras, "features.floor")), rate, smooth)
    else:
        raise ModelFileError(
            f"model: features.kind: found {kind!r}, expected 'log-mel' or 'channels'"
        )
    for key, value in made.extras().items():
        if not np.array_equal(extra(extras, key), value):
            raise ModelFileError(f"model: {key}: found {extras[key]}, expected {value}")
    for name in ("mean", "std"):
        shape = getattr(made, name).shape
        if shape != (width,):
            raise ModelFileError(
                f"model: features.{name}: found shape {shape}, expected ({width},)"
            )
    return with_input_scale(made, model)


def with_input_scale(extract, model):
    """An Extractor or Channels as `extract`, whose features are scaled as the inputs of `model`.

    Dividing by a deviation that is 2^k times as large is the same, bit for bit.
    """
    scale = model.input_scale_log2
    return replace(extract, std=np.ldexp(extract.std, scale)) if scale.any() else extract


def extra(extras, key):
    """The entry `key` of a model's extras; ModelFileError if there is none."""
    if key not in extras:
        raise ModelFileError(f"model: {key}: found no such key, expected one from training")
    return extras[key]


def write_wav(path, samples, sample_rate=SAMPLE_RATE):
    """Write `samples` (N,), full scale 1, as mono 16-bit WAV; values beyond full scale clip."""
    data = np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(str(Path(path)), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(data.tobytes())
