# SPDX-License-Identifier: Apache-2.0
"""Damaged and odd networks and model files: one line or a network as good as is said of it.

The command runs in this process, so that whatever escapes it fails the test.
"""

import contextlib
import io
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from golden.importers.importing import read_network
from golden.importers.quality import WARN_DB, random_input, run_floats, run_integers
from golden.model_file import ModelFileError, load_model, save_model
from golden.stimulus import random_model
from tb.cli import convert


def check_conversion(folder: Path, source: Path, *options: str) -> bool:
    """Convert, and hold what comes out against what is said; whether it was accepted."""
    before = sorted(folder.iterdir())
    out, err = io.StringIO(), io.StringIO()
    words = ["--input", str(source), "--output", str(folder / "m.npz"), *options]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with warnings.catch_warnings(action="error"):  # they are lines on stderr, too
                status: object = convert.main(words)
        except SystemExit as leaving:
            status = leaving.code
    said = err.getvalue()
    if status != 0:
        assert status == 2, said
        assert said.count("\n") == 1 and said.startswith("convert.py: "), said
        assert sorted(folder.iterdir()) == before
        return False
    assert sorted(folder.iterdir()) == sorted([*before, folder / "m.npz"])
    model = load_model(folder / "m.npz")
    layers = read_network(source).layers
    x = random_input(model.input_size)
    truth = run_floats(layers, x).h[-1]
    found = run_integers(model, x)[-1][..., : truth.shape[-1]]
    noise, signal = np.mean((found - truth) ** 2), np.mean(truth**2)
    stated = [float(row[1]) for row in map(str.split, error_rows(out.getvalue()))]
    ratio = np.inf if noise == 0 else 10 * np.log10(signal / noise)
    assert ratio >= stated[-1] - 0.06 and ratio >= 6
    assert min(stated) >= WARN_DB or "below 20 dB" in said
    return True


def error_rows(text: str) -> list[str]:
    """The lines of the table of errors of h."""
    return re.findall(r"(?m)^l\d+ +[-\d.inf]+ +[\d.e+-]+ +[\d.e+-]+   .*$", text)


# What a damaged or foreign state_dict does to the names and tensors of a good one.
NAMES = st.sampled_from(
    [f"{kind}_l{i}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") for i in (0, 1)]
)
SUFFIXES = st.sampled_from(
    ["_orig", "_mask", "_g", "_v", "_u", "_reverse", "_raw", "0", ".x", "\n", "é", ""]
)
CHANGES = st.one_of(
    st.tuples(st.just("drop"), NAMES, st.none()),
    st.tuples(st.just("rename"), NAMES, SUFFIXES),
    st.tuples(st.just("copy"), NAMES, SUFFIXES),
    st.tuples(st.just("scale"), NAMES, st.sampled_from([0.0, 1e-6, 3.0, 40.0, 1e30, np.nan])),
    st.tuples(st.just("shape"), NAMES, st.sampled_from([(), (0,), (48,), (64, 16), (48, 16)])),
    st.tuples(st.just("spike"), NAMES, st.floats(-8, 8)),
    st.tuples(st.just("type"), NAMES, st.sampled_from([torch.int8, torch.float16, torch.bool])),
    st.tuples(st.just("nest"), st.just(""), st.sampled_from(["model", "state_dict", "", "0"])),
)


def changed(content: dict[str, Any], change: tuple[str, str, Any]) -> dict[str, Any]:
    what, name, value = change
    content = dict(content)
    if what == "nest":
        return {value: content}
    if not torch.is_tensor(content.get(name)):
        return content
    tensor = content[name]
    if what in ("drop", "rename"):
        del content[name]
    if what in ("rename", "copy"):
        content[name + value] = tensor
    elif what == "scale":
        content[name] = tensor * value
    elif what == "shape":
        content[name] = torch.zeros(value)
    elif what == "spike":
        content[name] = tensor.clone()
        content[name].view(-1)[:3] = value
    elif what == "type":
        content[name] = tensor.to(value)
    return content


