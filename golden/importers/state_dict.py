# SPDX-License-Identifier: Apache-2.0
"""GRU layers out of a PyTorch ``state_dict``: safetensors, or ``torch.save`` read without code."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from golden.importers.convert import merge_biases, refuse

# torch.nn.GRU's names, and those of golden.train.delta_gru.DeltaGRU; before them the module's path.
_NAME = re.compile(
    r"((?:.*\.)?)((?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l[0-9]+(?:_reverse)?"
    r"|(?:weight_ih|weight_hh|bias)\.[0-9]+)"
)
_RELATIVES = {4: "an LSTM", 1: "a plain RNN"}  # by gates


def read_state_dict(path: Path, prefix: str | None = None) -> tuple[list[tuple], list[str]]:
    """The GRU in the state_dict `path`: layers for `convert.convert_layers`, and notes for the
    reader.

    The tensors are those of a torch.nn.GRU or of a DeltaGRU, under a `prefix` such as ``rnn.``,
    which may be left out where only one fits. A checkpoint that holds a state_dict under a key is
    searched too: the key is then part of the prefix. Code in the file is never run. Raises
    ConversionError, of one line, for everything else.
    """
    tensors = _load(path)
    stacks: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if match := _NAME.fullmatch(name):
            stacks.setdefault(match[1], {})[match[2]] = tensor
    stacks = {p: stack for p, stack in stacks.items() if any("weight_hh" in n for n in stack)}
    prefix = _chosen(path, prefix, stacks)
    read = _delta_layers if any("." in name for name in stacks[prefix]) else _torch_layers
    layers = read(path, prefix, stacks[prefix])
    taken = {prefix + name for name in stacks[prefix]}
    others = [name for name in tensors if name not in taken]
    return layers, [f"not part of the GRU, ignored: {_listing(others)}"] if others else []


def _load(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the file by name."""
    # On bytes that are no such file, both readers pass on whatever their parsers raise.
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception:
            refuse(path, "something that safetensors cannot read", "a whole .safetensors file")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        refuse(
            path,
            "something that torch cannot read without running code from it",
            "tensors alone, as torch.save(network.state_dict(), FILE) writes them",
        )
    if not isinstance(content, dict):
        refuse(path, f"a {type(content).__name__}", "a state_dict: names and tensors")
    tensors = {}
    for key, value in content.items():
        inner = {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {}
        tensors |= {k: v for k, v in {str(key): value, **inner}.items() if torch.is_tensor(v)}
    return tensors


def _chosen(path: Path, prefix: str | None, stacks: dict) -> str:
    """The prefix whose tensors to take."""
    if not stacks:
        refuse(path, "no GRU", "weight_ih_l0, weight_hh_l0, ... with or without a prefix")
    found = _listing([p or "(none)" for p in stacks])
    if prefix is None:
        if len(stacks) > 1:
            refuse(path, f"recurrent layers under the prefixes {found}", "one of them as --prefix")
        return next(iter(stacks))
    for candidate in (prefix, f"{prefix}."):
        if candidate in stacks:
            return candidate
    refuse(path, f"no GRU under the prefix {prefix!r}", f"one of {found}")


def _torch_layers(path: Path, prefix: str, stack: dict) -> list[tuple]:
    for name in stack:
        if name.endswith("_reverse"):
            refuse(path, f"{prefix}{name}, of a second direction", "one direction")
        if name.startswith("weight_hr"):
            refuse(path, f"{prefix}{name}, a projection", "none")
    count = sum(name.startswith("weight_hh") for name in stack)
    biased = any(name.startswith("bias") for name in stack)
    kinds = ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if biased else ()))
    _expect_names(path, prefix, stack, [f"{kind}_l{i}" for i in range(count) for kind in kinds])
    layers = []
    for i in range(count):
        names = [f"{kind}_l{i}" for kind in kinds]
        weight_ih, weight_hh, *biases = (_array(path, prefix + n, stack[n]) for n in names)
        rows, hidden = weight_hh.shape if weight_hh.ndim == 2 else (0, 0)
        if not hidden or rows != 3 * hidden:
            relative = _RELATIVES.get(rows // hidden if hidden else 0)
            refuse(
                f"{path}: {prefix}weight_hh_l{i}",
                f"shape {weight_hh.shape}" + (f", as {relative} has it" if relative else ""),
                "(3H, H): the gates r, z, n of a GRU",
            )
        for name, bias in zip(names[2:], biases, strict=True):
            if bias.shape != (rows,):
                refuse(f"{path}: {prefix}{name}", f"shape {bias.shape}", f"({rows},)")
        layers.append((weight_ih, weight_hh, merge_biases(hidden, *biases)))
    return layers


def _delta_layers(path: Path, prefix: str, stack: dict) -> list[tuple]:
    count = sum(name.startswith("weight_hh") for name in stack)
    layers = [[f"{kind}.{i}" for kind in ("weight_ih", "weight_hh", "bias")] for i in range(count)]
    _expect_names(path, prefix, stack, [name for names in layers for name in names])
    return [tuple(_array(path, prefix + n, stack[n]) for n in names) for names in layers]


def _expect_names(path: Path, prefix: str, stack: dict, expected: list[str]) -> None:
    missing = [prefix + name for name in expected if name not in stack]
    if missing:
        refuse(path, f"no {_listing(missing)}", "every tensor of each layer")
    extra = [prefix + name for name in stack if name not in expected]
    if extra:
        refuse(path, _listing(extra), f"{len(expected)} tensors of one GRU and no more")


def _array(path: Path, name: str, tensor: torch.Tensor) -> np.ndarray:
    """The tensor as float64."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or not tensor.is_floating_point():
        what = f"{tensor.dtype}" + ("" if plain else f" {tensor.layout} on {tensor.device}")
        refuse(f"{path}: {name}", what.replace("torch.", ""), "a dense tensor of floats")
    return tensor.detach().double().numpy()


def _listing(names: list[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
