# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as a graph to ask: what is constant, and where a value comes from."""

from __future__ import annotations

import heapq
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_shapes

from golden.importers.convert import refuse

_MIN_OPSET = 7  # of GRU as it is read here
_ONNX_DOMAINS = ("", "ai.onnx")
# What exporters and converters leave between stored weights and the node that takes them.
_FOLDED = {
    *("Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Slice", "Concat"),
    *("Split", "Gather", "Cast", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Neg"),
}
_INTEGERS = {onnx.TensorProto.INT32, onnx.TensorProto.INT64}
_MAX_FOLDED = 1 << 24  # elements; the largest W and R have 3 * 2^20


def load(path: Path) -> OnnxGraph:
    """The graph in the file `path`, or ConversionError.

    Nodes may come in any order, as ONNX Runtime takes them, and what no GRU depends on need not be
    valid.
    """
    # On bytes that are no model, onnx passes on whatever its parsers raise.
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:
        refuse(path, "something that onnx cannot read", "a whole ONNX file")
    if not model.graph.node:
        refuse(path, "an ONNX file without nodes", "a whole ONNX file")
    if model.functions:
        try:
            model = inline_local_functions(model)
        except Exception:
            refuse(path, "functions that onnx cannot put in place", "a valid model")
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        try:
            load_external_data_for_model(model, str(path.parent))
        except Exception:
            refuse(path, "no weights where it says they are", "its data file in the same folder")
    opset = next((o.version for o in model.opset_import if o.domain in _ONNX_DOMAINS), 0)
    if opset < _MIN_OPSET:
        refuse(path, f"opset {opset}", f"{_MIN_OPSET} or newer")
    try:
        inferred = infer_shapes(model).graph.value_info
    except Exception:  # a help, not a need
        inferred = ()
    return OnnxGraph(path, model.graph, min(opset, onnx.defs.onnx_opset_version()), inferred)


def _in_order(path: Path, nodes: list[onnx.NodeProto], known: set[str]) -> list[onnx.NodeProto]:
    """The nodes, each behind those whose outputs it takes; ConversionError if that cannot be."""
    makers: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in makers or name in known:
                refuse(path, f"{name!r} made twice, in {kind(node)}", "each value made once")
            makers[name] = i
    waiting = [{makers[n] for n in node.input if n in makers} for node in nodes]
    followers: list[list[int]] = [[] for _ in nodes]
    for i, needed in enumerate(waiting):
        for j in needed:
            followers[j].append(i)
    ready = [i for i, needed in enumerate(waiting) if not needed]
    heapq.heapify(ready)
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for i in followers[order[-1]]:
            waiting[i].discard(order[-1])
            if not waiting[i]:
                heapq.heappush(ready, i)
    if len(order) < len(nodes):
        stuck = nodes[min(set(range(len(nodes))) - set(order))]
        refuse(path, f"a cycle with {kind(stuck)} {stuck.name}".rstrip(), "nodes in an order")
    return [nodes[i] for i in order]


def kind(node: onnx.NodeProto) -> str:
    """The node's operator, with the domain before it unless that is ONNX's own."""
    return node.op_type if node.domain in _ONNX_DOMAINS else f"{node.domain}.{node.op_type}"


def attributes(node: onnx.NodeProto) -> dict:
    """The node's attributes by name, text as str."""
    found = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode(errors="replace") if isinstance(v, bytes) else v for k, v in found.items()}


def inputs(node: onnx.NodeProto, count: int) -> list[str]:
    """The first `count` inputs of the node, '' for those that it does not have."""
    return [*node.input, *[""] * count][:count]


