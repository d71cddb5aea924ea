# SPDX-License-Identifier: Apache-2.0
"""Networks read from files of PyTorch and ONNX: good ones exactly, all others refused in a line."""

import argparse
import itertools
import json
import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch.nn.utils import prune

from golden.importers.convert import (
    ConversionError,
    convert_delta_gru,
    convert_gru,
    convert_layers,
)
from golden.importers.importing import read_network
from golden.importers.quality import run_floats
from golden.integer import run
from golden.model_file import ModelFileError
from golden.train.delta_gru import DeltaGRU


class Classifier(torch.nn.Module):
    """What people train: a GRU with something around it."""

    def __init__(self, layers=2, hidden=16, batch_first=True):
        super().__init__()
        self.rnn = torch.nn.GRU(5, hidden, layers, batch_first=batch_first)
        self.readout = torch.nn.Linear(hidden, 3)

    def forward(self, x):
        return self.readout(torch.relu(self.rnn(x)[0][:, -1]))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(7)


def same(model, other):
    """Whether two models have the same tensors."""
    return model.num_layers == other.num_layers and all(
        np.array_equal(a, b)
        for key in ("weight_ih", "weight_hh", "bias")
        for a, b in zip(getattr(model, key), getattr(other, key), strict=True)
    )


def imported(path, **options):
    """The integer model of what is read from `path`."""
    return convert_layers(read_network(path, **options).layers)[0]


def refusal(path, **options):
    """The one line with which reading and converting `path` is refused."""
    with pytest.raises((ConversionError, ModelFileError)) as caught:
        convert_layers(read_network(path, **options).layers, source=str(path))
    line = str(caught.value)
    assert "\n" not in line and ": found " in line and ", expected " in line
    assert line.startswith(str(path))
    return line


# ------------------------------------------------------------------------------ state_dict


@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors"])
@pytest.mark.parametrize("bias", [True, False])
def test_state_dict_equality(tmp_path, suffix, bias):
    """Could break: a tensor under a wrong name, biases merged otherwise than in `convert_gru`."""
    gru = torch.nn.GRU(5, 16, 3, bias=bias)
    path = tmp_path / f"net.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(gru.state_dict(), path)
    network = read_network(path)
    assert same(convert_layers(network.layers)[0], convert_gru(gru)[0])
    assert network.notes == ()


def test_prefix_detection_and_ignored_names(tmp_path):
    """Could break: a GRU inside a module, inside DataParallel, inside a checkpoint."""
    net = Classifier()
    for depth, content in enumerate(
        (
            net.state_dict(),
            torch.nn.DataParallel(net).state_dict(),
            {"epoch": 3, "model": net.state_dict(), "losses": [0.5]},
        )
    ):
        torch.save(content, tmp_path / f"{depth}.pt")
        network = read_network(tmp_path / f"{depth}.pt")
        assert same(convert_layers(network.layers)[0], convert_gru(net.rnn)[0])
        (note,) = network.notes
        assert "readout.weight" in note and "readout.bias" in note and "rnn" not in note


def test_prefix_choice_between_two_networks(tmp_path):
    """Could break: the first one is taken unasked, or the last dot of a prefix matters."""
    pair = torch.nn.ModuleDict({"a": torch.nn.GRU(5, 8), "b": torch.nn.GRU(5, 16)})
    save_file(pair.state_dict(), tmp_path / "two.safetensors")
    line = refusal(tmp_path / "two.safetensors")
    assert "a., b." in line and "--prefix" in line
    for prefix in ("b", "b."):
        model = imported(tmp_path / "two.safetensors", prefix=prefix)
        assert same(model, convert_gru(pair["b"])[0])
    assert "one of a., b." in refusal(tmp_path / "two.safetensors", prefix="c")


