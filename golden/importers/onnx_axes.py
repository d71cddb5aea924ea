# SPDX-License-Identifier: Apache-2.0
"""Which axis of a value in an ONNX graph is time, which batch, which units: followed by numbers.

Each element of Y of a GRU node gets a number of its own, and the nodes behind it, which only move
elements, are computed on those numbers. Where each of them ends up shows what a chain of Reshape,
Transpose, Squeeze and Unsqueeze does, whatever is written in its shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from golden.importers.onnx_graph import OnnxGraph, attributes, inputs, kind

AXES = ("time", "direction", "batch", "unit")
# Nodes that move elements, and change no value but for its rounding.
MOVES = {"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Cast", "Dropout"}
# What is computed, and what shapes are made with.
_COMPUTED = MOVES | {
    *("Constant", "ConstantOfShape", "Shape", "Size", "Gather", "Slice", "Concat", "Split"),
    *("Expand", "Add", "Sub", "Mul", "Div", "Mod", "Where", "Equal", "ReduceProd", "Neg"),
}
_MAX_SIZE = 1 << 22  # elements of a value
_FREE = (5, 3, 4, 6)  # sizes of free axes, all different, so that no two are mistaken


@dataclass(frozen=True)
class Sizes:
    """A choice of sizes for the free axes of the graph's inputs: the n-th that is met gets the n-th
    of `free`, the rest 1. `one_sequence`: the batch has one.
    """

    free: tuple[int, ...]
    time: int
    batch: int


# All axes free; then one sequence, whether time or batch comes first.
CHOICES = (Sizes(_FREE, 5, 3), Sizes((5, 1, 4), 5, 1), Sizes((1, 5, 4), 5, 1))


def is_move(node: onnx.NodeProto) -> bool:
    """Whether the node moves elements and changes none of them, but for rounding."""
    if kind(node) == "Cast":
        return attributes(node).get("to") in _FLOATS
    if kind(node) == "Dropout":  # in training it would do more
        return not inputs(node, 3)[2]
    return kind(node) in MOVES


_FLOATS = {
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.DOUBLE,
    onnx.TensorProto.BFLOAT16,
}


class Probe:
    """The values of a graph for one choice of sizes, as far as they can be told.

    Graph inputs hold zeros, GRU nodes put out `codes`. `given` replaces values by name.
    """

    def __init__(
        self, graph: OnnxGraph, sizes: Sizes, given: dict[str, np.ndarray] | None = None
    ) -> None:
        self._graph = graph
        self._sizes = sizes
        self._free: dict[str, int] = {}
        self._next = 0
        self._values: dict[str, np.ndarray | None] = dict(given or {})
        self._guessed: set[str] = set()  # of a known shape, but the values are made up

    def value(self, name: str) -> np.ndarray | None:
        """The value `name`, or None if it cannot be told."""
        needed = {name}
        for node in reversed(self._graph.nodes):
            if needed.intersection(node.output) and not self._known(node):
                # Of a GRU only the shape of X matters.
                needed.update(n for n in inputs(node, 1 if kind(node) == "GRU" else 99) if n)
        for source in sorted(needed):
            if source not in self._values and self._graph.maker(source) is None:
                self._values[source] = self._graph.constant(source)
                if self._values[source] is None:
                    self._values[source] = self._zeros(source)
                    self._guessed.add(source)
        for node in self._graph.nodes:
            if needed.intersection(node.output) and not self._known(node):
                self._compute(node)
        return None if name in self._guessed else self._values.get(name)

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of the value `name`, or None if it cannot be told."""
        self.value(name)
        value = self._values.get(name)
        return None if value is None else value.shape

    def _known(self, node: onnx.NodeProto) -> bool:
        return all(name in self._values for name in node.output if name)

    def _compute(self, node: onnx.NodeProto) -> None:
        given = {name: self._values.get(name) for name in node.input if name}
        guessed = False
        results: list[np.ndarray] | None = None
        if kind(node) == "GRU":
            results = self._gru(node)
        elif kind(node) in _COMPUTED and all(value is not None for value in given.values()):
            guessed = bool(self._guessed.intersection(node.input)) and kind(node) not in (
                "Shape",
                "Size",
            )
            # Where elements go must not hang on made-up values.
            if not self._guessed.intersection(node.input[1:]) and not self._huge(node, given):
                results = self._results(node, given)
        for i, name in enumerate(node.output):
            if name and name not in self._values:
                if results is not None and i < len(results):
                    self._values[name] = results[i]
                else:
                    self._values[name], guessed = self._zeros(name), True
                if guessed:
                    self._guessed.add(name)

    def _results(self, node: onnx.NodeProto, given: dict) -> list[np.ndarray] | None:
        if kind(node) in ("Cast", "Dropout") and is_move(node):
            return [given[node.input[0]]]  # not rounded: these are numbers of elements
        try:
            return self._graph.run(node, given)
        except Exception:
            return None

    def _huge(self, node: onnx.NodeProto, given: dict) -> bool:
        """Whether the node would fill the memory."""
        size = sum(value.size for value in given.values())
        if kind(node) in ("ConstantOfShape", "Expand", "Reshape") and node.input[-1]:
            target = np.abs(given[node.input[-1]].astype(np.float64))
            size = max(
                size, float(np.prod(np.maximum(target, 1))) if kind(node) != "Reshape" else 0
            )
        if kind(node) in ("Gather", "Add", "Sub", "Mul", "Div", "Mod", "Where", "Equal"):
            size = max(size, float(np.prod([max(v.size, 1) for v in given.values()], dtype=float)))
        return size > _MAX_SIZE

    def _gru(self, node: onnx.NodeProto) -> list[np.ndarray]:
        x = self._values.get(node.input[0])
        by_layout = attributes(node).get("layout", 0) == 1
        time, batch = self._sizes.time, self._sizes.batch
        if x is not None and x.ndim == 3:
            time, batch = (x.shape[1], x.shape[0]) if by_layout else x.shape[:2]
        hidden, directions = hidden_size(self._graph, node), 1
        if attributes(node).get("direction") == "bidirectional":
            directions = 2
        if time * batch * directions * hidden > _MAX_SIZE:
            time, batch = self._sizes.time, self._sizes.batch
        y = codes((time, directions, batch, hidden))
        state = np.zeros((directions, batch, hidden))
        if by_layout:
            return [y.transpose(2, 0, 1, 3), state.transpose(1, 0, 2)]
        return [y, state]

    def _zeros(self, name: str) -> np.ndarray | None:
        shape = self._graph.shape(name)
        if shape is None:
            return None
        sizes = []
        for i, size in enumerate(shape):
            if not isinstance(size, int):
                size = self._free_size(size or f"{name}[{i}]")
            sizes.append(size)
        if any(size < 0 for size in sizes) or float(np.prod(sizes, dtype=float)) > _MAX_SIZE:
            return None
        return np.zeros(sizes)

    def _free_size(self, axis: str) -> int:
        if axis not in self._free:
            free = self._sizes.free
            self._free[axis] = free[self._next] if self._next < len(free) else 1
            self._next += 1
        return self._free[axis]


