# SPDX-License-Identifier: Apache-2.0
"""The verification plan: reads tb/tables/plan.toml, holds it against tests and coverage groups.

A test is named in the plan by its file (`tb/tests/rtl/test_x.py`: all in it), by file and name
(`tb/tests/system/test_x.py::name`), where the name is that of a pytest function or of a cocotb
story, or by a pattern (`tb/tests/rtl/test_*.py`: every such file that no other intent names).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from golden.toml_file import Text, TomlError, read_toml
from tb.paths import REPO, TABLES, TEST_FOLDERS

PLAN_FILE = TABLES / "plan.toml"
SCHEMA = 1


class PlanError(TomlError):
    """The plan cannot be read; one line says where and why."""


class Intent(Struct, frozen=True, forbid_unknown_fields=True):
    """What could break, how it is stimulated and checked, what must be covered, by which tests."""

    id: Text
    title: Text
    breaks: Text
    stimulus: Text
    check: Text
    coverage: tuple[Text, ...]
    tests: Annotated[tuple[Text, ...], Meta(min_length=1)]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    intent: Annotated[list[Intent], Meta(min_length=1)]


def read_plan(path: Path = PLAN_FILE) -> list[Intent]:
    """The intents, in order; PlanError for what is missing, unknown, empty or there twice."""
    intents = read_toml(path, _File, PlanError).intent
    names = [intent.id for intent in intents]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise PlanError.of(path.name, f"intent[{number}].id", repr(name), "a name of its own")
    named = {test.partition("::")[0] for intent in intents for test in intent.tests}
    return [replace(one, tests=tuple(_expanded(one.tests, named))) for one in intents]


def _expanded(tests: Iterable[str], named: set[str]) -> Iterator[str]:
    """Tests of an intent, with the files of each pattern in its place."""
    for test in tests:
        if "*" not in test:
            yield test
            continue
        files = [path.relative_to(REPO).as_posix() for path in sorted(REPO.glob(test))]
        yield from [file for file in files if file not in named] or [test]


def collect_tests(root: Path = REPO) -> list[str]:
    """`file::name` of every pytest function and cocotb story, read off the sources."""
    found = []
    for folder in TEST_FOLDERS:
        for path in sorted((root / folder).glob("test_*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            file = path.relative_to(root).as_posix()
            found += [f"{file}::{name}" for name in _names(tree.body)]
    return found


def _names(body: list[ast.stmt]) -> Iterable[str]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _names(node.body)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            if [argument.arg for argument in node.args.args] != ["test", "config"]:
                yield node.name  # else it runs the stories of its file, which count themselves
        elif isinstance(node, ast.AsyncFunctionDef) and any(
            ast.unparse(decorator).startswith(("cocotb.test", "cocotb.parametrize"))
            for decorator in node.decorator_list
        ):
            yield node.name


def names_test(pattern: str, test: str) -> bool:
    """Whether a test of the plan names `file::name`."""
    return pattern == test or pattern == test.split("::")[0]


def names_node(pattern: str, node: str) -> bool:
    """Whether a test of the plan names a pytest node, as `file::function[story-config]`."""
    file, _, name = pattern.partition("::")
    node_file, _, rest = node.partition("::")
    if file != node_file:
        return False
    function, _, parameters = rest.split("::")[-1].partition("[")
    return not name or name == function or bool(re.match(rf"{re.escape(name)}[-\]]", parameters))


@dataclass(frozen=True)
class Orphans:
    """Orphans: unreferenced tests and groups, and references to unknown names."""

    tests: list[str]
    groups: list[str]
    intents: list[str]

    def __bool__(self) -> bool:
        return bool(self.tests or self.groups or self.intents)


def orphans(intents: list[Intent], tests: list[str], groups: Iterable[str]) -> Orphans:
    """Tests and groups that no intent names; `intent: name` for names that do not exist."""
    groups = list(groups)
    patterns = {pattern for intent in intents for pattern in intent.tests}
    named = {group for intent in intents for group in intent.coverage}
    vain = [
        f"{intent.id}: {pattern}"
        for intent in intents
        for pattern in intent.tests
        if not any(names_test(pattern, test) for test in tests)
    ]
    vain += [f"{i.id}: {group}" for i in intents for group in i.coverage if group not in groups]
    return Orphans(
        [test for test in tests if not any(names_test(p, test) for p in patterns)],
        [group for group in groups if group not in named],
        vain,
    )


def status(intent: Intent, jobs: Iterable[Mapping[str, Any]], open_groups: set[str]) -> str:
    """holds, fails, not run, or open: all passed but a coverage group has open bins.

    Every test of the intent must have been run for it to hold.
    """
    ran = {
        pattern: [job["status"] for job in jobs if names_node(pattern, job["node"])]
        for pattern in intent.tests
    }
    if any(state != "passed" for states in ran.values() for state in states):
        return "fails"
    if not all(ran.values()):
        return "not run"
    return "open" if open_groups & set(intent.coverage) else "holds"


def report(
    intents: list[Intent],
    lost: Orphans,
    jobs: list[Mapping[str, Any]],
    open_groups: set[str],
) -> dict[str, Any]:
    """What `reports/plan.json` holds."""
    return {
        "schema": SCHEMA,
        "intents": [
            {name: _plain(value) for name, value in asdict(intent).items()}
            | {"status": status(intent, jobs, open_groups)}
            for intent in intents
        ],
        "orphans": {"tests": lost.tests, "groups": lost.groups, "intents": lost.intents},
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
