# SPDX-License-Identifier: Apache-2.0
"""scripts/convert.py as a person uses it: good runs, warnings, each kind of bad input."""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from golden.importers.convert import convert_gru
from golden.model_file import load_model


@functools.cache
def command_line() -> ModuleType:
    """scripts/convert.py as a module."""
    return importlib.import_module("tb.cli.convert")


@dataclass
class Typed:
    returncode: int
    stdout: str
    stderr: str


@dataclass
class Desk:
    """A folder with a trained network in it, and the command typed there."""

    folder: Path
    gru: torch.nn.GRU

    def save(self) -> None:
        torch.save(self.gru.state_dict(), self.folder / "net.pt")

    def type(self, *words: str, **files: str) -> Typed:
        out, err = io.StringIO(), io.StringIO()
        names = {"input": "net.pt", "output": "m.npz", **files}
        named = [word for name, value in names.items() for word in (f"--{name}", value)]
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = command_line().main([*named, *words])
            except SystemExit as leaving:
                status = leaving.code
        return Typed(status, out.getvalue(), err.getvalue())

    @property
    def output(self) -> Path:
        return self.folder / "m.npz"

    def listing(self) -> set[str]:
        return {p.name for p in self.folder.iterdir()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    torch.manual_seed(3)
    desk = Desk(tmp_path, torch.nn.GRU(5, 16, 2))
    desk.save()
    return desk


def test_model_file_and_table(desk: Desk) -> None:
    """Could break: an option that is read and not used; a table that is not the report's."""
    done = desk.type("--theta-x", "3", "--theta-h", "4,5", "--lut-frac", "6")
    assert done.returncode == 0 and done.stderr == ""
    expected, report = convert_gru(desk.gru, 3, [4, 5], 6)
    model = load_model(desk.folder / "m.npz")
    for key in ("weight_ih", "weight_hh", "bias"):
        pairs = zip(getattr(model, key), getattr(expected, key), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert model.theta_x.tolist() == [3, 3] and model.theta_h.tolist() == [4, 5]
    assert model.lut_frac == 6
    lines = done.stdout.splitlines()
    assert done.stdout.startswith(report.table() + "\nerror of h on random inputs")
    assert lines[-1] == "m.npz: 2 layers, sizes 5-16-16, 2672 parameters"
    assert desk.listing() == {"net.pt", "m.npz"}


@pytest.mark.parametrize("name", ["cost.csv", "cost.json"])
def test_report_file(desk: Desk, name: str) -> None:
    """Could break: a file that others cannot read, such as JSON with Infinity in it."""
    with torch.no_grad():
        desk.gru.get_parameter("weight_hh_l0").zero_()  # no noise: the ratio is infinite
    desk.save()
    assert desk.type("--report", name).returncode == 0
    text = (desk.folder / name).read_text()
    if name.endswith("json"):
        found = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
        assert found[1]["snr_db"] is None
    else:
        found = list(csv.DictReader(io.StringIO(text)))
        assert found[1]["snr_db"] == "inf"
    _, report = convert_gru(desk.gru)
    for row, record in zip(found, report.records(), strict=True):
        assert row["name"] == record["name"] and float(row["rms_error"]) == record["rms_error"]
        assert int(row["size"]) == record["size"]


@pytest.mark.parametrize(("clipped", "warned"), [(2, False), (3, True)])
def test_warning_of_clipped_weights(desk: Desk, clipped: int, warned: bool) -> None:
    """Could break: the limit of 0.1 %, here 2.54 of 2544 weights; biases do not count.

    Such biases wrap and spoil the network, so the limit of the error is off.
    """
    weights = sum(p.numel() for name, p in desk.gru.named_parameters() if "weight" in name)
    assert weights == 2544
    with torch.no_grad():
        desk.gru.get_parameter("weight_ih_l1").view(-1)[:clipped] = 1.5
        desk.gru.get_parameter("bias_ih_l0")[:] = 1e6
    desk.save()
    assert desk.type().returncode == 2
    done = desk.type("--min-snr", "off")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1 + warned
    assert ("0.12 % of the weights were clipped" in done.stderr) == warned
    row = next(line for line in done.stdout.splitlines() if line.startswith("l1.weight_ih"))
    assert row.split()[2] == str(clipped)


def with_outliers(desk: Desk, value: float, count: int = 6) -> None:
    with torch.no_grad():
        for unit in range(count):
            desk.gru.get_parameter("weight_hh_l0")[32 + unit, unit] = value
    desk.save()


def test_refusal_of_a_spoilt_network(desk: Desk) -> None:
    """Could break: a few outliers spoil the network, and the exit status is 0."""
    with_outliers(desk, 4.0)
    names = ["net.pt", "6 of 768 values of l0.weight_hh clipped", "n0", "6 dB", "--min-snr"]
    expect_bad_input(desk, desk.type(), *names)
    done = desk.type("--min-snr", "-20")
    assert done.returncode == 0 and "6 of 768 values" in done.stderr
    assert "error of h on random inputs" in done.stdout
    assert load_model(desk.folder / "m.npz").num_layers == 2


def test_warning_of_a_poor_network(desk: Desk) -> None:
    """Could break: an error between the two limits goes without a word."""
    with_outliers(desk, 1.6, 3)
    done = desk.type()
    assert done.returncode == 0 and "warning: " in done.stderr and "below 20 dB" in done.stderr
    assert "3 of 768 values of l0.weight_hh clipped" in done.stderr


def test_input_scale_by_calibration(desk: Desk) -> None:
    """Could break: the scale of the inputs is not in the file, or not said."""
    with torch.no_grad():
        desk.gru.get_parameter("weight_ih_l0").div_(300)
    desk.save()
    done = desk.type()
    assert "l0.weight_ih: the weights of 5 inputs" in done.stderr and "--calibrate" in done.stderr
    x = 300 * np.random.default_rng(1).normal(size=(80, 5)).astype("f4")
    np.save(desk.folder / "x.npy", x)
    desk.output.unlink()
    expect_poor = desk.type("--calibrate", "x.npy", "--input-scale", "off", "--min-snr", "off")
    assert "5 inputs" in expect_poor.stderr or "beyond +-128" in expect_poor.stderr
    desk.output.unlink()
    done = desk.type("--calibrate", "x.npy", "--theta-x", "1")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "x_j 2^-k_j: k = " in done.stdout and "at the thresholds given" in done.stdout
    model = load_model(desk.output)
    assert (model.input_scale_log2 >= 3).all()
    assert np.abs(model.quantise_input(x).astype(int)).max() < 32767


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 5), np.int16), "int16"),
        (np.zeros((4, 6)), "(4, 6)"),
        (np.full((4, 5), np.inf), "not finite"),
        (None, "cannot read"),
    ],
)
def test_unfit_calibration_input(desk: Desk, array: np.ndarray | None, words: str) -> None:
    """Could break: a stimulus of the device, or another network's inputs, are measured on."""
    place = desk.folder.parent / "x.npy"
    place.write_bytes(b"no array") if array is None else np.save(place, array)
    expect_bad_input(desk, desk.type("--calibrate", "../x.npy"), "x.npy", words)