@given(
    seed=st.integers(0, 99),
    layers=st.integers(1, 2),
    changes=st.lists(CHANGES, max_size=3),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
@example(seed=0, layers=1, changes=[], cut=None)
@example(seed=0, layers=2, changes=[("spike", "weight_hh_l0", 8.0)], cut=None)
def test_fuzzed_state_dicts(
    seed: int, layers: int, changes: list[tuple[str, str, Any]], cut: float | None
) -> None:
    """Could break: a traceback, half a file, a poor network without a word."""
    torch.manual_seed(seed)
    content = dict(torch.nn.GRU(5, 16, layers).state_dict())
    for change in changes:
        content = changed(content, change)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "net.pt"
        torch.save(content, path)
        if cut is not None:
            data = path.read_bytes()
            path.write_bytes(data[: int(cut * len(data))])
        accepted = check_conversion(Path(name), path)
    assert accepted or changes or cut is not None


AXES_NODES: st.SearchStrategy[tuple[str, dict[str, Any], list[int] | None]] = st.one_of(
    st.builds(lambda p: ("Transpose", {"perm": p}, None), st.permutations([0, 1, 2, 3])),
    st.builds(lambda p: ("Transpose", {"perm": p}, None), st.permutations([0, 1, 2])),
    st.builds(
        lambda s: ("Reshape", {}, s),
        st.lists(st.sampled_from([-1, 0, 1, 2, 4, 8]), min_size=1, max_size=4),
    ),
    st.builds(
        lambda op, axis: (op, {}, [axis]),
        st.sampled_from(["Squeeze", "Unsqueeze"]),
        st.integers(-3, 3),
    ),
    st.sampled_from([("Identity", {}, None), ("Relu", {}, None), ("Flatten", {"axis": 1}, None)]),
)


@given(
    seed=st.integers(0, 99),
    between=st.lists(AXES_NODES, max_size=4),
    steps=st.sampled_from([1, 4, "t"]),
    batch=st.sampled_from([1, 2, "b"]),
    order=st.integers(0, 3),
)
@example(seed=0, between=[("Squeeze", {}, [1])], steps="t", batch=1, order=0)
@example(seed=0, between=[("Reshape", {}, [1, -1, 8])], steps="t", batch=1, order=1)
@example(seed=0, between=[("Reshape", {}, [-1, 1, 8])], steps="t", batch=1, order=2)
def test_fuzzed_onnx_graphs(
    seed: int,
    between: list[tuple[str, dict[str, Any], list[int] | None]],
    steps: int | str,
    batch: int | str,
    order: int,
) -> None:
    """Could break: a chain of axes that is accepted and means something else to ONNX Runtime."""
    rng = np.random.default_rng(seed)
    weights = {
        f"{key}{layer}": rng.uniform(-0.9, 0.9, shape).astype("f4")
        for layer in (1, 2)
        for key, shape in (("W", (1, 24, 8)), ("R", (1, 24, 8)), ("B", (1, 48)))
    }
    nodes, at = [gru(1, "x", "y0")], "y0"
    for i, (op, attributes, constant) in enumerate(between):
        inputs = [at]
        if constant is not None:
            weights[f"c{i}"] = np.array(constant)
            inputs.append(f"c{i}")
        at = f"y{i + 1}"
        nodes.append(helper.make_node(op, inputs, [at], **attributes))
    nodes.append(gru(2, at, "z"))
    if order:
        nodes = [nodes[i] for i in rng.permutation(len(nodes))]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "fuzz",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [steps, batch, 8])],
            [onnx.ValueInfoProto(name="z")],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 14)],
        ir_version=8,
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "net.onnx"
        onnx.save(model, path)
        if check_conversion(Path(name), path) and "Relu" not in {op for op, _, _ in between}:
            compare_with_onnxruntime(path, size(steps, 4), size(batch, 1))


def gru(number: int, x: str, y: str) -> onnx.NodeProto:
    inputs = [x, *(f"{key}{number}" for key in "WRB")]
    return helper.make_node("GRU", inputs, [y], hidden_size=8, linear_before_reset=1)


def size(given: int | str, free: int) -> int:
    """A size that may be free."""
    return free if isinstance(given, str) else given


def compare_with_onnxruntime(path: Path, steps: int, batch: int) -> None:
    """h of the float network that was read, beside ONNX Runtime's."""
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, quiet, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(steps, batch, 8)).astype("f4")
    (z,) = session.run(None, {"x": x})
    h = run_floats(read_network(path).layers, x.astype(float).transpose(1, 0, 2)).h[-1]
    assert np.allclose(z[:, 0].transpose(1, 0, 2), h, atol=1e-4)


VALUES = st.one_of(
    st.integers(-9, 2**40).map(np.int64),
    st.floats().map(np.float64),
    st.sampled_from([np.zeros((4, 16), np.int32), np.zeros((48, 16), np.int8), np.array("text")]),
    st.lists(st.integers(-(2**15), 2**15 - 1), max_size=3).map(lambda v: np.array(v, np.int16)),
)
KEYS = st.sampled_from(
    ["format", "num_layers", "lut_frac", "theta_x", "theta_h", "input_scale_log2", "more"]
    + [f"l{i}.{name}" for i in (0, 1, 7) for name in ("weight_ih", "weight_hh", "bias")]
)


@given(
    changes=st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=3),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    flip=st.one_of(st.none(), st.tuples(st.floats(0, 0.999), st.integers(1, 255))),
)
def test_fuzzed_model_files(
    changes: dict[str, Any], cut: float | None, flip: tuple[float, int] | None
) -> None:
    """Could break: a traceback of numpy, or a model that the integer model cannot run."""
    model = random_model(np.random.default_rng(0), 5, (16, 16), weight_scale=0.3)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "m.npz"
        save_model(path, model)
        with np.load(path) as archive:
            arrays = dict(archive) | changes
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        data = bytearray(path.read_bytes())
        if flip is not None:
            data[int(flip[0] * len(data))] ^= flip[1]
        path.write_bytes(data if cut is None else data[: int(cut * len(data))])
        try:
            found = load_model(path)
        except ModelFileError as error:
            assert "\n" not in str(error) and str(error).startswith(str(path))
            return
        try:
            h = run_integers(found, np.zeros((1, 3, found.input_size)))[-1]
        except ModelFileError as error:
            assert "input_scale_log2" in str(error)
            return
        assert h.shape == (1, 3, found.hidden_size)
