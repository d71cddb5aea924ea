# SPDX-License-Identifier: Apache-2.0
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

from golden.importers.convert import merge_biases, refuse
from golden.importers.onnx_graph import OnnxGraph, attributes, inputs, kind, load

_R_Z_N = [1, 0, 2]  # rows of ONNX's z, r, h
_DEFAULTS = {"direction": "forward", "linear_before_reset": 0, "layout": 0}
_ACTIVATIONS = ["sigmoid", "tanh"]
_Y_AXES = (["time", "one", "batch", "unit"], ["batch", "time", "one", "unit"])  # by layout
_X_AXES = (["time", "batch", "unit"], ["batch", "time", "unit"])
# Nodes that move axes and change no value, and those that also pick or repeat elements.
_AXES_ONLY = {"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape"}
_SAME_VALUES = _AXES_ONLY | {"Expand", "Slice", "Gather", "Cast"}
_SILENT = _SAME_VALUES | {"Concat", "Dropout"}  # not worth a note behind the GRU
_RELATIVES = {"LSTM", "RNN", "Loop", "Scan"}


def read_onnx(path: Path, names=None, direction=None) -> tuple[list[tuple], list[str]]:
    """The chain of GRU nodes in the ONNX file `path`: layers for `convert.convert_layers`, and
    notes for the reader.

    Each node after the first takes Y of the one before, with nothing between them but nodes that
    move axes. What comes before the first and after the last is ignored, with a note. Raises
    ConversionError, of one line, for nodes that compute anything but torch.nn.GRU's equations in
    one direction from the zero state, and for files that are not ONNX.
    """
    graph = load(path)
    nodes = [node for node in graph.nodes if kind(node) == "GRU"]
    if not nodes:
        relatives = " and ".join(sorted(_RELATIVES.intersection(map(kind, graph.nodes))))
        refuse(path, "no GRU node" + (f" but {relatives}" if relatives else ""), "one")
    layers, notes = [], []
    for i, node in enumerate(nodes):
        place = f"{path}: GRU node {node.name or i}"
        _check_equations(place, node)
        notes += _checked_start(place, graph, node)
        layers.append(_tensors(place, graph, node))
        if i:
            _check_link(place, graph, nodes[i - 1], node, len(layers[-2][2][0]))
    notes += _surroundings(graph, nodes)
    return layers, list(dict.fromkeys(notes))


def _check_equations(place: str, node: onnx.NodeProto) -> None:
    """Refuse a node that computes something else, whatever its tensors."""
    found = _DEFAULTS | attributes(node)
    if found["direction"] != "forward":
        refuse(place, f"direction {found['direction']}", "forward")
    if found["linear_before_reset"] != 1:
        refuse(
            place,
            f"linear_before_reset {found['linear_before_reset']}",
            "1, where the reset gate multiplies R_h H + Rb_h, as in PyTorch",
        )
    activations = [a.decode(errors="replace").lower() for a in found.get("activations", [])]
    if activations not in ([], _ACTIVATIONS):
        refuse(place, f"activations {', '.join(activations)}", ", ".join(_ACTIVATIONS))
    if "clip" in found:
        refuse(place, f"clip {found['clip']}", "none")
    if found["layout"] not in (0, 1):
        refuse(place, f"layout {found['layout']}", "0 or 1")
    if inputs(node, 5)[4]:
        refuse(place, "sequence_lens", "none: the device runs one sequence, as long as it is")


