# SPDX-License-Identifier: Apache-2.0
"""The loader of TIDIGITS, on a tiny corpus in the layout and the file format of the discs."""

import numpy as np
import pytest

from golden import datasets
from golden.datasets import SPLITS, DatasetError
from golden.datasets.features import write_wav
from golden.datasets.sphere import read_sphere

RATE = 20000


def tone(hertz=500, samples=2000, rate=RATE):
    return np.rint(8000 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)).astype(int)


def write_sphere(path, samples, order="01", **fields):
    """Write `samples`, integers, as NIST SPHERE; `fields` override what the header says."""
    fields = {
        "database_id": "TIDIGITS",
        "utterance_id": path.stem,
        "channel_count": 1,
        "sample_count": len(samples),
        "sample_rate": RATE,
        "sample_n_bytes": 2,
        "sample_byte_format": order,
        "sample_sig_bits": 16,
        "sample_coding": "pcm",
        **fields,
    }
    lines = [
        f"{name} -i {value}" if isinstance(value, int) else f"{name} -s{len(value)} {value}"
        for name, value in fields.items()
    ]
    header = "\n".join(["NIST_1A", "   1024", *lines, "end_head", ""]).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"01": "<i2", "10": ">i2"}[order]
    path.write_bytes(header.ljust(1024) + np.asarray(samples).astype(kind).tobytes())


@pytest.fixture
def corpus(tmp_path):
    """21 men and a woman to train on, a man and a girl to test on, as on the discs."""
    root = tmp_path / "disc_4.1.1" / "tidigits"
    for i in range(21):
        speaker = chr(ord("a") + i)
        write_sphere(root / "train" / "man" / f"{speaker}x" / "1a.wav", tone())
    write_sphere(root / "train" / "woman" / "ba" / "4z6o2a.wav", tone(), "10")
    write_sphere(root / "train" / "woman" / "ba" / "4z6o2b.wav", tone())
    other = tmp_path / "disc_4.2.1" / "TIDIGITS" / "TEST"
    write_sphere(other / "MAN" / "ZZ" / "O9A.WAV", tone())
    write_sphere(other / "GIRL" / "CA" / "3B.WAV", tone())
    (other / "GIRL" / "CA" / "README").write_text("not sound")
    return tmp_path


