# SPDX-License-Identifier: Apache-2.0
"""What can be wrong in SystemVerilog: walks the syntax tree of a file and lists its faults.

Only what works while the design runs is changed. Left alone are parameters, types, generate
conditions, widths of selects and replications, loop bounds, clock edges, what synthesis leaves out
(``ifndef SYNTHESIS``, the assertion macros), and nets whose name begins with ``unused``.

The original and the changed expression become the two arms of one ``?:`` (see schemata.py), whose
width and sign are those of both. So no change may alter either: the constants put in are signed
(``1'sd0``), which leaves the sign to the other arm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pyslang import Bag, SourceManager, parsing, syntax

from tb.mutation.mutant import Edit
from tb.paths import RTL_DIR

Node = Any
"""A node of pyslang's syntax tree, whose class depends on its ``kind``."""

# By the kind of an expression: operators that take the place of its own.
SWAPS = {
    "AddExpression": ["-"],
    "SubtractExpression": ["+"],
    "MultiplyExpression": ["+"],
    "LogicalAndExpression": ["||"],
    "LogicalOrExpression": ["&&"],
    "EqualityExpression": ["!="],
    "InequalityExpression": ["=="],
    "LessThanExpression": ["<=", ">"],
    "LessThanEqualExpression": ["<", ">"],
    "GreaterThanExpression": [">=", "<"],
    "GreaterThanEqualExpression": [">", "<"],
    "BinaryAndExpression": ["|"],
    "BinaryOrExpression": ["&"],
    "BinaryXorExpression": ["|"],
    "LogicalShiftLeftExpression": [">>"],
    "LogicalShiftRightExpression": ["<<"],
}
# How tightly operators bind, so that a changed line means what the simulation does.
BINDS = {"||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7, ">": 7,
         ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10}  # fmt: skip
GROUP = {"Add": "arithmetic", "Sub": "arithmetic", "Mul": "arithmetic", "Log": "logical",
         "Bin": "bitwise"}  # fmt: skip
UNARY = {
    "UnaryLogicalNotExpression": "",
    "UnaryBitwiseNotExpression": "",
    "UnaryMinusExpression": "",
    "UnaryBitwiseOrExpression": "&",
    "UnaryBitwiseAndExpression": "|",
}


class SyntaxNotUnderstoodError(ValueError):
    """The parser found errors in a file."""


def find_edits(text: str, name: str) -> list[Edit]:
    """All faults that a file of content ``text`` can have; ``name`` is for messages.

    Raises SyntaxNotUnderstoodError when it does not parse.
    """
    options = parsing.PreprocessorOptions()
    options.predefines = ["SYNTHESIS=1"]
    options.additionalIncludePaths = [RTL_DIR]
    tree = syntax.SyntaxTree.fromText(text, SourceManager(), name, "", Bag([options]))
    if any(problem.isError() for problem in tree.diagnostics):
        raise SyntaxNotUnderstoodError(f"{name}: not SystemVerilog that pyslang understands")
    return list(_Walk(text).items(tree.root))


def _children(node: Node) -> Iterator[Node]:
    for index in range(len(node)):
        child = node[index]
        if child is not None and isinstance(child, syntax.SyntaxNode):
            yield child


def _nodes(mixed: Iterable[Node]) -> Iterator[Node]:
    """The nodes of a separated list, without its commas."""
    return (one for one in mixed if isinstance(one, syntax.SyntaxNode))


