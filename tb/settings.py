# SPDX-License-Identifier: Apache-2.0
"""The environment of processes. No other file of ours reads or writes `os.environ`; ruff checks it.

`settings()` returns the switches of the person who started a command; docs/settings.md lists them.
What one process of ours tells another goes through `tb.handover`. The functions that end in `_env`
make the environment of a process to be started.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from tb.paths import REPO

HANDOVER = "EDGEDRNN_HANDOVER"
"""The variable in which a process of ours finds what its parent tells it, see `tb.handover`."""

SEED_LIMIT = 2**31
DEFAULT_TIMEOUT_S = 900.0


class SettingError(ValueError):
    """A variable has a value that means nothing; one line names it and says what was expected."""


def _switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("0 or 1")
    return text == "1"


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _time_ns(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a time in ns")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise ValueError("a number of seconds above 0")
    return float(text)


def _steps(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
    if not found or int(found[2] or found[1]) < int(found[1]):
        raise ValueError("a step as 3, or steps as 3:5")
    return int(found[1]), int(found[2] or found[1])


def _folder(text: str) -> Path:
    return REPO / text  # an absolute path stays what it is


def _is_set(_: str) -> bool:
    return True


def _read_by(read: Callable[[str], Any], *, inherited: bool = False) -> dict[str, Any]:
    """Of a field of `Settings`: `read` makes the value of the text, or says what it expected.

    `inherited`: also holds for the tests that a replay or a regression starts.
    """
    return {"read": read, "inherited": inherited}


@dataclass(frozen=True)
class Settings:
    """The switches of one run. The variable of a field has the field's name in capitals.

    An unset or empty variable means the default. `seed`: of a run, None for a fresh one.
    `coverage`: collect functional coverage; `cover_code`: count lines, branches and toggles of the
    RTL; `cover_dir`: the folder for both, a relative path is below the repository. `waves`: dump
    waves of every test. `waves_from_ns`, `waves_to_ns`: the window of a dump, in ns. `waves_steps`:
    first and last step of a dump, of which at most `waves_most_ns` are written, 0 for all, None for
    what 50 MB hold. `localise`: find the first wrong value of each failing test. `timeline`: write
    timeline.txt. `sim_timeout_s`: wall clock of one simulation, in seconds. `no_color`: no colours
    on a terminal.
    """

    seed: int | None = field(default=None, metadata=_read_by(_whole))
    coverage: bool = field(default=False, metadata=_read_by(_switch))
    cover_code: bool = field(default=False, metadata=_read_by(_switch))
    cover_dir: Path | None = field(default=None, metadata=_read_by(_folder))
    waves: bool = field(default=False, metadata=_read_by(_switch))
    waves_from_ns: int | None = field(default=None, metadata=_read_by(_time_ns))
    waves_to_ns: int | None = field(default=None, metadata=_read_by(_time_ns))
    waves_steps: tuple[int, int] | None = field(default=None, metadata=_read_by(_steps))
    waves_most_ns: int | None = field(default=None, metadata=_read_by(_time_ns))
    localise: bool = field(default=False, metadata=_read_by(_switch))
    timeline: bool = field(default=False, metadata=_read_by(_switch))
    sim_timeout_s: float = field(
        default=DEFAULT_TIMEOUT_S, metadata=_read_by(_seconds, inherited=True)
    )
    no_color: bool = field(default=False, metadata=_read_by(_is_set, inherited=True))

    @classmethod
    def of(cls, variables: Mapping[str, str | None]) -> Settings:
        """The settings that these variables ask for. Raises SettingError for a bad value."""
        values = {}
        for one in fields(cls):
            name = one.name.upper()
            if text := variables.get(name):
                try:
                    values[one.name] = one.metadata["read"](text)
                except ValueError as error:
                    raise SettingError(f"{name}: found {text!r}, expected {error}") from None
        return cls(**values)

    def variables(self) -> dict[str, str]:
        """The variables that ask for these settings; none for a default."""
        changed = {
            one.name.upper(): getattr(self, one.name)
            for one in fields(self)
            if getattr(self, one.name) != one.default
        }
        return {name: _text(value) for name, value in changed.items()}

    def for_child(self, **changes: Any) -> Settings:
        """The settings of tests that a program of ours starts: those inherited, and `changes`."""
        kept = {o.name: getattr(self, o.name) for o in fields(self) if o.metadata["inherited"]}
        return replace(Settings(**kept), **changes)

    @property
    def wants_waves(self) -> bool:
        """Whether waves of every test are wanted, whole or in a window."""
        window = (self.waves_from_ns, self.waves_to_ns, self.waves_steps)
        return self.waves or any(value is not None for value in window)

    def seed_or_fresh(self) -> int:
        """The seed, or a random one where none was given."""
        return secrets.randbelow(SEED_LIMIT) if self.seed is None else self.seed


NAMES = tuple(one.name.upper() for one in fields(Settings))
"""The variables of `Settings`."""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ":".join(map(str, value))
    return str(value)


def settings() -> Settings:
    """The settings of this process. Raises SettingError, in one line, for a bad value."""
    return _parsed(tuple(os.environ.get(name) for name in NAMES))


@cache
def _parsed(texts: tuple[str | None, ...]) -> Settings:
    return Settings.of(dict(zip(NAMES, texts, strict=True)))


def change_settings(**changes: Any) -> None:
    """Change settings of this process, and of those that it starts from now on."""
    wanted = replace(settings(), **changes).variables()
    for name in NAMES:
        os.environ.pop(name, None)
    os.environ.update(wanted)


def use_one_blas_thread() -> None:
    """Keep numpy on one thread, unless the user asked for more. To be called before its import.

    Our matrix products are small: more threads cost more than they bring.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


