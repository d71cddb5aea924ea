# SPDX-License-Identifier: Apache-2.0
"""Training from sound to model file, on a set of beeps small enough for a test."""

import copy
import csv
import errno
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from golden import datasets
from golden.datasets import base, connected
from golden.datasets import speech_synthesis as synthesis
from golden.datasets.augment import variant
from golden.datasets.features import write_wav
from golden.model_file import load_model
from golden.train import training as train
from golden.train.data_parallel import Shares
from golden.train.delta_gru import DeltaGRU
from golden.train.evaluate import evaluate
from golden.train.files import load_network, save_checkpoint
from golden.train.network import batches


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
        *("--set", "fsdd", "--data", str(folder), "--out", str(out), "--seed", "3"),
        *("--hidden", "32", "--batch", "8", *more),
    ]


def test_tiny_training_and_its_report(beeps, tmp_path, capsys):
    out = tmp_path / "beeps.npz"
    epochs = ("--epochs-float", "24", "--epochs-quantised", "2", "--epochs-delta", "1")
    assert train.main(arguments(beeps, out, *epochs)) == 0

    model = load_model(out)
    assert model.hidden_sizes == (32,)
    assert model.theta_x.tolist() == [64]
    result = evaluate(model, datasets.load("fsdd", beeps).of_split("test"))
    assert result.score.total == 20
    assert result.score.wrong <= 4  # 18 of 20 would be chance
    assert result.saving > 2

    with (tmp_path / "beeps.log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["stage"] for row in rows] == ["float"] * 24 + ["quantised"] * 2 + ["delta"]
    assert float(rows[23]["loss"]) < 0.8 * float(rows[0]["loss"])

    printed = capsys.readouterr().out
    assert result.row("x 64, h 64 (shipped)") in printed
    assert re.search(r"^trained in [\d.]+ min: float [\d.]+, quantised .*, delta ", printed, re.M)
    assert "clipped" in printed
    assert str(beeps) not in str(model.extras["training"])


SHORT = (
    *("--epochs-float", "2", "--epochs-quantised", "1", "--epochs-delta", "2"),
    *("--average", "2", "--distill", "0.5"),
)


def test_misspelt_option_of_a_recipe(monkeypatch, tmp_path, capsys):
    """Could break: a typo in recipes.toml that leaves an option at its default."""
    named = next(iter(train.recipes()))
    monkeypatch.setattr(train, "recipes", lambda: {named: {"set": "fsdd", "theat-x": [96]}})
    words = ["--recipe", named, "--data", str(tmp_path), "--out", str(tmp_path / "m.npz")]
    with pytest.raises(SystemExit):
        train.parse_arguments(words)
    assert f"recipes.toml: {named}.theat-x: found an unknown key" in capsys.readouterr().err


def files_of(out):
    return out.read_bytes(), out.with_suffix(".log.csv").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(beeps, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "m.npz"
    assert train.main(arguments(beeps, out, *SHORT)) == 0
    return out


def test_equal_files_from_equal_seeds(beeps, tmp_path, uninterrupted):
    out = tmp_path / "m.npz"
    assert train.main(arguments(beeps, out, *SHORT)) == 0
    assert files_of(out) == files_of(uninterrupted)
    assert out.with_suffix(".log.png").stat().st_size > 5_000
    assert not out.with_suffix(".ckpt").exists()


def test_equal_files_from_two_workers(beeps, tmp_path, monkeypatch):
    dealt = []
    whole_call = Shares.__call__
    monkeypatch.setattr(Shares, "__call__", lambda *args: dealt.append(1) or whole_call(*args))
    files = []
    for name in ("one.npz", "two.npz"):
        out = tmp_path / name
        assert train.main(arguments(beeps, out, *SHORT, "--workers", "2")) == 0
        files.append(files_of(out))
    assert files[0] == files[1]
    rows = files[0][1].decode().splitlines()
    assert float(rows[2].split(",")[2]) < float(rows[1].split(",")[2])
    epochs = 2 * 5  # of all stages
    assert len(dealt) > epochs and len(dealt) % epochs == 0


def test_message_after_a_killed_worker(beeps, tmp_path, monkeypatch, capsys):
    whole_call = Shares.__call__

    def call(self, x):
        os.kill(self.workers[0].submit(os.getpid).result(), signal.SIGKILL)
        return whole_call(self, x)

    monkeypatch.setattr(Shares, "__call__", call)
    assert train.main(arguments(beeps, tmp_path / "m.npz", *SHORT, "--workers", "2")) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("golden.train: ")
    assert not (tmp_path / "m.npz").exists()


@pytest.mark.parametrize("epochs_before", [1, 2, 3, 4])
def test_resumed_training(beeps, tmp_path, monkeypatch, uninterrupted, epochs_before):
    """Cut off in the float stage, at its end, after the quantised stage, and in the delta stage."""
    out, left = tmp_path / "m.npz", [epochs_before]
    whole_epoch = train.Training._epoch

    def epoch(self, *args):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return whole_epoch(self, *args)

    monkeypatch.setattr(train.Training, "_epoch", epoch)
    assert train.main(arguments(beeps, out, *SHORT)) == 130
    assert not out.exists()
    monkeypatch.setattr(train.Training, "_epoch", whole_epoch)
    assert train.main(arguments(beeps, out, *SHORT, "--resume")) == 0
    assert files_of(out) == files_of(uninterrupted)


def test_checkpoint_of_other_settings(beeps, tmp_path, monkeypatch, capsys):
    out = tmp_path / "m.npz"
    monkeypatch.setattr(train.Training, "_epoch", lambda *_: 1 / 0)
    save = {"settings": {"seed": 4}, "net": {}, "stage": "float"}
    torch.save(save, out.with_suffix(".ckpt"))
    assert train.main(arguments(beeps, out, *SHORT, "--resume")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "found a run with other settings" in message
    assert "seed" in message


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_file_that_is_not_a_checkpoint(beeps, tmp_path, capsys, content):
    start = tmp_path / "start.ckpt"
    if content is not None:
        start.write_bytes(content)
    assert train.main(arguments(beeps, tmp_path / "m.npz", *SHORT, "--start", str(start))) == 2
    assert "start.ckpt: found " in capsys.readouterr().err.splitlines()[-1]


def test_delta_stage_from_an_earlier_run(beeps, tmp_path, uninterrupted):
    out = tmp_path / "m.npz"
    start = uninterrupted.with_suffix(".quantised.ckpt")
    assert train.main(arguments(beeps, out, *SHORT, "--start", str(start))) == 0
    stages = [line.split(",")[0] for line in out.with_suffix(".log.csv").read_text().splitlines()]
    assert stages == ["stage", "delta", "delta"]
    assert out.read_bytes() == uninterrupted.read_bytes()


def test_effect_of_a_cost_on_moves(beeps, tmp_path, uninterrupted):
    moves = []
    for cost in ("0", "30"):
        out = tmp_path / f"{cost}.npz"
        start = ("--start", str(uninterrupted.with_suffix(".quantised.ckpt")))
        more = (*SHORT, *start, "--move-cost", cost, "--rate-delta", "3e-3")
        assert train.main(arguments(beeps, out, *more)) == 0
        last = out.with_suffix(".log.csv").read_text().splitlines()[-1]
        moves.append(float(last.split(",")[-1]))
    assert moves[1] < 0.8 * moves[0]


def test_best_epoch_after_early_stop(beeps, tmp_path, monkeypatch):
    """Validation gets worse from the second epoch on: the stage ends, and ships the second."""
    errors = iter([50.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0])
    kept = []

    def validate(net, *_):
        kept.append(net.readout.weight.detach().clone())
        return next(errors)

    monkeypatch.setattr(train, "validate", validate)
    epochs = ("--epochs-float", "9", "--epochs-quantised", "0", "--epochs-delta", "0")
    more = (*epochs, "--patience", "2", "--variants", "0")
    training = train.Training(train.parse_arguments(arguments(beeps, tmp_path / "m.npz", *more)))
    training.run()
    assert len(kept) == 5
    assert torch.equal(training.net.readout.weight, kept[1])


def test_average_of_the_last_epochs(beeps, tmp_path, monkeypatch):
    """What ships is the mean over every batch of the last epoch, and of no other."""
    seen, whole_epoch = [], train.Training._epoch

    def epoch(self, *args):
        seen.append([])
        return whole_epoch(self, *args)

    clamp = DeltaGRU.clamp_weights

    def clamp_weights(self):
        clamp(self)
        if seen:
            seen[-1].append(self.weight_hh[0].detach().clone())

    monkeypatch.setattr(train.Training, "_epoch", epoch)
    monkeypatch.setattr(DeltaGRU, "clamp_weights", clamp_weights)
    epochs = ("--epochs-float", "0", "--epochs-quantised", "0", "--epochs-delta", "3")
    more = (*epochs, "--variants", "0", "--average", "1")
    training = train.Training(train.parse_arguments(arguments(beeps, tmp_path / "m.npz", *more)))
    training.run()
    assert len(seen[-1]) > 5
    expected = torch.stack(seen[-1]).mean(dim=0)
    torch.testing.assert_close(training.net.recurrent.weight_hh[0].detach(), expected)


def test_effect_of_distillation(beeps, tmp_path):
    """On unseen recordings, after the same delta stage with and without that cost."""
    epochs = ("--epochs-float", "8", "--epochs-quantised", "1", "--epochs-delta", "6")
    more = (*epochs, "--variants", "0", "--theta-h", "128", "--dropout", "0")
    distances = []
    for weight in ("0", "10"):
        words = arguments(beeps, tmp_path / f"{weight}.npz", *more, "--distill", weight)
        training = train.Training(train.parse_arguments(words))
        training.run()
        ((x, lengths, _),) = batches(training.validation, "label", 1000)
        net = training.net.eval()
        quantised = copy.deepcopy(net)
        quantised.load_state_dict(load_network(tmp_path / f"{weight}.quantised.ckpt", "cpu"))
        quantised.recurrent.set_theta(0, 0)
        with torch.no_grad():
            distance = net.distance(net(x, lengths), quantised(x, lengths), lengths)
        distances.append(distance.item())
    assert distances[1] < 0.7 * distances[0]


@pytest.mark.parametrize(("more", "size"), [((), 16), (("--batch-delta", "4"), 4)])
def test_smaller_batches_of_the_delta_stage(beeps, tmp_path, monkeypatch, more, size):
    seen = {}

    def drawn(items, task, batch, *_):
        seen.setdefault(len(seen), batch)
        return iter(())

    monkeypatch.setattr(train, "batches", drawn)
    monkeypatch.setattr(train, "validate", lambda *_: 0.0)
    epochs = ("--epochs-float", "1", "--epochs-quantised", "1", "--epochs-delta", "1")
    words = arguments(beeps, tmp_path / "m.npz", *epochs, "--batch", "16", *more)
    train.Training(train.parse_arguments(words)).run()
    assert list(seen.values()) == [16, 16, size]


def test_threshold_ramp(beeps, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        train.Training,
        "_epoch",
        lambda self, stage, *_: seen.append((stage, self.net.recurrent.theta_h)) or (1.0, 0.0),
    )
    epochs = ("--epochs-float", "0", "--epochs-quantised", "0", "--epochs-delta", "4")
    more = (*epochs, "--variants", "0", "--theta-h", "96", "--theta-ramp", "2")
    training = train.Training(train.parse_arguments(arguments(beeps, tmp_path / "m.npz", *more)))
    training.run()
    assert [theta[0] * 256 for _, theta in seen] == pytest.approx([32, 64, 96, 96])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--theta-x", "1", "2", "3"), "--theta-x: found [1, 2, 3], expected 1 or 1 of 0...32767"),
        (("--theta-h", "-1"), "--theta-h: found [-1]"),
        (("--workers", "0"), "--workers: found 0, expected 1 or more"),
        (("--hidden", "12"), "--hidden: found 12, expected a multiple of 8"),
        (("--hidden", "8", "16"), "--hidden: found [8, 16], expected 1...4 equal sizes"),
    ],
)
def test_wrong_command_line(beeps, tmp_path, capsys, more, message):
    with pytest.raises(SystemExit) as caught:
        train.main(arguments(beeps, tmp_path / "m.npz", *more))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_missing_folder_of_the_output(beeps, capsys):
    assert train.main(arguments(beeps, Path("none/m.npz"))) == 2
    assert "--out: none/m.npz: found no folder none" in capsys.readouterr().err


def test_full_disk_in_a_checkpoint(tmp_path, monkeypatch):
    """Could break: a traceback of torch, or half a checkpoint, when the disk is full."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("golden.files._write", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "m.ckpt", net={})
    assert not list(tmp_path.iterdir())


def test_missing_data_message(tmp_path, capsys):
    out = tmp_path / "m.npz"
    assert train.main(arguments(tmp_path / "none", out)) == 2
    assert "golden.train: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_distinct_variants():
    rng = np.random.default_rng(5)
    samples = np.sin(np.arange(3000) / 5)
    first, second = variant(samples, rng), variant(samples, rng)
    assert len(first) > 0.8 * len(samples)
    assert first.shape != second.shape
    assert np.isfinite(variant(np.zeros(500), rng)).all()


def test_synthesis_without_espeak(monkeypatch, tmp_path, beeps, capsys):
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    with pytest.raises(synthesis.SynthesisError, match="espeak-ng: found no such program"):
        synthesis.speak(1, "en-us")
    with pytest.raises(SystemExit):
        train.main(arguments(beeps, tmp_path / "m.npz", "--synthetic"))
    assert "--synthetic: found no espeak-ng" in capsys.readouterr().err


def test_clip_voices_excluded_from_training():
    variants = {voice.split("+")[1] for voice in synthesis.TRAIN_VOICES}
    assert not variants & {voice.split("+")[1] for voice in synthesis.CLIP_VOICES}


@pytest.mark.skipif(not synthesis.available(), reason="espeak-ng is not installed")
def test_synthetic_digit_format():
    samples = synthesis.speak(7, synthesis.TRAIN_VOICES[0])
    assert 1600 < len(samples) < 8000
    assert np.abs(samples).max() > 0.05


def test_unaligned_training_of_connected_digits(beeps, tmp_path, monkeypatch):
    """CTC from sound to model file; that it learns, test_network.py shows on less."""
    few = {"train": 32, "validation": 4, "test": 4}
    written = {split: base.Utterances(7 + n, n) for split, n in few.items()}
    splits = replace(base.written_splits(), connected=base.UtteranceSplits(**written))
    monkeypatch.setattr(connected, "written_splits", lambda: splits)
    out = tmp_path / "m.npz"
    words = ["--set", "connected", "--data", str(beeps), "--out", str(out), "--hidden", "16"]
    assert train.main([*words, *SHORT, "--batch", "8", "--variants", "1"]) == 0
    model = load_model(out)
    assert model.extras["readout.labels"].tolist() == ["<blank>", *"0123456789"]
    rows = out.with_suffix(".log.csv").read_text().splitlines()
    assert float(rows[2].split(",")[2]) < float(rows[1].split(",")[2])


def test_regression_on_a_user_series(tmp_path):
    """The target is a running mean of two channels: better than its own deviation says it all."""
    rng = np.random.default_rng(34)
    folder = tmp_path / "series"
    folder.mkdir()
    for i in range(8):
        a, b = np.cumsum(rng.normal(0, 0.3, (2, 400)), axis=1)
        y = np.convolve(a - b, np.ones(5) / 5)[:400]
        rows = "\n".join(f"{p:.4f},{q:.4f},{r:.4f}" for p, q, r in zip(a, b, y, strict=True))
        (folder / f"{i}.csv").write_text(f"a,b,level\n{rows}\n")
    out = tmp_path / "m.npz"
    words = ["--set", "csv", "--target", "level", "--data", str(folder), "--out", str(out)]
    epochs = ("--epochs-float", "15", "--epochs-quantised", "3", "--epochs-delta", "3")
    more = ("--hidden", "16", "--window", "50", "--batch", "8", "--rate-float", "1e-2")
    assert train.main([*words, *epochs, *more, "--theta-x", "16", "--theta-h", "16"]) == 0
    test = datasets.load("csv", folder, target="level").of_split("test")
    result = evaluate(load_model(out), test)
    assert result.score.task == "regression"
    assert result.score.value < 0.5 * np.concatenate([e.target for e in test]).std()
    assert result.saving > 1.5


def test_sound_of_another_rate(beeps, tmp_path, capsys):
    words = arguments(beeps, tmp_path / "m.npz", "--sample-rate", "16000")
    assert train.main(words) == 2
    assert "--sample-rate: found 16000, expected that of the set: 8000" in capsys.readouterr().err
