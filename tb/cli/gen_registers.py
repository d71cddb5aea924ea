#!/usr/bin/env python3
"""Generate the register constants and the register page from `rtl/registers.toml`.

Without options: write the three generated files. With `--check`: exit 1, naming each stale file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

from golden.toml_file import Text, TomlError, parse_toml
from tb.paths import REPO

SOURCE = "rtl/registers.toml"
ACCESSES = {
    "ro": "read only",
    "rw": "read and write",
    "cfg": "read; write in idle alone",
    "wo": "strobes, read 0",
    "w1c": "read; write one to clear",
}


class MapError(TomlError):
    """The source breaks a rule of the map; the message names the entry."""


@dataclass(frozen=True)
class Field:
    """A field of a register: bits `lsb + width - 1 : lsb`."""

    name: str
    lsb: int
    width: int
    description: str
    strobe: bool = False

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """A register of `width` bits (32, or 64 as two words) at byte `offset`."""

    name: str
    offset: int
    access: str
    description: str
    reset: int | None
    width: int = 32
    bits: int = 32
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Array:
    """`count` equal blocks of registers, `stride` bytes apart."""

    name: str
    base: int
    stride: int
    count: int
    description: str
    registers: tuple[Register, ...]


class Code(Struct, frozen=True, forbid_unknown_fields=True):
    """A code of a state or of a fault."""

    code: int
    name: str
    description: str
    layer: bool = False
    info: str = ""


@dataclass
class Map:
    """The whole map."""

    address_bits: int
    registers: list[Register] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    states: list[Code] = field(default_factory=list)
    errors: list[Code] = field(default_factory=list)

    def words(self) -> Iterator[tuple[str, int]]:
        """Yield (name, byte address) of each 32-bit word."""
        for register in self.registers:
            for word in range(register.width // 32):
                yield register.name, register.offset + 4 * word
        for array in self.arrays:
            for index in range(array.count):
                for register in array.registers:
                    for word in range(register.width // 32):
                        address = array.base + index * array.stride + register.offset + 4 * word
                        yield f"{array.name}[{index}].{register.name}", address


class _FieldEntry(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    lsb: int
    description: Text
    width: int = 1
    strobe: bool = False


class _RegisterEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """`build`: what it reads is set by the build, so that there is no `reset`."""

    name: Text
    offset: int
    access: str
    description: Text
    reset: int | None = None
    build: bool = False
    width: int = 32
    bits: int | None = None
    field: tuple[_FieldEntry, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError unless the value after reset is told, or is the build's."""
        if (self.reset is None) != self.build:
            found = "nothing" if self.reset is None else repr(self.reset)
            raise ValueError(f"reset: found {found}, expected a value, or build = true instead")


