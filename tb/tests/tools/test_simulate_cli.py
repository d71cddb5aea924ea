# SPDX-License-Identifier: Apache-2.0
"""scripts/simulate.py as a person uses it: good runs, each kind of bad input, real failures."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from golden.integer import IntegerGru
from golden.model_file import Model, save_model
from tb.checks.compare import MismatchError
from tb.device import image
from tb.device.dram import parse_dram
from tb.device.image import WX, DramImage
from tb.failure import Failure, Kind, SimulationError
from tb.flows import simulation
from tb.flows.simulation import simulate
from tb.paths import REPO, SIMULATORS
from tb.records import from_json


def make_model(sizes: list[tuple[int, int]], theta: int = 0, seed: int = 5) -> Model:
    """Random weights of moderate size; ``sizes``: (inputs, units) of each layer."""
    rng = np.random.default_rng(seed)

    def weights(rows: int, columns: int) -> np.ndarray:
        return np.clip(rng.normal(0, 25, (rows, columns)), -128, 127).astype(np.int8)

    return Model(
        num_layers=len(sizes),
        lut_frac=8,
        weight_ih=tuple(weights(3 * h, i) for i, h in sizes),
        weight_hh=tuple(weights(3 * h, h) for _, h in sizes),
        bias=tuple(rng.integers(-(2**14), 2**14, (4, h)).astype(np.int32) for _, h in sizes),
        theta_x=np.full(len(sizes), theta, np.int16),
        theta_h=np.full(len(sizes), theta, np.int16),
    )


def make_stimulus(steps: int, inputs: int, seed: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(np.cumsum(rng.integers(-60, 61, (steps, inputs)), 0), -3000, 3000).astype("i2")


@functools.cache
def command_line() -> ModuleType:
    """scripts/simulate.py as a module."""
    return importlib.import_module("tb.cli.simulate")


@dataclasses.dataclass
class Typed:
    returncode: int
    stdout: str
    stderr: str


@dataclasses.dataclass
class Desk:
    """A folder with a model and a stimulus in it, and the command typed there."""

    folder: Path
    model: Model
    stimulus: np.ndarray

    def words(self, *words: str, **files: str) -> list[str]:
        names = {"model": "m.npz", "stimulus": "x.npy", "output": "out.npz", **files}
        return [*(w for name, value in names.items() for w in (f"--{name}", value)), *words]

    def type(self, *words: str, **files: str) -> Typed:
        """Run the command in this process, as a hundred starts of Python take their time."""
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = command_line().main(self.words(*words, **files))
            except SystemExit as leaving:
                status = leaving.code
        return Typed(status, out.getvalue(), err.getvalue())

    def listing(self) -> set[str]:
        return {p.name for p in self.folder.iterdir()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    model = make_model([(11, 16), (16, 24)], theta=8)
    stimulus = make_stimulus(6, 11)
    save_model(tmp_path / "m.npz", model)
    np.save(tmp_path / "x.npy", stimulus)
    return Desk(tmp_path, model, stimulus)


# --------------------------------------------------------------------------------- good runs


@pytest.mark.parametrize("sim", SIMULATORS)
def test_output_of_the_contract(desk: Desk, sim: str) -> None:
    words = desk.words("--sim", sim, "--theta-x", "16", "--theta-h", "4,9", "--steps", "5")
    command = [sys.executable, str(REPO / "scripts" / "simulate.py"), *words]
    done = subprocess.run(command, cwd=desk.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    golden = IntegerGru(desk.model)
    traces = [golden.step(x, 16, (4, 9)) for x in desk.stimulus[:5]]
    with np.load(desk.folder / "out.npz", allow_pickle=False) as out:
        assert set(out.files) == {
            *("h", "latency", "period", "columns_x", "columns_h", "dram_bytes"),
            *("wall_seconds", "cycles"),
        }
        assert out["h"].dtype == np.int16 and np.array_equal(out["h"], [t.h for t in traces])
        for key in ("latency", "period", "dram_bytes"):
            assert out[key].dtype == np.int64 and out[key].shape == (5,)
        for key in ("columns_x", "columns_h"):
            wanted = [[getattr(layer, key) for layer in t.layers] for t in traces]
            assert out[key].dtype == np.int64 and np.array_equal(out[key], wanted)
        assert np.array_equal(out["dram_bytes"], [t.dram_bytes for t in traces])
        assert out["period"][0] == out["latency"][0]
        assert np.array_equal(out["period"][1:], out["latency"][1:] + 1)
        assert out["cycles"].dtype == np.int64 and out["cycles"] >= out["period"].sum()
        assert out["wall_seconds"].dtype == np.float64 and out["wall_seconds"] > 0
    assert desk.listing() == {"m.npz", "x.npy", "out.npz"}


def test_simulator_agreement_and_repeatability(desk: Desk) -> None:
    outputs = []
    for name, words in {"a": ["icarus"], "b": ["verilator"], "c": ["verilator"]}.items():
        done = desk.type("--sim", *words, "--dram", "ddr3l", output=f"{name}.npz")
        assert done.returncode == 0, done.stderr
        with np.load(desk.folder / f"{name}.npz") as out:
            outputs.append({k: out[k] for k in out.files if k != "wall_seconds"})
    for other in outputs[1:]:
        assert all(np.array_equal(outputs[0][k], other[k]) for k in outputs[0])


def test_interval_in_cycles_after_h(desk: Desk) -> None:
    runs = {n: simulate(desk.model, desk.stimulus, interval=n) for n in (0, 1, 37)}
    for interval, result in runs.items():
        assert np.array_equal(result.period[1:], result.latency[1:] + 1 + interval)
    assert all(np.array_equal(r.h, runs[0].h) for r in runs.values())


def test_user_memory_and_stalls(desk: Desk) -> None:
    (desk.folder / "mine.toml").write_text(
        'mode = "ideal"\noutstanding = 3\n[stall]\nar_probability = 0.3\nr_probability = 0.5\n'
    )
    slow = desk.type("--dram", "mine.toml", "--seed", "4")
    assert slow.returncode == 0, slow.stderr
    again = desk.type("--dram", "mine.toml", "--seed", "4", output="again.npz")
    other = desk.type("--dram", "mine.toml", "--seed", "5", output="other.npz")
    assert again.returncode == other.returncode == 0
    names = ("out", "again", "other")
    latencies = [np.load(desk.folder / f"{name}.npz")["latency"] for name in names]
    assert np.array_equal(latencies[0], latencies[1])
    assert not np.array_equal(latencies[0], latencies[2])
    ideal = simulate(desk.model, desk.stimulus)
    assert (latencies[0] > ideal.latency).all()


def test_slow_h_consumer(desk: Desk) -> None:
    patient = simulate(desk.model, desk.stimulus, h_stall=0.8)
    assert np.array_equal(patient.h, simulate(desk.model, desk.stimulus).h)


@pytest.mark.parametrize("sim", SIMULATORS)
def test_waves(desk: Desk, sim: str) -> None:
    done = desk.type("--sim", sim, "--waves", "--steps", "2")
    assert done.returncode == 0, done.stderr
    waves = desk.listing() - {"m.npz", "x.npy", "out.npz"}
    assert waves in ({"out.fst"}, {"out.vcd"})
    assert (desk.folder / waves.pop()).stat().st_size > 10_000
    plain = desk.type("--sim", sim, "--steps", "2", output="plain.npz")
    assert plain.returncode == 0, plain.stderr
    with np.load(desk.folder / "out.npz") as one, np.load(desk.folder / "plain.npz") as other:
        same = [np.array_equal(one[key], other[key]) for key in one if key != "wall_seconds"]
    assert all(same), "another main program makes the clock: cycles must stay what they are"


def test_measurement_without_check(desk: Desk) -> None:
    done = desk.type("--no-check")
    assert done.returncode == 0 and "not checked" in done.stdout
    with np.load(desk.folder / "out.npz") as out:
        assert out["columns_h"].sum() > 0


@pytest.mark.parametrize(
    "sizes",
    [
        [(1, 8)],
        [(1024, 8)],
        [(7, 1024)],
        [(9, 8), (8, 136), (136, 24), (24, 64)],
    ],
    ids=str,
)
def test_extreme_sizes(sizes: list[tuple[int, int]]) -> None:
    result = simulate(make_model(sizes), make_stimulus(3, sizes[0][0]))
    assert result.h.shape == (3, sizes[-1][1])


def test_image_at_any_address(desk: Desk) -> None:
    apart = DramImage(desk.model, 64, edge=24, addresses={(1, WX): 0xFFFF_F000})
    result = simulate(desk.model, desk.stimulus, image=apart)
    assert np.array_equal(result.h, simulate(desk.model, desk.stimulus).h)


# --------------------------------------------------------------------------------- bad input


def spoil(desk: Desk, **arrays: object) -> None:
    """Rewrite the model file with some keys replaced; None takes a key out."""
    with np.load(desk.folder / "m.npz") as file:
        content = dict(file)
    content.update(arrays)
    np.savez(desk.folder / "m.npz", **{k: v for k, v in content.items() if v is not None})


BAD_MODELS = {
    "format": np.int64(2),
    "num_layers": np.int64(0),
    "lut_frac": np.int64(9),
    "l0.weight_ih": np.zeros((48, 11), np.int16),
    "l1.weight_ih": np.zeros((72, 17), np.int8),
    "l1.weight_hh": np.zeros((72, 23), np.int8),
    "l0.bias": np.zeros((4, 17), np.int32),
    "l1.bias": None,
    "theta_x": np.array([1, -1], np.int16),
    "theta_h": np.array([1], np.int16),
}


@pytest.mark.parametrize("key", BAD_MODELS)
def test_bad_model_message(desk: Desk, key: str) -> None:
    spoil(desk, **{key: BAD_MODELS[key]})
    expect_bad_input(desk, desk.type(), "m.npz", key)


BAD_STIMULI: dict[str, np.ndarray] = {
    "float": np.zeros((4, 11)),
    "wide": np.zeros((4, 11), np.int32),
    "vector": np.zeros(11, np.int16),
    "columns": np.zeros((4, 12), np.int16),
    "empty": np.zeros((0, 11), np.int16),
}


@pytest.mark.parametrize("kind", BAD_STIMULI)
def test_bad_stimulus_message(desk: Desk, kind: str) -> None:
    np.save(desk.folder / "x.npy", BAD_STIMULI[kind])
    expect_bad_input(desk, desk.type(), "x.npy", "array", "(T, 11)" if kind != "wide" else "int16")


@pytest.mark.parametrize("name", ["m.npz", "x.npy"])
@pytest.mark.parametrize("damage", ["missing", "folder", "text", "cut", "pickle"])
def test_unreadable_files(desk: Desk, name: str, damage: str) -> None:
    path = desk.folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "text":
        path.write_text("no array\n")
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "pickle":
        with path.open("wb") as file:
            np.save(file, np.array([{}], object), allow_pickle=True)
    expect_bad_input(desk, desk.type(), name)


def test_archive_as_stimulus(desk: Desk) -> None:
    expect_bad_input(desk, desk.type(stimulus="m.npz"), "m.npz", "array", "int16 (T, 11)")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--interval", "-1"], ["--interval", "'-1'"]),
        (["--interval", "soon"], ["--interval", "'soon'", "integer"]),
        (["--steps", "0"], ["--steps", "1 to 6"]),
        (["--steps", "7"], ["--steps", "1 to 6"]),
        (["--theta-x", "32768"], ["--theta-x", "0 to 32767"]),
        (["--theta-x", "-1"], ["--theta-x"]),
        (["--theta-h", "1,2,3"], ["--theta-h", "3 values", "2"]),
        (["--theta-h", "1,,2"], ["--theta-h", "''"]),
        (["--theta-h", "0.5"], ["--theta-h", "'0.5'"]),
        (["--seed", "x"], ["--seed"]),
        (["--sim", "questa"], ["--sim", "verilator", "icarus"]),
        (["--dram", "sram"], ["sram", "ideal", "ddr3l"]),
        (["--dram", "x.npy"], ["x.npy", "TOML"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_bad_options(desk: Desk, words: list[str], names: list[str]) -> None:
    expect_bad_input(desk, desk.type(*words), *names)


def test_bad_key_of_a_memory_file(desk: Desk) -> None:
    (desk.folder / "d.toml").write_text('mode = "ideal"\noutstandig = 4\n')
    expect_bad_input(desk, desk.type("--dram", "d.toml"), "d.toml", "outstandig")


@pytest.mark.parametrize("output", ["no/such/folder/out.npz", "folder"])
def test_bad_output_before_the_run(desk: Desk, output: str) -> None:
    (desk.folder / "folder").mkdir()
    expect_bad_input(desk, desk.type(output=output), output)


def test_read_only_folder(desk: Desk) -> None:
    """In /proc nobody can make a file, root neither."""
    expect_bad_input(desk, desk.type(output="/proc/out.npz"), "/proc", "read-only")


def expect_bad_input(desk: Desk, done: Typed, *names: str) -> None:
    """Exit status 2, one line that holds all of ``names``, and nothing written."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    missing = [name for name in names if name not in done.stderr]
    assert not missing, f"{missing} not in {done.stderr}"
    leftovers = desk.listing() - {"m.npz", "x.npy", "d.toml", "folder"}
    assert not leftovers, leftovers