class _Walk:
    """Generators of edits: items of a module, statements, expressions."""

    def __init__(self, text: str) -> None:
        self.text = text

    def span(self, node: Node) -> tuple[int, int]:
        return node.sourceRange.start.offset, node.sourceRange.end.offset

    def source(self, node: Node) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def edit(self, node: Node, operator: str, text: str) -> Edit:
        return Edit(*self.span(node), operator, text)

    # ------------------------------------------------------------ items

    def items(self, node: Node) -> Iterator[Edit]:
        """Everything below a design unit or a generate block."""
        match node.kind.name:
            case "ParameterDeclarationStatement" | "TypedefDeclaration" | "DataDeclaration":
                return
            case "ModuleHeader" | "PackageHeader":
                return
            case "NetDeclaration":
                for declarator in _nodes(node.declarators):
                    if declarator.initializer:
                        value = declarator.initializer.expr
                        yield from self.driven(declarator.name.valueText, value)
            case "ContinuousAssign":
                for assignment in _nodes(node.assignments):
                    yield from self.driven(self.source(assignment.left), assignment.right)
            case "AlwaysFFBlock" | "AlwaysCombBlock" | "AlwaysBlock" | "InitialBlock":
                yield from self.statement(node.statement)
            case "LoopGenerate":
                yield from self.items(node.block)
            case "IfGenerate":
                yield from self.items(node.block)
                if node.elseClause:
                    yield from self.items(node.elseClause.clause)
            case "FunctionDeclaration":
                for item in node.items:
                    yield from self.statement(item)
            case "NamedPortConnection":
                yield from self.connection(node)
            case "ParameterValueAssignment":
                return
            case _:
                for child in _children(node):
                    yield from self.items(child)

    def connection(self, node: Node) -> Iterator[Edit]:
        """Inputs held at 0, by the house's names; operators. An output is no expression."""
        port, value = node.name.valueText, node.expr
        while value is not None and value.kind.name in ("SimplePropertyExpr", "SimpleSequenceExpr"):
            value = value.expr
        if value is None:
            return
        if port.endswith("_i") and not port.startswith("clk"):
            yield self.edit(value, "connection held at 0", "1'sd0")
        yield from self.value(value, selects=port.endswith("_i"))

    def driven(self, name: str, value: Node) -> Iterator[Edit]:
        """What drives a net: stuck, or wrong."""
        if name.startswith("unused"):
            return
        yield from self.stuck(value)
        yield from self.value(value)

    def stuck(self, value: Node) -> Iterator[Edit]:
        if value.kind.name not in ("IntegerVectorExpression", "UnbasedUnsizedLiteralExpression"):
            yield self.edit(value, "stuck at 0", "1'sd0")
            yield self.edit(value, "stuck at 1", "2'sd1")

    # ------------------------------------------------------------ statements

    def statement(self, node: Node, *, reset: bool = False) -> Iterator[Edit]:
        """A statement and all below it. ``reset``: it is carried out while in reset."""
        match node.kind.name:
            case "SequentialBlockStatement":
                for item in node.items:
                    yield from self.statement(item, reset=reset)
            case "TimingControlStatement" | "ForLoopStatement":
                yield from self.statement(node.statement, reset=reset)
            case "ConditionalStatement":
                condition = node.predicate.conditions[0].expr
                yield from self.condition(condition)
                in_reset = "!rst_ni" in self.source(condition)
                yield from self.statement(node.statement, reset=in_reset)
                if node.elseClause:
                    yield from self.statement(node.elseClause.clause)
            case "CaseStatement":
                for item in node.items:
                    clause = item.clause
                    if clause.kind.name not in ("ExpressionStatement", "EmptyStatement"):
                        yield Edit(*self.span(clause), "case arm dropped", ";", held=True)
                    yield from self.statement(clause, reset=reset)
            case "ExpressionStatement":
                yield from self.assignment(node, reset)
            case "ReturnStatement":
                yield from self.value(node.returnValue)

    def assignment(self, statement: Node, reset: bool) -> Iterator[Edit]:
        node = statement.expr
        if node.kind.name == "NonblockingAssignmentExpression":
            yield Edit(*self.span(statement), "assignment held", ";", held=True)
            if reset:
                yield from self.reset_value(node.right)
            else:
                yield from self.value(node.right)
        elif node.kind.name == "AssignmentExpression":
            yield from self.driven(self.source(node.left), node.right)

    def reset_value(self, value: Node) -> Iterator[Edit]:
        """Another value after reset; that of an enum is only held (see assignment)."""
        text = self.source(value)
        if value.kind.name == "UnbasedUnsizedLiteralExpression":
            yield self.edit(value, "reset value", "'1" if text == "'0" else "'0")
        elif value.kind.name == "IntegerVectorExpression":
            yield from (Edit(e.start, e.end, "reset value", e.text) for e in self.constant(value))
        elif text.startswith(("Reset", "{MaxLayers{Reset", "Err", "Resp")):
            yield self.edit(value, "reset value", f"~({text})")

    # ------------------------------------------------------------ expressions

    def condition(self, node: Node) -> Iterator[Edit]:
        """What decides: negated, stuck, or wrong inside."""
        text = self.source(node)
        yield self.edit(node, "condition negated", f"!({text})")
        yield self.edit(node, "condition stuck at 1", "1'b1")
        yield self.edit(node, "condition stuck at 0", "1'b0")
        below = node.operand if node.kind.name == "UnaryLogicalNotExpression" else node
        yield from self.value(below)

    def is_constant(self, node: Node) -> bool:
        """Whether all names in an expression are of parameters, which have a capital."""
        words = re.findall(r"(?<!['\w$])[A-Za-z_$]\w*", self.source(node))
        return all(word[0].isupper() for word in words)

    def value(self, node: Node, *, selects: bool = True) -> Iterator[Edit]:
        """An expression that is read while the design runs."""
        kind = node.kind.name

        def below(*nodes: Node) -> Iterator[Edit]:
            for each in nodes:
                yield from self.value(each, selects=selects)

        match kind:
            case "ParenthesizedExpression":
                yield from below(node.expression)
            case "ConditionalExpression":
                yield from self.condition(node.predicate.conditions[0].expr)
                yield from below(node.left, node.right)
            case "ConcatenationExpression":
                yield from below(*_nodes(node.expressions))
            case "MultipleConcatenationExpression":
                yield from below(node.concatenation)
            case "CastExpression":
                inside = node.right.expression
                if self.is_constant(inside):
                    if not inside.kind.name.endswith("LiteralExpression"):
                        text = self.source(inside)
                        yield self.edit(inside, "constant + 1", f"({text}) + 1")
                        yield self.edit(inside, "constant - 1", f"({text}) - 1")
                    else:
                        yield from self.constant(inside)
                else:
                    yield from below(inside)
            case "InvocationExpression":
                for argument in _nodes(node.arguments.parameters if node.arguments else ()):
                    yield from below(argument.expr)
            case "IntegerVectorExpression" | "IntegerLiteralExpression":
                yield from self.constant(node)
            case "UnbasedUnsizedLiteralExpression":
                other = "'1" if self.source(node) == "'0" else "'0"
                yield self.edit(node, "constant", other)
            case "IdentifierSelectName":
                if selects:
                    yield from self.select(node)
            case _ if kind in UNARY:
                operand = self.source(node.operand)
                yield self.edit(node, "unary", UNARY[kind] + operand)
                yield from below(node.operand)
            case _ if kind in SWAPS:
                if not self.is_constant(node):
                    yield from self.binary(node)
                    yield from below(node.left, node.right)

    def binary(self, node: Node) -> Iterator[Edit]:
        kind = node.kind.name
        left, right = self.source(node.left), self.source(node.right)
        group = "shift" if "Shift" in kind else GROUP.get(kind[:3], "relational")
        for other in SWAPS[kind]:
            operands = self.bound(node.left, other, right=False), self.bound(node.right, other)
            text = f"{operands[0]} {other} {operands[1]}"
            tighter = self.binds(node.parent)
            is_right = tighter and self.span(node.parent.right) == self.span(node)
            if tighter and (tighter > BINDS[other] or (is_right and tighter == BINDS[other])):
                text = f"({text})"
            yield self.edit(node, group, text)
        if kind.startswith("Logical") and "Shift" not in kind:
            yield self.edit(node, "operand dropped", right)
            yield self.edit(node, "operand dropped", left)

    def binds(self, node: Node) -> int | None:
        """How tightly a binary expression binds, None for anything else."""
        token = getattr(node, "operatorToken", None)
        return BINDS.get(token.valueText) if token and hasattr(node, "right") else None

    def bound(self, operand: Node, operator: str, *, right: bool = True) -> str:
        """An operand as it has to be written beside another operator."""
        own, text = self.binds(operand), self.source(operand)
        if own and (own < BINDS[operator] or (right and own == BINDS[operator])):
            return f"({text})"
        return text

    def constant(self, node: Node) -> Iterator[Edit]:
        """An integer, one more and one less, within its own width."""
        text = self.source(node)
        sized = re.fullmatch(r"(\d+)'(s?)([bodh])([0-9a-fA-F_]+)", text)
        if sized:
            width, sign, base, digits = sized.groups()
            radix = {"b": 2, "o": 8, "d": 10, "h": 16}[base]
            number, modulus = int(digits.replace("_", ""), radix), 1 << int(width)
            for step in (1, -1):
                changed = (number + step) % modulus
                shown = {"b": f"{changed:b}", "o": f"{changed:o}", "d": f"{changed}",
                         "h": f"{changed:x}"}[base]  # fmt: skip
                yield self.edit(node, f"constant {step:+d}", f"{width}'{sign}{base}{shown}")
        elif text.isdecimal():
            for step in (1, -1):
                if int(text) + step >= 0:
                    yield self.edit(node, f"constant {step:+d}", str(int(text) + step))

    def select(self, node: Node) -> Iterator[Edit]:
        """The last index of a name, one higher and one lower."""
        selector = list(node.selectors)[-1].selector
        start, end = self.span(node)
        head = self.text[start : self.span(selector)[0]]
        tail = self.text[self.span(selector)[1] : end]
        for step in ("+ 1", "- 1"):
            if selector.kind.name == "BitSelect":
                middle = f"({self.source(selector.expr)}) {step}"
            elif selector.kind.name == "SimpleRangeSelect":
                low = self.source(selector.right)
                if low == "0" and step == "- 1":
                    continue
                middle = f"({self.source(selector.left)}) {step}:({low}) {step}"
            else:
                token = "+:" if selector.kind.name == "AscendingRangeSelect" else "-:"
                base = self.source(selector.left)
                if base == "0" and step == "- 1":
                    continue
                middle = f"({base}) {step} {token} {self.source(selector.right)}"
            yield Edit(start, end, "select off by one", head + middle + tail)