class OnnxGraph:
    """`nodes` in an order in which each comes after what it takes, so that every walk towards the
    inputs ends. `inputs`: names of what is fed at run time, `integer_inputs` the integers.
    `outputs`: names that the graph gives.
    """

    def __init__(
        self,
        path: Path,
        graph: onnx.GraphProto,
        opset: int,
        inferred: Sequence[onnx.ValueInfoProto] = (),
    ) -> None:
        self.path = path
        self._opset = opset
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = {value.name for value in graph.input} - self._initializers.keys()
        self.integer_inputs = {
            value.name
            for value in graph.input
            if value.name in self.inputs and value.type.tensor_type.elem_type in _INTEGERS
        }
        self.outputs = [value.name for value in graph.output]
        self.nodes = _in_order(path, list(graph.node), self.inputs | self._initializers.keys())
        self._shapes = {
            value.name: [
                d.dim_value or d.dim_param or None for d in value.type.tensor_type.shape.dim
            ]
            for value in (*inferred, *graph.value_info, *graph.input)
            if value.type.tensor_type.HasField("shape")
        }
        self._makers = {name: node for node in self.nodes for name in node.output if name}
        self._constants = set(self._initializers)
        for node in self.nodes:
            known = self._constants.issuperset(filter(None, node.input))
            if kind(node) == "Constant" or (kind(node) in _FOLDED and known):
                self._constants.update(filter(None, node.output))
        self._values: dict[str, np.ndarray] = {}

    def shape(self, name: str) -> list[int | str | None] | None:
        """The declared or inferred sizes of a value, free ones by name or None; None if unknown."""
        return self._shapes.get(name)

    def maker(self, name: str) -> onnx.NodeProto | None:
        """The node whose output `name` is."""
        return self._makers.get(name)

    def origin(self, name: str) -> str:
        """In words: the operator that makes `name`, or the name itself."""
        return kind(self._makers[name]) if name in self._makers else repr(name)

    def walk(
        self, name: str, through: Callable[[onnx.NodeProto], bool]
    ) -> tuple[str, list[onnx.NodeProto]]:
        """Where `name` comes from once nodes `through` are taken away, and those, first to last."""
        passed = []
        while (maker := self._makers.get(name)) is not None and through(maker) and maker.input:
            passed.append(maker)
            name = maker.input[0]
        return name, passed[::-1]

    def sources(self, name: str) -> set[str]:
        """The graph's inputs that `name` is computed from."""
        needed = {name}
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
        return needed & self.inputs

    def constant(self, name: str) -> np.ndarray | None:
        """The value of an initialiser, of a Constant node, or of what is made of them by slicing,
        joining and moving axes; None for what is computed. ConversionError if it is damaged.
        """
        if name not in self._constants:
            return None
        needed = {name}
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(filter(None, node.input))
        for key in needed & self._initializers.keys() - self._values.keys():
            self._values[key] = self.numbers(self._initializers[key])
        for node in self.nodes:
            if needed.intersection(node.output) and not self._values.keys() >= set(node.output):
                results = self._folded(node)
                self._values |= dict(zip(node.output, results, strict=False))
        if name not in self._values:
            maker = self._makers[name]
            refuse(f"{self.path}: {kind(maker)} {maker.name or name}", f"no output {name!r}",
                   "those of a valid node")  # fmt: skip
        return self._values[name]

    def numbers(self, tensor: onnx.TensorProto) -> np.ndarray:
        """The tensor's values, or ConversionError."""
        try:
            return numpy_helper.to_array(tensor)
        except Exception:
            refuse(f"{self.path}: {tensor.name}", "a damaged tensor", "numbers for its shape")

    def _folded(self, node: onnx.NodeProto) -> list[np.ndarray]:
        """The outputs of a node whose inputs are known."""
        place = f"{self.path}: {kind(node)} {node.name or node.output[0]}"
        if kind(node) == "Constant":
            (value,) = attributes(node).values() if len(node.attribute) == 1 else (None,)
            if isinstance(value, onnx.TensorProto):
                return [self.numbers(value)]
            array = np.asarray(value)
            if array.dtype.kind not in "if":
                refuse(place, "no numbers", "a tensor")
            return [array]
        given = {name: self._values[name] for name in node.input if name}
        if sum(given[name].size for name in node.input if name) > _MAX_FOLDED:
            refuse(place, "a constant too large", f"at most {_MAX_FOLDED} values")
        try:
            results = self.run(node, given)
        except Exception:
            refuse(place, "inputs that do not fit", "those of a valid node")
        if any(result.size > _MAX_FOLDED for result in results):
            refuse(place, "a constant too large", f"at most {_MAX_FOLDED} values")
        return results

    def run(self, node: onnx.NodeProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs of one node for its inputs by name; raises whatever onnx does."""
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            results = ReferenceEvaluator(node, opsets={"": self._opset}).run(None, given)
        return [np.asarray(result) for result in results]
