# SPDX-License-Identifier: Apache-2.0
"""GRU layers out of a PyTorch ``state_dict``: safetensors, or ``torch.save`` read without code."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from golden.importers.checkpoint import listing, read_tensors
from golden.importers.convert import merge_biases, refuse
from golden.importers.folding import fold

# Names of torch.nn.GRU, of torch.nn.GRUCell and of golden.train.delta_gru.DeltaGRU; before them
# the module's path.
_NAME = re.compile(
    r"((?:.*\.)?)((?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l[0-9]{1,4}(?:_reverse)?)?"
    r"|(?:weight_ih|weight_hh|bias)\.[0-9]{1,4})"
)
_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_RELATIVES = {4: "an LSTM", 1: "a plain RNN"}  # by gates
_GRU_NAMES = (
    "weight_ih_l0, weight_hh_l0, ... of a torch.nn.GRU, or weight_ih, weight_hh, ... of a "
    "torch.nn.GRUCell, with or without a prefix"
)
FORWARD, REVERSE = DIRECTIONS = ("forward", "reverse")
BACKWARDS = "the reverse direction: feed the device the sequence from its end to its start"


def read_state_dict(
    path: Path, prefix: str | None = None, direction: str | None = None
) -> tuple[list[tuple], list[str]]:
    """The GRU in the state_dict `path`: layers for `convert.convert_layers`, and notes for the
    reader.

    The tensors are those of a torch.nn.GRU, of a torch.nn.GRUCell or of a DeltaGRU, under a
    `prefix` such as ``rnn.``, which may be left out where only one fits. Several prefixes with
    commas between them are modules in a chain, first to last. `direction` picks one of two. A
    checkpoint that holds a state_dict under a key is searched too: the key is then part of the
    prefix. Code in the file is never run. Raises ConversionError, of one line, for everything else.
    """
    tensors, notes = read_tensors(path)
    folded = fold(path, tensors)
    tensors = folded.tensors
    stacks: dict[str, dict[str, torch.Tensor | None]] = {}
    for name, tensor in (tensors | dict.fromkeys(folded.broken)).items():
        if match := _NAME.fullmatch(name):
            stacks.setdefault(match[1], {})[match[2]] = tensor
    # "bias.0" alone is anybody's. A stack that lacks the rest is refused below, not passed over.
    stacks = {p: s for p, s in stacks.items() if any(not n.startswith("bias.") for n in s)}
    layers: list[tuple] = []
    chosen = _chosen(path, prefix, stacks, tensors)
    for part in chosen:
        for base, error in folded.broken.items():
            # Whatever wraps a module may keep the weights for it.
            if part.startswith(base[: base.rfind(".") + 1]):
                raise error
        stack = stacks[part]
        if any("." in name for name in stack):
            layers += _delta_layers(path, part, stack, direction)
        elif any("_l" in name for name in stack):
            layers += _torch_layers(path, part, stack, direction)
        else:
            layers += _cell_layers(path, part, stack, direction)
    for i, (before, after) in enumerate(pairwise(layers)):
        if len(chosen) > 1 and after[0].shape[1] != before[1].shape[1]:
            found = f"{after[0].shape[1]} inputs behind {before[1].shape[1]} units"
            refuse(path, f"{found} in layer {i + 1} of the chain", "prefixes in order")
    taken = {part + name for part in chosen for name in stacks[part]}
    others = [name for name in tensors if name not in taken]
    notes += [what for base, what in folded.made.items() if base in taken]
    if direction == REVERSE:
        notes.append(BACKWARDS)
    if len(chosen) > 1:
        notes.append(f"chained in this order: {listing([_shown(p) for p in chosen])}; what happens "
                     "to h between them is not in the file")  # fmt: skip
    if others:
        notes.append(f"not part of the GRU, ignored: {listing(others)}")
    return layers, notes


def _shown(prefix: str) -> str:
    return prefix or "(none)"


def _chosen(path: Path, prefix: str | None, stacks: dict, tensors: dict) -> list[str]:
    """The prefixes whose tensors to take, in order."""
    if not stacks:
        what = [f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items()]
        refuse(path, f"no GRU but {listing(what) or 'no tensors'}", _GRU_NAMES)
    found = listing([_shown(p) for p in stacks])
    if prefix is None:
        if len(stacks) > 1:
            refuse(
                path,
                f"recurrent layers under the prefixes {found}",
                "one of them as --prefix, or those of a chain, in order, with commas between them",
            )
        return list(stacks)
    words = [prefix] if {prefix, f"{prefix}."} & stacks.keys() else prefix.split(",")
    chosen = []
    for word in words:
        fitting = [p for p in (word, f"{word}.") if p in stacks]
        if not fitting:
            refuse(path, f"no GRU under the prefix {word!r}", f"one of {found}")
        chosen.append(fitting[0])
    if len(set(chosen)) < len(chosen):
        refuse(path, f"one prefix twice in {prefix!r}", "each once")
    return chosen


def _one_direction(path: Path, prefix: str, stack: dict, direction: str | None) -> dict:
    """The stack with the tensors of `direction` alone, under their forward names."""
    back = {n.removesuffix("_reverse"): t for n, t in stack.items() if n.endswith("_reverse")}
    forth = {n: t for n, t in stack.items() if not n.endswith("_reverse")}
    if not back:
        if direction == REVERSE:
            refuse(path, f"one direction under the prefix {_shown(prefix)}", "no --direction")
        return forth
    if direction is None:
        name = next(n for n in stack if n.endswith("_reverse"))
        refuse(path, f"{prefix}{name}, of a second direction",
               "one direction, or --direction to take one of the two")  # fmt: skip
    lacking = [prefix + n for n in back if n not in forth]
    lacking += [f"{prefix}{n}_reverse" for n in forth if n not in back]
    if lacking:
        refuse(path, f"no {listing(lacking)}", "every tensor of both directions")
    if any(not n.endswith("_l0") for n in forth):
        refuse(path, "both directions of one layer in the inputs of the next",
               "one layer, where a direction stands alone")  # fmt: skip
    return back if direction == REVERSE else forth


def _torch_layers(path: Path, prefix: str, stack: dict, direction: str | None) -> list[tuple]:
    for name in stack:
        if name.startswith("weight_hr"):
            refuse(path, f"{prefix}{name}, a projection", "none")
    stack = _one_direction(path, prefix, stack, direction)
    biased = any(name.startswith("bias") for name in stack)
    kinds = _KINDS if biased else _KINDS[:2]
    layers = {name.rpartition("_l")[2] for name in stack if name.startswith("weight")}
    count = max(len(layers), 1)
    _expect_names(path, prefix, stack, [f"{kind}_l{i}" for i in range(count) for kind in kinds])
    return [_layer(path, prefix, stack, [f"{kind}_l{i}" for kind in kinds]) for i in range(count)]


def _cell_layers(path: Path, prefix: str, stack: dict, direction: str | None) -> list[tuple]:
    if direction == REVERSE:
        refuse(path, f"one direction under the prefix {_shown(prefix)}", "no --direction")
    kinds = _KINDS if any(name.startswith("bias") for name in stack) else _KINDS[:2]
    _expect_names(path, prefix, stack, list(kinds))
    return [_layer(path, prefix, stack, list(kinds))]


def _layer(path: Path, prefix: str, stack: dict, names: list[str]) -> tuple:
    """weight_ih, weight_hh and the merged biases of the tensors `names`."""
    weight_ih, weight_hh, *biases = (_array(path, prefix + n, stack[n]) for n in names)
    _check_gates(f"{path}: {prefix}{names[1]}", weight_hh)
    rows, hidden = weight_hh.shape
    for name, bias in zip(names[2:], biases, strict=True):
        if bias.shape != (rows,):
            refuse(f"{path}: {prefix}{name}", f"shape {bias.shape}", f"({rows},)")
    return weight_ih, weight_hh, merge_biases(hidden, *biases)


def _check_gates(place: str, weight_hh: np.ndarray) -> None:
    """Refuse a recurrent weight that is not (3H, H)."""
    rows, hidden = weight_hh.shape if weight_hh.ndim == 2 else (0, 0)
    if not hidden or rows != 3 * hidden:
        relative = _RELATIVES.get(rows // hidden if hidden and rows % hidden == 0 else 0)
        refuse(
            place,
            f"shape {weight_hh.shape}" + (f", as {relative} has it" if relative else ""),
            "(3H, H): the gates r, z, n of a GRU",
        )


def _delta_layers(path: Path, prefix: str, stack: dict, direction: str | None) -> list[tuple]:
    if direction == REVERSE:
        refuse(path, f"one direction under the prefix {_shown(prefix)}", "no --direction")
    count = max(1, sum(name.startswith("weight_hh") for name in stack))
    layers = [[f"{kind}.{i}" for kind in ("weight_ih", "weight_hh", "bias")] for i in range(count)]
    _expect_names(path, prefix, stack, [name for names in layers for name in names])
    arrays = [tuple(_array(path, prefix + n, stack[n]) for n in names) for names in layers]
    for names, (_, weight_hh, _) in zip(layers, arrays, strict=True):
        _check_gates(f"{path}: {prefix}{names[1]}", weight_hh)
    return arrays


def _expect_names(path: Path, prefix: str, stack: dict, expected: list[str]) -> None:
    missing = [prefix + name for name in expected if name not in stack]
    if missing:
        refuse(path, f"no {listing(missing)}", "every tensor of each layer")
    extra = [prefix + name for name in stack if name not in expected]
    if extra:
        refuse(path, listing(extra), f"{len(expected)} tensors of one GRU and no more")


def _array(path: Path, name: str, tensor: torch.Tensor) -> np.ndarray:
    """The tensor as float64."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or not tensor.is_floating_point():
        what = f"{tensor.dtype}" + ("" if plain else f" {tensor.layout} on {tensor.device}")
        refuse(f"{path}: {name}", what.replace("torch.", ""), "a dense tensor of floats")
    return tensor.detach().double().numpy()
