# SPDX-License-Identifier: Apache-2.0
"""Model files: what is written comes back, and whatever is malformed is refused in one line."""

import io
import zipfile

import numpy as np
import pytest

from golden.model_file import ModelFileError, load_model, save_model
from golden.stimulus import random_model


@pytest.fixture
def model(rng):
    return random_model(rng, 5, (16, 8), lut_frac=6, theta_x=(3, 4), theta_h=7)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def arrays(tmp_path, model):
    """The arrays of a good file, to be spoilt one at a time."""
    save_model(tmp_path / "good.npz", model)
    with np.load(tmp_path / "good.npz") as archive:
        return dict(archive)


def assert_refused(path, *parts):
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    for part in (*parts, "found", "expected"):
        assert part in text


def test_model_round_trip(tmp_path, model):
    path = tmp_path / "m.npz"
    model.extras["note"] = np.array("text")
    model.extras["scale"] = np.arange(3.0)
    save_model(path, model)
    back = load_model(path)
    for name in ("weight_ih", "weight_hh", "bias"):
        for a, b in zip(getattr(back, name), getattr(model, name), strict=True):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)
    assert (back.num_layers, back.lut_frac) == (2, 6)
    assert back.theta_x.tolist() == [3, 4]
    assert back.theta_h.tolist() == [7, 7]
    assert str(back.extras["note"]) == "text"
    assert back.extras["scale"].tolist() == [0, 1, 2]


def test_keys_of_format_1(arrays):
    assert {key: (str(a.dtype), a.shape) for key, a in arrays.items()} == {
        "format": ("int64", ()),
        "num_layers": ("int64", ()),
        "lut_frac": ("int64", ()),
        "l0.weight_ih": ("int8", (48, 5)),
        "l0.weight_hh": ("int8", (48, 16)),
        "l0.bias": ("int32", (4, 16)),
        "l1.weight_ih": ("int8", (24, 16)),
        "l1.weight_hh": ("int8", (24, 8)),
        "l1.bias": ("int32", (4, 8)),
        "theta_x": ("int16", (2,)),
        "theta_h": ("int16", (2,)),
    }


def test_sizes_and_parameters(model):
    assert model.input_sizes == (5, 16)
    assert model.hidden_sizes == (16, 8)
    assert (model.input_size, model.hidden_size) == (5, 8)
    assert model.parameters == 48 * (5 + 16) + 4 * 16 + 24 * (16 + 8) + 4 * 8


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("format", np.int64(2), ("format: found 2", "expected 1")),
        ("format", np.int32(1), ("format", "dtype int32", "int64")),
        ("format", np.array([1, 1]), ("format", "shape (2,)")),
        ("num_layers", np.int64(0), ("num_layers: found 0", "1...4")),
        ("num_layers", np.int64(5), ("num_layers: found 5", "1...4")),
        ("num_layers", np.int64(1), ("l1.", "a tensor of layer 1")),
        ("num_layers", np.int64(3), ("l2.weight_ih", "no such key")),
        ("lut_frac", np.int64(9), ("lut_frac: found 9", "4...8")),
        ("lut_frac", np.int64(3), ("lut_frac: found 3", "4...8")),
        ("lut_frac", np.float64(8), ("lut_frac", "float64")),
        ("l0.weight_ih", np.zeros((48, 5), np.int16), ("l0.weight_ih", "int16", "int8")),
        ("l0.weight_ih", np.zeros((47, 5), np.int8), ("l0.weight_ih", "(47, 5)", "48")),
        ("l0.weight_ih", np.zeros(48, np.int8), ("l0.weight_ih", "(48,)")),
        ("l0.weight_ih", np.zeros((48, 0), np.int8), ("l0.weight_ih", "0 inputs", "1...1024")),
        ("l0.weight_ih", np.zeros((48, 1025), np.int8), ("l0.weight_ih", "1025", "1...1024")),
        ("l1.weight_ih", np.zeros((24, 15), np.int8), ("l1.weight_ih", "15 inputs", "16")),
        ("l0.weight_hh", np.zeros((36, 12), np.int8), ("l0.weight_hh", "H = 12", "steps of 8")),
        ("l0.weight_hh", np.zeros((0, 0), np.int8), ("l0.weight_hh", "H = 0", "8...1024")),
        ("l0.weight_hh", np.zeros((48, 8), np.int8), ("l0.weight_hh", "(48, 8)", "(3H, H)")),
        ("l0.weight_hh", np.zeros((3096, 1032), np.int8), ("l0.weight_hh", "1032", "1024")),
        ("l1.bias", np.zeros((4, 8), np.int64), ("l1.bias", "int64", "int32")),
        ("l1.bias", np.zeros((3, 8), np.int32), ("l1.bias", "(3, 8)", "(4, 8)")),
        ("theta_x", np.array([0, -1], np.int16), ("theta_x: found -1", "0...32767")),
        ("theta_h", np.array([0], np.int16), ("theta_h", "(1,)", "(2,)")),
        ("theta_h", np.array([0, 0], np.int32), ("theta_h", "int32", "int16")),
    ],
)
def test_wrong_value_message(tmp_path, arrays, key, value, parts):
    path = tmp_path / "bad.npz"
    np.savez(path, **{**arrays, key: value})
    assert_refused(path, *parts)


