"""GRU layers out of an ONNX file.

What a node means is in the ONNX operator specification, GRU, opset 7 (and 14, which adds
`layout`): gates in the order z, r, h; W [directions, 3H, I], R [directions, 3H, H],
B [directions, 6H], the biases of W before those of R; ``H' = (1 - z) h + z H``. With
linear_before_reset = 1 the reset gate multiplies R_h H + Rb_h, as in torch.nn.GRU and in the
delta memories M_nx and M_nh here; with 0 it multiplies H, which they cannot express.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data
from onnx.reference import ReferenceEvaluator

from golden.convert import merge_biases, refuse

_R_Z_N = [1, 0, 2]  # rows of ONNX's z, r, h
_DEFAULTS = {"direction": "forward", "linear_before_reset": 0, "layout": 0}
_ACTIVATIONS = ["sigmoid", "tanh"]
_MIN_OPSET = 7
# Nodes that move axes and change no value, and those that also pick or repeat elements.
_AXES_ONLY = {"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape"}
_SAME_VALUES = _AXES_ONLY | {"Expand", "Slice", "Gather", "Cast"}
# What torch.onnx.export leaves between the weights of a large torch.nn.GRU and the node.
_FOLDED = {"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Slice", "Concat"}
_MAX_FOLDED = 1 << 24  # elements; the largest W and R have 3 * 2^20
_SILENT = _SAME_VALUES | {"Concat", "Dropout", "Constant"}  # not worth a note behind the GRU


def read_onnx(path: Path) -> tuple[list[tuple], list[str]]:
    """The chain of GRU nodes in the ONNX file `path`: layers as `golden.convert.convert_layers`
    takes them, and notes for the reader.

    Each node after the first takes Y of the one before, with nothing between them but nodes that
    move axes. What comes before the first and after the last is ignored, with a note. Raises
    ConversionError, of one line, for nodes that compute anything but torch.nn.GRU's equations in
    one direction from the zero state, and for files that are not ONNX.
    """
    return _Chain(path, *_load(path)).read()


def _load(path: Path) -> tuple[onnx.GraphProto, int]:
    """The graph and its opset."""
    # On bytes that are no model, onnx passes on whatever its parsers raise.
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        refuse(path, "something that onnx cannot read", "a whole ONNX file")
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        try:
            load_external_data_for_model(model, str(path.parent))
        except Exception:
            refuse(path, "no weights where it says they are", "its data file in the same folder")
    try:
        onnx.checker.check_model(model)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        refuse(path, f"an ONNX model that onnx refuses ({reason})", "a valid one")
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset < _MIN_OPSET:
        refuse(path, f"opset {opset}", f"{_MIN_OPSET} or newer")
    return model.graph, opset


def _attributes(node: onnx.NodeProto) -> dict:
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in found.items()}


class _Chain:
    """The graph of one file, and the GRU nodes in it. The checker has seen that nodes come after
    what they take, so every walk towards the inputs ends.
    """

    def __init__(self, path: Path, graph: onnx.GraphProto, opset: int) -> None:
        self.path = path
        self.graph = graph
        self.opset = opset
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.constants = set(self.initializers)
        for node in graph.node:
            folded = node.op_type in _FOLDED and self.constants.issuperset(filter(None, node.input))
            if folded or node.op_type == "Constant":
                self.constants.update(node.output)
        self.values: dict[str, np.ndarray] = {}
        self.inputs = {value.name for value in graph.input}
        self.makers = {name: node for node in graph.node for name in node.output if name}
        self.nodes = [node for node in graph.node if node.op_type == "GRU"]
        self.notes: list[str] = []

    def read(self) -> tuple[list[tuple], list[str]]:
        if not self.nodes:
            kinds = sorted({n.op_type for n in self.graph.node} & {"LSTM", "RNN", "Loop", "Scan"})
            refuse(self.path, f"no GRU node{' but ' if kinds else ''}{', '.join(kinds)}", "one")
        layers = []
        for i, node in enumerate(self.nodes):
            self._check_equations(node)
            self._check_start(node)
            layers.append(self._tensors(node))
            if i:
                hidden = len(layers[-2][1]) // 3
                self._check_link(self.nodes[i - 1], node, hidden)
        self._note_surroundings()
        return layers, self.notes

    def _place(self, node: onnx.NodeProto) -> str:
        return f"{self.path}: GRU node {node.name or self.nodes.index(node)}"

    def _check_equations(self, node: onnx.NodeProto) -> None:
        found = _DEFAULTS | _attributes(node)
        place = self._place(node)
        if found["direction"] != "forward":
            refuse(place, f"direction {found['direction']}", "forward")
        if found["linear_before_reset"] != 1:
            refuse(
                place,
                f"linear_before_reset {found['linear_before_reset']}",
                "1, where the reset gate multiplies R_h H + Rb_h, as in PyTorch",
            )
        activations = [a.decode().lower() for a in found.get("activations", [])]
        if activations not in ([], _ACTIVATIONS):
            refuse(place, f"activations {', '.join(activations)}", ", ".join(_ACTIVATIONS))
        if "clip" in found:
            refuse(place, f"clip {found['clip']}", "none")
        if len(node.input) > 4 and node.input[4]:
            refuse(place, "sequence_lens", "none: the device runs one sequence, as long as it is")

    def _check_start(self, node: onnx.NodeProto) -> None:
        """Accept an initial_h of zeros, and with a note one that is fed from outside."""
        if len(node.input) < 6 or not node.input[5]:
            return
        name, _ = self._walk(node.input[5], _SAME_VALUES)
        value, maker = self._constant(name), self.makers.get(name)
        if value is None and maker is not None and maker.op_type == "ConstantOfShape":
            tensor = _attributes(maker).get("value")
            value = np.zeros(1) if tensor is None else self._numbers(tensor)
        if value is not None:
            if value.any():
                refuse(self._place(node), "an initial_h that is not zero", "zeros or none")
        elif name in self.inputs:
            note = f"initial_h is the graph's input {name!r}: the device starts from zeros"
            if note not in self.notes:
                self.notes.append(note)
        else:
            refuse(self._place(node), f"an initial_h computed by {maker.op_type}", "zeros or none")

    def _tensors(self, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        weight_hh = self._weight(node, 2, "R")
        hidden = _attributes(node).get("hidden_size", weight_hh.shape[-1])
        weight_ih = self._weight(node, 1, "W")
        biases = [self._weight(node, 3, "B")] if len(node.input) > 3 and node.input[3] else []
        for name, array, shape in (
            ("R", weight_hh, (1, 3 * hidden, hidden)),
            ("W", weight_ih, (1, 3 * hidden, *weight_ih.shape[2:3])),
            *(("B", bias, (1, 6 * hidden)) for bias in biases),
        ):
            if array.shape != shape or not array.size:
                refuse(f"{self._place(node)}: {name}", f"shape {array.shape}", f"{shape}")
        halves = [self._reordered(half, hidden) for b in biases for half in np.split(b[0], 2)]
        return (
            self._reordered(weight_ih, hidden).reshape(3 * hidden, -1),
            self._reordered(weight_hh, hidden).reshape(3 * hidden, -1),
            merge_biases(hidden, *halves),
        )

    @staticmethod
    def _reordered(array: np.ndarray, hidden: int) -> np.ndarray:
        return array.reshape(3, hidden, -1)[_R_Z_N]

    def _weight(self, node: onnx.NodeProto, index: int, name: str) -> np.ndarray:
        """A constant input of the node as float64."""
        place = f"{self._place(node)}: {name}"
        array = self._constant(node.input[index])
        if array is None:
            maker = self.makers.get(node.input[index])
            found = f"values computed by {maker.op_type}" if maker else "an input of the graph"
            refuse(place, found, "constants")
        # bfloat16 has no kind of its own in numpy, so what is refused is what is named here.
        if array.dtype.kind in "iubcOSU" or not array.ndim:
            refuse(place, f"{array.dtype} of shape {array.shape}", "floats")
        return array.astype(np.float64)

    def _constant(self, name: str) -> np.ndarray | None:
        """The value of an initialiser, of a Constant node, or of what is made of them by slicing,
        joining and moving axes; None for what is computed.
        """
        if name not in self.constants:
            return None
        needed = {name}
        for node in reversed(self.graph.node):
            if needed.intersection(node.output):
                needed.update(filter(None, node.input))
        for key in needed & self.initializers.keys() - self.values.keys():
            self.values[key] = self._numbers(self.initializers[key])
        for node in self.graph.node:
            if needed.intersection(node.output) and node.output[0] not in self.values:
                self.values[node.output[0]] = self._folded(node)
        return self.values[name]

    def _folded(self, node: onnx.NodeProto) -> np.ndarray:
        """The output of a node whose inputs are known."""
        if node.op_type == "Constant":
            value = next(iter(_attributes(node).values()))
            tensor = isinstance(value, onnx.TensorProto)
            return self._numbers(value) if tensor else np.asarray(value)
        given = {name: self.values[name] for name in node.input if name}
        if sum(given[name].size for name in node.input if name) > _MAX_FOLDED:
            refuse(f"{self.path}: {node.op_type} {node.name}", "a constant too large", "weights")
        try:
            return ReferenceEvaluator(node, opsets={"": self.opset}).run(None, given)[0]
        except Exception:
            refuse(f"{self.path}: {node.op_type} {node.name}", "inputs that do not fit", "weights")

    def _numbers(self, tensor: onnx.TensorProto) -> np.ndarray:
        try:
            return numpy_helper.to_array(tensor)
        except Exception:
            refuse(f"{self.path}: {tensor.name}", "a damaged tensor", "numbers for its shape")

    def _walk(self, name: str, through: set[str]) -> tuple[str, list[onnx.NodeProto]]:
        """Where `name` comes from once nodes `through` are taken away, and those, first to last."""
        passed = []
        while name not in self.initializers and name in self.makers:
            maker = self.makers[name]
            if maker.op_type not in through:
                break
            passed.insert(0, maker)
            name = maker.input[0]
        return name, passed

    def _check_link(self, before: onnx.NodeProto, node: onnx.NodeProto, hidden: int) -> None:
        """Refuse anything but Y of `before`, step for step, as X of `node`."""
        name, passed = self._walk(node.input[0], _AXES_ONLY)
        expected = f"Y of {before.name or 'the GRU node before'}, its axes moved at most"
        place = f"{self._place(node)}: X"
        if name != before.output[0]:
            maker = self.makers.get(name)
            refuse(place, f"a value from {maker.op_type if maker else repr(name)}", expected)
        orders = (["time", "one", "batch", "unit"], ["batch", "time", "one", "unit"])
        wanted = (["time", "batch", "unit"], ["batch", "time", "unit"])
        axes = orders[_attributes(before).get("layout", 0)]
        for step in passed:
            axes = self._moved(step, axes, hidden)
        want = wanted[_attributes(node).get("layout", 0)]
        # A batch of one may have been taken away and put back.
        if axes not in (want, ["one" if axis == "batch" else axis for axis in want]):
            refuse(place, f"axes ({', '.join(axes)})", f"({', '.join(want)})")

    def _moved(self, node: onnx.NodeProto, axes: list[str], hidden: int) -> list[str]:
        """Names of the axes behind a node that moves axes."""
        attributes = _attributes(node)
        if node.op_type == "Transpose":
            order = attributes.get("perm", range(len(axes))[::-1])
            return [axes[i] for i in order] if sorted(order) == sorted(range(len(axes))) else []
        if node.op_type == "Identity":
            return axes
        numbers = attributes.get("axes")  # an attribute before opset 13
        if len(node.input) > 1:
            numbers = self._constant(node.input[1])
        if numbers is not None:
            numbers = np.atleast_1d(numbers)
            if numbers.dtype.kind != "i":
                refuse(f"{self.path}: {node.op_type}", f"{numbers.dtype} for axes", "integers")
        if node.op_type == "Reshape":
            kept = [axis for axis in axes if axis != "one"]
            known = numbers is None or (len(numbers) == 3 and numbers[-1] in (0, -1, hidden))
            return kept if known else ["reshaped"]
        if numbers is None:  # Squeeze of whatever is 1
            return [axis for axis in axes if axis != "one"]
        rank = len(axes) + (len(numbers) if node.op_type == "Unsqueeze" else 0)
        places = {int(n) % rank for n in numbers} if rank else set()
        if node.op_type == "Squeeze":
            return [axis for i, axis in enumerate(axes) if i not in places]
        rest = iter(axes)
        return ["one" if i in places else next(rest, "?") for i in range(rank)]

    def _note_surroundings(self) -> None:
        """Say what computes the first X, and what is computed from the last h."""
        name, _ = self._walk(self.nodes[0].input[0], _SAME_VALUES)
        if name in self.makers:
            self.notes.append(
                f"before the GRU, ignored: {self.makers[name].op_type}; the device takes its result"
            )
        live, after = {name for node in self.nodes for name in node.output if name}, {}
        for node in self.graph.node:
            # A shape is all that passes through Shape, and no value.
            if node.op_type not in ("GRU", "Shape") and live.intersection(node.input):
                live.update(node.output)
                after.setdefault(node.op_type)
        ignored = [kind for kind in after if kind not in _SILENT]
        if ignored:
            self.notes.append(f"after the GRU, ignored: {', '.join(ignored)}")
