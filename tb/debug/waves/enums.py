"""Names of enums, from the one place that has them: the SystemVerilog in rtl/."""

from __future__ import annotations

from functools import cache
from typing import Any

from tb.paths import RTL_FILELIST
from tb.sim.build import read_filelist


@cache
def enum_types() -> dict[str, dict[int, str]]:
    """Name of each enum type of the core -> {value: name}."""
    return {type_name: names for type_name, names in enum_variables().values()}


@cache
def enum_variables() -> dict[str, tuple[str, dict[int, str]]]:
    """Path of each enum variable below ``u_dut`` -> (name of its type, {value: name})."""
    from pyslang import ast, syntax

    design = ast.Compilation()
    for source in read_filelist(RTL_FILELIST)[0]:
        design.addSyntaxTree(syntax.SyntaxTree.fromFile(str(source)))
    found: dict[str, tuple[str, dict[int, str]]] = {}

    def visit(symbol: object) -> None:
        if not isinstance(symbol, ast.ValueSymbol) or isinstance(symbol, ast.EnumValueSymbol):
            return
        kind = symbol.type.canonicalType
        if isinstance(kind, ast.EnumType):
            top, _, path = symbol.hierarchicalPath.partition(".")
            if top == "edgedrnn":
                entries: Any = kind  # which iterates over EnumValueSymbols
                values = {int(entry.value.value): entry.name for entry in entries}
                found[path] = (_type_name(symbol), values)

    design.getRoot().visit(visit)
    return found


def _type_name(symbol: Any) -> str:
    """``seq_state_e``; ``delta_encoder_state_e`` for a type that only one module has."""
    alias: str = symbol.type.name
    if "::" in symbol.type.hierarchicalPath:
        return alias
    return f"{symbol.declaringDefinition.name}_{alias}"
