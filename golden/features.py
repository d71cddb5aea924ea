"""From a recording to the accelerator's input, and from its output to a spoken digit.

Log-mel features: 25 ms Hamming frames every 10 ms, 40 triangular bands, x = log(E + E0), then mean
and deviation over a training set, as Q8.8. The floor E0 hides the noise between words, whose
logarithm would move by more than the threshold at every frame: it is the strongest lever on how
many input columns are read. Its scaling and the read-out layer travel in `Model.extras`.
"""

import wave
from dataclasses import dataclass
from functools import cache
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from golden import fixed
from golden.model_file import ModelFileError

SAMPLE_RATE = 8000
FRAME = 200  # samples: 25 ms
HOP = 80  # samples: 10 ms
FFT = 256
BANDS = 40
LOW_HZ, HIGH_HZ = 60.0, 3900.0
LEVEL_RMS = 0.05  # full scale is 1
POOLINGS = ("last", "mean")  # how a read-out sees h over time
FLOOR = 1e-4  # E0, in units of the squared DFT of a windowed frame


def read_wav(path, sample_rate=SAMPLE_RATE):
    """Samples of a mono 16-bit WAV file at `sample_rate`, float64, full scale 1.

    Another rate is resampled. Raises ValueError of one line for a file that is not such a WAV.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ValueError(
            f"{path}: found {error or 'a cut-off file'}, expected a WAV file"
        ) from None
    if channels != 1 or width != 2 or len(data) < 2:
        raise ValueError(
            f"{path}: found {channels} channels of {8 * width} bits, {len(data)} bytes, "
            "expected one channel of 16 bits that is not empty"
        )
    samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32768.0
    if rate != sample_rate:
        common = gcd(rate, sample_rate)
        samples = resample_poly(samples, sample_rate // common, rate // common)
    return samples


@cache
def mel_filters():
    """The triangular filter bank, read-only float64 (FFT / 2 + 1, BANDS)."""
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT)[:, None]
    filters = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    filters = np.maximum(filters, 0.0)
    filters.flags.writeable = False
    return filters


def _mel(hertz):
    return 2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0)


def log_mel(samples, floor=FLOOR):
    """log(E + floor) of levelled `samples` (N,) at 8 kHz: float64 (T, 40), T >= 1.

    T = 1 + (N - 200) // 80; anything shorter than a frame is padded to one with silence.
    """
    samples = np.asarray(samples, dtype=np.float64)
    rms = np.sqrt(np.mean(samples**2)) if samples.size else 0.0
    if rms > 0:
        samples = samples * (LEVEL_RMS / rms)
    samples = np.pad(samples, (0, max(0, FRAME - samples.size)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hamming(FRAME), FFT)) ** 2
    return np.log(power @ mel_filters() + floor)


@dataclass(frozen=True, eq=False)
class Extractor:
    """Log-mel features on a fixed scale: `mean`, `std` float64 (40,), `floor` E0."""

    mean: np.ndarray
    std: np.ndarray
    floor: float = FLOOR

    @classmethod
    def fitted(cls, recordings, floor=FLOOR):
        """The extractor whose features have mean 0 and deviation 1 over `recordings`."""
        frames = np.concatenate([log_mel(samples, floor) for samples in recordings])
        return cls(frames.mean(axis=0), frames.std(axis=0), floor)

    def __call__(self, samples):
        """Features int16 (T, 40), Q8.8, of samples (N,) at 8 kHz."""
        scaled = (log_mel(samples, self.floor) - self.mean) / self.std
        return fixed.to_fixed(scaled, fixed.X_FRAC, fixed.X_BITS)

    def extras(self):
        """What a model file must hold to make these features again."""
        return {
            "features.kind": np.array("log-mel"),
            "features.sample_rate": np.int64(SAMPLE_RATE),
            "features.frame": np.int64(FRAME),
            "features.hop": np.int64(HOP),
            "features.fft": np.int64(FFT),
            "features.low_hz": np.float64(LOW_HZ),
            "features.high_hz": np.float64(HIGH_HZ),
            "features.level_rms": np.float64(LEVEL_RMS),
            "features.floor": np.float64(self.floor),
            "features.mean": self.mean,
            "features.std": self.std,
        }


def features_from_model(model):
    """The Extractor that `model` was trained with.

    Raises ModelFileError if its extras lack one, or hold one of other frames or bands than these.
    """
    extras = model.extras
    extractor = Extractor(
        _extra(extras, "features.mean"),
        _extra(extras, "features.std"),
        float(_extra(extras, "features.floor")),
    )
    for key, value in extractor.extras().items():
        if not np.array_equal(_extra(extras, key), value):
            raise ModelFileError(f"model: {key}: found {extras[key]}, expected {value}")
    if extractor.mean.shape != (BANDS,) or extractor.std.shape != (BANDS,):
        raise ModelFileError(
            f"model: features.mean: found shape {extractor.mean.shape}, expected ({BANDS},)"
        )
    return extractor


def _extra(extras, key):
    if key not in extras:
        raise ModelFileError(f"model: {key}: found no such key, expected one from training")
    return extras[key]


@dataclass(frozen=True, eq=False)
class Decision:
    """What a network has heard: `logits` float64 (T, classes), row t from frames 0...t alone."""

    logits: np.ndarray
    labels: tuple

    @property
    def label(self):
        """The decision after the last frame, one of `labels`."""
        return self.labels[int(self.logits[-1].argmax())]

    @property
    def running(self):
        """The decision after each frame, a list of T labels."""
        return [self.labels[i] for i in self.logits.argmax(axis=1)]

    @property
    def probabilities(self):
        """Softmax of the logits, float64 (T, classes)."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)


def readout(model, h):
    """Decide from the network's outputs `h` int16 (T, H), T >= 1, Q8.8; return a Decision.

    The read-out is linear, and causal: on h itself if ``readout.pooling`` is 'last', on the mean
    of h over the frames so far if it is 'mean'. It takes ``readout.weight`` (classes, H),
    ``readout.bias`` (classes,) and ``readout.labels`` from the extras. Raises ModelFileError if
    they lack one or pool otherwise, ValueError for another shape of h.
    """
    pooling = str(_extra(model.extras, "readout.pooling"))
    if pooling not in POOLINGS:
        raise ModelFileError(
            f"model: readout.pooling: found {pooling!r}, expected one of {', '.join(POOLINGS)}"
        )
    weight = _extra(model.extras, "readout.weight")
    bias = _extra(model.extras, "readout.bias")
    labels = tuple(str(label) for label in _extra(model.extras, "readout.labels"))
    h = np.asarray(h)
    if h.ndim != 2 or h.shape[1] != weight.shape[1] or not len(h):
        raise ValueError(f"h: found shape {h.shape}, expected (T, {weight.shape[1]}), T >= 1")
    pooled = fixed.to_float(h, fixed.X_FRAC)
    if pooling == "mean":
        pooled = np.cumsum(pooled, axis=0) / np.arange(1, len(h) + 1)[:, None]
    return Decision(pooled @ weight.T.astype(np.float64) + bias, labels)


def write_wav(path, samples, sample_rate=SAMPLE_RATE):
    """Write `samples` (N,), full scale 1, as mono 16-bit WAV; values beyond full scale clip."""
    data = np.clip(np.rint(np.asarray(samples) * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(str(Path(path)), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(data.tobytes())
