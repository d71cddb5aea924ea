# SPDX-License-Identifier: Apache-2.0
"""The stories of a test file: its cocotb tests, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tb.paths import REPO

COCOTB_MARKS = ("cocotb.test", "cocotb.parametrize")


@cache
def stories_in(path: Path) -> tuple[str, ...]:
    """The names of the cocotb tests that a Python file defines, in its order."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(
        node.name
        for node in tree.body
        if isinstance(node, ast.AsyncFunctionDef)
        and any(ast.unparse(mark).startswith(COCOTB_MARKS) for mark in node.decorator_list)
    )


def stories_of(module: str) -> tuple[str, ...]:
    """The same for a module of the repository, by its dotted name."""
    return stories_in(REPO / f"{module.replace('.', '/')}.py")


def never_run(path: Path) -> list[str]:
    """The stories of a file that no string in it names, so that no pytest function runs them.

    A name may be a whole string, or the end of a filter such as `\\.name$`.
    """
    named = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            named.add(node.value.removeprefix("\\.").removesuffix("$"))
    return [story for story in stories_in(path) if story not in named]


def without_story(path: Path) -> list[str]:
    """The names in calls of `matrix` and `simulate` that are no story of their file."""
    wrong = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            wrong += [name for name in _run_by(node) if name not in stories_in(path)]
    return wrong


def _run_by(call: ast.Call) -> Iterable[str]:
    """The names of stories in one call, where they are literal."""
    called = ast.unparse(call.func).rpartition(".")[2]
    if called == "matrix":
        names = [row.elts[0] for row in call.args if isinstance(row, ast.Tuple)]
    elif called == "simulate" and call.args and ast.unparse(call.args[0]) == "__file__":
        names = call.args[1:2]
    else:
        names = []
    for name in names:
        if isinstance(name, ast.Constant):
            yield str(name.value)
