# SPDX-License-Identifier: Apache-2.0
"""The loader of spoken digits, with folders that are as they should be and folders that are not."""

import numpy as np
import pytest

from golden.datasets.features import write_wav
from golden.datasets.fsdd import DatasetError, load_folder, of_split


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        write_wav(folder / name, np.full(800, 0.1))
    return folder


def test_digit_speaker_and_split_from_names(tmp_path):
    fill(tmp_path, "3_ann_0.wav", "4_ann_4.wav", "5_bob_5.wav", "6_bob_9.wav", "7_en-us_10.wav")
    recordings = load_folder(tmp_path)
    assert [(r.digit, r.speaker, r.index, r.split) for r in recordings] == [
        (3, "ann", 0, "test"),
        (4, "ann", 4, "test"),
        (5, "bob", 5, "validation"),
        (6, "bob", 9, "validation"),
        (7, "en-us", 10, "train"),
    ]
    assert recordings[0].samples.shape == (800,)
    assert [r.digit for r in of_split(recordings, "test")] == [3, 4]


def test_folder_of_the_set_itself(tmp_path):
    fill(tmp_path / "recordings", "3_ann_0.wav")
    assert len(load_folder(tmp_path)) == 1


@pytest.mark.parametrize("exists", [True, False])
def test_source_of_a_missing_set(tmp_path, exists):
    folder = tmp_path if exists else tmp_path / "none"
    with pytest.raises(DatasetError) as caught:
        load_folder(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{folder}: found ")
    assert "Jakobovski/free-spoken-digit-dataset" in text


@pytest.mark.parametrize("name", ["three_ann_0.wav", "3_ann.wav", "3_ann_0_1.wav", "12_ann_0.wav"])
def test_unknown_file_name(tmp_path, name):
    fill(tmp_path, "3_ann_0.wav", name)
    with pytest.raises(DatasetError, match=f"{name}: found the name {name}, expected"):
        load_folder(tmp_path)


def test_unreadable_recording_message(tmp_path):
    fill(tmp_path, "3_ann_0.wav")
    (tmp_path / "4_ann_0.wav").write_bytes(b"no sound")
    with pytest.raises(DatasetError, match=r"4_ann_0.wav: found [^\n]*, expected a WAV file"):
        load_folder(tmp_path)
