# SPDX-License-Identifier: Apache-2.0
"""Every tensor of a PyTorch checkpoint by name: one file or all shards, read without code."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from golden.importers.convert import refuse

INDEX_SUFFIX = ".index.json"
_SHARD = re.compile(r"(.*?)[-_.]?(\d+)[-_]?of[-_]?(\d+)((?:\.\w+)?)", re.IGNORECASE)
_MAX_DEPTH = 16  # of dicts in dicts
_MAX_SHARDS = 10_000


def _numpy_globals() -> list:
    """What a pickled numpy scalar or array names, under its names in numpy 1 and 2: plain data."""
    functions = (np._core.multiarray.scalar, np._core.multiarray._reconstruct)
    renamed = [
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in functions
        for core in ("core", "_core")
    ]
    types = [getattr(np.dtypes, name) for name in dir(np.dtypes) if name.endswith("DType")]
    return [np.ndarray, np.dtype, *renamed, *types]


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Every tensor of the checkpoint `path` by name, and notes for the reader.

    A name holds the keys that lead to the tensor, with dots between them. One shard of several
    stands for all of them, and so does their index. Raises ConversionError, of one line.
    """
    if path.name.endswith(INDEX_SUFFIX):
        return _read_indexed(path)
    match = _SHARD.fullmatch(path.name)
    if match and int(match[3]) > 1:
        for stem in dict.fromkeys((match[1], match[1].rstrip("-_."))):
            index = path.with_name(f"{stem}{match[4]}{INDEX_SUFFIX}")
            if index.is_file():
                return _read_indexed(index)
        return _read_siblings(path, match)
    return _read_one(path), []


def _read_indexed(index: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of all shards that an index in the manner of Hugging Face names."""
    try:
        content = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        refuse(index, "something that is not JSON", "the index of a checkpoint's shards")
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places:
        refuse(index, "no weight_map", "the index of a checkpoint's shards")
    for name, file in places.items():
        if not isinstance(file, str) or Path(file).name != file or file.endswith(INDEX_SUFFIX):
            refuse(index, f"{name!r} in the file {file!r}", "the name of a file beside the index")
    files = sorted(set(places.values()))
    missing = [file for file in files if not index.with_name(file).is_file()]
    if missing:
        refuse(index, f"no file {listing(missing)}", f"all {len(files)} shards beside the index")
    shards = {file: _read_one(index.with_name(file)) for file in files}
    absent = [name for name, file in places.items() if name not in shards[file]]
    if absent:
        refuse(index, f"no {listing(absent)} in the shards", "what the index says is there")
    return _joined(index, shards), [f"read from {len(files)} shards: {listing(files)}"]


def _read_siblings(path: Path, match: re.Match) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of all shards that are named like `path` but for their number."""
    count, start, end = int(match[3]), match.start(2), match.end(2)
    if count > _MAX_SHARDS:
        refuse(path, f"one of {count} shards", f"at most {_MAX_SHARDS}")

    def named(number: int) -> Path:
        digits = str(number).zfill(end - start)
        return path.with_name(path.name[:start] + digits + path.name[end:])

    first = 0 if int(match[2]) == 0 or named(0).is_file() else 1
    names = [named(number) for number in range(first, first + count)]
    missing = [name.name for name in names if not name.is_file()]
    if missing or path not in names:
        expected = f"all {count} in one folder, or another name if the file is whole"
        refuse(path, f"one shard of {count}, and no {listing(missing) or 'others'}", expected)
    shards = {name.name: _read_one(name) for name in names}
    return _joined(path, shards), [f"read from {count} shards: {listing(list(shards))}"]


def _joined(source: Path, shards: dict[str, dict]) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for file, found in shards.items():
        twice = [name for name in found if name in tensors]
        if twice:
            refuse(
                source,
                f"{listing(twice)} twice, again in {file}",
                "each in one shard, or other names if the files are whole",
            )
        tensors |= found
    return tensors


def _read_one(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of one file by name."""
    # On bytes that are no such file, both readers pass on whatever their parsers raise.
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception:
            refuse(path, "something that safetensors cannot read", "a whole .safetensors file")
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(_numpy_globals()),
        ):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        refuse(
            path,
            _unreadable(path, str(error)),
            "tensors alone, as torch.save(network.state_dict(), FILE) writes them",
        )
    if not isinstance(content, dict):
        refuse(path, f"a {type(content).__name__}", "a state_dict: names and tensors")
    tensors: dict[str, torch.Tensor] = {}
    _flatten(path, content, "", tensors, ())
    return tensors


def _unreadable(path: Path, error: str) -> str:
    """Why torch.load took nothing but tensors from `path` and failed, in words."""
    types: list[str] = []
    try:
        with torch.serialization.safe_globals(_numpy_globals()):
            types = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # older than the zip archives, or damaged
        types = re.findall(r"GLOBAL ([\w.]+)", error)
    if types:
        objects = "an object of the type" if len(types) == 1 else "objects of the types"
        return f"{objects} {listing(types)}, which torch cannot read without running code from it"
    if "TorchScript" in error and zipfile.is_zipfile(path):
        return "a TorchScript archive, which holds code"
    return "something that torch cannot read without running code from it"


def _flatten(path: Path, content: dict, prefix: str, tensors: dict, above: tuple) -> None:
    """Every tensor below `content`, whose keys begin with `prefix`, into `tensors`."""
    if len(above) > _MAX_DEPTH or any(content is one for one in above):
        refuse(path, f"dicts nested without end below {prefix!r}", "a state_dict")
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, list | tuple) and any(isinstance(one, dict) for one in value):
            value = dict(enumerate(value))
        if isinstance(value, dict):
            _flatten(path, value, f"{name}.", tensors, (*above, content))
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            # torch knows no byte order but the machine's own.
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        if torch.is_tensor(value):
            if name in tensors:
                refuse(path, f"two tensors named {name}", "each name once")
            tensors[name] = value


def listing(names: list[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
