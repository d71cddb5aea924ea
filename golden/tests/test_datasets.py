# SPDX-License-Identifier: Apache-2.0
"""The data sets behind their one interface, on tiny folders in the layout of the real ones."""

import csv
import gzip
import re

import numpy as np
import pytest
from msgspec.structs import replace

from golden import datasets
from golden.datasets import SPLITS, DatasetError, base, connected, har, skab
from golden.datasets.__main__ import main
from golden.datasets.features import write_wav

RATE = 8000
# Sound of one split is all in one of these bands, so that a spectrum tells where it is from.
BAND_HZ = {"test": 500, "validation": 1500, "train": 2500}
DIGIT_HZ = 60  # between the tones of two digits


@pytest.fixture(scope="module")
def beeps(tmp_path_factory):
    """Digits of two speakers, each a tone that tells its split and its digit."""
    folder = tmp_path_factory.mktemp("beeps")
    time = np.arange(1200) / RATE
    for digit in range(10):
        for index, split in ((0, "test"), (5, "validation"), (10, "train"), (11, "train")):
            tone = 0.1 * np.sin(2 * np.pi * (BAND_HZ[split] + DIGIT_HZ * digit) * time)
            for speaker in ("ann", "bob"):
                write_wav(folder / f"{digit}_{speaker}_{index}.wav", tone)
    return folder


def put_utterances(monkeypatch, written):
    """Other connected utterances than `splits.toml` has, by split."""
    splits = replace(base.written_splits(), connected=base.UtteranceSplits(**written))
    monkeypatch.setattr(connected, "written_splits", lambda: splits)


@pytest.fixture
def few_utterances(monkeypatch):
    """`splits.toml` with fewer connected utterances, for a test's time."""
    written = {split: base.Utterances(seed, 12) for seed, split in enumerate(SPLITS)}
    put_utterances(monkeypatch, written)


@pytest.fixture
def har_folder(tmp_path):
    """Three people, one of each split: plain and gzipped files, a file of the phone beside."""
    header = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label\n"
    rows = "1,2,3,4,5,6,1657533977810,SEATED\n-1,-2,-3,-4,-5,-6.5,1657533977819,WALKING\n"
    for person in ("s01", "s02", "s04"):
        folder = tmp_path / person
        folder.mkdir()
        (folder / f"{person}_01_sw.csv").write_text(header + rows)
        with gzip.open(folder / f"{person}_02_sw.csv.gz", "wt") as file:
            file.write(header + rows)
        (folder / f"{person}_01_sp.csv").write_text("another layout\n")
    return tmp_path


@pytest.fixture
def skab_folder(tmp_path):
    """Three experiments, one of each split."""
    names = ["datetime", *skab.SENSORS, "anomaly", "changepoint"]
    (tmp_path / "data" / "valve1").mkdir(parents=True)
    for experiment in range(1, 4):
        values = [[str(experiment + 10 * i) for i in range(8)], ["0.5"] * 8]
        rows = [["2020-03-09 10:34:33", *row, "0.0", "0.0"] for row in values]
        text = "\n".join(";".join(row) for row in [names, *rows])
        (tmp_path / "data" / "valve1" / f"{experiment}.csv").write_text(text + "\n")
    (tmp_path / "data" / "valve1" / "0.csv").write_text(text + "\n")
    return tmp_path


def one_line(caught):
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_single_digits_as_labelled_sound(beeps):
    data = datasets.load("fsdd", beeps)
    assert (data.task, data.labels, data.rate) == ("label", tuple("0123456789"), 8000)
    assert [len(data.of_split(split)) for split in SPLITS] == [40, 20, 20]
    for example in data.examples:
        assert example.signal.shape == (1200,)
        assert data.labels[example.target] == example.name[0]
        assert np.abs(example.signal).max() == pytest.approx(0.1, rel=0.1)


def heard(samples):
    """``(split, digit)`` of each tone in an utterance, and the silent samples at its edges."""
    level = np.convolve(np.abs(samples), np.full(80, 1 / 80), "same")
    edges = np.flatnonzero(np.diff((level > 0.02).astype(int)))
    spoken = []
    for start, end in edges.reshape(-1, 2):
        tone = samples[start + 100 : end - 100]
        spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), RATE))
        hertz = int(spectrum.argmax())
        split = min(BAND_HZ, key=lambda name: abs(hertz - BAND_HZ[name] - 4.5 * DIGIT_HZ))
        spoken.append((split, round((hertz - BAND_HZ[split]) / DIGIT_HZ)))
    return spoken, edges[0], len(samples) - edges[-1]


