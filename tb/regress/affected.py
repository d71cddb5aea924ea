# SPDX-License-Identifier: Apache-2.0
"""Which tests a change can break, by dependency, and which of them fit a time budget.

A file depends on another when it imports it (Python), names its module (SystemVerilog), or contains
its file name (tables, documents and all other files). Tests of a change of `rtl/` are those that
the mutation plan names for the file: the strongest known for it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

TESTS = ("golden/tests/", "tb/tests/")
FOLDERS = ("golden", "rtl", "scripts", "tb")
NOT_READ = {".bin", ".fst", ".npy", ".npz", ".png", ".svg", ".wav"}


class SelectionError(ValueError):
    """The change or the table of times cannot be read. One line."""


@dataclass(frozen=True)
class Budget:
    """Contents of `tb/tables/quick.toml`: seconds, and the files that build and drive the core."""

    budget_s: float
    start_s: float
    core_build_s: float
    bench: Sequence[str]
    one: Mapping[str, float]  # CPU seconds of one test, by the start of its name
    file: Mapping[str, float]  # CPU seconds of all tests of a file

    @classmethod
    def read(cls, path: Path) -> Budget:
        """Raises SelectionError for a file that is not such a table."""
        try:
            return cls(**tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise SelectionError(f"{path.name}: {error}") from None

    def seconds(self, node: str) -> float:
        """What a test, or a whole file of tests, is expected to take."""
        if "::" not in node and node in self.file:
            return self.file[node]
        fits = [start for start in self.one if node.startswith(start)]
        return self.one[max(fits, key=len)] if fits else 1.0


@dataclass(frozen=True)
class Choice:
    """A test, or a file of them: why it was chosen, and how far it is from the change."""

    node: str
    why: str
    distance: int
    seconds: float  # of CPU, expected


@dataclass(frozen=True)
class Selection:
    """What is to be run, in this order, and what did not fit."""

    chosen: Sequence[Choice] = ()
    left_out: Sequence[Choice] = ()
    seconds: float = 0.0  # of wall clock, expected


def changed_files(root: Path, base: str) -> list[str]:
    """Files that differ from the merge base with ``base``, uncommitted and untracked ones too.

    Raises SelectionError when git fails, for instance for a revision that does not exist.
    """
    start = _git(root, "merge-base", base, "HEAD").strip()
    names = _git(root, "diff", "--name-only", "--no-renames", "-z", start)
    names += _git(root, "ls-files", "-z", "--others", "--exclude-standard")
    return sorted({name for name in names.split("\0") if name})


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SelectionError(f"git {words[0]}: {said}")
    return done.stdout


@dataclass(frozen=True)
class Tree:
    """The files of a repository and what each depends on."""

    root: Path
    gone: Sequence[str] = ()  # deleted files, which others may still name
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All files below the folders of the source code, relative to the root."""
        found = [
            path.relative_to(self.root).as_posix()
            for folder in FOLDERS
            for path in (self.root / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        ]
        return tuple(sorted({*found, *self.gone}))

    def text(self, file: str) -> str:
        """The content of a text file; empty for a deleted or a binary one."""
        if file not in self._texts:
            path = self.root / file
            readable = path.is_file() and path.suffix not in NOT_READ
            self._texts[file] = (
                path.read_text(encoding="utf-8", errors="replace") if readable else ""
            )
        return self._texts[file]

    @cached_property
    def _users(self) -> dict[str, set[str]]:
        """Files by the file that they depend on directly."""
        users: dict[str, set[str]] = {}
        for file in self.files:
            if file.endswith(".py"):
                for used in self._imports(file):
                    users.setdefault(used, set()).add(file)
        modules = {Path(file).stem: file for file in self.files if file.endswith(".sv")}
        for file in modules.values():
            text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", self.text(file), flags=re.S)
            for name in set(re.findall(r"\w+", text)) & modules.keys():
                if modules[name] != file:
                    users.setdefault(modules[name], set()).add(file)
        return users

    def _imports(self, file: str) -> set[str]:
        try:
            tree = ast.parse(self.text(file))
        except SyntaxError:
            return set()  # its own tests will say so
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        used = set()
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):  # importing a module imports its packages
                place = "/".join(parts[:end])
                used |= {f"{place}.py", f"{place}/__init__.py"} & self._known
        folder = Path(file).parent
        if is_test(file):
            used |= {f"{parent.as_posix()}/conftest.py" for parent in (folder, *folder.parents)}
        return (used & self._known) - {file}

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    def users(self, file: str) -> set[str]:
        """The files that depend on one directly."""
        found = set(self._users.get(file, ()))
        if not file.endswith(".py"):
            found |= self._readers(file)
        return found

    def _readers(self, file: str) -> set[str]:
        """Files that name one: Python a file or, in quotes, a module; others what they include."""
        path = Path(file)
        name = re.escape(path.stem if path.suffix == ".sv" else path.name)
        quoted = rf"\"{name}\"|{name}\.sv|test_{name}\b"
        word = re.compile(quoted if path.suffix == ".sv" else rf"(?<![\w.]){name}(?!\w)")
        readers = (".py", ".sv", ".svh") if path.suffix == ".svh" else (".py",)
        found = {f for f in self.files if f.endswith(readers) and word.search(self.text(f))}
        return found - {file}

    def reached(self, file: str) -> dict[str, tuple[int, str]]:
        """Every file that a change of one can break: its distance, and what leads there.

        From a source of `rtl/` the way goes through modules to tests that name one of them. What a
        tool does with the text of the RTL is far from a change of its function.
        """
        found = {file: (0, "changed")}
        rtl = file.startswith("rtl/") and file.endswith((".sv", ".svh"))
        ring = [file]
        while ring:
            after = []
            for at in ring:
                for user in sorted(self.users(at) - found.keys()):
                    if rtl and user.endswith(".py") and not is_test(user):
                        continue
                    found[user] = (found[at][0] + 1, f"depends on {at}")
                    after.append(user)
            ring = after
        return found


