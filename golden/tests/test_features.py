# SPDX-License-Identifier: Apache-2.0
"""Sound to Q8.8 features and back from h to a digit."""

import dataclasses

import numpy as np
import pytest
import soundfile

from golden.datasets import features
from golden.datasets.features import (
    Channels,
    Extractor,
    features_from_model,
    log_mel,
    read_wav,
    write_wav,
)
from golden.model_file import ModelFileError, load_model, save_model
from golden.stimulus import random_model
from golden.train.readout import readout


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.fixture
def model(rng):
    """A random network with everything a digit model carries."""
    extract = Extractor.fitted([rng.normal(0, 0.1, 4000)])
    extras = {
        **extract.extras(),
        "readout.pooling": np.array("mean"),
        "readout.labels": np.array(["yes", "no", "other"]),
        "readout.weight": rng.normal(size=(3, 8)).astype(np.float32),
        "readout.bias": rng.normal(size=3).astype(np.float32),
    }
    return dataclasses.replace(random_model(rng, features.BANDS, 8), extras=extras)


@pytest.mark.parametrize(
    ("samples", "frames"), [(0, 1), (1, 1), (200, 1), (279, 1), (280, 2), (8000, 98)]
)
def test_one_frame_every_10_ms(rng, samples, frames):
    assert log_mel(rng.normal(size=samples)).shape == (frames, 40)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (559, 1), (560, 2), (16000, 98)])
def test_frame_rate_at_16_khz(rng, samples, frames):
    assert log_mel(rng.normal(size=samples), sample_rate=16000).shape == (frames, 40)


def test_unsupported_sample_rate(rng):
    with pytest.raises(ValueError, match="sample rate: found 44100, expected 8000 or 16000"):
        log_mel(rng.normal(size=1000), sample_rate=44100)


@pytest.mark.parametrize("hertz", [200, 1000, 3000])
def test_tone_peak_in_its_band(hertz):
    tone = np.sin(2 * np.pi * hertz * np.arange(800) / 8000)
    band = int(log_mel(tone).mean(axis=0).argmax())
    mel = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 3900 / 700), 42)
    centre = 700 * (10 ** (mel[band + 1] / 2595) - 1)
    assert abs(centre - hertz) < 0.07 * hertz


def test_energy_in_every_band():
    assert (features.mel_filters().sum(axis=0) > 0).all()
    assert features.mel_filters().min() == 0


def test_level_invariance_and_silence_floor(rng):
    noise = rng.normal(0, 0.01, 2000)
    np.testing.assert_allclose(log_mel(noise), log_mel(30 * noise))
    assert np.allclose(log_mel(np.zeros(2000)), np.log(features.FLOOR))


def test_fitted_features_mean_and_deviation(rng):
    recordings = [rng.normal(0, 0.1, 4000) * np.hanning(4000) for _ in range(4)]
    extract = Extractor.fitted(recordings)
    x = np.concatenate([extract(samples) for samples in recordings])
    assert x.dtype == np.int16
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1)
    np.testing.assert_allclose(x.std(axis=0), 256, atol=1)


def test_smoothing_as_mean_of_last_frames(rng):
    samples = rng.normal(0, 0.1, 4000)
    frames = log_mel(samples)
    extract = Extractor(np.zeros(40), np.ones(40), smooth=3)
    padded = np.concatenate([frames[:1], frames[:1], frames])
    expected = [padded[t : t + 3].mean(axis=0) for t in range(len(frames))]
    assert np.array_equal(extract(samples), np.rint(256 * np.array(expected)))
    rough = Extractor(np.zeros(40), np.ones(40))
    moves = [np.abs(np.diff(e(samples).astype(int), axis=0)).mean() for e in (rough, extract)]
    assert moves[1] < 0.6 * moves[0]


def test_files_without_smoothing(model, rng):
    old = {k: v for k, v in model.extras.items() if k != "features.smooth"}
    extract = features_from_model(dataclasses.replace(model, extras=old))
    assert extract.smooth == 1


def test_extractor_round_trip(tmp_path, model, rng):
    save_model(tmp_path / "m.npz", model)
    samples = rng.normal(size=3000)
    expected = features_from_model(model)(samples)
    assert np.array_equal(features_from_model(load_model(tmp_path / "m.npz"))(samples), expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("features.mean", None, "features.mean: found no such key"),
        ("features.hop", None, "features.hop: found no such key"),
        ("features.hop", np.int64(100), "features.hop: found 100, expected 80"),
        ("features.sample_rate", np.int64(16000), "features.frame: found 200, expected 400"),
        ("features.sample_rate", np.int64(11025), "features.sample_rate: found 11025"),
        ("features.kind", np.array("mfcc"), "features.kind: found 'mfcc'"),
        ("features.mean", np.zeros(39), r"features.mean: found shape \(39,\)"),
    ],
)
def test_unknown_features(model, key, value, message):
    extras = {k: v for k, v in model.extras.items() if k != key}
    if value is not None:
        extras[key] = value
    with pytest.raises(ModelFileError, match=message):
        features_from_model(dataclasses.replace(model, extras=extras))