def hidden_size(graph: OnnxGraph, node: onnx.NodeProto) -> int:
    """H of a GRU node: its attribute, or the last size of R."""
    hidden = attributes(node).get("hidden_size")
    if not hidden:
        name = inputs(node, 3)[2]
        recurrent = graph.constant(name) if name else None
        hidden = recurrent.shape[-1] if recurrent is not None and recurrent.ndim else 1
    return max(1, min(int(hidden), 1 << 16))


def codes(shape: tuple[int, ...]) -> np.ndarray:
    """An array of numbers that are all different, in order, as float64."""
    return np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)


def coordinates(value: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """For each axis of `shape`, where along it the elements of `value`, its codes, come from."""
    return list(np.unravel_index(value.astype(np.int64), shape))


def _profile(where: np.ndarray) -> Iterator[np.ndarray]:
    """`where` along each axis alone, from its first element."""
    for axis in range(where.ndim):
        place = [0] * where.ndim
        place[axis] = slice(None)
        yield where[tuple(place)]


def mixed(value: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an axis of `shape` was torn: moving along one axis of `value` moves along it by a
    number of steps that depends on the place.
    """
    for where in coordinates(value, shape):
        total = -(value.ndim - 1) * where.reshape(-1)[:1].sum() if value.size else 0
        for axis, along in enumerate(_profile(where)):
            total = total + along.reshape([-1 if i == axis else 1 for i in range(value.ndim)])
        if np.any(total != where):
            return True
    return False


def axis_names(value: np.ndarray, shape: tuple[int, ...], names: tuple[str, ...]) -> list[str]:
    """In words: which of `names`, the axes of `shape`, each axis of `value` runs along."""
    if mixed(value, shape):
        return ["?"]
    found = []
    for profile in zip(*(_profile(where) for where in coordinates(value, shape)), strict=True):
        moving = [
            (name, where)
            for name, where in zip(names, profile, strict=True)
            if np.any(where != where[0])
        ]
        # Where two run along one axis, the outer one stands still and the inner one comes again.
        disorder = len(moving) == 1 and not _ordered(moving[0][1])
        words = " and ".join(name for name, _ in moving) or "one"
        found.append(words + " out of order" * disorder)
    return found


def shuffled(value: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether an axis of `value` runs along one axis of `shape` alone, and not in its order."""
    for profile in zip(*(_profile(where) for where in coordinates(value, shape)), strict=True):
        along = [where for where in profile if np.any(where != where[0])]
        if len(along) == 1 and not _ordered(along[0]):
            return True
    return False


def _ordered(where: np.ndarray) -> bool:
    return bool(np.all(np.diff(where) > 0))
