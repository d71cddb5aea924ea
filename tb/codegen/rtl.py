# SPDX-License-Identifier: Apache-2.0
"""What the SystemVerilog in rtl/ defines: packages, parameters and enums, read with pyslang."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tb.paths import RTL_FILELIST
from tb.sim.build import read_filelist

TOP = "edgedrnn"


@dataclass(frozen=True)
class Package:
    """A package: integer parameters, enum types as {member: value}, the widths of types, and packed
    structs as {field: (lowest bit, bits)}, the highest field first.
    """

    parameters: dict[str, int] = field(default_factory=dict)
    enums: dict[str, dict[str, int]] = field(default_factory=dict)
    type_bits: dict[str, int] = field(default_factory=dict)
    structs: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)


def compiled(sources: Sequence[Path]) -> Any:
    """A pyslang compilation of these files."""
    from pyslang import ast, syntax

    design = ast.Compilation()
    for source in sources:
        design.addSyntaxTree(syntax.SyntaxTree.fromFile(str(source)))
    return design


@cache
def core() -> Any:
    """The compilation of the core."""
    return compiled(read_filelist(RTL_FILELIST)[0])


def package(name: str, design: Any | None = None) -> Package:
    """The package `name` of a compilation, default: of the core. Raises KeyError without it."""
    from pyslang import ast

    found = (design or core()).getPackage(name)
    if found is None:
        raise KeyError(name)
    result = Package()
    for symbol in found:
        if isinstance(symbol, ast.ParameterSymbol):
            number: Any = symbol.value.value
            if isinstance(number, int) or hasattr(number, "isSigned"):
                result.parameters[symbol.name] = int(number)
        elif isinstance(symbol, ast.TypeAliasType):
            kind = symbol.canonicalType
            result.type_bits[symbol.name] = kind.bitWidth
            if isinstance(kind, ast.EnumType):
                members: Any = kind
                result.enums[symbol.name] = {m.name: int(m.value.value) for m in members}
            elif isinstance(kind, ast.PackedStructType):
                result.structs[symbol.name] = {
                    name: (low, bits) for name, low, bits in reversed(_fields(kind))
                }
    return result


def struct_fields(name: str, struct: str, design: Any) -> list[tuple[str, int, int]]:
    """Fields of a packed struct of package `name`, lowest first: (name, lowest bit, bits).

    Raises KeyError without the package or the struct.
    """
    from pyslang import ast

    found = design.getPackage(name)
    alias = found.find(struct) if found is not None else None
    if not isinstance(alias, ast.TypeAliasType):
        raise KeyError(f"{name}::{struct}")
    return _fields(alias.canonicalType)


def _fields(struct: Any) -> list[tuple[str, int, int]]:
    from pyslang import ast

    fields = [f for f in struct if isinstance(f, ast.FieldSymbol)]
    return sorted(
        ((f.name, int(f.bitOffset), int(f.type.bitWidth)) for f in fields),
        key=lambda one: one[1],
    )


def local_parameter(instance: str, name: str, design: Any | None = None) -> int:
    """A parameter of ``module.instance``, where the core has it first. Raises KeyError without."""
    from pyslang import ast

    module, _, child = instance.partition(".")
    found: list[int] = []

    def visit(symbol: Any) -> None:
        if isinstance(symbol, ast.InstanceSymbol) and symbol.name == child:
            above = symbol.declaringDefinition
            parameter = symbol.body.find(name)
            if above is not None and above.name == module and parameter is not None:
                value: Any = parameter
                found.append(int(value.value.value))

    (design or core()).getRoot().visit(visit)
    if not found:
        raise KeyError(f"{instance}.{name}")
    return found[0]


@cache
def enum_types() -> dict[str, dict[int, str]]:
    """Name of each enum type of the core -> {value: name}."""
    return {type_name: names for type_name, names in enum_variables().values()}


@cache
def enum_variables() -> dict[str, tuple[str, dict[int, str]]]:
    """Path of each enum, variable or member of a struct, below ``u_dut`` -> (name of its
    type, {value: name}).
    """
    from pyslang import ast

    found: dict[str, tuple[str, dict[int, str]]] = {}

    def visit(symbol: Any) -> None:
        if not isinstance(symbol, ast.ValueSymbol) or isinstance(symbol, ast.EnumValueSymbol):
            return
        top, _, path = symbol.hierarchicalPath.partition(".")
        if top != TOP:
            return
        kind: Any = symbol.type.canonicalType
        if isinstance(kind, ast.EnumType):
            found[path] = (_type_name(symbol), _names(kind))
        elif isinstance(kind, ast.PackedStructType):
            for member in kind:
                if isinstance(member, ast.FieldSymbol):
                    of = member.type.canonicalType
                    if isinstance(of, ast.EnumType):
                        found[f"{path}.{member.name}"] = (member.type.name, _names(of))

    core().getRoot().visit(visit)
    return found


def _names(enum: Any) -> dict[int, str]:
    return {int(entry.value.value): entry.name for entry in enum}


def _type_name(symbol: Any) -> str:
    """``seq_state_e``; ``delta_encoder_state_e`` for a type that only one module has."""
    alias: str = symbol.type.name
    if "::" in symbol.type.hierarchicalPath:
        return alias
    return f"{symbol.declaringDefinition.name}_{alias}"