def test_channels_as_scaled_block_means(rng):
    signals = [rng.normal((5, -300), (2, 40), (n, 2)) for n in (400, 801)]
    extract = Channels.fitted(("a", "b"), signals, block=4, scale=0.5)
    x = np.concatenate([extract(signal) for signal in signals])
    assert x.shape == (300, 2)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1)
    np.testing.assert_allclose(x.std(axis=0), 128, atol=1)
    first = (signals[0][:4].mean(axis=0) - extract.mean) / extract.std
    assert np.array_equal(x[0], np.rint(256 * first))


def test_causal_window(rng):
    """Means and log deviations of the last rows, by their definition; the start rests."""
    signal = rng.normal(size=(40, 2))
    extract = Channels.fitted(("a", "b"), [signal], block=4, window=10, spread=True, floor=0.2)
    assert extract.width == 4
    assert extract.feature_names == ("a", "b", "a spread", "b spread")
    padded = np.concatenate([np.repeat(signal[:1], 9, axis=0), signal])
    floors = 0.2 * signal.std(axis=0) + 1e-12
    x = extract(signal)
    for step in range(10):
        last = padded[9 + 4 * step + 4 - 10 : 9 + 4 * step + 4]
        row = np.concatenate([last.mean(axis=0), np.log(last.std(axis=0) + floors)])
        assert np.array_equal(x[step], np.rint(256 * (row - extract.mean) / extract.std))
    changed = signal.copy()
    changed[24:] += 5
    assert np.array_equal(extract(changed)[:6], x[:6])
    assert not np.array_equal(extract(changed)[6:], x[6:])


def test_target_of_the_last_row():
    extract = Channels(("a",), np.zeros(1), np.ones(1), block=3)
    assert extract.align(np.arange(11)).tolist() == [2, 5, 8]


def test_constant_channel_and_too_few_rows():
    extract = Channels.fitted(("a", "b"), [np.array([[1.0, 7.0], [3.0, 7.0]])])
    assert extract(np.array([[1.0, 7.0]]))[0, 1] == 0
    with pytest.raises(ValueError, match="signal: found 2 rows, expected at least 3"):
        Channels(("a",), np.zeros(1), np.ones(1), block=3)(np.zeros((2, 1)))


@pytest.mark.parametrize("spread", [False, True])
def test_channels_round_trip(tmp_path, rng, spread):
    signal = rng.normal(size=(50, 3))
    extract = Channels.fitted(("x", "y", "z"), [signal], block=2, window=5, spread=spread)
    model = dataclasses.replace(random_model(rng, extract.width, 8), extras=extract.extras())
    save_model(tmp_path / "m.npz", model)
    back = features_from_model(load_model(tmp_path / "m.npz"))
    assert back.names == ("x", "y", "z")
    assert np.array_equal(back(signal), extract(signal))
    wrong = dataclasses.replace(model, extras={**model.extras, "features.std": np.ones(2)})
    with pytest.raises(
        ModelFileError, match=r"features.std: found shape \(2,\), expected \([36],\)"
    ):
        features_from_model(wrong)


