# SPDX-License-Identifier: Apache-2.0
"""Weights that a state_dict holds in parts, put together as the module would.

Pruning keeps ``W_orig`` and ``W_mask``. Weight norm keeps ``W_g`` and ``W_v``, or
``parametrizations.W.original0`` and ``.original1``: W = g v / |v|. Spectral norm keeps ``W_orig``,
``W_u`` and ``W_v``, or ``parametrizations.W.original``, ``.0._u`` and ``.0._v``: W = W_orig / uWv.
All else of this kind is refused: what it stands for is in code that the file does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from golden.importers.convert import ConversionError, refuse

_BASE = (
    r"(?:(?:weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)(?:_l[0-9]{1,4}(?:_reverse)?)?"
    r"|(?:weight_ih|weight_hh|bias)\.[0-9]{1,4})"
)
_SUFFIXED = re.compile(rf"((?:.*\.)?)({_BASE})_([A-Za-z]\w*)")
_WHOLE = re.compile(rf"(?:.*\.)?{_BASE}")
_PARAMETRISED = re.compile(rf"((?:.*\.)?)parametrizations\.({_BASE})\.(.+)")
_PRUNED = {"orig", "mask"}
_NORMED = {"g", "v"}
_SPECTRAL = {"orig", "u", "v"}
_PARAMETRISED_PARTS = {
    "original0": "g",
    "original1": "v",
    "original": "orig",
    "0._u": "u",
    "0._v": "v",
}
_FITTING = "a plain tensor, or the parts of pruning, of weight norm or of spectral norm"
_REMOVE = "; torch.nn.utils.parametrize.remove_parametrizations puts it back before saving"


@dataclass(frozen=True)
class Folded:
    """`tensors` with the recurrent ones among them put together. For each of those, `made`: in
    words what it was made of; or `broken`: why it cannot be made.
    """

    tensors: dict[str, torch.Tensor]
    made: dict[str, str]
    broken: dict[str, ConversionError]


def fold(path: Path, tensors: dict[str, torch.Tensor]) -> Folded:
    """The tensors of the state_dict `path` with those that came in parts put together."""
    groups: dict[tuple[str, bool], dict[str, str]] = {}
    for name in tensors:
        if match := _PARAMETRISED.fullmatch(name):
            part = _PARAMETRISED_PARTS.get(match[3], match[3])
            groups.setdefault((match[1] + match[2], True), {})[part] = name
        elif (match := _SUFFIXED.fullmatch(name)) and not _WHOLE.fullmatch(name):
            groups.setdefault((match[1] + match[2], False), {})[match[3]] = name
    folded = Folded(dict(tensors), {}, {})
    for (base, parametrised), parts in groups.items():
        for name in parts.values():
            del folded.tensors[name]
        try:
            what, tensor = _combined(path, tensors, base, parametrised, parts)
        except ConversionError as error:
            folded.broken[base] = error
            continue
        folded.tensors[base] = tensor
        folded.made[base] = f"{what}: {', '.join(sorted(parts.values()))}"
    return folded


def _combined(
    path: Path, tensors: dict, base: str, parametrised: bool, parts: dict[str, str]
) -> tuple[str, torch.Tensor]:
    """What the parts of `base` are, in a word, and the tensor that they make."""
    found = ", ".join(sorted(parts.values()))
    values = {part: _floats(path, name, tensors[name]) for part, name in parts.items()}
    if set(parts) == {"mask"} and not parametrised and base in tensors:
        # A mask that has already been applied.
        weight = _floats(path, base, tensors[base])
        if values["mask"].shape != weight.shape or (weight * values["mask"] != weight).any():
            refuse(path, f"{found} that {base} does not heed", f"{base}_orig beside it")
        return "pruned", tensors[base]
    if base in tensors:
        refuse(path, f"{base} and also {found}", "one of them")
    fitting = {
        frozenset(_NORMED): ("weight norm", _normed),
        frozenset(_SPECTRAL): ("spectral norm", _spectral),
        **({} if parametrised else {frozenset(_PRUNED): ("pruned", _masked)}),
    }
    what, combine = fitting.get(frozenset(parts), (None, None))
    if combine is None:
        refuse(path, f"{found} for {base}", _FITTING + (_REMOVE if parametrised else ""))
    return what, combine(f"{path}: {base}", values)


def _floats(path: Path, name: str, tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.is_complex() or tensor.is_quantized:
        refuse(f"{path}: {name}", f"{tensor.dtype} {tensor.layout} on {tensor.device}",
               "a dense tensor of numbers")  # fmt: skip
    return tensor.detach().double()


def _masked(place: str, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    weight, mask = parts["orig"], parts["mask"]
    if weight.shape != mask.shape:
        refuse(place, f"a mask of shape {tuple(mask.shape)}", f"{tuple(weight.shape)}")
    return weight * mask


def _normed(place: str, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    g, v = parts["g"], parts["v"]
    alike = g.ndim in (0, v.ndim) and all(
        a in (1, b) for a, b in zip(g.shape, v.shape, strict=bool(g.ndim))
    )
    if not alike:
        refuse(place, f"shapes {tuple(g.shape)} and {tuple(v.shape)}", "g and v of weight norm")
    # The norm is over those axes along which g holds one value.
    axes = [i for i in range(v.ndim) if g.ndim == 0 or g.shape[i] == 1]
    norm = (v**2).sum(dim=axes, keepdim=True).sqrt() if axes else v.abs()
    return v * (g / norm)


def _spectral(place: str, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    weight, u, v = parts["orig"], parts["u"], parts["v"]
    if weight.ndim != 2 or (u.shape, v.shape) != (weight.shape[:1], weight.shape[1:]):
        shapes = ", ".join(str(tuple(t.shape)) for t in (weight, u, v))
        refuse(place, f"shapes {shapes}", "W, u and v of spectral norm")
    return weight / torch.dot(u, weight @ v)
