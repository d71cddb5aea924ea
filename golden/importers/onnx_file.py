# SPDX-License-Identifier: Apache-2.0
"""GRU layers out of an ONNX file.

What a node means is in the ONNX operator specification, GRU, opset 7 (and 14, which adds
`layout`): gates in the order z, r, h; W [directions, 3H, I], R [directions, 3H, H],
B [directions, 6H], the biases of W before those of R; ``H' = (1 - z) h + z H``. With
linear_before_reset = 1 the reset gate multiplies R_h H + Rb_h, as in torch.nn.GRU and in the
delta memories M_nx and M_nh here; with 0 it multiplies H, which they cannot express.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx

from golden.importers.convert import merge_biases, refuse
from golden.importers.onnx_axes import (
    AXES,
    CHOICES,
    MOVES,
    Probe,
    axis_names,
    codes,
    is_move,
    mixed,
    shuffled,
)
from golden.importers.onnx_graph import OnnxGraph, attributes, inputs, kind, load

_R_Z_N = [1, 0, 2]  # rows of ONNX's z, r, h
_DEFAULTS = {"direction": "forward", "linear_before_reset": 0, "layout": 0}
_ACTIVATIONS = ["sigmoid", "tanh"]
# Nodes that also pick or repeat elements.
_SAME_VALUES = MOVES | {"Expand", "Slice", "Gather"}
_SILENT = _SAME_VALUES | {"Concat"}  # not worth a note behind the GRU
_RELATIVES = {"LSTM", "RNN", "Loop", "Scan", "If", "MatMul", "Gemm", "Conv"}
_X_AXES = (("time", "batch", "unit"), ("batch", "time", "unit"))  # by layout
_BACKWARDS = "the reverse direction: feed the device the sequence from its end to its start"


def read_onnx(
    path: Path, names: str | None = None, direction: str | None = None
) -> tuple[list[tuple], list[str]]:
    """The chain of GRU nodes in the ONNX file `path`: layers for `convert.convert_layers`, and
    notes for the reader.

    Each node after the first takes Y of the one before, with nothing between them but nodes that
    move axes, which are followed. What comes before the first and after the last is ignored, with a
    note. `names`, with commas between them, picks some of several nodes; `direction` one of two.
    Raises ConversionError, of one line, for nodes that compute anything but torch.nn.GRU's
    equations in one direction from the zero state, and for files that are not ONNX.
    """
    graph = load(path)
    nodes = _chosen(path, graph, names)
    layers, notes = [], []
    for i, node in enumerate(nodes):
        place = f"{path}: GRU node {_name(node, i)}"
        _check_equations(place, node, direction, len(nodes))
        notes += _checked_start(place, graph, node)
        notes += _checked_lengths(place, graph, node)
        layers.append(_tensors(place, graph, node, direction))
        if i:
            notes += _check_link(place, graph, nodes[i - 1], node)
    notes += _check_way_in(f"{path}: GRU node {_name(nodes[0], 0)}", graph, nodes[0])
    notes += _check_way_out(path, graph, nodes[-1])
    notes += _surroundings(graph, nodes)
    if direction == "reverse":
        notes.append(_BACKWARDS)
    return layers, list(dict.fromkeys(notes))


def _name(node: onnx.NodeProto, i: int) -> str:
    return node.name or next(filter(None, node.output), str(i))


def _chosen(path: Path, graph: OnnxGraph, names: str | None) -> list[onnx.NodeProto]:
    """The GRU nodes to take, in order."""
    nodes = [node for node in graph.nodes if kind(node) == "GRU"]
    if not nodes:
        kinds = dict.fromkeys(map(kind, graph.nodes))
        relatives = [k for k in kinds if k in _RELATIVES] or list(kinds)[:6]
        refuse(path, f"no GRU node but {' and '.join(sorted(relatives))}", "one")
    known = {_name(node, i): node for i, node in enumerate(nodes)}
    if len(known) < len(nodes):  # names need not differ
        known = {next(filter(None, node.output), str(i)): node for i, node in enumerate(nodes)}
    if names is not None:
        words = [names] if names in known else names.split(",")
        for word in words:
            if word not in known or words.count(word) > 1:
                how = "twice" if word in known else "which there is not"
                refuse(path, f"the GRU node {word!r}, {how}", f"one of {', '.join(known)}")
        return [known[word] for word in words]
    for before, node in itertools.pairwise(nodes):
        name, _ = graph.walk(node.input[0], is_move)
        if name not in before.output[:1]:
            place = f"{path}: GRU node {_name(node, 1)}"
            expected = f"Y of {before.name or 'the GRU node before'}, its axes moved at most"
            several = f"; or --prefix NAME to take one of {', '.join(known)}"
            refuse(f"{place}: X", f"a value from {graph.origin(name)}", expected + several)
    return nodes


def _check_equations(place: str, node: onnx.NodeProto, direction: str | None, count: int) -> None:
    """Refuse a node that computes something else, whatever its tensors."""
    found = _DEFAULTS | attributes(node)
    given = found["direction"]
    if given == "bidirectional" and direction is not None and count > 1:
        refuse(place, "direction bidirectional in a chain of nodes", "one node, picked by name")
    if given not in (direction or "forward", "bidirectional") or (
        given == "bidirectional" and direction is None
    ):
        other = given == "reverse" and direction is None
        choice = ", or --direction" if given == "bidirectional" or other else ""
        refuse(place, f"direction {given}", f"{direction or 'forward'}{choice}")
    if found["linear_before_reset"] != 1:
        refuse(
            place,
            f"linear_before_reset {found['linear_before_reset']}",
            "1, where the reset gate multiplies R_h H + Rb_h, as in PyTorch",
        )
    activations = [a.decode(errors="replace").lower() for a in found.get("activations", [])]
    if activations not in ([], _ACTIVATIONS, 2 * _ACTIVATIONS):
        refuse(place, f"activations {', '.join(activations)}", ", ".join(_ACTIVATIONS))
    if "clip" in found:
        refuse(place, f"clip {found['clip']}", "none")
    if found["layout"] not in (0, 1):
        refuse(place, f"layout {found['layout']}", "0 or 1")


def _same_value(graph: OnnxGraph, name: str) -> str:
    """The value whose elements are moved, picked and repeated to make `name`."""
    return graph.walk(name, lambda node: kind(node) in _SAME_VALUES)[0]


def _checked_start(place: str, graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    """Refuse an initial_h that is not zero; a note for one that is fed from outside."""
    given = inputs(node, 6)[5]
    if not given:
        return []
    name = _same_value(graph, given)
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


def _checked_lengths(place: str, graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    """Refuse sequence_lens that cut sequences off; a note for those fed from outside."""
    given = inputs(node, 5)[4]
    if not given:
        return []
    name = _same_value(graph, given)
    sources = graph.sources(given)
    if sources and sources <= graph.integer_inputs:
        return [f"sequence_lens comes from the graph's input {min(sources)!r}: the device runs a "
                "sequence as long as it is"]  # fmt: skip
    by_layout = attributes(node).get("layout", 0) == 1
    for sizes in CHOICES:
        probe = Probe(graph, sizes)
        shape, lengths = probe.shape(node.input[0]), probe.value(given)
        if shape is None or len(shape) != 3 or lengths is None:
            refuse(place, f"sequence_lens from {graph.origin(name)}, of unknown value",
                   "none or the full length")  # fmt: skip
        steps = shape[1] if by_layout else shape[0]
        if np.any(lengths != steps):
            found = ", ".join(map(str, np.unique(lengths)[:4].tolist()))
            declared = graph.shape(node.input[0]) or [None, None]
            size = declared[1 if by_layout else 0]
            full = f", {size}" if isinstance(size, int) else " of whatever comes"
            refuse(place, f"sequence_lens {found}", f"none or the full length{full}")
    return []


def _tensors(
    place: str, graph: OnnxGraph, node: onnx.NodeProto, direction: str | None
) -> tuple[np.ndarray, ...]:
    """W, R and B as weight_ih (3H, I), weight_hh (3H, H) and bias (4, H)."""
    names = dict(zip("WRB", inputs(node, 4)[1:], strict=True))
    for key in "WR":
        if not names[key]:
            refuse(place, f"no {key}", "W and R")
    given = {key: _floats(f"{place}: {key}", graph, name) for key, name in names.items() if name}
    hidden = attributes(node).get("hidden_size") or given["R"].shape[-1]
    wide = given["W"].shape[2:3]
    both = 2 if attributes(node).get("direction") == "bidirectional" else 1
    shapes = {
        "W": (both, 3 * hidden, *wide),
        "R": (both, 3 * hidden, hidden),
        "B": (both, 6 * hidden),
    }
    for key, array in given.items():
        if array.shape != shapes[key] or not array.size:
            gates = array.shape[1] if array.ndim > 1 else 0
            like = ", as an LSTM has it" if gates == (8 if key == "B" else 4) * hidden else ""
            refuse(f"{place}: {key}", f"shape {array.shape}{like}", f"{shapes[key]}")

    def reordered(array: np.ndarray) -> np.ndarray:
        return array.reshape(3, hidden, -1)[_R_Z_N]

    one = both - 1 if direction == "reverse" else 0
    halves = np.split(given["B"][one], 2) if "B" in given else []
    return (
        reordered(given["W"][one]).reshape(3 * hidden, -1),
        reordered(given["R"][one]).reshape(3 * hidden, -1),
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


def _shown(node: onnx.NodeProto) -> str:
    return f"{kind(node)} {node.name or next(filter(None, node.output), '')}".rstrip()


def _check_link(
    place: str, graph: OnnxGraph, before: onnx.NodeProto, node: onnx.NodeProto
) -> list[str]:
    """Refuse anything but Y of `before`, step for step, as X of `node`."""
    name, passed = graph.walk(node.input[0], is_move)
    if name not in before.output[:1]:
        expected = f"Y of {before.name or 'the GRU node before'}, its axes moved at most"
        refuse(f"{place}: X", f"a value from {graph.origin(name)}", expected)
    want = _X_AXES[attributes(node).get("layout", 0)]
    found: list[str] | None = None
    for sizes in CHOICES:
        probe = Probe(graph, sizes)
        y, x = probe.value(name), probe.value(node.input[0])
        if y is not None and x is not None and x.size == y.size:
            time, batch = _time_and_batch(before, y)
            expected = y.reshape(*_by_layout(before, time, batch), -1)
            if attributes(node).get("layout", 0) != attributes(before).get("layout", 0):
                expected = expected.swapaxes(0, 1)
            if np.array_equal(x, expected):
                alone = sizes is not CHOICES[0] and batch == 1 and (time > 1)
                if sizes is CHOICES[0]:
                    return []
                if alone:
                    return [f"{' and '.join(map(_shown, passed))}: right for a batch of one alone"]
                continue
        if found is None and y is not None:
            found = _axes_behind(before, y, x)
    behind = f"behind {', '.join(map(_shown, passed))}: " if passed else ""
    refuse(f"{place}: X", f"{behind}axes ({', '.join(found or ['?'])})", f"({', '.join(want)})")


def _time_and_batch(node: onnx.NodeProto, y: np.ndarray) -> tuple[int, int]:
    """Steps and batch of Y of `node`."""
    return (
        (y.shape[1], y.shape[0]) if attributes(node).get("layout", 0) else (y.shape[0], y.shape[2])
    )


def _by_layout(node: onnx.NodeProto, time: int, batch: int) -> tuple[int, int]:
    return (batch, time) if attributes(node).get("layout", 0) else (time, batch)


def _code_shape(node: onnx.NodeProto, y: np.ndarray) -> tuple[int, int, int, int]:
    """The axes of AXES in Y's numbers."""
    time, batch = _time_and_batch(node, y)
    return time, y.shape[2] if attributes(node).get("layout", 0) else y.shape[1], batch, y.shape[3]


