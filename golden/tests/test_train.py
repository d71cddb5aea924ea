"""Training from sound to model file, on a set of beeps small enough for a test."""

import csv

import numpy as np
import pytest

from golden import fsdd, synthesis, train
from golden.augment import variant
from golden.evaluate import evaluate
from golden.features import write_wav
from golden.model_file import load_model


@pytest.fixture(scope="module")
def beeps(tmp_path_factory):
    """Ten "digits", each a tone of its own, in the naming of the real set."""
    folder = tmp_path_factory.mktemp("beeps")
    rng = np.random.default_rng(31)
    for digit in range(10):
        for index in (0, 1, 5, 6, *range(10, 18)):
            hertz = 300 * 1.25**digit * rng.uniform(0.98, 1.02)
            time = np.arange(rng.integers(800, 1400)) / 8000
            tone = 0.1 * np.sin(2 * np.pi * hertz * time) + rng.normal(0, 1e-4, len(time))
            write_wav(folder / f"{digit}_beep_{index}.wav", tone)
    return folder


def arguments(folder, out, *more):
    return [
        *("--data", str(folder), "--out", str(out), "--seed", "3", "--hidden", "32"),
        *("--batch", "8", *more),
    ]


def test_a_tiny_training_learns_and_reports(beeps, tmp_path, capsys):
    out = tmp_path / "beeps.npz"
    epochs = ("--epochs-float", "24", "--epochs-quantised", "2", "--epochs-delta", "1")
    assert train.main(arguments(beeps, out, *epochs)) == 0

    model = load_model(out)
    assert model.hidden_sizes == (32,)
    assert model.theta_x.tolist() == [64]
    result = evaluate(model, fsdd.of_split(fsdd.load_folder(beeps), "test"))
    assert result.recordings == 20
    assert result.errors <= 4  # 18 of 20 would be chance
    assert result.saving > 2

    with (tmp_path / "beeps.log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["float"] * 24 + ["quantised"] * 2 + ["delta"]
    assert float(rows[23]["loss"]) < 0.8 * float(rows[0]["loss"])

    printed = capsys.readouterr().out
    assert result.row("x 64, h 64 (shipped)") in printed
    assert "clipped" in printed
    assert str(beeps) not in str(model.extras["training"])


def test_equal_seeds_give_equal_files(beeps, tmp_path):
    epochs = ("--epochs-float", "1", "--epochs-quantised", "1", "--epochs-delta", "1")
    files = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.npz"
        train.save_model(out, train.train(train.parse_arguments(arguments(beeps, out, *epochs)))[0])
        files.append((out.read_bytes(), out.with_suffix(".log.csv").read_bytes()))
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--hidden", "12"), "--hidden: found 12, expected a multiple of 8"),
        (("--hidden", "8", "16"), "--hidden: found [8, 16], expected 1...4 equal sizes"),
        (("--out", "none/m.npz"), "--out: found no folder none"),
    ],
)
def test_a_wrong_command_line_is_refused(beeps, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as caught:
        train.main(arguments(beeps, tmp_path / "m.npz", *more))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_missing_data_end_the_command_in_one_line(tmp_path, capsys):
    out = tmp_path / "m.npz"
    assert train.main(arguments(tmp_path / "none", out)) == 2
    assert "golden.train: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_variants_differ_from_the_recording_and_from_each_other():
    rng = np.random.default_rng(5)
    samples = np.sin(np.arange(3000) / 5)
    first, second = variant(samples, rng), variant(samples, rng)
    assert len(first) > 0.8 * len(samples)
    assert first.shape != second.shape
    assert np.isfinite(variant(np.zeros(500), rng)).all()


def test_without_espeak_synthesis_says_so(monkeypatch, tmp_path, beeps, capsys):
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    with pytest.raises(synthesis.SynthesisError, match="espeak-ng: found no such program"):
        synthesis.speak(1, "en-us")
    with pytest.raises(SystemExit):
        train.main(arguments(beeps, tmp_path / "m.npz", "--synthetic"))
    assert "--synthetic: found no espeak-ng" in capsys.readouterr().err


def test_voices_of_the_clips_are_kept_out_of_training():
    variants = {voice.split("+")[1] for voice in synthesis.TRAIN_VOICES}
    assert not variants & {voice.split("+")[1] for voice in synthesis.CLIP_VOICES}


@pytest.mark.skipif(not synthesis.available(), reason="espeak-ng is not installed")
def test_a_spoken_digit_is_trimmed_8_khz_sound():
    samples = synthesis.speak(7, synthesis.TRAIN_VOICES[0])
    assert 1600 < len(samples) < 8000
    assert np.abs(samples).max() > 0.05