def test_connected_digits_of_one_split(beeps, few_utterances):
    data = datasets.load("connected", beeps)
    assert [len(data.of_split(split)) for split in SPLITS] == [12, 12, 12]
    for example in data.examples:
        spoken, before, after = heard(example.signal)
        assert spoken == [(example.split, digit) for digit in example.target]
        assert min(before, after) >= 0.19 * RATE  # 200 ms less what smoothing takes
    assert {len(example.target) for example in data.examples} >= {1, 4, 7}


def test_extra_training_utterances_from_training_recordings(beeps, few_utterances):
    data = datasets.load("connected", beeps)
    more = data.more_utterances(10, np.random.default_rng(5), connected.levelled)
    for samples, digits in more:
        assert heard(samples)[0] == [("train", digit) for digit in digits]


def test_connected_utterances_by_seed(beeps, few_utterances, monkeypatch):
    first, again = (datasets.load("connected", beeps).examples for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert a.target == b.target
        assert np.array_equal(a.signal, b.signal)
    put_utterances(monkeypatch, dict.fromkeys(SPLITS, base.Utterances(99, 12)))
    targets = [example.target for example in datasets.load("connected", beeps).examples]
    assert targets != [example.target for example in first]


def test_connected_digits_without_recordings_of_a_split(beeps, tmp_path, few_utterances):
    (tmp_path / "3_ann_10.wav").write_bytes((beeps / "3_ann_10.wav").read_bytes())
    with pytest.raises(DatasetError, match="found no recording of the validation split"):
        datasets.load("connected", tmp_path)


def test_wrist_activity_split_by_person(har_folder):
    data = datasets.load("har", har_folder)
    assert {(e.group, e.split) for e in data.examples} == {
        ("s01", "train"),
        ("s02", "validation"),
        ("s04", "test"),
    }
    assert [e.name for e in data.of_split("test")] == ["s04_01_sw", "s04_02_sw"]
    plain, zipped = data.of_split("test")
    assert plain.signal.tolist() == [[1, 2, 3, 4, 5, 6], [-1, -2, -3, -4, -5, -6.5]]
    assert np.array_equal(plain.signal, zipped.signal)
    assert [data.labels[i] for i in plain.target] == ["SEATED", "WALKING"]
    assert (data.rate, data.channels) == (100, har.CHANNELS)


HAR_HEADER = "x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,label\n"


@pytest.mark.parametrize(
    ("person", "text", "message"),
    [
        ("s01", HAR_HEADER, "found no rows"),
        ("s01", HAR_HEADER + "1,2,3,4,5,6,FLYING\n", "row 1: found label 'FLYING'"),
        ("s01", HAR_HEADER + "1,2,3,4,5\n", "expected columns x_acc, "),
        ("s01", HAR_HEADER + "1,2,3,4,5,x,SEATED\n", "found .*'x'.*, expected columns x_acc, "),
        ("s01", HAR_HEADER + "1,2,3,4,nan,6,SEATED\n", "column y_gyro: row 1: found nan"),
        ("s01", "x_acc,label\n1,SEATED\n", r"found KeyError\('y_acc'\)"),
        ("s99", HAR_HEADER + "1,2,3,4,5,6,SEATED\n", "found 's99', expected one that splits.toml"),
    ],
)
def test_bad_wrist_activity_message(tmp_path, person, text, message):
    (tmp_path / person).mkdir()
    (tmp_path / person / "a_sw.csv").write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        datasets.load("har", tmp_path)
    one_line(caught)


@pytest.mark.parametrize("name", ["har", "csv"])
@pytest.mark.parametrize("cut", [True, False])
def test_damaged_gzip_message(har_folder, name, cut):
    path = har_folder / "s01" / "s01_02_sw.csv.gz"
    data = bytearray(gzip.compress(path.read_bytes(), mtime=0))
    data[10] |= 0b110  # a kind of block that there is not
    path.write_bytes(data[:8] if cut else data)
    with pytest.raises(DatasetError, match=r"s01_02_sw\.csv\.gz: found "):
        datasets.load(name, har_folder if name == "har" else path)


def test_water_circulation_split_and_target(skab_folder):
    data = datasets.load("skab", skab_folder)
    assert {e.name: e.split for e in data.examples} == {
        "valve1/0": "train",
        "valve1/1": "train",
        "valve1/2": "validation",
        "valve1/3": "test",
    }
    assert (data.task, data.labels, data.rate) == ("regression", ("Volume Flow RateRMS",), 1)
    (example,) = data.of_split("test")
    assert example.signal.tolist() == [[3, 13, 23, 33, 43, 53, 63], [0.5] * 7]
    assert example.target.tolist() == [[73], [0.5]]


def test_another_sensor_as_target(skab_folder):
    data = datasets.load("skab", skab_folder, target="Current")
    assert data.labels == ("Current",)
    assert "Current" not in data.channels
    assert "Volume Flow RateRMS" in data.channels
    assert data.of_split("test")[0].target.tolist() == [[23], [0.5]]
    with pytest.raises(DatasetError, match="target: found 'Colour', expected one of Accel"):
        datasets.load("skab", skab_folder, target="Colour")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (";", ",", "expected columns .* between semicolons"),
        ("0.5;0.5", "0.5;nan", "column [A-Z]\\w+: row 2: found nan"),
        ("0.5;0.5", "0.5;high", "found ValueError"),
    ],
)
def test_bad_water_circulation_message(skab_folder, old, new, message):
    path = skab_folder / "data" / "valve1" / "2.csv"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=rf"2\.csv: .*{message}") as caught:
        datasets.load("skab", skab_folder)
    one_line(caught)