def test_choice_of_direction_and_modules(desk: Desk) -> None:
    """Could break: an option that does not reach the reader."""
    torch.save(torch.nn.GRU(5, 16, bidirectional=True).state_dict(), desk.folder / "net.pt")
    expect_bad_input(desk, desk.type(), "--direction")
    done = desk.type("--direction", "reverse")
    assert done.returncode == 0 and "from its end to its start" in done.stdout
    desk.output.unlink()
    pair = torch.nn.ModuleDict({"rnn1": torch.nn.GRU(5, 16), "rnn2": torch.nn.GRU(16, 8)})
    torch.save(pair.state_dict(), desk.folder / "net.pt")
    expect_bad_input(desk, desk.type(), "rnn1., rnn2.", "--prefix", "commas")
    assert desk.type("--prefix", "rnn1,rnn2").returncode == 0
    assert load_model(desk.output).hidden_sizes == (16, 8)


def test_notes_on_ignored_parts(desk: Desk) -> None:
    """Could break: the command drops the reader's notes."""
    net = torch.nn.ModuleDict({"rnn": desk.gru, "readout": torch.nn.Linear(16, 2)})
    torch.save(net.state_dict(), desk.folder / "net.pt")
    assert "note: not part of the GRU, ignored: readout.weight" in desk.type().stdout
    done = desk.type("--prefix", "readout")
    assert done.returncode == 2 and "one of rnn." in done.stderr