def _checked_start(place: str, graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    """Refuse an initial_h that is not zero; a note for one that is fed from outside."""
    given = inputs(node, 6)[5]
    if not given:
        return []
    name, _ = graph.walk(given, _SAME_VALUES)
    if name in graph.inputs:
        return [f"initial_h is the graph's input {name!r}: the device starts from zeros"]
    value = graph.constant(name)
    if value is None and graph.origin(name) == "ConstantOfShape":
        tensor = attributes(graph.maker(name)).get("value")
        value = np.zeros(1) if tensor is None else graph.numbers(tensor)
    if value is None:
        refuse(place, f"an initial_h computed by {graph.origin(name)}", "zeros or none")
    if value.any():
        refuse(place, "an initial_h that is not zero", "zeros or none")
    return []


def _tensors(place: str, graph: OnnxGraph, node: onnx.NodeProto) -> tuple[np.ndarray, ...]:
    """W, R and B as weight_ih (3H, I), weight_hh (3H, H) and bias (4, H)."""
    names = dict(zip("WRB", inputs(node, 4)[1:], strict=True))
    given = {key: _floats(f"{place}: {key}", graph, name) for key, name in names.items() if name}
    hidden = attributes(node).get("hidden_size", given["R"].shape[-1])
    wide = given["W"].shape[2:3]
    shapes = {"W": (1, 3 * hidden, *wide), "R": (1, 3 * hidden, hidden), "B": (1, 6 * hidden)}
    for key, array in given.items():
        if array.shape != shapes[key] or not array.size:
            refuse(f"{place}: {key}", f"shape {array.shape}", f"{shapes[key]}")

    def reordered(array: np.ndarray) -> np.ndarray:
        return array.reshape(3, hidden, -1)[_R_Z_N]

    halves = np.split(given["B"][0], 2) if "B" in given else []
    return (
        reordered(given["W"]).reshape(3 * hidden, -1),
        reordered(given["R"]).reshape(3 * hidden, -1),
        merge_biases(hidden, *map(reordered, halves)),
    )


def _floats(place: str, graph: OnnxGraph, name: str) -> np.ndarray:
    """A constant tensor as float64."""
    array = graph.constant(name)
    if array is None:
        refuse(place, f"values from {graph.origin(name)}, made at run time", "constants")
    # A list of what is refused, since bfloat16 is none of numpy's own kinds.
    if array.dtype.kind in "iubcOSU" or not array.ndim:
        refuse(place, f"{array.dtype} of shape {array.shape}", "floats")
    return array.astype(np.float64)


def _check_link(
    place: str, graph: OnnxGraph, before: onnx.NodeProto, node: onnx.NodeProto, hidden: int
) -> None:
    """Refuse anything but Y of `before`, of `hidden` units, step for step, as X of `node`."""
    name, passed = graph.walk(node.input[0], _AXES_ONLY)
    if name not in before.output[:1]:
        expected = f"Y of {before.name or 'the GRU node before'}, its axes moved at most"
        refuse(f"{place}: X", f"a value from {graph.origin(name)}", expected)
    axes = _Y_AXES[attributes(before).get("layout", 0)]
    for step in passed:
        axes = _moved(graph, step, axes, hidden)
    want = _X_AXES[attributes(node).get("layout", 0)]
    # A batch of one may have been taken away and put back.
    if axes not in (want, ["one" if axis == "batch" else axis for axis in want]):
        refuse(f"{place}: X", f"axes ({', '.join(axes)})", f"({', '.join(want)})")


def _moved(graph: OnnxGraph, node: onnx.NodeProto, axes: list[str], hidden: int) -> list[str]:
    """Names of the axes behind a node of _AXES_ONLY; '?' for what they cannot be."""
    if kind(node) == "Identity":
        return axes
    if kind(node) == "Transpose":
        order = attributes(node).get("perm", range(len(axes))[::-1])
        return [axes[i] for i in order] if sorted(order) == [*range(len(axes))] else ["?"]
    kept = [axis for axis in axes if axis != "one"]
    if kind(node) == "Reshape":
        shape = _integers(graph, node)
        # Only ones come and go: a shape made at run time is the exporter's word for that.
        fits = shape is None or (len(shape) == 3 and shape[-1] in (0, -1, hidden))
        return kept if fits else ["?"]
    places = attributes(node).get("axes")  # an attribute before opset 13
    places = _integers(graph, node) if places is None else places
    if places is None:  # a Squeeze of whatever is 1
        return kept
    if kind(node) == "Squeeze":
        gone = {place % len(axes) for place in places} if axes else set()
        return [axis for i, axis in enumerate(axes) if i not in gone]
    rank = len(axes) + len(places)
    new = {place % rank for place in places}
    rest = iter(axes)
    return ["one" if i in new else next(rest, "?") for i in range(rank)]


def _integers(graph: OnnxGraph, node: onnx.NodeProto) -> list[int] | None:
    """The second input of a node, if it is constant."""
    values = graph.constant(inputs(node, 2)[1])
    if values is None:
        return None
    if values.dtype.kind != "i":
        refuse(
            f"{graph.path}: {kind(node)} {node.name or node.output[0]}",
            f"{values.dtype} axes",
            "integers",
        )
    return values.reshape(-1).tolist()


def _surroundings(graph: OnnxGraph, nodes: list[onnx.NodeProto]) -> list[str]:
    """Notes on what computes the first X, and on what is computed from h."""
    notes = []
    name, _ = graph.walk(nodes[0].input[0], _AXES_ONLY)
    if name not in graph.inputs:
        notes.append(f"before the GRU, ignored: {graph.origin(name)}; x is what comes after it")
    live, after = {name for node in nodes for name in node.output if name}, {}
    for node in graph.nodes:
        # Through Shape nothing passes but sizes.
        if kind(node) not in ("GRU", "Shape") and live.intersection(node.input):
            live.update(node.output)
            after[kind(node)] = None
    ignored = [name for name in after if name not in _SILENT]
    if ignored:
        notes.append(f"after the GRU, ignored: {', '.join(ignored)}")
    return notes