def _axes_behind(before: onnx.NodeProto, y: np.ndarray, x: np.ndarray | None) -> list[str] | None:
    shape = _code_shape(before, y)
    if x is None or not x.size or x.min() < 0 or x.max() >= np.prod(shape):
        return None
    return axis_names(x, shape, AXES)


def _check_way_in(place: str, graph: OnnxGraph, node: onnx.NodeProto) -> list[str]:
    """Refuse axes moved on the way to the first X so that no axis is time any more; notes on those
    moved in other ways that whoever feeds x must know.
    """
    name, passed = graph.walk(node.input[0], is_move)
    if name not in graph.inputs and graph.maker(name) is None:
        refuse(f"{place}: X", f"{name!r}, which nothing makes", "an input of the graph")
    by_layout = attributes(node).get("layout", 0) == 1
    time_axis, batch_axis = (1, 0) if by_layout else (0, 1)
    if not passed:
        return []
    ways = ", ".join(map(_shown, passed))
    place = f"{place}: X behind {ways}"
    notes: list[str] = []
    found: list[tuple[int, int, str]] = []  # steps, batch and the axes that the batch runs along
    for choice in CHOICES:
        shape = Probe(graph, choice).shape(name)
        if shape is None:
            continue
        x = Probe(graph, choice, {name: codes(shape)}).value(node.input[0])
        if x is None or x.ndim != 3 or not x.size:
            continue
        names = tuple(f"axis {i}" for i in range(len(shape)))
        if mixed(x, shape):
            refuse(place, f"the axes of {name!r} torn and mixed", "axes moved as they are")
        axes = axis_names(x, shape, names)
        found.append((x.shape[time_axis], x.shape[batch_axis], axes[batch_axis]))
        if np.any(np.diff(x[0, 0]) <= 0):
            notes.append(f"{ways} puts inputs in another order; x is what comes after it")
        if " and " in axes[time_axis]:
            notes.append(f"{ways} makes steps of {axes[time_axis]} of {name!r}")
    if not found:
        refuse(place, "axes that cannot be followed", "shapes that are known")
    made = any(kind(step) in ("Reshape", "Unsqueeze", "Flatten") for step in passed)
    steps, batch, along = max(found)
    if steps == 1 and batch > 1 and not _streams(graph, node):
        if made:
            refuse(place, f"one step of a batch along {along} of {name!r}", "steps along it")
        notes.append(f"{along} of {name!r} is a batch of single steps: each starts from zeros")
    return list(dict.fromkeys(notes))