def test_groups_in_one_split_only(beeps, har_folder, skab_folder):
    for name, folder in (("fsdd", beeps), ("har", har_folder), ("skab", skab_folder)):
        data = datasets.load(name, folder)
        groups = [{e.group for e in data.of_split(split)} for split in SPLITS]
        assert all(groups), name
        assert "" not in set.union(*groups), name
        assert sum(map(len, groups)) == len(set.union(*groups)), name


def test_written_splits_without_overlap():
    written = base.written_splits()
    for name in ("har", "skab"):
        groups = [group for split in SPLITS for group in getattr(getattr(written, name), split)]
        assert len(groups) == len(set(groups)), name
    assert not set(written.fsdd.test) & set(written.fsdd.validation)
    assert len({getattr(written.connected, split).seed for split in SPLITS}) == 3


WHERE = {
    "fsdd": "github.com/Jakobovski/free-spoken-digit-dataset",
    "connected": "github.com/Jakobovski/free-spoken-digit-dataset",
    "tidigits": "catalog.ldc.upenn.edu/LDC93S10",
    "har": "doi.org/10.5281/zenodo.8398688",
    "skab": "github.com/waico/SKAB",
    "csv": "of your own",
}


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("name", datasets.LOADERS)
def test_source_of_a_missing_set(tmp_path, name, exists):
    folder = tmp_path if exists else tmp_path / "none"
    with pytest.raises(DatasetError) as caught:
        datasets.load(name, folder)
    text = one_line(caught)
    assert text.startswith(f"{folder}: found no ")
    assert WHERE[name] in text


def test_unknown_sets_and_options(har_folder):
    with pytest.raises(DatasetError, match="data set: found 'mnist', expected one of fsdd, "):
        datasets.load("mnist", har_folder)
    with pytest.raises(DatasetError, match="har: found the option 'target', expected none"):
        datasets.load("har", har_folder, target="label")
    with pytest.raises(DatasetError, match="skab: found the option 'rate', expected target"):
        datasets.load("skab", har_folder, rate=2.0)


def test_command_output_and_written_split(har_folder, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["har", str(har_folder), "--write-split", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "har: frames, 2 train, 2 validation, 2 test; doi.org/10.5281/zenodo.8398688" in printed
    words = [line.split() for line in printed.splitlines()]
    assert ["train", "2", "1", "4", "0.0"] in words
    assert "channels: x_acc, y_acc" in printed
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["file"]: row["split"] for row in rows} == {
        **{f"s01_0{i}_sw": "train" for i in (1, 2)},
        **{f"s02_0{i}_sw": "validation" for i in (1, 2)},
        **{f"s04_0{i}_sw": "test" for i in (1, 2)},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["har", "none"], "none: found no such folder, expected .*zenodo"),
        (["har", "{}", "--rate", "2"], "har: found the option 'rate', expected none"),
        (["mnist", "{}"], "invalid choice: 'mnist'"),
        (["har"], "required: FOLDER"),
        (
            ["har", "{}", "--write-split", "{}"],
            "found a folder, .*expected a file name",
        ),
    ],
)
def test_wrong_command_message_and_status(har_folder, capsys, arguments, message):
    arguments = [argument.format(har_folder) for argument in arguments]
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
