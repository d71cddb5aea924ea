# SPDX-License-Identifier: Apache-2.0
"""The model in the repository, on the clips beside it."""

from pathlib import Path

import pytest

from golden.datasets import fsdd
from golden.datasets import speech_synthesis as synthesis
from golden.datasets.features import BANDS, features_from_model
from golden.integer import run
from golden.model_file import load_model
from golden.train.evaluate import evaluate
from golden.train.readout import readout

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "digits-2l128h.npz"


@pytest.fixture(scope="module")
def model():
    return load_model(MODEL)


@pytest.fixture(scope="module")
def clips():
    return fsdd.load_folder(ROOT / "clips")


def test_network_sizes(model):
    assert model.input_sizes == (BANDS, 128)
    assert model.hidden_sizes == (128, 128)
    assert MODEL.stat().st_size < 1_000_000
    assert (model.theta_x > 0).all()
    assert (model.theta_h > 0).all()
    assert model.extras["readout.labels"].tolist() == [str(digit) for digit in range(10)]


def test_clip_size_and_digit_coverage(clips):
    assert {clip.digit for clip in clips} == set(range(10))
    voices = {voice.replace("+", "-") for voice in synthesis.CLIP_VOICES}
    assert {clip.speaker for clip in clips} == voices
    for path in (ROOT / "clips").glob("*.wav"):
        assert path.stat().st_size < 16_000


def test_recognition_of_every_clip(model, clips):
    result = evaluate(model, fsdd.dataset(clips).examples)
    assert (result.score.wrong, result.score.total) == (0, 20)
    assert result.saving > 5


def test_decisions_over_time(model, clips):
    x = features_from_model(model)(clips[0].samples)
    decision = readout(model, [trace.h for trace in run(model, x)])
    assert len(decision.running) == len(x)
    assert decision.running[-1] == str(clips[0].digit)


def test_delta_memory_headroom(model, clips):
    """32 bits leave ample room: sums of real speech stay within 1 % of their range."""
    extract = features_from_model(model)
    for clip in clips:
        for trace in run(model, extract(clip.samples)):
            assert max(abs(layer.memory.astype(int)).max() for layer in trace.layers) < 2**24