@pytest.mark.parametrize("prefix", ["", "net."])
def test_delta_gru_with_layer_widths(tmp_path, prefix):
    """Could break: this repository's own training networks."""
    net = DeltaGRU(5, [24, 8])
    content = {prefix + name: tensor.detach() for name, tensor in net.state_dict().items()}
    torch.save(content, tmp_path / "net.pt")
    assert same(imported(tmp_path / "net.pt"), convert_delta_gru(net)[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_float_types(tmp_path, dtype):
    """Could break: bfloat16, which numpy lacks."""
    gru = torch.nn.GRU(5, 8).to(dtype)
    save_file(gru.state_dict(), tmp_path / "net.safetensors")
    assert same(imported(tmp_path / "net.safetensors"), convert_gru(gru)[0])


def spoiled(change):
    """The state_dict of a GRU after `change`."""
    content = dict(torch.nn.GRU(5, 16, 2).state_dict())
    change(content)
    return content


BAD_STATE_DICTS = {
    "bidirectional": (
        lambda: torch.nn.GRU(5, 16, bidirectional=True).state_dict(),
        "weight_ih_l0_reverse, of a second direction",
    ),
    "LSTM": (lambda: torch.nn.LSTM(5, 16).state_dict(), "shape (64, 16), as an LSTM has it"),
    "RNN": (lambda: torch.nn.RNN(5, 16).state_dict(), "shape (16, 16), as a plain RNN has it"),
    "projection": (
        lambda: torch.nn.LSTM(5, 16, proj_size=8).state_dict(),
        "weight_hr_l0, a projection",
    ),
    "no GRU": (lambda: torch.nn.Linear(5, 16).state_dict(), "no GRU"),
    "hidden size": (lambda: torch.nn.GRU(5, 12).state_dict(), "hidden size 12"),
    "layers": (lambda: torch.nn.GRU(5, 8, 5).state_dict(), "num_layers: found 5"),
    "inputs": (lambda: torch.nn.GRU(1025, 8).state_dict(), "1025 inputs"),
    "missing": (lambda: spoiled(lambda d: d.pop("weight_ih_l1")), "no weight_ih_l1"),
    "half a bias": (lambda: spoiled(lambda d: d.pop("bias_hh_l0")), "no bias_hh_l0"),
    "gap": (
        lambda: spoiled(lambda d: d.update(weight_hh_l7=d.pop("weight_hh_l1"))),
        "no weight_hh_l1",
    ),
    "extra": (lambda: spoiled(lambda d: d.update(bias_ih_l2=torch.zeros(48))), "bias_ih_l2"),
    "bias shape": (
        lambda: spoiled(lambda d: d.update(bias_ih_l1=torch.zeros(16))),
        "bias_ih_l1: found shape (16,)",
    ),
    "chain": (
        lambda: spoiled(lambda d: d.update(weight_ih_l1=torch.zeros(48, 17))),
        "l1.weight_ih: found shape (48, 17), expected (48, 16)",
    ),
    "integers": (
        lambda: spoiled(lambda d: d.update(weight_hh_l0=torch.zeros(48, 16, dtype=torch.int8))),
        "weight_hh_l0: found int8",
    ),
    "sparse": (
        lambda: spoiled(lambda d: d.update(weight_hh_l0=torch.zeros(48, 16).to_sparse())),
        "sparse",
    ),
    "no values": (
        lambda: spoiled(lambda d: d.update(weight_hh_l0=torch.zeros(48, 16, device="meta"))),
        "meta",
    ),
    "scalar": (
        lambda: spoiled(lambda d: d.update(weight_hh_l0=torch.tensor(1.0))),
        "weight_hh_l0: found shape ()",
    ),
    "empty": (
        lambda: spoiled(lambda d: d.update(weight_hh_l0=torch.zeros(0, 0))),
        "weight_hh_l0: found shape (0, 0)",
    ),
    "not finite": (
        lambda: spoiled(lambda d: d["weight_hh_l0"].fill_(float("nan"))),
        "not finite",
    ),
    "a tensor": (lambda: torch.zeros(3), "a Tensor, expected a state_dict"),
    "a list": (lambda: [torch.zeros(3)], "a list, expected a state_dict"),
}


@pytest.mark.parametrize("kind", BAD_STATE_DICTS)
def test_unsupported_state_dict_message(tmp_path, kind):
    """Could break: a network that is nearly a GRU is converted to another network."""
    content, words = BAD_STATE_DICTS[kind]
    torch.save(content(), tmp_path / "net.pt")
    assert words in refusal(tmp_path / "net.pt")


class Malicious:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_no_execution_of_code_in_files(tmp_path, writer):
    """Could break: unpickling runs what somebody else wrote."""
    content = {"weight_hh_l0": Malicious(tmp_path / "ran")}
    path = tmp_path / "net.pt"
    if writer == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    assert "without running code" in refusal(path)
    assert not (tmp_path / "ran").exists()
    torch.load(path, weights_only=False) if writer == "torch" else pickle.loads(path.read_bytes())
    assert (tmp_path / "ran").exists(), "the file was harmless, and the test saw nothing"


def test_pickled_module(tmp_path):
    """Could break: torch.save(network), which needs the network's class, ends in a traceback."""
    torch.save(torch.nn.GRU(5, 8), tmp_path / "net.pt")
    assert "state_dict()" in refusal(tmp_path / "net.pt")


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "onnx"])
@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "half", "tail"])
def test_damaged_files(tmp_path, suffix, damage):
    """Could break: any of the three parsers raises something else than it promises."""
    gru = torch.nn.GRU(5, 8)
    path = tmp_path / f"net.{suffix}"
    if suffix == "onnx":
        onnx.save(graph(gru_node()), path)
    else:
        (save_file if suffix == "safetensors" else torch.save)(gru.state_dict(), path)
    whole = path.read_bytes()
    read_network(path)
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        cut = {"empty": b"", "text": b"no network\n", "half": whole[: len(whole) // 2]}
        path.write_bytes(cut.get(damage, whole[:-9]))
    refusal(path)


def test_unknown_suffix_without_format(tmp_path):
    """Could break: guessing."""
    gru = torch.nn.GRU(5, 8)
    torch.save(gru.state_dict(), tmp_path / "net.tar")
    assert "suffix '.tar'" in refusal(tmp_path / "net.tar")
    assert same(imported(tmp_path / "net.tar", form="state-dict"), convert_gru(gru)[0])


# ----------------------------------------------------------------------------- exported ONNX


def export(network, x, path, dynamo, **options):
    """torch.onnx.export, without its warnings."""
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(network, (x,), path, dynamo=dynamo, verbose=False, **options)


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_exported_gru_equality(tmp_path, dynamo, batch_first, layers):
    """Could break: gate order, biases, or a chain of layers as either exporter writes it."""
    gru = torch.nn.GRU(5, 16, layers, batch_first=batch_first)
    export(gru, torch.randn(1, 4, 5), tmp_path / "net.onnx", dynamo)
    network = read_network(tmp_path / "net.onnx")
    assert same(convert_layers(network.layers)[0], convert_gru(gru)[0])
    assert network.notes == ()


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("bias", [False, True])
def test_exported_gru_without_batches(tmp_path, dynamo, bias):
    """Could break: the batch axis put in and taken out again between layers; absent biases."""
    gru = torch.nn.GRU(5, 8, 2, bias=bias)
    export(gru, torch.randn(4, 5), tmp_path / "net.onnx", dynamo)
    assert same(imported(tmp_path / "net.onnx"), convert_gru(gru)[0])


@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
def test_exported_network_with_dynamic_sizes(tmp_path, dynamo):
    """Could break: shapes computed at run time between the layers and for the initial state; what
    is around the GRU goes unmentioned.
    """
    net = Classifier()
    options = (
        {"dynamic_shapes": {"x": {0: "batch"}}}  # it takes no free number of steps
        if dynamo
        else {"dynamic_axes": {"x": {0: "batch", 1: "time"}}, "input_names": ["x"]}
    )
    export(net, torch.randn(2, 4, 5), tmp_path / "net.onnx", dynamo, **options)
    network = read_network(tmp_path / "net.onnx")
    assert same(convert_layers(network.layers)[0], convert_gru(net.rnn)[0])
    assert network.notes == ("after the GRU, ignored: Relu, Gemm",)


def test_external_weights_and_rearranging_nodes(tmp_path):
    """Could break: external data looked for elsewhere; weights of more than some thousand values,
    which the exporter slices and joins in the graph instead of beforehand.
    """
    gru = torch.nn.GRU(64, 64, 2)
    export(gru, torch.randn(4, 1, 64), tmp_path / "net.onnx", True)
    assert "Concat" in {n.op_type for n in onnx.load(tmp_path / "net.onnx").graph.node}
    (beside,) = tmp_path.glob("net.onnx.*")
    assert same(imported(tmp_path / "net.onnx"), convert_gru(gru)[0])
    beside.unlink()
    assert "data file" in refusal(tmp_path / "net.onnx")


def test_export_without_constant_folding(tmp_path):
    """Could break: the older exporter's way of slicing and joining weights in the graph."""
    gru = torch.nn.GRU(5, 8)
    options = {"do_constant_folding": False}
    export(gru, torch.randn(4, 1, 5), tmp_path / "net.onnx", False, **options)
    assert same(imported(tmp_path / "net.onnx"), convert_gru(gru)[0])


# ---------------------------------------------------------------------------- hand-made ONNX


def initializer(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def gru_node(x="x", y="y", inputs=("W", "R", "B"), name="gru", op="GRU", **attributes):
    """A GRU node of 8 units; None leaves out an attribute that it has otherwise."""
    attributes = {"hidden_size": 8, "linear_before_reset": 1, **attributes}
    given = {key: value for key, value in attributes.items() if value is not None}
    return helper.make_node(op, [x, *inputs], [y, f"{y}_h"], name=name, **given)


def any_size(name, rank=3):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank)


def graph(*nodes, weights=(), inputs=("x",), opset=14, output="y"):
    """A model of `nodes` with W (1, 24, 8), R and B of zeros but for what `weights` replaces."""
    tensors = {
        "W": np.zeros((1, 24, 8), np.float32),
        "R": np.zeros((1, 24, 8), np.float32),
        "B": np.zeros((1, 48), np.float32),
        **dict(weights),
    }
    return helper.make_model(
        helper.make_graph(
            nodes,
            "hand-made",
            [any_size(name) for name in inputs],
            [any_size(output, 4)],
            [initializer(name, array) for name, array in tensors.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("mine", 1)],
    )


def distinct(rows, columns, offset=0.0):
    """(1, 3 * rows, columns): row k holds k / 128, so that a row out of place is seen."""
    values = np.arange(3 * rows, dtype=np.float32) / 128 + offset
    return np.repeat(values[None, :, None], columns, axis=2)


@pytest.mark.parametrize(("layout", "opset"), [(0, 7), (0, 14), (1, 14), (1, 22)])
def test_gate_order_conversion(tmp_path, layout, opset):
    """Could break: the order of gates, of the two halves of B, and Constant nodes for weights."""
    bias = np.arange(48, dtype=np.float32)[None] / 128
    weights = {"W": distinct(8, 8), "R": distinct(8, 8, -0.25)}
    constant = helper.make_node("Constant", [], ["C"], value=initializer("", bias))
    node = gru_node(inputs=("W", "R", "C"), layout=1 if layout else None)
    onnx.save(graph(constant, node, weights=weights, opset=opset), tmp_path / "net.onnx")
    model = imported(tmp_path / "net.onnx")
    z, r, h = np.arange(24).reshape(3, 8)
    expected = np.concatenate([r, z, h])
    assert np.array_equal(model.weight_ih[0], np.repeat(expected[:, None], 8, axis=1))
    assert np.array_equal(model.weight_hh[0], model.weight_ih[0] - 32)
    assert np.array_equal(model.bias[0] // 256, [r + r + 24, z + z + 24, h, h + 24])


ZEROS = initializer("", np.zeros((1, 1, 8), np.float32))


@pytest.mark.parametrize(
    "nodes",
    [
        [],
        [helper.make_node("Constant", [], ["h0"], value=ZEROS)],
        [helper.make_node("ConstantOfShape", ["shape"], ["h0"])],
        [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("Identity", ["zeros"], ["h0"]),
        ],
    ],
    ids=["absent", "Constant", "ConstantOfShape", "Identity"],
)
def test_zero_initial_state_without_note(tmp_path, nodes):
    """Could break: zeros that come by another way are refused."""
    node = gru_node(inputs=("W", "R", "B", "", "h0" if nodes else ""))
    onnx.save(graph(*nodes, node, weights={"shape": np.array([1, 1, 8])}), tmp_path / "net.onnx")
    assert read_network(tmp_path / "net.onnx").notes == ()


def test_notes_on_fed_state_and_earlier_nodes(tmp_path):
    """Could break: what the device will not do is passed over in silence."""
    nodes = [
        helper.make_node("Relu", ["x"], ["positive"]),
        gru_node("positive", inputs=("W", "R", "B", "", "h0")),
    ]
    onnx.save(graph(*nodes, inputs=("x", "h0")), tmp_path / "net.onnx")
    notes = read_network(tmp_path / "net.onnx").notes
    assert len(notes) == 2 and "'h0'" in notes[0] and "Relu" in notes[1]


def lstm():
    wide = {"W": np.zeros((1, 32, 8), np.float32), "R": np.zeros((1, 32, 8), np.float32)}
    node = gru_node(inputs=("W", "R"), op="LSTM", linear_before_reset=None)
    return graph(node, weights=wide)


def start_of(value):
    return graph(
        gru_node(inputs=("W", "R", "B", "", "h0")),
        weights={"h0": np.full((1, 1, 8), value, np.float32)},
    )


def computed_start():
    nodes = [helper.make_node("Relu", ["s"], ["h0"]), gru_node(inputs=("W", "R", "B", "", "h0"))]
    return graph(*nodes, inputs=("x", "s"))


def filled_start():
    value = initializer("", np.ones(1, np.float32))
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["h0"], value=value),
        gru_node(inputs=("W", "R", "B", "", "h0")),
    ]
    return graph(*nodes, weights={"shape": np.array([1, 1, 8])})


def made_of(op, *inputs, **attributes):
    return graph(
        helper.make_node(op, inputs, ["V"], name="made", **attributes),
        gru_node(inputs=("V", "R", "B")),
        weights={"far": np.array([7])},
    )


def doubled():
    """W joined with itself until it would fill the memory."""
    names = ["W", *(f"W{i}" for i in range(40))]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=2) for a, b in itertools.pairwise(names)]
    return graph(*nodes, gru_node(inputs=(names[-1], "R", "B")))