def test_help_text(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    done = desk.type("--help")
    assert done.returncode == 0
    for word in ("int16", "Q8.8", "latency", "exit status", "examples", "--theta-x V[,V...]"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


# ------------------------------------------------------------------------------ real failures


def test_location_of_a_mismatch(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spoil one weight of the golden side only: the run must stop at the first difference."""
    layer = [np.array(w) for w in desk.model.weight_hh]
    layer[1][24 + 5, :] ^= 64  # the z row of unit 5
    wrong = dataclasses.replace(desk.model, weight_hh=tuple(layer))
    monkeypatch.setattr(simulation, "IntegerGru", lambda model: IntegerGru(wrong))
    with pytest.raises(MismatchError) as caught:
        simulate(desk.model, desk.stimulus)
    text = str(caught.value)
    assert "layer 1" in text and "element 5" in text and "gate z" in text and "M_z" in text
    assert text.startswith(f"step {caught.value.step}, ") and caught.value.step


def test_exit_status_of_a_wrong_result(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = image.pack_bias
    monkeypatch.setattr(image, "pack_bias", lambda bias, lanes: pack(bias ^ (1 << 20), lanes))
    done = desk.type("--failure", "why.json")
    assert done.returncode == 1, done.stderr
    assert "mismatch: step 0, layer 0, element 0, gate r, memory M_r" in done.stderr
    why = desk.folder / "why.json"
    failure = from_json(why.read_text(), Failure)
    why.unlink()
    found = failure.difference
    assert found is not None and failure.run is not None
    assert failure.kind is Kind.MISMATCH and failure.run.design.top == "run_top"
    assert (found.step, found.layer, found.element, found.gate) == (0, 0, 0, "r")
    assert found.expected != found.found
    assert "REPRODUCE: python scripts/simulate.py" in done.stderr
    assert "--steps 1 --waves" in done.stderr
    assert desk.listing() == {"m.npz", "x.npy"}


def test_wild_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell the core an address that holds nothing."""
    moved = DramImage(desk.model, 64)
    moved.addr_wh = (moved.addr_wh[0], moved.end + 4096)
    with pytest.raises(SimulationError, match="REPRODUCE") as caught:
        simulate(desk.model, desk.stimulus, image=moved)
    assert "WILD" in str(caught.value)


def test_hang(desk: Desk) -> None:
    """A memory that never answers: the bench gives up, not the person who waits."""
    memory = parse_dram({"mode": "ideal"})
    dead = dataclasses.replace(memory, values={**memory.values, "DRAM_STALL_R": 1000})
    with pytest.raises(SimulationError, match="hang before the first step"):
        simulate(desk.model, desk.stimulus, dram=dead)
    with pytest.raises(SimulationError, match="hang, status"):
        simulate(desk.model, desk.stimulus, h_stall=1.0)
