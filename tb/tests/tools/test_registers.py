# SPDX-License-Identifier: Apache-2.0
"""The register map: one source, generated files that are fresh, and rules that can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tb.codegen import generate, regmap, rtl
from tb.codegen.c_header import c_header
from tb.codegen.constants import render, snake
from tb.codegen.verilog import system_verilog
from tb.device import constants
from tb.device import registers as regs
from tb.paths import REPO

SOURCE = (REPO / regmap.SOURCE).read_text(encoding="utf-8")
VERSION = "0.1.0"


def test_fresh_generated_files() -> None:
    """Breaks if a source was edited and a generated file was not: compare all of them."""
    assert generate.stale() == []


def test_named_stale_files(tmp_path: Path) -> None:
    """Breaks if a difference is not seen: a byte more in each file, and a file that is missing."""
    names = [*generate.OF_THE_MAP, *generate.OF_SYSTEMVERILOG]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    assert generate.stale(tmp_path) == []
    for name in names[1:]:
        (tmp_path / name).write_text((REPO / name).read_text() + "\n")
    (tmp_path / names[0]).unlink()
    assert generate.stale(tmp_path) == names


def test_disjoint_addresses() -> None:
    """Breaks if two registers share a word: list each word of the map, 64-bit halves included."""
    words = list(regmap.load().words())
    addresses = [address for _, address in words]
    assert len(words) > 100
    assert len(set(addresses)) == len(addresses)
    assert all(address % 4 == 0 and 0 <= address < 0x1000 for address in addresses)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "VERSION"', 'name = "ID"', "register ID appears twice"),
        ("offset = 0x008", "offset = 0x004", "taken by VERSION"),
        ("lsb = 16\nwidth = 16", "lsb = 15\nwidth = 16", "VERSION.MAJOR: overlaps"),
        ("stride = 0x20", "stride = 0x18", "LAYER: a block of 28 bytes exceeds"),
        ('access = "wo"', 'access = "xx"', "access 'xx' is unknown"),
        ("base = 0x100", "base = 0x0FE", "unaligned"),
        ("reset = 0x4544524E", "reset = 0x14544524E", "reset does not fit"),
        ("reset = 1\n", "", "reset: found nothing, expected a value, or build = true instead"),
        ("lsb = 16\n", "lbs = 16\n", r"field\[\d\].lsb: found nothing|lbs: found an unknown key"),
        ('code = 1\nname = "CHECK"', 'code = 0\nname = "CHECK"', "state code 0 appears twice"),
        ("offset = 0x338", "offset = 0x340", "COLUMNS_UNDONE: found a counter at 0x340, expected"),
        ("offset = 0x300\naccess = \"ro\"", "offset = 0x300\naccess = \"rw\"", "CYCLES: found"),
        ('name = "FREEZE"\nlsb = 0', 'name = "FREEZE"\nlsb = 2', "PERF_CTRL: fields that hold"),
    ],
)  # fmt: skip
def test_bad_maps(old: str, new: str, message: str) -> None:
    """Breaks if a rule of the map never fires: spoil the source once, expect its message."""
    assert old in SOURCE
    with pytest.raises(regmap.MapError, match=message):
        regmap.parse(SOURCE.replace(old, new, 1), VERSION)


@pytest.mark.parametrize("version", ["1.2", "1.2.3.4", "1.2.x", "1.256.0"])
def test_version_that_does_not_fit(version: str) -> None:
    """Breaks if a version of the project reaches the register cut short."""
    with pytest.raises(regmap.MapError, match=re.escape(f"version '{version}'")):
        regmap.parse(SOURCE, version)


def test_equal_versions_of_project_and_core() -> None:
    """Breaks if the VERSION register, its description or the header say another version."""
    changed = regmap.parse(SOURCE, "3.17.9")
    register = next(r for r in changed.registers if r.name == "VERSION")
    assert register.reset == 3 << 16 | 17 << 8 | 9 and "3.17.9" in register.description
    assert "EDGEDRNN_VERSION_WORD 0x00031109u" in c_header(changed)
    assert "ResetVersion = 32'h00031109" in system_verilog(changed)


def test_python_names_of_the_map() -> None:
    """Breaks if the Python module and the map part ways: addresses of each register agree."""
    found = regmap.load()
    assert {r.name: int(r) for r in regs.Reg} == {r.name: r.offset for r in found.registers}
    assert regs.layer_reg(3, regs.LayerReg.THETA_H) == 0x16C
    assert regs.columns_reg(2, regs.ColumnsReg.COLUMNS_H) == 0x428
    assert regs.Status.BUSY_INIT == 1 << 5
    assert int(regs.Cause.SEQ_IDLE) == 11
    assert regs.ErrorField.unpack(0x0002_0304) == (4, 3, 2)
    names = [field.upper() for field in regs.Counters.__dataclass_fields__]
    assert names == [r.name for r in (*regs.COUNTERS, *regs.LAYER_COUNTERS)]


def test_equality_of_package_and_python_module() -> None:
    """Breaks if the RTL numbers counters, settings, states or causes otherwise than Python does.
    The package is read back by a SystemVerilog compiler.
    """
    found = rtl.package("edgedrnn_reg_pkg")
    values = found.parameters
    assert values["GeneralCounters"] == len(regs.COUNTERS)
    for number, register in enumerate(regs.COUNTERS):
        assert values[f"Event{regmap.camel(register.name)}"] == number
    assert values["LayerCounters"] == len(regs.LAYER_COUNTERS)
    for number, column in enumerate(regs.LAYER_COUNTERS):
        assert values[f"LayerEvent{regmap.camel(column.name)}"] == number
    for name, placed in (("core", regs.CORE_SETTINGS), ("layer", regs.LAYER_SETTINGS)):
        bits = sum(width for _, width in placed.values())
        assert found.type_bits[f"{name}_settings_t"] == bits
        assert values[f"{name.capitalize()}SettingsBits"] == bits
    members = found.enums["seq_state_e"]
    assert {snake(n.removeprefix("Seq")): code for n, code in members.items()} == {
        state.name: int(state) for state in regs.State
    }
    causes = {cause.name: int(cause) for cause in regs.Cause}
    assert causes == {n: values[f"Err{regmap.camel(n)}"] for n in causes}


def test_constants_of_a_changed_package(tmp_path: Path) -> None:
    """Breaks if a changed width or enum code of the RTL does not reach Python: a copy of the
    package with others, read and rendered.
    """
    text = (REPO / "rtl" / "edgedrnn_pkg.sv").read_text(encoding="utf-8")
    text = text.replace("EntryEnd    = 2'd2", "EntryEnd    = 2'd3")
    text = text.replace("AccFrac    = 15", "AccFrac    = 14")
    copy = tmp_path / "copy.sv"
    copy.write_text(text)
    found = rtl.package("edgedrnn_pkg", rtl.compiled([copy]))
    module: dict[str, Any] = {"__name__": "changed"}
    exec(render(found, {}), module)
    assert module["ACC_FRAC"] == 14 and constants.ACC_FRAC == 15
    assert {m.name: int(m) for m in module["EntryType"]} == {"COLUMN": 0, "BIAS": 1, "END": 3}
    assert int(constants.EntryType.END) == 2


def test_missing_package_or_rom() -> None:
    """Breaks if a renamed package or instance leaves constants out without a word."""
    with pytest.raises(KeyError):
        rtl.package("no_such_pkg")
    with pytest.raises(KeyError, match="no_such_t"):
        rtl.struct_fields("edgedrnn_pkg", "no_such_t", rtl.core())
    with pytest.raises(KeyError, match=r"gate_lane\.u_none\.Depth"):
        rtl.local_parameter("gate_lane.u_none", "Depth")


def test_c_header_compiles_and_equals_the_python_module(tmp_path: Path) -> None:
    """Breaks if the C header does not compile without warnings, or a name in it has another value
    than in Python: every macro and enum constant is printed by a C program.
    """
    header = REPO / "rtl" / "include" / "edgedrnn_regs.h"
    text = header.read_text(encoding="utf-8")
    names = re.findall(r"^#define (EDGEDRNN_\w+) ", text, re.M)
    names += re.findall(r"^  (EDGEDRNN_\w+) = ", text, re.M)
    rows = "".join(f'  printf("{name} %lu\\n", (unsigned long){name});\n' for name in names)
    program = f'#include <stdio.h>\n#include "edgedrnn_regs.h"\nint main(void) {{\n{rows}}}\n'
    (tmp_path / "main.c").write_text(program)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{header.parent}"]
    subprocess.run(["cc", *flags, "main.c", "-o", "main"], cwd=tmp_path, check=True)
    output = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    found = {name: int(value) for name, value in map(str.split, output.splitlines())}
    wanted = {f"{r.name}_OFFSET": int(r) for r in regs.Reg}
    wanted |= {f"{r.name}_HI_OFFSET": r + 4 for r in regs.COUNTERS}
    wanted |= {f"LAYER_{r.name}_OFFSET": int(r) for r in regs.LayerReg}
    wanted |= {f"{r.name}_OFFSET": int(r) for r in regs.ColumnsReg}
    wanted |= {f"{r.name}_HI_OFFSET": r + 4 for r in regs.ColumnsReg}
    wanted |= {"LAYER_BASE": regs.LAYER_BASE, "LAYER_STRIDE": regs.LAYER_STRIDE}
    wanted |= {"COLUMNS_BASE": regs.COLUMNS_BASE, "COLUMNS_STRIDE": regs.COLUMNS_STRIDE}
    wanted |= {"LAYER_COUNT": regs.LAYER_COUNT, "COLUMNS_COUNT": regs.COLUMNS_COUNT}
    for name in ("Ctrl", "Status", "IrqEnable", "IrqStatus", "PerfCtrl"):
        wanted |= {f"{snake(name)}_{bit.name}": int(bit) for bit in getattr(regs, name)}
    wanted |= {f"STATE_{state.name}": int(state) for state in regs.State}
    wanted |= {f"CAUSE_{cause.name}": int(cause) for cause in regs.Cause}
    wanted |= {f"{r.name}_RESET": r.reset or 0 for r in regs.REGISTERS if r.held}
    wanted |= {f"LAYER_{r.name}_RESET": r.reset or 0 for r in regs.LAYER_REGISTERS}
    wanted |= {"ERROR_INFO": 0xFFFF0000, "ERROR_INFO_SHIFT": 16, "ERROR_INFO_WIDTH": 16}
    assert wanted.items() <= {n.removeprefix("EDGEDRNN_"): v for n, v in found.items()}.items()
    for name in names:
        if name.endswith("_SHIFT"):
            field = name.removesuffix("_SHIFT")
            assert found[field] == ((1 << found[f"{field}_WIDTH"]) - 1) << found[name]