def test_read_out_of_the_mean(model, rng):
    h = rng.integers(-256, 257, (10, 8)).astype(np.int16)
    decision = readout(model, h)
    weight, bias = model.extras["readout.weight"], model.extras["readout.bias"]
    np.testing.assert_allclose(decision.logits[0], weight @ (h[0] / 256) + bias, rtol=1e-6)
    expected = weight @ (h.mean(axis=0) / 256) + bias
    np.testing.assert_allclose(decision.logits[-1], expected, rtol=1e-6)
    assert decision.label == ("yes", "no", "other")[expected.argmax()]
    assert decision.running[-1] == decision.label
    assert len(decision.running) == 10
    np.testing.assert_allclose(decision.probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(readout(model, h[:4]).logits, decision.logits[:4])


def test_read_out_of_the_last_frame(model, rng):
    extras = {**model.extras, "readout.pooling": np.array("last")}
    h = rng.integers(-256, 257, (10, 8)).astype(np.int16)
    decision = readout(dataclasses.replace(model, extras=extras), h)
    expected = h / 256 @ extras["readout.weight"].T + extras["readout.bias"]
    np.testing.assert_allclose(decision.logits, expected, rtol=1e-6)


def test_read_out_of_another_size(model):
    for h in (np.zeros((3, 9), np.int16), np.zeros((0, 8), np.int16), np.zeros(8, np.int16)):
        with pytest.raises(ValueError, match=r"h: found shape .* expected \(T, 8\), T >= 1"):
            readout(model, h)
    extras = {**model.extras, "readout.pooling": np.array("max")}
    with pytest.raises(
        ModelFileError, match=r"readout\.pooling: found 'max', expected one of last, mean, none"
    ):
        readout(dataclasses.replace(model, extras=extras), np.zeros((3, 8), np.int16))
    with pytest.raises(ModelFileError, match=r"readout\.pooling: found no such key"):
        readout(dataclasses.replace(model, extras={}), np.zeros((3, 8), np.int16))


def test_wav_round_trip_and_resampling(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 400 * np.arange(1600) / 8000)
    write_wav(tmp_path / "a.wav", tone)
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav"), tone, atol=2**-15)
    fine = 0.5 * np.sin(2 * np.pi * 400 * np.arange(3200) / 16000)
    write_wav(tmp_path / "b.wav", fine, sample_rate=16000)
    back = read_wav(tmp_path / "b.wav")
    assert len(back) == 1600
    np.testing.assert_allclose(back[100:-100], tone[100:-100], atol=0.01)


@pytest.mark.parametrize(
    ("form", "subtype"),
    [
        *(("WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT")),
        *(("WAVEX", subtype) for subtype in ("PCM_16", "PCM_24", "DOUBLE")),
        ("RF64", "PCM_24"),
    ],
)
def test_kinds_of_wav(tmp_path, form, subtype):
    """Could break: a recording that any player plays, refused or read on another scale."""
    tone = 0.5 * np.sin(2 * np.pi * 400 * np.arange(800) / 8000)
    soundfile.write(tmp_path / "a.wav", tone, 8000, subtype, format=form)
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav"), tone, atol=2**-6)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.99])
def test_wav_that_was_cut_off(tmp_path, subtype, share):
    """Could break: the first half of a recording that passes for all of it."""
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.ones(800) / 2, 8000, subtype)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"cut.wav: found a file that was cut off, \d+ bytes"):
        read_wav(path)


def test_unsupported_wavs(tmp_path):
    soundfile.write(tmp_path / "two.wav", np.zeros((10, 2)), 8000)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.full(9, np.nan), 8000, "FLOAT")
    soundfile.write(tmp_path / "flac.wav", np.zeros(10), 8000, format="FLAC")
    for name, found in (
        ("two", "2 channels, expected one"),
        ("none", "no samples, expected a recording"),
        ("nan", "samples that are not finite, expected a recording"),
        ("flac", "a file of the format FLAC, expected a WAV file"),
    ):
        with pytest.raises(ValueError, match=rf"^[^\n]*{name}.wav: found {found}$"):
            read_wav(tmp_path / f"{name}.wav")


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("spread", [False, True])
def test_scale_in_any_unit(unit, spread, rng):
    """Could break: farads taken for a channel that never changes, where picofarads train."""
    signal = rng.normal(3, 0.1, (200, 2))
    signal[:, 1] = 7.7
    made = [
        Channels.fitted(("c", "still"), [signal * factor], block=2, spread=spread)
        for factor in (1.0, unit)
    ]
    reference, scaled = made[0](signal), made[1](signal * unit)
    assert np.abs(reference.astype(int) - scaled.astype(int)).max() <= 1
    assert scaled[:, 0].std() > 200 and not scaled[:, 1].any()
    assert made[1].constant([signal * unit]) == ("still",)


def test_small_ripple_on_a_large_value(rng):
    """Could break: a pressure of 101325 Pa that moves by a millipascal taken for constant."""
    signal = 101325 + 1e-3 * rng.normal(size=(300, 1))
    made = Channels.fitted(("p",), [signal])
    assert made.constant([signal]) == () and 200 < made(signal).std() < 300


@pytest.mark.parametrize(
    "content", [None, b"", b"no sound at all", b"RIFF\x10\0\0\0WAVE", b"\0" * 99]
)
def test_files_that_are_not_wav(tmp_path, content):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^[^\n]*bad.wav: found [^\n]*, expected a WAV file$"):
        read_wav(path)
