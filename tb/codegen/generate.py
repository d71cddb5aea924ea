# SPDX-License-Identifier: Apache-2.0
"""Every generated file of the repository: written, or named where it is stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from golden.files import write_text
from tb.codegen.c_header import c_header
from tb.codegen.constants import python_constants
from tb.codegen.core_file import core_file
from tb.codegen.page import markdown
from tb.codegen.probe import python_probe
from tb.codegen.python import python
from tb.codegen.regmap import Map, load
from tb.codegen.settings import settings_module
from tb.codegen.verilog import system_verilog
from tb.paths import REPO

OF_THE_MAP: dict[str, Callable[[Map], str]] = {
    "rtl/edgedrnn_reg_pkg.sv": system_verilog,
    "rtl/settings_registers.sv": settings_module,
    "rtl/include/edgedrnn_regs.h": c_header,
    "tb/device/registers.py": python,
    "docs/registers.md": markdown,
}
OF_SYSTEMVERILOG: dict[str, Callable[[], str]] = {
    "tb/device/constants.py": python_constants,
    "tb/coverage/functional/probe.py": python_probe,
    "edgedrnn.core": core_file,
}
"""These come last: they are read off SystemVerilog, the package of the registers included."""


def stale(root: Path = REPO) -> list[str]:
    """Generated files below `root` that differ from what the sources of the repository say."""
    regmap = load()
    wanted = {name: render(regmap) for name, render in OF_THE_MAP.items()}
    wanted |= {name: render() for name, render in OF_SYSTEMVERILOG.items()}
    return [name for name, text in wanted.items() if _read(root / name) != text]


def generate() -> None:
    """Write all of them."""
    regmap = load()
    for name, render in OF_THE_MAP.items():
        (REPO / name).parent.mkdir(exist_ok=True)
        write_text(REPO / name, render(regmap))
    for name, read in OF_SYSTEMVERILOG.items():
        write_text(REPO / name, read())


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