@pytest.mark.parametrize(
    "key", ["format", "num_layers", "lut_frac", "l0.weight_ih", "l1.weight_hh", "l1.bias",
            "theta_x", "theta_h"],
)  # fmt: skip
def test_missing_key_message(tmp_path, arrays, key):
    del arrays[key]
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    assert_refused(path, f"{key}: found no such key")


def test_no_unpickling(tmp_path, arrays):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays, surprise=np.array([{}], dtype=object))
    assert_refused(path, "surprise", "without Python objects")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"text\n" * 100])
def test_file_that_is_not_an_archive(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    assert_refused(path, "file")


def test_single_array(tmp_path):
    path = tmp_path / "bad.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert_refused(path, "a single array")


def test_truncated_file(tmp_path, model):
    path = tmp_path / "bad.npz"
    save_model(path, model)
    data = path.read_bytes()
    for size in (10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:size])
        assert_refused(path)


def test_truncated_member_message(tmp_path, arrays):
    """An archive in order whose array lacks its last bytes."""
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    buffer = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data[:-3] if name == "l0.bias.npy" else data)
    path.write_bytes(buffer.getvalue())
    assert_refused(path, "l0.bias", "unreadable")


def test_missing_file_and_folder(tmp_path):
    assert_refused(tmp_path / "none.npz", "no such file")
    assert_refused(tmp_path, "a folder")


def test_one_theta_and_one_per_layer(model):
    assert model.with_theta(theta_x=9).theta_x.tolist() == [9, 9]
    changed = model.with_theta(theta_h=[0, 32767])
    assert changed.theta_h.tolist() == [0, 32767]
    assert changed.theta_x.tolist() == [3, 4]
    assert model.theta_h.tolist() == [7, 7]


@pytest.mark.parametrize("theta", [-1, 32768, [1, 2, 3], 0.5, [[1, 2]], []])
def test_bad_theta(model, theta):
    with pytest.raises(ModelFileError, match=r"theta_x: found .* expected 0\.\.\.32767"):
        model.with_theta(theta_x=theta)


def test_no_file_after_a_failed_save(tmp_path, model):
    path = tmp_path / "m.npz"
    save_model(path, model)
    before = path.read_bytes()
    model.extras["bad"] = np.array([None], dtype=object)
    with pytest.raises(ModelFileError, match="bad: found Python objects"):
        save_model(path, model)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]


def test_extra_with_a_reserved_name(tmp_path, model):
    model.extras["l3.bias"] = np.zeros(3)
    with pytest.raises(ModelFileError, match="reserved"):
        save_model(tmp_path / "m.npz", model)
    assert not list(tmp_path.iterdir())
