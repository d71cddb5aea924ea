# SPDX-License-Identifier: Apache-2.0
"""The one rule on where a command may write, asked before any work.

An output must not be a file that the command reads, nor another output, by whatever name: a
symbolic or hard link, a relative path, or a name that the command itself derives. A file that is
there already is replaced only if the command made it, which its content tells, or with ``--force``.
"""

import errno
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORCE = "--force"
FORCE_HELP = "replace a file that is there already, even if this command did not make it"
PICTURE_MARK = b"EdgeDRNN"
"""In the head of every picture that a command makes, see `picture_metadata`."""
_HEAD = 4096
_DATA = {".csv", ".gz", ".tsv", ".txt", ".wav", ".sph", ".npy"}

Recogniser = Callable[[Path], bool]


class OutputError(ValueError):
    """A place where a command must not write; one line that names the option."""


def nothing(_path: Path) -> bool:
    """A recogniser of files whose content does not tell who made them."""
    return False


def anything(_path: Path) -> bool:
    """A recogniser for a folder that only commands write to."""
    return True


def archive(*keys: str) -> Recogniser:
    """Recognises a .npz file that holds these arrays."""

    def recognise(path: Path) -> bool:
        try:
            with zipfile.ZipFile(path) as file:
                return {f"{key}.npy" for key in keys} <= set(file.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    return recognise


MADE_BY = "made_by"
"""The key of a model file that names the command that made it."""


def model_of(command: str) -> Recogniser:
    """Recognises a model file that `command` made. One from before files said so was trained."""

    def recognise(path: Path) -> bool:
        try:
            with np.load(path, allow_pickle=False) as file:
                if MADE_BY in file.files:
                    return str(file[MADE_BY]) == command
                trained = "training" in file.files and "tuning" not in file.files
                return trained and command == "train"
        except (OSError, ValueError, EOFError, AttributeError, KeyError, zipfile.BadZipFile):
            return False

    return recognise


def text(beginning: str) -> Recogniser:
    """Recognises a text file by how it begins, blanks left out."""

    def recognise(path: Path) -> bool:
        return _head(path).lstrip().startswith(beginning.encode())

    return recognise


def json_with(*keys: str) -> Recogniser:
    """Recognises a JSON file that holds an object, or a list of objects, with these keys."""

    def recognise(path: Path) -> bool:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        first = found[0] if isinstance(found, list) and found else found
        return isinstance(first, dict) and set(keys) <= set(first)

    return recognise


def any_of(*recognisers: Recogniser) -> Recogniser:
    """Recognises what one of these does."""
    return lambda path: any(recognise(path) for recognise in recognisers)


def picture(path: Path) -> bool:
    """Recognises a picture that was made with `picture_metadata`."""
    return PICTURE_MARK in _head(path)


def picture_metadata(path: str | Path) -> dict[str, str | None]:
    """What matplotlib's ``savefig`` is to write into a picture, by its suffix; no date."""
    mark = PICTURE_MARK.decode()
    if Path(path).suffix == ".svg":
        return {"Creator": mark, "Date": None}
    return {"Software": mark}


def beside(main: Path, recognise: Recogniser) -> Recogniser:
    """Recognises a file as ours if the command's main output `main` is there and is ours."""
    return lambda _path: main.is_file() and recognise(main)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


@dataclass(frozen=True)
class Output:
    """A file that a command writes: the option that names it, its path, and what recognises one
    that the command made before.
    """

    option: str
    path: Path
    made: Recogniser = nothing


def check_outputs(
    outputs: Iterable[Output], inputs: Mapping[str, str | Path | None], force: bool = False
) -> None:
    """OutputError unless every output can be written and destroys nothing.

    `inputs`: what the command reads, a file or a folder by the option that names it; None: not
    given. `force`: files that the command did not make may be replaced; never an input.
    """
    outputs = list(outputs)
    for output in outputs:
        check_place(output.option, output.path)
        for option, source in inputs.items():
            if source is not None:
                _check_source(output, option, Path(source))
    for number, output in enumerate(outputs):
        for other in outputs[:number]:
            if same_file(output.path, other.path):
                raise OutputError(
                    f"{output.option}: found {output.path}, expected another file than "
                    f"{other.option} writes"
                )
    for output in outputs:
        there = output.path.exists() and (not output.path.is_file() or output.path.stat().st_size)
        if there and not force and not output.made(output.path):
            raise OutputError(
                f"{output.option}: found {output.path}, which this command did not make, expected "
                f"a new name, or {FORCE} to replace it"
            )


def check_place(option: str, path: Path) -> None:
    """OutputError unless `path`, given by `option`, can be the name of a file to write."""
    try:
        if path.is_dir():
            raise OutputError(f"{option}: found a folder, {path}, expected a file name")
        if not path.parent.is_dir():
            raise OutputError(f"{option}: {path}: found no folder {path.parent}, expected one")
        tempfile.TemporaryFile(dir=path.parent).close()  # the only test that also holds for root
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(f"{option}: {path}: found too long a name, expected one") from None
        why = error.strerror if error.errno in (errno.ENOSPC, errno.EDQUOT) else "read-only"
        raise OutputError(
            f"{option}: {path}: folder {path.parent} found {why}, expected a writable one"
        ) from None


def _check_source(output: Output, option: str, source: Path) -> None:
    if same_file(output.path, source):
        raise OutputError(
            f"{output.option}: found {output.path}, the file that {option} reads, expected another"
        )
    if (
        source.is_dir()
        and output.path.suffix in _DATA
        and output.path.is_file()
        and not output.made(output.path)
        and output.path.resolve().is_relative_to(source.resolve())
    ):
        raise OutputError(
            f"{output.option}: found {output.path}, a file of the folder that {option} reads, "
            "expected another"
        )


def same_file(first: Path, second: Path) -> bool:
    """Whether two names mean one file, whether it exists yet or not."""
    try:
        if first.exists() and second.exists():
            return first.samefile(second)
        return first.resolve() == second.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return first.absolute() == second.absolute()