def damaged():
    model = graph(gru_node())
    next(t for t in model.graph.initializer if t.name == "R").raw_data = b"short"
    return model


def chain(*between, first=None, second=None, **options):
    """Two GRU nodes with nodes between them, that take y and make x2."""
    return graph(gru_node(**(first or {})), *between, gru_node("x2", "y2", name="two",
                 **(second or {})), output="y2", **options)  # fmt: skip


BAD_GRAPHS = {
    "reverse": (lambda: graph(gru_node(direction="reverse")), "direction reverse"),
    "bidirectional": (
        lambda: graph(
            gru_node(direction="bidirectional"), weights={"W": np.zeros((2, 24, 8), np.float32)}
        ),
        "direction bidirectional, expected forward",
    ),
    "reset first": (lambda: graph(gru_node(linear_before_reset=0)), "linear_before_reset 0"),
    "reset unsaid": (lambda: graph(gru_node(linear_before_reset=None)), "linear_before_reset 0"),
    "activations": (
        lambda: graph(gru_node(activations=["HardSigmoid", "Tanh"])),
        "activations hardsigmoid, tanh",
    ),
    "clip": (lambda: graph(gru_node(clip=3.0)), "clip 3.0"),
    "lengths": (
        lambda: graph(gru_node(inputs=("W", "R", "B", "n")), weights={"n": np.array([3], "i4")}),
        "sequence_lens",
    ),
    "start": (lambda: start_of(0.5), "initial_h that is not zero"),
    "filled start": (filled_start, "initial_h that is not zero"),
    "computed start": (computed_start, "initial_h computed by Relu"),
    "LSTM": (lstm, "no GRU node but LSTM"),
    "no GRU": (
        lambda: graph(helper.make_node("Relu", ["x"], ["y"])),
        "no GRU node but Relu, expected one",
    ),
    "no weights": (lambda: graph(gru_node(inputs=("W", "", "B"))), "no R, expected W and R"),
    "no outputs": (
        lambda: graph(
            helper.make_node("GRU", ["x", "W", "R"], [], linear_before_reset=1), gru_node()
        ),
        "GRU node gru: X: found a value from 'x'",
    ),
    "weights fed": (
        lambda: graph(gru_node(inputs=("V", "R", "B")), inputs=("x", "V")),
        "W: found values from 'V', made at run time",
    ),
    "integers": (lambda: graph(gru_node(), weights={"W": np.zeros((1, 24, 8), "i4")}), "int32"),
    "weights computed": (lambda: made_of("Relu", "W"), "W: found values from Relu"),
    "bad slice": (lambda: made_of("Squeeze", "W", "far"), "Squeeze made: found inputs that do not"),
    "doubled": (doubled, "a constant too large"),
    "damaged": (damaged, "R: found a damaged tensor"),
    "size": (
        lambda: graph(gru_node(hidden_size=16)),
        "W: found shape (1, 24, 8), expected (1, 48, 8)",
    ),
    "vector": (
        lambda: graph(gru_node(), weights={"W": np.zeros(24, np.float32)}),
        "W: found shape (24,)",
    ),
    "bias shape": (
        lambda: graph(gru_node(), weights={"B": np.zeros((1, 24), np.float32)}),
        "B: found shape (1, 24), expected (1, 48)",
    ),
    "opset": (lambda: graph(gru_node(), opset=6), "opset 6"),
    "invalid": (lambda: graph(gru_node("nowhere")), "'nowhere', which nothing makes"),
    "cycle": (
        lambda: chain(helper.make_node("Identity", ["y2"], ["x2"])),
        "a cycle with Identity",
    ),
    "side by side": (
        lambda: chain(helper.make_node("Identity", ["x"], ["x2"])),
        "GRU node two: X: found a value from 'x', expected Y of gru",
    ),
    "value between": (lambda: chain(helper.make_node("Relu", ["y"], ["x2"])), "from Relu"),
    "last state": (lambda: chain(helper.make_node("Identity", ["y_h"], ["x2"])), "from GRU"),
    "axes": (
        lambda: chain(
            helper.make_node("Squeeze", ["y", "one"], ["y1"]),
            helper.make_node("Transpose", ["y1"], ["x2"], perm=[1, 0, 2]),
            weights={"one": np.array([1])},
        ),
        "axes (batch, time, unit), expected (time, batch, unit)",
    ),
    "layouts": (
        lambda: chain(
            helper.make_node("Squeeze", ["y", "one"], ["x2"]),
            second={"layout": 1},
            weights={"one": np.array([1])},
        ),
        "axes (time, batch, unit), expected (batch, time, unit)",
    ),
    "units moved": (
        lambda: chain(
            helper.make_node("Squeeze", ["y", "one"], ["y1"]),
            helper.make_node("Transpose", ["y1"], ["x2"], perm=[2, 1, 0]),
            weights={"one": np.array([1])},
        ),
        "axes (unit, batch, time)",
    ),
    "reshaped": (
        lambda: chain(
            helper.make_node("Reshape", ["y", "shape"], ["x2"]),
            weights={"shape": np.array([0, -1, 4])},
        ),
        "behind Reshape x2: axes (time, batch and unit, unit)",
    ),
    "layout": (lambda: graph(gru_node(layout=2)), "layout 2"),
    "other domain": (
        lambda: graph(helper.make_node("GRU", ["x", "W", "R"], ["y"], domain="mine")),
        "no GRU node",
    ),
    "not utf-8": (lambda: graph(gru_node(direction=b"\xff")), "direction \ufffd"),
    "no value": (
        lambda: graph(
            helper.make_node("Constant", [], ["h0"]), gru_node(inputs=(*"WRB", "", "h0"))
        ),
        "Constant h0: found no numbers",
    ),
    "Slice between": (
        lambda: chain(
            helper.make_node("Slice", ["y", "n", "n"], ["x2"]), weights={"n": np.array([1])}
        ),
        "a value from Slice",
    ),
    "bad permutation": (
        lambda: chain(helper.make_node("Transpose", ["y"], ["x2"], perm=[0, 9, 2, 3])),
        "axes (?)",
    ),
    "fractions of axes": (
        lambda: chain(
            helper.make_node("Squeeze", ["y", "one"], ["x2"]), weights={"one": np.array([1.5])}
        ),
        "behind Squeeze x2: axes (?)",
    ),
}