def is_test(file: str) -> bool:
    """Whether pytest collects a file."""
    return file.startswith(TESTS) and Path(file).name.startswith("test_") and file.endswith(".py")


def rtl_nodes(file: str, plan: Mapping[str, Sequence[str]], budget: Budget) -> list[str]:
    """The tests that a change of one source file of `rtl/` is given: as many as the time allows.

    ``plan``: the tests of each file, strongest first, as `tb.mutation.sample.Plan` has them.
    """
    choices = [Choice(node, file, 0, budget.seconds(node)) for node in plan.get(file, ())]
    return [choice.node for choice in within(choices, budget, workers=2).chosen]


def select(
    changed: Iterable[str],
    tree: Tree,
    plan: Mapping[str, Sequence[str]],
    budget: Budget,
    workers: int,
) -> Selection:
    """The tests that a change can break, nearest first, cut to the time budget."""
    best: dict[str, Choice] = {}

    def offer(node: str, why: str, distance: int) -> None:
        if node not in best or distance < best[node].distance:
            best[node] = Choice(node, why, distance, budget.seconds(node))

    core = _shared(plan)
    for file in changed:
        reached = tree.reached(file)
        for node in plan.get(file, ()):
            offer(node, f"strongest for {file}", 0)
        if not reached.keys().isdisjoint(budget.bench) and file not in plan:
            for node in core:
                offer(node, f"the bench of the whole core depends on {file}", 1)
        for other, (distance, why) in reached.items():
            if is_test(other):
                offer(other, why if other != file else "changed", distance)
    near = [one for one in best.values() if one.distance == 0]  # strongest first
    far = [one for one in best.values() if one.distance]
    return within([*near, *sorted(far, key=lambda o: (o.distance, o.seconds))], budget, workers)


def _shared(plan: Mapping[str, Sequence[str]]) -> list[str]:
    """The tests that the plan names for every file: those of the whole core."""
    lists = list(plan.values())
    return [node for node in lists[0] if all(node in other for other in lists)] if lists else []


def within(choices: Iterable[Choice], budget: Budget, workers: int) -> Selection:
    """As many of them as fit, in their order; a test whose whole file is chosen is not repeated."""
    chosen: list[Choice] = []
    left_out: list[Choice] = []
    seconds, built = budget.start_s, False
    for choice in choices:
        file = choice.node.split("::")[0]
        if any(one.node == file for one in chosen):
            continue
        more = choice.seconds / workers
        core = choice.node.startswith("tb/tests/system/")
        if core and not built:
            more += budget.core_build_s
        if seconds + more > budget.budget_s:
            left_out.append(choice)
            continue
        seconds += more
        built |= core
        chosen.append(choice)
    return Selection(tuple(chosen), tuple(left_out), seconds)
