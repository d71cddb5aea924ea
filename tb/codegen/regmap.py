# SPDX-License-Identifier: Apache-2.0
"""The register map as records: `rtl/registers.toml` read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from msgspec import Struct

from golden.toml_file import Text, TomlError, parse_toml
from tb.paths import REPO

SOURCE = "rtl/registers.toml"
VERSION_SOURCE = "pyproject.toml"
ACCESSES = {
    "ro": "read only",
    "rw": "read and write",
    "cfg": "read; write in idle alone",
    "wo": "strobes, read 0",
    "w1c": "read; write one to clear",
}
HELD = ("rw", "cfg")
"""Accesses of registers that hold what is written: the settings."""
WRITABLE = (*HELD, "wo", "w1c")
MOST_COUNTERS = 32
"""Counters that one page of 256 bytes holds."""


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

    @property
    def held_bits(self) -> int:
        """Low bits that hold what was written; 0 for a register that holds nothing."""
        if self.access not in HELD:
            return 0
        if not self.fields:
            return self.bits
        return sum(f.mask for f in self.fields if not f.strobe).bit_length()


@dataclass(frozen=True)
class Array:
    """`count` equal blocks of registers, `stride` bytes apart."""

    name: str
    base: int
    stride: int
    count: int
    description: str
    registers: tuple[Register, ...]


@dataclass(frozen=True)
class Code:
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
    version: str
    registers: list[Register] = field(default_factory=list)
    arrays: list[Array] = field(default_factory=list)
    states: list[Code] = field(default_factory=list)
    errors: list[Code] = field(default_factory=list)

    @cached_property
    def every_register(self) -> list[Register]:
        """Registers of the core, then those of the arrays."""
        return self.registers + [r for a in self.arrays for r in a.registers]

    @property
    def counters(self) -> list[Register]:
        """Event counters of the whole core, in the order of their addresses."""
        return [r for r in self.registers if r.width == 64]

    @property
    def counter_array(self) -> Array:
        """The array that holds the event counters of each layer."""
        return next(a for a in self.arrays if a.registers[0].width == 64)

    @property
    def settings_array(self) -> Array:
        """The array that holds the settings of each layer."""
        return next(a for a in self.arrays if a.registers[0].access in HELD)

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


def settings(registers: Sequence[Register]) -> list[tuple[Register, int]]:
    """The settings among these registers, each with the lowest bit of its place."""
    placed, lsb = [], 0
    for register in registers:
        if register.held_bits:
            placed.append((register, lsb))
            lsb += register.held_bits
    return placed


def settings_bits(registers: Sequence[Register]) -> int:
    """Bits of all settings among these registers."""
    return sum(register.held_bits for register in registers)


def version_word(version: str) -> int:
    """``major.minor.patch`` as the VERSION register holds it: 16, 8 and 8 bits."""
    try:
        major, minor, patch = (int(part) for part in version.split("."))
    except ValueError:
        raise MapError(f"version '{version}' is not major.minor.patch") from None
    if not (0 <= major < 1 << 16 and 0 <= minor < 256 and 0 <= patch < 256):
        raise MapError(f"version '{version}' does not fit 16, 8 and 8 bits")
    return major << 16 | minor << 8 | patch


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
    reset: int | Literal["version"] | None = None
    build: bool = False
    width: int = 32
    bits: int | None = None
    field: tuple[_FieldEntry, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError unless the value after reset is given, or is the build's."""
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


class _CodeEntry(Struct, frozen=True, forbid_unknown_fields=True):
    code: int
    name: Text
    description: Text
    layer: bool = False
    info: str = ""


class _MapEntry(Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    address_bits: int
    data_bits: Literal[32]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    map: _MapEntry
    register: tuple[_RegisterEntry, ...]
    array: tuple[_ArrayEntry, ...]
    state: tuple[_CodeEntry, ...]
    error: tuple[_CodeEntry, ...]


def _register(entry: _RegisterEntry, version: str) -> Register:
    return Register(
        entry.name,
        entry.offset,
        entry.access,
        entry.description.replace("{version}", version),
        version_word(version) if isinstance(entry.reset, str) else entry.reset,
        entry.width,
        entry.width if entry.bits is None else entry.bits,
        tuple(Field(f.name, f.lsb, f.width, f.description, f.strobe) for f in entry.field),
    )


def _code(entry: _CodeEntry) -> Code:
    return Code(entry.code, entry.name, entry.description, entry.layer, entry.info)


def parse(text: str, version: str) -> Map:
    """Read the map from TOML text and check its rules. `version`: of the core.

    Raises MapError of one line.
    """
    file = parse_toml(text, _File, SOURCE, MapError)
    arrays = [
        Array(
            one.name,
            one.base,
            one.stride,
            one.count,
            one.description,
            tuple(_register(entry, version) for entry in one.register),
        )
        for one in file.array
    ]
    result = Map(
        file.map.address_bits,
        version,
        [_register(entry, version) for entry in file.register],
        arrays,
        [_code(entry) for entry in file.state],
        [_code(entry) for entry in file.error],
    )
    check(result)
    return result


def check(regmap: Map) -> None:
    """Raise MapError where names repeat, words or fields overlap, or a value does not fit."""
    _unique("register", [r.name for r in regmap.every_register])
    for register in regmap.every_register:
        _check_register(register)
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
    _check_counters(regmap)
    for kind, codes in (("state", regmap.states), ("error", regmap.errors)):
        _unique(kind, [c.name for c in codes])
        _unique(f"{kind} code", [str(c.code) for c in codes])


def _check_register(register: Register) -> None:
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
    held = sum(f.mask for f in register.fields if not f.strobe)
    if register.fields and register.held_bits and held != (1 << register.held_bits) - 1:
        raise MapError(f"{register.name}: fields that hold a value must fill the low bits")


def _check_counters(regmap: Map) -> None:
    """Counters are numbered by their address: one page, in order, without a gap."""
    counters = regmap.counters
    if counters[0].offset % 256 or len(counters) > MOST_COUNTERS:
        raise MapError(f"{counters[0].name}: counters need a page of their own")
    for number, register in enumerate(counters):
        if register.access != "ro" or register.offset != counters[0].offset + 8 * number:
            raise MapError(
                f"{register.name}: found a counter at {register.offset:#x}, expected it read only"
                f" at {counters[0].offset + 8 * number:#x}"
            )


def _unique(kind: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise MapError(f"{kind} {name} appears twice")


def camel(name: str) -> str:
    """UPPER_SNAKE to UpperCamel."""
    return "".join(part.capitalize() for part in name.split("_"))


def project_version() -> str:
    """The version of the project, of which the core's is one."""
    text = (REPO / VERSION_SOURCE).read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


def load() -> Map:
    """The map of the repository."""
    return parse((REPO / SOURCE).read_text(encoding="utf-8"), project_version())
