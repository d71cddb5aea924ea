# SPDX-License-Identifier: Apache-2.0
"""``tb/tables/mutants.toml``: the sample, the tests that must kill it, equivalent mutants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from golden.toml_file import Count, Text, TomlError, read_toml
from tb.mutation.mutant import Mutant, name_edits, squeeze
from tb.mutation.operators import find_edits
from tb.paths import REPO
from tb.sim.build import read_filelist


class PlanError(TomlError):
    """The plan does not fit itself, the RTL, or what was found. One line."""


class Equivalent(Struct, frozen=True, forbid_unknown_fields=True):
    """Mutants of ``file`` that turn the lines ``before`` into ``after``, and why none matters."""

    file: str
    before: str
    after: str
    reason: Text
    nth: Annotated[int, Meta(ge=0)] = (
        0  # of several with these lines only this one, in the order of the file, from 1
    )

    def matches(self, mutant: Mutant) -> bool:
        """Whether it speaks of this mutant."""
        return (self.file, squeeze(self.before), squeeze(self.after)) == (
            mutant.file, mutant.before, mutant.after)  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """Contents of the file.

    ``tests``: of each source file, pytest nodes, fastest killers first. A node may be a whole test
    file, which means all its Verilator simulations.
    """

    goal: float
    sample: int
    least: int
    seed: int
    tests: Mapping[str, Sequence[str]]
    equivalents: Sequence[Equivalent] = field(default_factory=list)


class _Default(Struct, frozen=True, forbid_unknown_fields=True):
    """``tests``: the test file of a module, with ``{name}`` for the module's name."""

    filelist: Text
    tests: Text


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """``system``: tests that follow those of every file."""

    goal: Annotated[float, Meta(gt=0, le=1)]
    sample: Count
    least: Annotated[int, Meta(ge=0)]
    seed: Annotated[int, Meta(ge=0)]
    tests: dict[str, tuple[str, ...]]
    default: _Default | None = None
    without_module_test: dict[str, Text] = {}
    system: tuple[str, ...] = ()
    equivalent: tuple[Equivalent, ...] = ()


def load_plan(path: Path, root: Path = REPO) -> Plan:
    """Read the plan of the repository at ``root``. Raises PlanError, one line, for a bad one."""
    file = read_toml(path, _File, PlanError)
    try:
        by_file = _tests_by_file(file, root)
    except PlanError as error:
        raise PlanError(f"{path.name}: {error}") from None
    tests = {name: tuple(dict.fromkeys([*own, *file.system])) for name, own in by_file.items()}
    return Plan(file.goal, file.sample, file.least, file.seed, tests, file.equivalent)


def _tests_by_file(plan: _File, root: Path) -> dict[str, Sequence[str]]:
    """The tests of each source file: those of ``[tests]``, else the default's test file.

    With a ``[default]`` that is every source of its file list and of that list's folder, in this
    order. Raises PlanError for a file that has no test file, unless ``[without_module_test]`` says
    why, and for an entry of that table that is not needed.
    """
    given: dict[str, Sequence[str]] = dict(plan.tests)
    if plan.default is None:
        return given
    filelist = root / plan.default.filelist
    sources = [*read_filelist(filelist)[0], *sorted(filelist.parent.glob("*.sv"))]
    reasons = dict(plan.without_module_test)
    found: dict[str, Sequence[str]] = {}
    for path in dict.fromkeys(sources):
        file = path.relative_to(root).as_posix()
        test = plan.default.tests.format(name=path.stem)
        reason = reasons.pop(file, None)
        if (root / test).is_file():
            if reason is not None:
                raise PlanError(f"without_module_test: {file} has {test}: remove the entry")
            found[file] = given.pop(file, [test])
        elif reason is None:
            raise PlanError(f"{file}: found no {test}, expected it, or a reason why not")
        elif file in given:
            found[file] = given.pop(file)
    unknown = [*reasons, *given]
    if unknown:
        raise PlanError(f"found {unknown[0]}, expected a file of {filelist.name}")
    return found


def possible_mutants(root: Path, files: Iterable[str]) -> list[Mutant]:
    """All mutants of ``files`` (paths relative to ``root``), file by file."""
    found = []
    for file in files:
        try:
            text = (root / file).read_text(encoding="utf-8")
        except OSError as error:
            raise PlanError(f"{file}: {error.strerror}") from None
        found += name_edits(file, text, find_edits(text, file))
    if len({m.number for m in found}) != len(found):
        raise PlanError("two mutants have the same number: change the wording of one place")
    return found


def explanations(plan: Plan, mutants: Sequence[Mutant]) -> dict[str, str]:
    """Reason by id of the mutants that the plan says are equivalent.

    Raises PlanError for an entry that matches no possible mutant.
    """
    reasons: dict[str, str] = {}
    for entry in plan.equivalents:
        matched = [m.id for m in mutants if entry.matches(m)]
        if entry.nth:
            matched = matched[entry.nth - 1 : entry.nth]
        if not matched:
            raise PlanError(
                f"equivalent in {entry.file}: no mutant turns {squeeze(entry.before)!r} into "
                f"{squeeze(entry.after)!r}"
            )
        reasons |= dict.fromkeys(matched, entry.reason)
    return reasons


def sample(mutants: Sequence[Mutant], count: int, least: int, seed: int) -> list[Mutant]:
    """``count`` mutants, each file with at least ``least`` or all it has, the rest by size.

    Which of a file's are taken follows from ``seed`` and their ids, so that an edit elsewhere
    changes little.
    """
    by_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    share = {file: min(least, len(found)) for file, found in by_file.items()}
    left = count - sum(share.values())
    spare = {file: len(found) - share[file] for file, found in by_file.items()}
    total = sum(spare.values())
    if left > 0 and total:
        exact = {file: min(left, total) * spare[file] / total for file in by_file}
        for file in by_file:
            share[file] += int(exact[file])
        rest = min(count, len(mutants)) - sum(share.values())
        for file in sorted(by_file, key=lambda f: int(exact[f]) - exact[f])[:rest]:
            share[file] += 1
    chosen = []
    for file, found in by_file.items():
        ranked = sorted(found, key=lambda m: hashlib.sha256(f"{seed} {m.id}".encode()).digest())
        taken = {m.id for m in ranked[: share[file]]}
        chosen += [m for m in found if m.id in taken]
    return chosen