def _streams(graph: OnnxGraph, node: onnx.NodeProto) -> bool:
    """Whether the state is kept outside, so that a step of the graph is one of the sequence."""
    start = inputs(node, 6)[5]
    return bool(start) and _same_value(graph, start) in graph.inputs


def _check_way_out(path: Path, graph: OnnxGraph, last: onnx.NodeProto) -> list[str]:
    """Refuse outputs in which the steps of the last Y are torn apart."""
    if not last.output or not last.output[0]:
        return []
    behind, moved = {last.output[0]}, []
    for node in graph.nodes:
        if is_move(node) and node.input and node.input[0] in behind:
            behind.add(node.output[0])
            moved.append(node)
    bad: dict[str, int] = {}
    for sizes in CHOICES:
        probe = Probe(graph, sizes)
        y = probe.value(last.output[0])
        for node in moved:
            value = probe.value(node.output[0])
            lost = y is None or value is None or value.size != y.size
            shape = None if lost else _code_shape(last, y)
            if lost or mixed(value, shape) or shuffled(value, shape):
                bad[_shown(node)] = bad.get(_shown(node), 0) + 1
    for shown, times in bad.items():
        if times == len(CHOICES):
            refuse(f"{path}: {shown}", "the axes of the last Y torn and mixed", "axes as they are")
    if bad:
        return [f"{next(iter(bad))}: right for a batch of one alone"]
    return []


def _surroundings(graph: OnnxGraph, nodes: list[onnx.NodeProto]) -> list[str]:
    """Notes on what computes the first X, and on what is computed from h."""
    notes = []
    name, _ = graph.walk(nodes[0].input[0], is_move)
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
    for output in graph.outputs:
        maker = graph.maker(graph.walk(output, is_move)[0])
        if maker is not None and maker in nodes[:-1]:
            notes.append(f"output {output!r} comes from an earlier GRU node, ignored: the device "
                         "gives h of the last")  # fmt: skip
    others = [node for node in graph.nodes if kind(node) == "GRU" and node not in nodes]
    if others:
        names = ", ".join(_name(node, i) for i, node in enumerate(others))
        notes.append(f"other GRU nodes, ignored: {names}")
    return notes