@pytest.mark.parametrize("kind", BAD_GRAPHS)
def test_unsupported_nodes_message(tmp_path, kind):
    """Could break: a node that is nearly torch.nn.GRU's is converted to another network."""
    make, words = BAD_GRAPHS[kind]
    (tmp_path / "net.onnx").write_bytes(make().SerializeToString())
    assert words in refusal(tmp_path / "net.onnx")


def test_chain_with_axes_in_order(tmp_path):
    """Could break: the refusals above refuse everything, or layouts that do fit."""
    squeeze = helper.make_node("Squeeze", ["y", "axis"], ["y1"])
    turn = helper.make_node("Transpose", ["y1"], ["x2"], perm=[1, 0, 2])
    for axis, first, second in ((1, 0, 1), (-2, 1, 0)):
        model = chain(
            squeeze,
            turn,
            first={"layout": first},
            second={"layout": second},
            weights={"axis": np.array([axis])},
        )
        onnx.save(model, tmp_path / "net.onnx")
        assert len(read_network(tmp_path / "net.onnx").layers) == 2


# --------------------------------------------------------- weights in parts, shards, other nests


def pruned(gru):
    for i in range(gru.num_layers):
        prune.random_unstructured(gru, f"weight_hh_l{i}", amount=0.4)
        prune.random_unstructured(gru, f"bias_ih_l{i}", amount=0.4)


def weight_normed(gru):
    # A row of its own scale, so that g is not the norm of v.
    for i in range(gru.num_layers):
        torch.nn.utils.weight_norm(gru, f"weight_hh_l{i}")
        gru.get_parameter(f"weight_hh_l{i}_g").data.mul_(0.7)
        torch.nn.utils.weight_norm(gru, f"weight_ih_l{i}", dim=1)
        torch.nn.utils.weight_norm(gru, f"bias_ih_l{i}", dim=None)


def parametrised(gru):
    for i in range(gru.num_layers):
        torch.nn.utils.parametrizations.weight_norm(gru, f"weight_hh_l{i}")
        gru.parametrizations[f"weight_hh_l{i}"].original0.data.mul_(0.7)


def spectrally_normed(gru):
    torch.nn.utils.spectral_norm(gru, "weight_hh_l0")
    torch.nn.utils.parametrizations.spectral_norm(gru, "weight_ih_l1")
    gru(torch.randn(3, 5))
    gru.eval()


@pytest.mark.parametrize("change", [pruned, weight_normed, parametrised, spectrally_normed])
@pytest.mark.parametrize("prefix", ["", "net.rnn."])
@pytest.mark.filterwarnings("ignore")
def test_weights_in_parts(tmp_path, change, prefix):
    """Could break: a weight that is kept in parts is taken for one that is not there."""
    gru = torch.nn.GRU(5, 16, 2)
    change(gru)
    content = {prefix + name: tensor for name, tensor in gru.state_dict().items()}
    torch.save(content, tmp_path / "net.pt")
    network = read_network(tmp_path / "net.pt")
    x = torch.randn(1, 30, 5)
    with torch.no_grad():
        expected = gru(x[0])[0].numpy()
    assert np.allclose(run_floats(network.layers, x.double().numpy()).h[-1][0], expected, atol=1e-5)
    assert any("weight_hh_l0" in note for note in network.notes)


