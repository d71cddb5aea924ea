# SPDX-License-Identifier: Apache-2.0
"""Which RTL files a module needs, and which inputs it has, as its own source says.

pyslang parses the files of `rtl/edgedrnn.f`; nobody has to repeat in a test what a module
instantiates or imports. The parser is imported late: most users need none of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tb.paths import RTL_DIR, RTL_FILELIST, TOPS
from tb.sim.build import read_filelist


@dataclass(frozen=True)
class SourceFile:
    """What one file declares, and the names of modules and packages that it may use."""

    path: Path
    declares: frozenset[str]
    uses: frozenset[str]
    inputs: tuple[str, ...]  # of the first module in it


def sources_of(module: str) -> list[Path]:
    """The files that `module` needs, in compile order.

    It is declared in a file of `rtl/edgedrnn.f`, or in tb/sv/tops/<module>.sv, which comes last.
    Raises ValueError for a module that none declares.
    """
    files = [scan(path) for path in _candidates(module)]
    home = {name: file for file in files for name in file.declares}
    if module not in home:
        raise _unknown(module)
    needed: set[Path] = set()
    todo = [home[module]]
    while todo:
        file = todo.pop()
        if file.path not in needed:
            needed.add(file.path)
            todo += [home[name] for name in file.uses if name in home]
    return [file.path for file in files if file.path in needed]


def inputs_of(module: str) -> tuple[str, ...]:
    """The input ports of `module`, in the order of its port list.

    Raises ValueError for a module that no file declares.
    """
    # A file is named as its module, so the first one is enough.
    for path in sorted(_candidates(module), key=lambda path: path.stem != module):
        file = scan(path)
        if module in file.declares:
            return file.inputs
    raise _unknown(module)


def _candidates(module: str) -> list[Path]:
    top = TOPS / f"{module}.sv"
    return [*read_filelist(RTL_FILELIST)[0], *([top] if top.is_file() else [])]


def _unknown(module: str) -> ValueError:
    return ValueError(
        f"{module}: found no such module in {RTL_FILELIST.name} or tb/sv/tops, expected one"
    )


@cache
def scan(path: Path) -> SourceFile:
    """Parse one file. Raises ValueError when it is not SystemVerilog."""
    from pyslang import Bag, SourceManager, parsing, syntax

    manager = SourceManager()
    options = parsing.PreprocessorOptions()
    options.additionalIncludePaths = [str(RTL_DIR)]
    tree = syntax.SyntaxTree.fromFile(str(path), manager, Bag([options]))
    problems = [problem for problem in tree.diagnostics if problem.isError()]
    if problems:
        raise ValueError(f"{path.name}: found {len(problems)} syntax errors, expected none")
    declares: list[str] = []
    uses: set[str] = set()
    inputs: list[str] = []
    for node in _nodes(tree.root):
        kind = node.kind
        if kind in (syntax.SyntaxKind.ModuleDeclaration, syntax.SyntaxKind.PackageDeclaration):
            if not declares:
                inputs = _inputs(node)
            declares.append(node.header.name.valueText)
        elif kind == syntax.SyntaxKind.HierarchyInstantiation:
            uses.add(node.type.valueText)
        elif kind == syntax.SyntaxKind.PackageImportItem:
            uses.add(node.package.valueText)
        elif kind == syntax.SyntaxKind.ScopedName:
            uses.add(str(node.left).strip())
    return SourceFile(path, frozenset(declares), frozenset(uses), tuple(inputs))


def _nodes(node: Any) -> Iterator[Any]:
    """A syntax node and all nodes below it."""
    from pyslang import syntax

    yield node
    for index in range(len(node)):
        child = node[index]
        if isinstance(child, syntax.SyntaxNode):
            yield from _nodes(child)


def _inputs(module: Any) -> list[str]:
    """The input ports of a module's port list; a port without a direction has its neighbour's."""
    from pyslang import syntax

    names: list[str] = []
    direction = ""
    for node in _nodes(module.header):
        if node.kind == syntax.SyntaxKind.ImplicitAnsiPort:
            written = getattr(node.header, "direction", None)
            direction = (written.valueText if written else "") or direction
            if direction == "input":
                names.append(node.declarator.name.valueText)
    return names