@pytest.mark.parametrize(
    ("words", "files", "names"),
    [
        ([], {"input": "none.pt"}, ["none.pt", "no such file"]),
        ([], {"input": "."}, ["--format"]),
        (["--format", "onnx"], {}, ["net.pt", "onnx cannot read"]),
        (["--format", "tflite"], {}, ["--format", "state-dict"]),
        (["--prefix", "rnn"], {}, ["net.pt", "'rnn'"]),
        (["--theta-x", "1,2,3"], {}, ["--theta-x", "3 values", "2"]),
        (["--theta-h", "-1"], {}, ["--theta-h", "0 to 32767"]),
        (["--min-snr", "much"], {}, ["--min-snr", "'much'", "decibels"]),
        (["--calibrate", "none.npy"], {}, ["--calibrate", "none.npy", "no such file"]),
        (["--direction", "reverse"], {}, ["net.pt", "one direction"]),
        (["--lut-frac", "9"], {}, ["--lut-frac", "'9'", "4 to 8"]),
        (["--report", "cost.txt"], {}, ["--report", "cost.txt", ".csv or .json"]),
        (["--report", "none/cost.csv"], {}, ["--report", "none"]),
        (["--report", "m.json"], {"output": "m.json"}, ["--report", "m.json", "--output writes"]),
        ([], {"output": "net.pt"}, ["--output", "net.pt", "--input reads"]),
        ([], {"output": "none/m.npz"}, ["--output", "none"]),
        ([], {"output": "."}, ["--output", "folder"]),
    ],
)
def test_bad_input_message(
    desk: Desk, words: list[str], files: dict[str, str], names: list[str]
) -> None:
    """Could break: a traceback, an exit status of 0, a model file of a rejected command."""
    expect_bad_input(desk, desk.type(*words, **files), *names)


def test_advice_on_an_odd_hidden_size(desk: Desk) -> None:
    """Could break: --pad is needed and not named, or not heeded."""
    desk.gru = torch.nn.GRU(5, 12)
    desk.save()
    expect_bad_input(desk, desk.type(), "net.pt", "hidden size 12", "--pad")
    done = desk.type("--pad")
    assert done.returncode == 0 and "padded from 12 units" in done.stdout
    assert load_model(desk.folder / "m.npz").hidden_sizes == (16,)


def test_no_file_after_a_failed_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: a report without its model."""

    def full(path: Path, model: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(command_line(), "save_model", full)
    done = desk.type("--report", "cost.csv")
    assert done.returncode == 1 and done.stderr == "convert.py: no space left\n"
    assert desk.listing() == {"net.pt"}


def expect_bad_input(desk: Desk, done: Typed, *names: str) -> None:
    """Exit status 2, one line that holds all of ``names``, and nothing written."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("convert.py: ")
    missing = [name for name in names if name not in done.stderr]
    assert not missing, f"{missing} not in {done.stderr}"
    assert desk.listing() == {"net.pt"}


def test_help_text(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: an option without words, lines that wrap."""
    monkeypatch.setenv("COLUMNS", "100")
    done = desk.type("--help")
    assert done.returncode == 0
    for word in ("safetensors", "linear_before_reset", "exit status", "examples", "--pad", "Q8.8"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