BAD_PARTS = {
    "no mask": ({"weight_hh_l0": None, "weight_hh_l0_orig": (48, 16)}, "weight_hh_l0_orig for"),
    "no plain part": ({"weight_hh_l0": None, "weight_hh_l0_raw": (48, 16)}, "weight_hh_l0_raw"),
    "twice": ({"weight_hh_l0_orig": (48, 16), "weight_hh_l0_mask": (48, 16)}, "and also"),
    "mask unheeded": ({"weight_hh_l0_mask": (48, 16)}, "does not heed"),
    "mask shape": (
        {"weight_hh_l0": None, "weight_hh_l0_orig": (48, 16), "weight_hh_l0_mask": (48, 1)},
        "a mask of shape (48, 1)",
    ),
    "norm shape": (
        {"weight_hh_l0": None, "weight_hh_l0_g": (2, 3), "weight_hh_l0_v": (48, 16)},
        "shapes (2, 3) and (48, 16)",
    ),
    "unknown parametrisation": (
        {"weight_hh_l0": None, "parametrizations.weight_hh_l0.original": (48, 16)},
        "remove_parametrizations",
    ),
    "bias alone of a layer": ({"weight_hh_l1": None, "weight_ih_l1": None}, "bias_ih_l1"),
    "every recurrent weight gone": ({"weight_hh_l0": None, "weight_hh_l1": None}, "no weight_hh"),
    "every input weight gone": ({"weight_ih_l0": None, "weight_ih_l1": None}, "no weight_ih"),
    "every second bias gone": ({"bias_hh_l0": None, "bias_hh_l1": None}, "no bias_hh_l0"),
    "first layer gone": (
        {f"{n}_l0": None for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
        "no weight_ih_l0",
    ),
}


@pytest.mark.parametrize("kind", BAD_PARTS)
def test_missing_parts_message(tmp_path, kind):
    """Could break: what is missing in the middle makes a smaller network."""
    changes, words = BAD_PARTS[kind]
    content = dict(torch.nn.GRU(5, 16, 2).state_dict())
    for name, shape in changes.items():
        content.pop(name, None) if shape is None else content.update({name: torch.zeros(shape)})
    torch.save(content, tmp_path / "net.pt")
    assert words in refusal(tmp_path / "net.pt")


def write_shards(folder, suffix, gru, index):
    """Two shards in the manner of save_pretrained; the names of both."""
    content = {k: v.contiguous() for k, v in gru.state_dict().items()}
    names = [f"model-0000{i}-of-00002{suffix}" for i in (1, 2)]
    halves = dict(zip(names, (list(content)[:4], list(content)[4:]), strict=True))
    for name, keys in halves.items():
        part = {k: content[k] for k in keys}
        (save_file if suffix == ".safetensors" else torch.save)(part, folder / name)
    if index:
        places = {k: name for name, keys in halves.items() for k in keys}
        text = json.dumps({"metadata": {}, "weight_map": places})
        (folder / f"model{suffix}.index.json").write_text(text)
    return names


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
@pytest.mark.parametrize("index", [True, False])
def test_whole_checkpoint_from_a_shard(tmp_path, suffix, index):
    """Could break: a shard is taken for the whole."""
    gru = torch.nn.GRU(5, 16, 2)
    names = write_shards(tmp_path, suffix, gru, index)
    for name in [*names, f"model{suffix}.index.json"][: 2 + index]:
        network = read_network(tmp_path / name)
        assert same(convert_layers(network.layers)[0], convert_gru(gru)[0])
        assert "2 shards" in network.notes[0]
    (tmp_path / names[1]).unlink()
    lines = refusal_of(tmp_path / names[0])
    assert names[1] in lines


def refusal_of(path):
    """The line for a file that another beside it spoils, which may be named instead."""
    with pytest.raises(ConversionError) as caught:
        read_network(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "no weight_map"),
        ('{"weight_map": {}}', "no weight_map"),
        ('{"weight_map": {"a": "../net.pt"}}', "beside the index"),
        ('{"weight_map": {"a": 3}}', "beside the index"),
        ('{"weight_map": {"a": "none.pt"}}', "no file none.pt"),
        ('{"weight_map": {"gone": "whole.pt"}}', "no gone in the shards"),
    ],
)
def test_damaged_index(tmp_path, text, words):
    """Could break: an index that reaches elsewhere, or promises what is not there."""
    torch.save(torch.nn.GRU(5, 16).state_dict(), tmp_path / "whole.pt")
    (tmp_path / "net.bin.index.json").write_text(text)
    assert words in refusal(tmp_path / "net.bin.index.json")


def test_tensor_in_two_shards(tmp_path):
    gru = torch.nn.GRU(5, 16)
    for i in (1, 2):
        torch.save(gru.state_dict(), tmp_path / f"net-{i}-of-2.pt")
    assert "twice" in refusal(tmp_path / "net-1-of-2.pt")


def test_gru_cells_in_a_chain(tmp_path):
    """Could break: a GRUCell is no GRU; the order of cells is guessed."""
    cells = torch.nn.ModuleDict({"b": torch.nn.GRUCell(5, 16), "a": torch.nn.GRUCell(16, 8)})
    torch.save(cells["b"].state_dict(), tmp_path / "one.pt")
    x = torch.randn(20, 5)
    h, expected = [torch.zeros(1, 16), torch.zeros(1, 8)], []
    with torch.no_grad():
        for row in x:
            h[0] = cells["b"](row[None], h[0])
            h[1] = cells["a"](h[0], h[1])
            expected.append([state.numpy()[0] for state in h])
    (found,) = run_floats(read_network(tmp_path / "one.pt").layers, x.double()[None].numpy()).h
    assert np.allclose(found[0], [row[0] for row in expected], atol=1e-5)
    torch.save({"net": cells.state_dict(), "step": 3}, tmp_path / "two.pt")
    assert "net.b., net.a." in refusal(tmp_path / "two.pt")
    network = read_network(tmp_path / "two.pt", prefix="net.b,net.a")
    found = run_floats(network.layers, x.double()[None].numpy()).h[-1]
    assert np.allclose(found[0], [row[1] for row in expected], atol=1e-5)
    assert any("in this order: net.b., net.a." in note for note in network.notes)
    assert "in order" in refusal(tmp_path / "two.pt", prefix="net.a,net.b")
    assert "twice" in refusal(tmp_path / "two.pt", prefix="net.b,net.b")


@pytest.mark.parametrize("cell", [torch.nn.LSTMCell, torch.nn.RNNCell])
def test_other_cells_message(tmp_path, cell):
    torch.save(cell(5, 16).state_dict(), tmp_path / "net.pt")
    assert "weight_hh: found shape" in refusal(tmp_path / "net.pt")