class _ArrayEntry(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    base: int
    stride: int
    count: int
    description: Text
    register: tuple[_RegisterEntry, ...]


class _MapEntry(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    address_bits: int
    data_bits: Literal[32]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    map: _MapEntry
    register: tuple[_RegisterEntry, ...]
    array: tuple[_ArrayEntry, ...]
    state: tuple[Code, ...]
    error: tuple[Code, ...]


def _register(entry: _RegisterEntry) -> Register:
    return Register(
        entry.name,
        entry.offset,
        entry.access,
        entry.description,
        entry.reset,
        entry.width,
        entry.width if entry.bits is None else entry.bits,
        tuple(Field(f.name, f.lsb, f.width, f.description, f.strobe) for f in entry.field),
    )


def parse(text: str) -> Map:
    """Read the map from TOML text and check its rules. Raises MapError of one line."""
    file = parse_toml(text, _File, SOURCE, MapError)
    arrays = [
        Array(
            one.name,
            one.base,
            one.stride,
            one.count,
            one.description,
            tuple(_register(entry) for entry in one.register),
        )
        for one in file.array
    ]
    registers = [_register(entry) for entry in file.register]
    result = Map(file.map.address_bits, registers, arrays, list(file.state), list(file.error))
    check(result)
    return result


def check(regmap: Map) -> None:
    """Raise MapError where names repeat, words or fields overlap, or a value does not fit."""
    every = regmap.registers + [r for a in regmap.arrays for r in a.registers]
    _unique("register", [r.name for r in every])
    for register in every:
        if register.access not in ACCESSES:
            raise MapError(f"{register.name}: access '{register.access}' is unknown")
        if register.width not in (32, 64):
            raise MapError(f"{register.name}: width {register.width} is neither 32 nor 64")
        if register.reset is not None and register.reset >> register.bits:
            raise MapError(f"{register.name}: reset does not fit {register.bits} bits")
        _unique(f"field of {register.name}", [f.name for f in register.fields])
        used = 0
        for item in register.fields:
            if item.mask >> register.width or used & item.mask:
                raise MapError(f"{register.name}.{item.name}: overlaps or does not fit")
            used |= item.mask
    for array in regmap.arrays:
        span = max(r.offset + r.width // 8 for r in array.registers)
        if span > array.stride:
            raise MapError(f"{array.name}: a block of {span} bytes exceeds the stride")
    taken: dict[int, str] = {}
    for name, address in regmap.words():
        if address % 4 or address >> regmap.address_bits:
            raise MapError(f"{name}: address {address:#x} is unaligned or out of range")
        if address in taken:
            raise MapError(f"{name}: address {address:#x} is taken by {taken[address]}")
        taken[address] = name
    for kind, codes in (("state", regmap.states), ("error", regmap.errors)):
        _unique(kind, [c.name for c in codes])
        _unique(f"{kind} code", [str(c.code) for c in codes])


def _unique(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise MapError(f"{kind} {name} appears twice")


def camel(name: str) -> str:
    """UPPER_SNAKE to UpperCamel."""
    return "".join(part.capitalize() for part in name.split("_"))


# ------------------------------------------------------------------ SystemVerilog


def _sv_register(lines: list[str], prefix: str, register: Register, bits: int) -> None:
    digits = (bits + 3) // 4
    name = prefix + camel(register.name)
    value = register.offset
    lines.append(f"  localparam logic [{bits - 1}:0] {name} = {bits}'h{value:0{digits}X};")
    if register.width == 64:
        value += 4
        lines.append(f"  localparam logic [{bits - 1}:0] {name}Hi = {bits}'h{value:0{digits}X};")


def system_verilog(regmap: Map) -> str:
    """The package `edgedrnn_reg_pkg`."""
    bits = regmap.address_bits
    digits = (bits + 3) // 4
    out = [
        f"// Generated by scripts/gen_registers.py from {SOURCE}: do not edit.",
        "//",
        "// Reg*: byte addresses. <Register><Field>Bit or Lsb/Width: fields. Reset*: reset values.",
        (
            "// Layer*, Columns*: base, stride, count and byte offsets in a block."
            " Err*, State*: codes."
        ),
        "",
        "package edgedrnn_reg_pkg;",
        "",
        f"  localparam int RegAddrWidth = {bits};",
        "",
        "  // Addresses",
    ]
    for register in regmap.registers:
        _sv_register(out, "Reg", register, bits)
    out += ["", "  // Reset values"]
    for register in regmap.registers + [r for a in regmap.arrays for r in a.registers]:
        if register.reset is not None and register.width == 32 and register.access != "wo":
            out.append(
                f"  localparam logic [31:0] Reset{camel(register.name)} = 32'h{register.reset:08X};"
            )
    for register in regmap.registers:
        if not register.fields:
            continue
        out += ["", f"  // Fields of {register.name}"]
        for item in register.fields:
            name = camel(register.name) + camel(item.name)
            if item.width == 1:
                out.append(f"  localparam int {name}Bit = {item.lsb};")
            else:
                out.append(f"  localparam int {name}Lsb = {item.lsb};")
                out.append(f"  localparam int {name}Width = {item.width};")
    for array in regmap.arrays:
        name = camel(array.name)
        out += ["", f"  // {array.name} blocks"]
        for what, value in (("Base", array.base), ("Stride", array.stride)):
            out.append(
                f"  localparam logic [{bits - 1}:0] {name}{what} = {bits}'h{value:0{digits}X};"
            )
        out.append(f"  localparam int {name}Count = {array.count};")
        for register in array.registers:
            prefix = "" if register.name.startswith(array.name + "_") else name
            _sv_register(out, prefix, register, bits)
    out += ["", "  // States of the sequencer, STATUS.STATE"]
    out += [f"  localparam logic [7:0] State{camel(c.name)} = 8'd{c.code};" for c in regmap.states]
    out += ["", "  // Causes of faults, ERROR.CAUSE"]
    out += [f"  localparam logic [7:0] Err{camel(c.name)} = 8'd{c.code};" for c in regmap.errors]
    out += ["", "endpackage", ""]
    return "\n".join(out)


# ------------------------------------------------------------------ Python


def python(regmap: Map) -> str:
    """The module `tb/device/registers.py`."""
    out = [
        f'"""Register map of the core. Generated by scripts/gen_registers.py from {SOURCE}."""',
        "",
        "from __future__ import annotations",
        "",
        "from enum import IntEnum, IntFlag",
        "from typing import NamedTuple",
        "",
        "",
        "class RegisterInfo(NamedTuple):",
        (
            '    """What a test needs to know of a register'
            ' (`reset` is None for a build parameter)."""'
        ),
        "",
        "    name: str",
        "    address: int",
        "    access: str",
        "    reset: int | None",
        "    width: int",
        "    bits: int",
        "",
        "",
        "class Reg(IntEnum):",
        '    """Byte addresses (64-bit counters: of the low word)."""',
        "",
    ]
    out += [f"    {r.name} = 0x{r.offset:03X}" for r in regmap.registers]
    for array in regmap.arrays:
        name = camel(array.name)
        out += [
            "",
            "",
            f"{array.name}_BASE = 0x{array.base:03X}",
            f"{array.name}_STRIDE = 0x{array.stride:02X}",
            f"{array.name}_COUNT = {array.count}",
            "",
            "",
            f"class {name}Reg(IntEnum):",
            f'    """Byte offsets in a {array.name} block."""',
            "",
        ]
        out += [f"    {r.name} = 0x{r.offset:02X}" for r in array.registers]
        out += [
            "",
            "",
            f"def {array.name.lower()}_reg(layer: int, register: {name}Reg) -> int:",
            '    """Byte address of a register of one layer."""',
            f"    return {array.name}_BASE + {array.name}_STRIDE * layer + int(register)",
        ]
    for register in regmap.registers:
        single = [f for f in register.fields if f.width == 1]
        wide = [f for f in register.fields if f.width > 1]
        if single:
            out += ["", "", f"class {camel(register.name)}(IntFlag):"]
            out += [f'    """One-bit fields of {register.name}."""', ""]
            out += [f"    {f.name} = 1 << {f.lsb}" for f in single]
        if wide:
            out += ["", "", f"class {camel(register.name)}Field(NamedTuple):"]
            out += [f'    """Fields of {register.name} wider than a bit."""', ""]
            out += [f"    {f.name.lower()}: int" for f in wide]
            out += ["", "    @classmethod"]
            out += [f"    def unpack(cls, word: int) -> {camel(register.name)}Field:"]
            out += ['        """Split a register word."""', "        return cls("]
            out += [f"            (word >> {f.lsb}) & 0x{(1 << f.width) - 1:X}," for f in wide]
            out += ["        )"]
    for title, codes, what in (
        ("State", regmap.states, "States of the sequencer, STATUS.STATE"),
        ("Cause", regmap.errors, "Causes of faults, ERROR.CAUSE"),
    ):
        out += ["", "", f"class {title}(IntEnum):", f'    """{what}."""', ""]
        out += [f"    {c.name} = {c.code}" for c in codes]
    out += ["", "", "REGISTERS: tuple[RegisterInfo, ...] = ("]
    for r in regmap.registers:
        out.append(_python_info(r.name, r.offset, r))
    out += [")", '"""Every register outside the arrays."""']
    for array in regmap.arrays:
        out += ["", f"{array.name}_REGISTERS: tuple[RegisterInfo, ...] = ("]
        out += [_python_info(r.name, r.offset, r) for r in array.registers]
        out += [")", f'"""Registers of a {array.name} block; `address` is the offset in it."""']
    out.append("")
    return "\n".join(out)


def _python_info(name: str, address: int, register: Register) -> str:
    reset = "None" if register.reset is None else f"0x{register.reset:X}"
    return (
        f'    RegisterInfo("{name}", 0x{address:03X}, "{register.access}",'
        f" {reset}, {register.width}, {register.bits}),"
    )


# ------------------------------------------------------------------ Markdown


def _bits(item: Field) -> str:
    return str(item.lsb) if item.width == 1 else f"{item.lsb + item.width - 1}:{item.lsb}"


def _rows(registers: tuple[Register, ...] | list[Register], base: str) -> list[str]:
    out = ["| address | name | access | reset | meaning |", "| --- | --- | --- | --- | --- |"]
    for r in registers:
        reset = "build" if r.reset is None else (f"0x{r.reset:X}" if r.reset > 9 else str(r.reset))
        where = f"{base}0x{r.offset:03X}" if not base else f"{base}0x{r.offset:02X}"
        if r.width == 64:
            where += ", +4"
        bits = "" if r.bits == r.width else f" {r.bits} bits."
        out.append(f"| `{where}` | `{r.name}` | {r.access} | {reset} | {r.description}{bits} |")
    return out


def markdown(regmap: Map) -> str:
    """The page `docs/registers.md`."""
    plain = [r for r in regmap.registers if r.width == 32]
    counters = [r for r in regmap.registers if r.width == 64]
    out = [
        "# Registers",
        "",
        f"Generated by `scripts/gen_registers.py` from `{SOURCE}`: edit that file.",
        "",
        (
            f"AXI4-Lite, {regmap.address_bits} address bits, 32-bit words, little-endian."
            " Ports, streams and the DRAM layout are in [interfaces.md](interfaces.md)."
        ),
        "",
        "## Access",
        "",
        "| access | meaning |",
        "| --- | --- |",
    ]
    out += [f"| {name} | {meaning} |" for name, meaning in ACCESSES.items()]
    out += [
        "",
        (
            "* A write answers SLVERR and changes nothing if the address is unmapped or read only,"
            " if `wstrb` is not all ones, if the register is `cfg` and `STATUS.BUSY` is 1, or if"
            " the value does not fit the register's bits: a threshold above 32767, a size above"
            " 2047."
        ),
        "* A read of an unmapped address answers SLVERR with data 0.",
        "* Bits without a field read 0; writes to them are ignored.",
        "* A register without a table of fields is one unsigned number.",
        "* A write has taken effect when its response arrives.",
        "",
        "## Registers of the core",
        "",
    ]
    out += _rows(plain, "")
    for register in plain:
        if not register.fields:
            continue
        out += ["", f"### {register.name}", "", register.description, ""]
        out += ["| bits | field | meaning |", "| --- | --- | --- |"]
        out += [f"| {_bits(f)} | `{f.name}` | {f.description} |" for f in register.fields]
    for array in regmap.arrays:
        out += ["", f"## {array.name}: base 0x{array.base:03X}, stride 0x{array.stride:02X}", ""]
        out += [array.description, "", f"Address `0x{array.base:03X} + 0x{array.stride:02X}·l`"]
        out[-1] += f" plus the offset, layer `l` from 0 to {array.count - 1}."
        out += [""]
        out += _rows(array.registers, "+")
    out += [
        "",
        "## Performance counters",
        "",
        (
            "64 bits, low word first. Set `PERF_CTRL.FREEZE`, read, clear it. They count through"
            " soft resets; `PERF_CTRL.CLEAR` sets all of them, the columns too, to 0."
        ),
        "",
    ]
    out += _rows(counters, "")
    out += ["", "## States", "", "| code | state | meaning |", "| --- | --- | --- |"]
    out += [f"| {c.code} | `{c.name}` | {c.description} |" for c in regmap.states]
    out += ["", "## Faults", "", "`ERROR.CAUSE`, and what `LAYER` and `INFO` then hold.", ""]
    out += ["| cause | name | when | layer | info |", "| --- | --- | --- | --- | --- |"]
    for c in regmap.errors:
        out.append(
            f"| {c.code} | `{c.name}` | {c.description} | {'yes' if c.layer else ''} | {c.info} |"
        )
    out += [
        "",
        "## A driver's first minute",
        "",
        "1. Read `ID`, `VERSION`, `BUILD_PORT` and `BUILD_SIZE`.",
        "2. Write `NUM_LAYERS`, `LUT_FRAC`, `TIMEOUT` and a `LAYER` block for each layer.",
        (
            "3. Write `CTRL.START`; poll `STATUS` until `WAIT_X` or `ERROR`, or take the `READY`"
            " interrupt."
        ),
        "4. Stream x in and h out. Write thresholds between packets as wanted.",
        (
            "5. After `STATUS.ERROR`: read `ERROR`, write `CTRL.SOFT_RESET`, poll until `BUSY` is"
            " 0, then go on from 2 or 3."
        ),
        "",
    ]
    return "\n".join(out)


OUTPUTS: dict[str, Callable[[Map], str]] = {
    "rtl/edgedrnn_reg_pkg.sv": system_verilog,
    "tb/device/registers.py": python,
    "docs/registers.md": markdown,
}


def load() -> Map:
    """The map of the repository."""
    return parse((REPO / SOURCE).read_text(encoding="utf-8"))


def stale() -> list[str]:
    """Generated files that differ from what the source says."""
    regmap = load()
    out = []
    for name, render in OUTPUTS.items():
        path = REPO / name
        if not path.is_file() or path.read_text(encoding="utf-8") != render(regmap):
            out.append(name)
    return out


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    args = parser.parse_args(argv)
    if args.check:
        old = stale()
        for name in old:
            print(f"{name} is stale: run python scripts/gen_registers.py", file=sys.stderr)
        return 1 if old else 0
    regmap = load()
    for name, render in OUTPUTS.items():
        (REPO / name).write_text(render(regmap), encoding="utf-8")
    return 0
