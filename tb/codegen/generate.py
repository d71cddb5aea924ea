"""Every generated file of the repository: written, or named where it is stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from golden.files import write_text
from tb.codegen.c_header import c_header
from tb.codegen.constants import python_constants
from tb.codegen.page import markdown
from tb.codegen.python import python
from tb.codegen.regmap import Map, load
from tb.codegen.verilog import system_verilog
from tb.paths import REPO

OF_THE_MAP: dict[str, Callable[[Map], str]] = {
    "rtl/edgedrnn_reg_pkg.sv": system_verilog,
    "rtl/include/edgedrnn_regs.h": c_header,
    "tb/device/registers.py": python,
    "docs/registers.md": markdown,
}
CONSTANTS = "tb/device/constants.py"
"""Comes last: it is read off the RTL, the package of the registers included."""


def stale(root: Path = REPO) -> list[str]:
    """Generated files below `root` that differ from what the sources of the repository say."""
    regmap = load()
    wanted = {name: render(regmap) for name, render in OF_THE_MAP.items()}
    wanted[CONSTANTS] = python_constants()
    return [name for name, text in wanted.items() if _read(root / name) != text]


def generate() -> None:
    """Write all of them."""
    regmap = load()
    for name, render in OF_THE_MAP.items():
        (REPO / name).parent.mkdir(exist_ok=True)
        write_text(REPO / name, render(regmap))
    write_text(REPO / CONSTANTS, python_constants())


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