def test_gates_of_an_lstm_under_names_of_a_delta_gru(tmp_path):
    content = {"weight_ih.0": torch.zeros(64, 5), "weight_hh.0": torch.zeros(64, 16)}
    torch.save({**content, "bias.0": torch.zeros(4, 16)}, tmp_path / "net.pt")
    assert "as an LSTM has it" in refusal(tmp_path / "net.pt")


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_one_of_two_directions(tmp_path, direction):
    """Could break: the wrong half, or the right half run the wrong way."""
    gru = torch.nn.GRU(5, 16, bidirectional=True)
    torch.save(gru.state_dict(), tmp_path / "net.pt")
    assert "--direction" in refusal(tmp_path / "net.pt")
    export(gru, torch.randn(4, 1, 5), tmp_path / "net.onnx", False)
    assert "--direction" in refusal(tmp_path / "net.onnx")
    x = torch.randn(20, 5)
    with torch.no_grad():
        y = gru(x)[0].numpy()
    for name in ("net.pt", "net.onnx"):
        network = read_network(tmp_path / name, direction=direction)
        way = slice(None, None, -1 if direction == "reverse" else 1)
        h = run_floats(network.layers, x.double().numpy()[None, way]).h[-1][0][way]
        assert np.allclose(h, y[:, :16] if direction == "forward" else y[:, 16:], atol=1e-5)
        assert any("from its end" in note for note in network.notes) == (direction == "reverse")


def test_direction_that_does_not_stand_alone(tmp_path):
    """Could break: one direction of a stack, whose second layer takes both."""
    content = torch.nn.GRU(5, 16, 2, bidirectional=True).state_dict()
    torch.save(content, tmp_path / "net.pt")
    assert "both directions" in refusal(tmp_path / "net.pt", direction="forward")
    content = torch.nn.GRU(5, 16, bidirectional=True).state_dict()
    del content["bias_hh_l0_reverse"]
    torch.save(content, tmp_path / "net.pt")
    assert "no bias_hh_l0_reverse" in refusal(tmp_path / "net.pt", direction="forward")
    torch.save(torch.nn.GRU(5, 16).state_dict(), tmp_path / "net.pt")
    assert "one direction" in refusal(tmp_path / "net.pt", direction="reverse")


def test_deeper_checkpoints_and_numpy_values(tmp_path):
    """Could break: a second level of keys, numpy scalars beside the tensors."""
    gru = torch.nn.GRU(5, 16)
    content = {
        "epoch": np.int64(3),
        "best": np.float64(0.5),
        "curve": np.arange(3.0),
        "model": {"state_dict": {f"rnn.{k}": v for k, v in gru.state_dict().items()}},
    }
    torch.save(content, tmp_path / "net.pt")
    assert same(imported(tmp_path / "net.pt"), convert_gru(gru)[0])
    arrays = {k: v.numpy() for k, v in gru.state_dict().items()}
    torch.save(arrays, tmp_path / "arrays.pt")
    assert same(imported(tmp_path / "arrays.pt"), convert_gru(gru)[0])
    lists = {"models": [gru.state_dict(), {"step": 3}]}
    torch.save(lists, tmp_path / "lists.pt")
    assert same(imported(tmp_path / "lists.pt"), convert_gru(gru)[0])
    content["self"] = content
    torch.save(content, tmp_path / "net.pt")
    assert "nested" in refusal(tmp_path / "net.pt")


def test_names_of_what_was_found(tmp_path):
    """Could break: "no GRU" for a file in which there is something to say more about."""
    torch.save({"args": argparse.Namespace(a=1)}, tmp_path / "net.pt")
    assert "of the type argparse.Namespace" in refusal(tmp_path / "net.pt")
    old = {"_use_new_zipfile_serialization": False}
    torch.save({"args": argparse.Namespace(a=1)}, tmp_path / "net.pt", **old)
    assert "of the type argparse.Namespace" in refusal(tmp_path / "net.pt")
    torch.jit.script(torch.nn.GRU(5, 16)).save(tmp_path / "net.pt")
    assert "TorchScript" in refusal(tmp_path / "net.pt")
    torch.save(torch.nn.Linear(5, 16).state_dict(), tmp_path / "net.pt")
    assert "no GRU but weight (16, 5), bias (16,)" in refusal(tmp_path / "net.pt")


# ------------------------------------------------------------- ONNX: axes, choices, what runs