def test_digits_speaker_and_split_from_names(corpus):
    data = datasets.load("tidigits", corpus)
    assert (data.task, data.rate, data.channels) == ("ctc", 8000, ())
    assert data.labels == ("z", "o", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    said = {
        e.name: (e.split, e.group, "".join(data.labels[i] for i in e.target)) for e in data.examples
    }
    assert said["train/woman/ba/4z6o2a"] == ("train", "woman/ba", "4z6o2")
    assert said["train/woman/ba/4z6o2b"] == ("train", "woman/ba", "4z6o2")
    assert said["test/man/zz/o9a"] == ("test", "man/zz", "o9")
    assert said["test/girl/ca/3b"] == ("test", "girl/ca", "3")
    assert len(said) == 25


def test_validation_speakers(corpus):
    data = datasets.load("tidigits", corpus)
    assert [e.group for e in data.of_split("validation")] == ["man/jx", "man/tx"]
    groups = [{e.group for e in data.of_split(split)} for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 24


@pytest.mark.parametrize("order", ["01", "10"])
def test_byte_orders_and_resampling(tmp_path, order):
    path = tmp_path / "x.wav"
    write_sphere(path, tone(), order)
    samples = read_sphere(path)
    assert samples.shape == (800,)
    assert samples.dtype == np.float64
    expected = tone(rate=8000, samples=800) / 32768
    assert np.abs(samples - expected)[50:-50].max() < 2e-3  # edges ring
    same = read_sphere(path, RATE)
    assert np.array_equal(same, tone() / 32768)


def test_corpus_converted_to_wav(corpus):
    before = {e.name: e.signal for e in datasets.load("tidigits", corpus).examples}
    for path in corpus.rglob("*.[wW][aA][vV]"):
        write_wav(path, read_sphere(path, RATE), RATE)
    after = {e.name: e.signal for e in datasets.load("tidigits", corpus).examples}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_chosen_speaker_groups(corpus):
    data = datasets.load("tidigits", corpus, speakers=("woman", "girl"))
    assert {e.group for e in data.examples} == {"woman/ba", "girl/ca"}
    with pytest.raises(DatasetError, match="found 'dog', expected some of man, woman, boy, girl"):
        datasets.load("tidigits", corpus, speakers=("man", "dog"))
    with pytest.raises(DatasetError, match=r"found no utterance of boy, expected .*LDC93S10"):
        datasets.load("tidigits", corpus, speakers=("boy",))


def test_folder_of_one_group(corpus, monkeypatch):
    data = datasets.load("tidigits", corpus / "disc_4.1.1" / "tidigits" / "train" / "woman")
    assert {e.group for e in data.examples} == {"woman/ba"}
    monkeypatch.chdir(corpus / "disc_4.1.1" / "tidigits" / "train" / "woman")
    assert len(datasets.load("tidigits", ".").examples) == 2


@pytest.mark.parametrize("name", ["10a.wav", "1c.wav", "a.wav", "1.wav", "x1a.wav"])
def test_unknown_file_name(corpus, name):
    write_sphere(corpus / "tidigits" / "train" / "boy" / "da" / name, tone())
    with pytest.raises(DatasetError, match=f"{name}: found the name {name}, expected digits z, o"):
        datasets.load("tidigits", corpus)


def test_unknown_group(corpus):
    write_sphere(corpus / "tidigits" / "train" / "robot" / "da" / "1a.wav", tone())
    with pytest.raises(DatasetError, match=r"1a.wav: found the group robot, expected .*woman"):
        datasets.load("tidigits", corpus)


def test_speaker_in_train_and_test(corpus):
    write_sphere(corpus / "tidigits" / "train" / "man" / "zz" / "1a.wav", tone())
    with pytest.raises(DatasetError, match="found man/zz in train and test"):
        datasets.load("tidigits", corpus)


def test_duplicate_utterance(corpus):
    write_sphere(corpus / "copy" / "train" / "woman" / "ba" / "4Z6O2A.wav", tone())
    with pytest.raises(DatasetError, match=r"found the same as .*4[zZ]6[oO]2[aA]\.wav"):
        datasets.load("tidigits", corpus)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_coding": "pcm,embedded-shorten-v2.00"}, "shorten, expected PCM; .*sph2pipe"),
        ({"sample_coding": "ulaw", "sample_n_bytes": 1}, "found .*, expected NIST SPHERE"),
        ({"channel_count": 2}, "found 2 channels of PCM_16"),
        ({"sample_n_bytes": 3}, "found .*, expected"),
        ({"sample_count": 5000}, "found 2000 samples, expected 5000"),
    ],
)
def test_unsupported_sound(tmp_path, fields, message):
    path = tmp_path / "train" / "man" / "ae" / "1a.wav"
    write_sphere(path, tone(), **fields)
    with pytest.raises(DatasetError, match=rf"1a\.wav: .*{message}") as caught:
        datasets.load("tidigits", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no sound", "found .*, expected a WAV file, or NIST SPHERE"),
        (b"NIST_1A\n   1024\nsample_count -i 5\n", "found no NIST_1A header that ends"),
        (b"", "found .*, expected a WAV file, or NIST SPHERE"),
    ],
)
def test_file_that_is_not_sound(tmp_path, content, message):
    path = tmp_path / "train" / "man" / "ae" / "1a.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"1a\.wav: {message}"):
        datasets.load("tidigits", tmp_path)


def test_header_without_sound(tmp_path):
    path = tmp_path / "train" / "man" / "ae" / "1a.wav"
    write_sphere(path, [])
    with pytest.raises(DatasetError, match=r"1a\.wav: found "):
        datasets.load("tidigits", tmp_path)