# ------------------------------------------------------------------- what others tell a process


def handed_over() -> str:
    """What the parent process told this one, as text for `tb.handover`; "" for nothing."""
    return os.environ.get(HANDOVER, "")


def running_test() -> str | None:
    """The pytest node that runs in this process, None outside of a test."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0] or None


def write_results_to(path: Path) -> None:
    """Inside a simulation: have cocotb write its results file there."""
    os.environ["COCOTB_RESULTS_FILE"] = str(path)


# ------------------------------------------------------------------ environments of new processes


def tool_env(*, path_first: Iterable[Path] = (), **variables: str) -> dict[str, str]:
    """The environment of a tool: this one, with folders put first on PATH, and more `variables`.

    Nothing of a make that runs us: its switches are not for a make that the tool is or starts.
    """
    env = {k: v for k, v in os.environ.items() if k not in _OF_MAKE} | variables
    env["PATH"] = _joined([*path_first, *_split(env.get("PATH"))])
    return env


def child_env(
    wanted: Settings,
    handed: str = "",
    *,
    python_path: Iterable[Path] = (),
    **variables: str,
) -> dict[str, str]:
    """The environment of a program of ours, with exactly these settings.

    `handed`: what it is told, the text of a `tb.handover.Handover`. `python_path`: folders to put
    first on PYTHONPATH. `variables`: those of other programs, such as COLUMNS.
    """
    env = {k: v for k, v in os.environ.items() if k not in (*NAMES, *_OF_ONE_PYTEST)}
    env = {k: v for k, v in env.items() if not k.startswith("PYTEST_XDIST")}
    paths = _joined([*python_path, *_split(env.get("PYTHONPATH"))])
    return env | wanted.variables() | _told(handed) | {"PYTHONPATH": paths} | variables


def simulator_env(
    handed: str,
    *,
    python_path: Iterable[Path | str],
    path_first: Iterable[Path] = (),
    path_last: Iterable[Path] = (),
    **variables: str,
) -> dict[str, str]:
    """The environment of a simulator: no settings, since it is told all by what is `handed`.

    That also keeps COVERAGE from cocotb, which has a switch of the same name: for cocotb it means
    coverage of Python code, for us functional coverage of the core. `python_path`: all of it.
    `path_first`, `path_last`: folders to put first and last on PATH.
    """
    strange = (*NAMES, *_OF_ONE_PYTEST, *_OF_COCOTB)
    env = {k: v for k, v in os.environ.items() if k not in strange}
    env["PATH"] = _joined([*path_first, *_split(env.get("PATH")), *path_last])
    return env | _told(handed) | {"PYTHONPATH": _joined(python_path)} | variables


_OF_ONE_PYTEST = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", HANDOVER)
_OF_MAKE = ("MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKEOVERRIDES", "MAKEFILES", "MAKELEVEL")
_OF_COCOTB = ("COCOTB_TESTCASE", "COCOTB_TEST_FILTER", "COCOTB_USER_COVERAGE", "GUI")


def _told(handed: str) -> dict[str, str]:
    return {HANDOVER: handed} if handed else {}


def _split(path: str | None) -> list[str]:
    return path.split(os.pathsep) if path else []


def _joined(folders: Iterable[Path | str]) -> str:
    return os.pathsep.join(dict.fromkeys(map(str, folders)))