def reference(path, x, output=0):
    """onnxruntime's output for the graph's only input."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[output]


def random_weights(seed=0, layers=("", "2")):
    rng = np.random.default_rng(seed)
    shapes = {"W": (1, 24, 8), "R": (1, 24, 8), "B": (1, 48)}
    return {
        key + layer: rng.uniform(-0.9, 0.9, shape).astype("f4")
        for layer in layers
        for key, shape in shapes.items()
    }


def two(*between, x_shape=("t", "b", 8), out="y2", after=(), more=None, before=(), first="x"):
    """Two GRU nodes with random weights, `between` from y to x2."""
    nodes = [
        *before,
        gru_node(first),
        *between,
        gru_node("x2", "y2", inputs=("W2", "R2", "B2"), name="two"),
        *after,
    ]
    weights = random_weights() | {k: np.array(v) for k, v in (more or {}).items()}
    model = graph(*nodes, weights=weights, output=out)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape))
    return model


def op(kind, source, target, *constants, **attributes):
    return helper.make_node(kind, [source, *constants], [target], **attributes)


SQUEEZED = op("Squeeze", "y", "x2", "one")
# Name: nodes between, constants, sizes of x, and what the refusal says (None: right).
LINKS = {
    "squeezed": ([SQUEEZED], {"one": [1]}, ("t", "b", 8), None),
    "reshaped": ([op("Reshape", "y", "x2", "s")], {"s": [0, -1, 8]}, ("t", "b", 8), None),
    "fixed": ([op("Reshape", "y", "x2", "s")], {"s": [4, 1, 8]}, (4, 1, 8), None),
    "there and back": (
        [
            op("Transpose", "y", "y1", perm=[2, 0, 1, 3]),
            op("Flatten", "y1", "f", axis=0),
            op("Reshape", "f", "g", "s"),
            op("Transpose", "g", "x2", perm=[1, 0, 2]),
        ],
        {"s": [1, -1, 8]},
        ("t", 1, 8),
        None,
    ),
    "time to batch": ([op("Reshape", "y", "x2", "s")], {"s": [1, -1, 8]}, ("t", 1, 8), "Reshape"),
    "batch and time swapped": (
        [op("Reshape", "y", "x2", "s")],
        {"s": [3, 4, 8]},
        (4, 3, 8),
        "axes (?)",
    ),
    "units torn": ([op("Reshape", "y", "x2", "s")], {"s": [0, 2, 4]}, ("t", 1, 8), "Reshape x2"),
    "unsqueezed": (
        [op("Squeeze", "y", "y1", "both"), op("Unsqueeze", "y1", "x2", "front")],
        {"both": [1, 2], "front": [0]},
        ("t", 1, 8),
        "axes (one, time, unit)",
    ),
    "turned": (
        [op("Squeeze", "y", "y1", "one"), op("Transpose", "y1", "x2", perm=[1, 0, 2])],
        {"one": [1]},
        ("t", "b", 8),
        "behind Squeeze y1, Transpose x2: axes (batch, time, unit)",
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_axes_between_layers(tmp_path, name):
    """Could break: a Reshape that makes time a batch, where each step starts from zero."""
    nodes, constants, x_shape, words = LINKS[name]
    path = tmp_path / "net.onnx"
    onnx.save(two(*nodes, x_shape=x_shape, more=constants), path)
    if words is not None:
        assert words in refusal(path)
        return
    x = np.random.default_rng(1).normal(size=(4, 1, 8)).astype("f4")
    network = read_network(path)
    expected = reference(path, x)[:, 0, 0]
    found = run_floats(network.layers, x.astype(float).transpose(1, 0, 2)).h[-1][0]
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "constants", "x_shape", "words"),
    [
        ([op("Transpose", "x", "v", perm=[1, 0, 2])], {}, ("b", "t", 8), None),
        ([op("Unsqueeze", "x", "v", "one")], {"one": [1]}, ("t", 8), None),
        ([op("Unsqueeze", "x", "v", "nil")], {"nil": [0]}, ("t", 8), "Unsqueeze v: found one step"),
        ([op("Reshape", "x", "v", "s")], {"s": [1, -1, 8]}, ("t", 1, 8), "Reshape v: found one"),
        ([op("Reshape", "x", "v", "s")], {"s": [3, 4, 8]}, (4, 3, 8), "torn and mixed"),
        ([op("Reshape", "x", "v", "s")], {"s": [0, 0, 8]}, ("t", "b", 2, 4), None),
    ],
)
def test_axes_before_the_first_layer(tmp_path, nodes, constants, x_shape, words):
    """Could break: the way from the graph's input."""
    model = two(SQUEEZED, before=nodes, first="v", x_shape=x_shape, more={"one": [1], **constants})
    onnx.save(model, tmp_path / "net.onnx")
    if words is None:
        assert len(read_network(tmp_path / "net.onnx").layers) == 2
    else:
        assert words in refusal(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("nodes", "constants", "x_shape", "words"),
    [
        ([op("Transpose", "y2", "z", perm=[2, 0, 1, 3])], {}, ("t", "b", 8), None),
        ([op("Reshape", "y2", "z", "s")], {"s": [-1, 8]}, ("t", "b", 8), None),
        ([op("Reshape", "y2", "z", "s")], {"s": [1, -1, 8]}, ("t", 1, 8), None),
        ([op("Reshape", "y2", "z", "s")], {"s": [3, 4, 8]}, (4, 3, 8), "Reshape z"),
        (
            [op("Reshape", "y2", "v", "s"), op("Relu", "v", "z")],
            {"s": [3, 4, 8]},
            (4, 3, 8),
            "Reshape v",
        ),
    ],
)
def test_axes_behind_the_last_layer(tmp_path, nodes, constants, x_shape, words):
    """Could break: the way to the graph's output."""
    more = {"one": [1], **constants}
    onnx.save(two(SQUEEZED, after=nodes, out="z", x_shape=x_shape, more=more), tmp_path / "n.onnx")
    if words is None:
        assert len(read_network(tmp_path / "n.onnx").layers) == 2
    else:
        assert words in refusal(tmp_path / "n.onnx")


SHUFFLE = {"q": [0, 0, 2, 4], "r": [0, 0, 8]}


def shuffle(source, target):
    """Units 0 4 1 5 ... of three axes."""
    return [
        op("Reshape", source, "a", "q"),
        op("Transpose", "a", "b", perm=[0, 1, 3, 2]),
        op("Reshape", "b", target, "r"),
    ]


def test_units_out_of_order(tmp_path):
    """Could break: axes in order, and what is along them is not."""
    path = tmp_path / "net.onnx"
    between = [op("Squeeze", "y", "s", "one"), *shuffle("s", "x2")]
    onnx.save(two(*between, more={"one": [1], **SHUFFLE}), path)
    assert "axes (time, batch, unit out of order)" in refusal(path)
    onnx.save(
        two(SQUEEZED, before=shuffle("x", "v"), first="v", more={"one": [1], **SHUFFLE}), path
    )
    assert "puts inputs in another order" in " ".join(read_network(path).notes)
    after = [op("Squeeze", "y2", "s", "one"), *shuffle("s", "z")]
    onnx.save(two(SQUEEZED, after=after, out="z", more={"one": [1], **SHUFFLE}), path)
    assert "Reshape z" in refusal(path)


def test_notes_on_steps_of_the_graphs_input(tmp_path):
    """Could break: a batch of steps, or steps of two axes, without a word."""
    turned = [op("Transpose", "x", "v", perm=[1, 0, 2])]
    model = two(SQUEEZED, before=turned, first="v", x_shape=(6, 1, 8), more={"one": [1]})
    onnx.save(model, tmp_path / "net.onnx")
    assert "a batch of single steps" in read_network(tmp_path / "net.onnx").notes[0]
    merged = [op("Reshape", "x", "v", "s")]
    model = two(SQUEEZED, before=merged, first="v", more={"one": [1], "s": [-1, 1, 8]})
    onnx.save(model, tmp_path / "net.onnx")
    assert "steps of axis 0 and axis 1" in " ".join(read_network(tmp_path / "net.onnx").notes)


def lengths(value, x_shape=("t", "b", 8), nodes=()):
    model = graph(*nodes, gru_node(inputs=("W", "R", "B", "n")), weights=value)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape))
    return model


def test_full_sequence_lengths(tmp_path):
    """Could break: lengths that are all of the sequence are refused, shorter ones are not."""
    computed = [
        op("Shape", "x", "shape"),
        op("Slice", "shape", "t", "0", "1"),
        op("Slice", "shape", "b", "1", "2"),
        op("Cast", "t", "ti", to=TensorProto.INT32),
        op("Expand", "ti", "n", "b"),
    ]
    places = {str(i): np.array([i]) for i in range(3)}
    for model in (
        lengths({"n": np.array([6, 6], "i4")}, (6, 2, 8)),
        lengths(places, nodes=computed),
    ):
        onnx.save(model, tmp_path / "net.onnx")
        assert read_network(tmp_path / "net.onnx").notes == ()
    onnx.save(lengths({"n": np.array([6, 5], "i4")}, (6, 2, 8)), tmp_path / "net.onnx")
    assert "sequence_lens 5, 6, expected none or the full length, 6" in refusal(
        tmp_path / "net.onnx"
    )
    fed = graph(gru_node(inputs=("W", "R", "B", "n")), inputs=("x", "n"))
    onnx.save(fed, tmp_path / "net.onnx")
    assert "sequence_lens" in refusal(tmp_path / "net.onnx")  # of floats
    fed.graph.input[1].type.tensor_type.elem_type = TensorProto.INT32
    onnx.save(fed, tmp_path / "net.onnx")
    assert "'n'" in read_network(tmp_path / "net.onnx").notes[0]


class Packed(torch.nn.Module):
    """A GRU over sequences of several lengths."""

    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(5, 16, 2)

    def forward(self, x, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        return torch.nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0])[0]


