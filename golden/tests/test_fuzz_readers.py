# SPDX-License-Identifier: Apache-2.0
"""Readers of other people's files on made-up ones: a result or the error that they declare."""

import contextlib
import io

import numpy as np
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from golden import datasets
from golden.datasets import DatasetError
from golden.datasets.base import GroupSplits, Splits
from golden.datasets.features import read_wav
from golden.toml_file import TomlError, read_toml

CELLS = st.one_of(
    st.sampled_from(
        [
            *("1", "-2.5", "3e-12", "1,5", "20,013", "1.234,5", "5 %", "3 km", "1D+3", "0x1F"),
            *("true", "nan", "inf", "", "walk", "2026-12-01", "10:00:01", '"a', '"a b"', "a;b"),
            *("1_000", "−1", "1e999", "\x00", "\u0661", " ", "train", "test", "validation"),
            *("a.csv:1-2", "a.csv"),
        ]
    ),
    st.text(max_size=6),
    st.floats().map(repr),
)
NAMES = st.sampled_from(["a", "b", "time", "label", "y", "split", "file", "", "1", "0.5", "Zeit"])
MARKS = st.sampled_from([",", ";", "\t", "|"])


@st.composite
def texts(draw):
    """A file that is nearly a table."""
    mark, width = draw(MARKS), draw(st.integers(1, 5))
    header = draw(st.lists(NAMES, min_size=width, max_size=width))
    column = st.lists(CELLS, min_size=1, max_size=3)
    kinds = [draw(column) for _ in range(width)]
    rows = [
        [kind[(i * 7 + j) % len(kind)] for j, kind in enumerate(kinds)]
        for i in range(draw(st.integers(0, 12)))
    ]
    if rows and draw(st.integers(0, 4)) == 0:
        rows[0].append("more")
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(mark.join(row) for row in (header, *rows))
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])), "replace")
    return data[: draw(st.integers(len(data) // 2, len(data)))] if draw(st.booleans()) else data


def tried(path, **options):
    """One line, or a Dataset of finite numbers."""
    try:
        data = datasets.load("csv", path, **options)
    except DatasetError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(example.signal).all() for example in data.examples)


@given(texts(), st.sampled_from([".", ","]), st.sampled_from([None, "frames", "regression"]))
def test_fuzz_of_csv_files(tmp_path, data, decimal, task):
    """Could break: a traceback, or a value that is not finite, from a file that is no table."""
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    tried(path, decimal=decimal, task=task)


@given(st.one_of(texts(), st.binary(max_size=200)))
def test_fuzz_of_split_files(tmp_path, data):
    """Could break: a traceback from a split file that somebody edited."""
    rows = "".join(f"{i % 5},{'ab'[i % 2]}\n" for i in range(12))
    (tmp_path / "a.csv").write_text("x,label\n" + rows)
    (tmp_path / "s.txt").write_bytes(data)
    tried(tmp_path / "a.csv", split=tmp_path / "s.txt")


@st.composite
def sounds(draw):
    """A WAV file, with a few bytes changed, or cut."""
    file = io.BytesIO()
    kind = draw(
        st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
    )
    shape = draw(st.sampled_from([0, 50, (50, 2)]))
    form = draw(st.sampled_from(["WAV", "WAVEX", "FLAC"] if kind == "PCM_16" else ["WAV"]))
    soundfile.write(file, np.full(shape, 0.1), draw(st.integers(1, 96000)), kind, format=form)
    data = bytearray(file.getvalue())
    for _ in range(draw(st.integers(0, 3)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(st.one_of(sounds(), st.binary(max_size=60).map(lambda b: b"RIFF\x40\0\0\0WAVE" + b)))
def test_fuzz_of_wav_files(tmp_path, data):
    """Could break: a traceback, a hang or samples that are not finite from a damaged file."""
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        assert np.isfinite(read_wav(path)).all()


TOML = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.builds(
            "{} = {}".format,
            st.sampled_from(["train", "test", "validation", "seed", "[har]", "a.b", '"x"', "é"]),
            st.sampled_from(
                ['["s1"]', "[]", "3", "-1", '"the rest"', "1e999", "nan", "{}", "[", '"']
            )
            | st.text(max_size=5),
        ),
        max_size=6,
    ).map(lambda lines: "\n".join(["[har]", *lines])),
)


@given(st.one_of(TOML.map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=60)))
def test_fuzz_of_toml_files(tmp_path, data):
    """Could break: a traceback from a table that somebody edited."""
    path = tmp_path / "splits.toml"
    path.write_bytes(data)
    for kind in (Splits, dict[str, GroupSplits]):
        try:
            read_toml(path, kind)
        except TomlError as error:
            assert "\n" not in str(error)