class Step(torch.nn.Module):
    """One step of a GRU, whose state is kept outside."""

    def __init__(self):
        super().__init__()
        self.rnn = torch.nn.GRU(5, 16, 2)

    def forward(self, x, h):
        y, h = self.rnn(x[None], h)
        return y[0], h


@pytest.mark.parametrize("kind", [Packed, Step])
def test_exports_with_a_second_input(tmp_path, kind):
    """Could break: lengths and states that are fed at run time."""
    net = kind()
    given = (torch.randn(4, 2, 5), torch.tensor([4, 3]))
    if kind is Step:
        given = (torch.randn(2, 5), torch.zeros(2, 2, 16))
    axes = {"x": {0: "t", 1: "b"}} if kind is Packed else {"x": {0: "b"}, "h": {1: "b"}}
    options = {"input_names": ["x", "h"], "dynamic_axes": axes}
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(net, given, tmp_path / "net.onnx", dynamo=False, **options)
    network = read_network(tmp_path / "net.onnx")
    assert same(convert_layers(network.layers)[0], convert_gru(net.rnn)[0])
    assert "'h'" in network.notes[0]


def test_one_node_of_several(tmp_path):
    """Could break: two networks side by side cannot be told apart."""
    nodes = [gru_node(), gru_node("x", "y2", inputs=("W2", "R2", "B2"), name="two")]
    onnx.save(graph(*nodes, weights=random_weights()), tmp_path / "net.onnx")
    assert "--prefix NAME to take one of gru, two" in refusal(tmp_path / "net.onnx")
    network = read_network(tmp_path / "net.onnx", prefix="two")
    assert "other GRU nodes, ignored: gru" in network.notes
    assert not same(imported(tmp_path / "net.onnx", prefix="gru"),
                    imported(tmp_path / "net.onnx", prefix="two"))  # fmt: skip
    assert "one of gru, two" in refusal(tmp_path / "net.onnx", prefix="three")
    assert "from 'x'" in refusal(tmp_path / "net.onnx", prefix="gru,two")


def test_half_precision_with_kept_types(tmp_path):
    """Could break: Cast nodes between layers, in an order that onnx's checker does not like."""
    half = {k: v.astype("f2") for k, v in random_weights().items()}
    nodes = [
        gru_node("x16", "y16"),
        op("Squeeze", "y16", "s16", "one"),
        gru_node("s16", "z16", inputs=("W2", "R2", "B2"), name="two"),
        op("Cast", "x", "x16", to=TensorProto.FLOAT16),
        op("Cast", "z16", "y", to=TensorProto.FLOAT),
    ]
    onnx.save(graph(*nodes, weights=half | {"one": np.array([1])}), tmp_path / "net.onnx")
    network = read_network(tmp_path / "net.onnx")
    assert network.notes == ()
    z, r, h = np.split(half["W2"][0].astype(float), 3)
    assert np.array_equal(network.layers[1][0], np.concatenate([r, z, h]))


def test_weights_behind_casts_and_scales(tmp_path):
    """Could break: float16 or int8 weights that the graph makes floats of."""
    weights = {
        "W": np.full((1, 24, 8), 0.25, "f2"),
        "R": np.full((1, 24, 8), 32, "i1"),
        "scale": np.float32(1 / 128),
    }
    nodes = [
        op("Cast", "W", "Wf", to=TensorProto.FLOAT),
        op("DequantizeLinear", "R", "Rf", "scale"),
        gru_node(inputs=("Wf", "Rf", "B")),
    ]
    onnx.save(graph(*nodes, weights=weights), tmp_path / "net.onnx")
    (layer,) = read_network(tmp_path / "net.onnx").layers
    assert (layer[0] == 0.25).all() and (layer[1] == 0.25).all()


def test_graph_that_only_a_checker_refuses(tmp_path):
    """Could break: what no GRU depends on decides; an output more, of no stated type."""
    model = two(SQUEEZED, more={"one": [1]})
    model.graph.output.append(onnx.ValueInfoProto(name="y"))
    model.graph.node.append(helper.make_node("Strange", ["y2"], ["odd"], domain="mine"))
    onnx.save(model, tmp_path / "net.onnx")
    network = read_network(tmp_path / "net.onnx")
    assert len(network.layers) == 2
    assert any("output 'y' comes from an earlier" in note for note in network.notes)


# ------------------------------------------------------------------------------------ padding


def test_padding_without_effect():
    """Could break: rows padded at the end of a tensor and not of each gate; the next layer's
    columns. The units that were there behave as in an integer GRU computed without padding.
    """
    rng = np.random.default_rng(3)
    sizes = [(5, 12), (12, 7)]
    layers = [
        tuple(rng.uniform(-1, 1, shape) for shape in ((3 * h, i), (3 * h, h), (4, h)))
        for i, h in sizes
    ]
    model, report = convert_layers(layers, theta_x=8, theta_h=8, pad=True)
    assert model.hidden_sizes == (16, 8) and model.input_sizes == (5, 16)
    assert model.extras["unpadded_hidden_sizes"].tolist() == [12, 7]
    assert [t.size for t in report.tensors] == [a.size for layer in layers for a in layer]
    # The other way to the same network: real units spread over a larger one, in any order.
    order = [rng.permutation(16), rng.permutation(8)]
    spread, inputs = [], np.arange(5)
    for (weight_ih, weight_hh, bias), units in zip(layers, order, strict=True):
        wide = len(units)
        units = units[: bias.shape[1]]
        rows = np.concatenate([gate * wide + units for gate in range(3)])
        new_ih = np.zeros((3 * wide, 5 if len(spread) == 0 else 16))
        new_hh, new_bias = np.zeros((3 * wide, wide)), np.zeros((4, wide))
        new_ih[np.ix_(rows, inputs)], new_hh[np.ix_(rows, units)] = weight_ih, weight_hh
        new_bias[:, units] = bias
        spread.append((new_ih, new_hh, new_bias))
        inputs = units
    other, _ = convert_layers(spread, theta_x=8, theta_h=8)
    x = rng.integers(-600, 600, (20, 5)).astype(np.int16)
    h, wanted = ([t.h for t in run(m, x)] for m in (model, other))
    assert np.array_equal(np.array(h)[:, :7], np.array(wanted)[:, order[1][:7]])
    assert not np.array(h)[:, 7:].any()


def test_padding_only_on_request_and_need():
    """Could break: a model file whose sizes are not the network's."""
    layer = (np.zeros((24, 3)), np.zeros((24, 8)), np.zeros((4, 8)))
    assert "unpadded_hidden_sizes" not in convert_layers([layer], pad=True)[0].extras
    odd = (np.zeros((15, 3)), np.zeros((15, 5)), np.zeros((4, 5)))
    with pytest.raises(ConversionError, match="hidden size 5"):
        convert_layers([odd])


def test_text_paths():
    """Could break: a str for a path."""
    with pytest.raises(ConversionError, match="no such file"):
        read_network(str(Path("none.pt")))
