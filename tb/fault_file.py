# SPDX-License-Identifier: Apache-2.0
"""Faults to plant on purpose: ``tb/tables/faults.toml`` and ``tb/tables/localise.toml``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from golden.toml_file import Text, TomlError, read_toml
from tb.paths import REPO, TABLES

FAULTS = TABLES / "faults.toml"
CASES = TABLES / "localise.toml"


class FaultFileError(TomlError):
    """A file of faults that cannot be used, or does not fit the RTL. One line."""


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """`old` in rtl/`file` becomes `new`; `test` is the pytest node that must fail."""

    name: Text
    file: Text
    old: Text
    new: str
    test: Text


class Planted(Struct, frozen=True):
    """`old` in rtl/`file` becomes `new`; `test`, run with `seed`, fails, and `module` is named."""

    name: str
    file: str
    old: str
    new: str
    test: str
    module: str
    seed: int = 1


class _Case(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of localise.toml. What it leaves out is that of the fault of its name."""

    name: Text
    module: Text
    file: Text | None = None
    old: Text | None = None
    new: str | None = None
    test: Text | None = None
    seed: Annotated[int, Meta(ge=0)] = 1


class _Faults(Struct, frozen=True, forbid_unknown_fields=True):
    fault: Annotated[tuple[Fault, ...], Meta(min_length=1)]


class _Cases(Struct, frozen=True, forbid_unknown_fields=True):
    fault: Annotated[tuple[_Case, ...], Meta(min_length=1)]


def read_faults() -> list[Fault]:
    """The faults of faults.toml; FaultFileError for one that does not fit the RTL."""
    faults = read_toml(FAULTS, _Faults, FaultFileError).fault
    for fault in faults:
        _fit(FAULTS.name, fault.name, fault.file, fault.old)
    return list(faults)


def read_cases() -> list[Planted]:
    """The faults of localise.toml; FaultFileError for one that is unknown or does not fit the RTL.

    An entry without `file`, `old`, `new` or `test` takes it from the fault of its name in
    faults.toml.
    """
    known = {fault.name: fault for fault in read_toml(FAULTS, _Faults, FaultFileError).fault}
    cases = []
    for case in read_toml(CASES, _Cases, FaultFileError).fault:
        given = {key: getattr(case, key) for key in ("file", "old", "new", "test")}
        for key, value in given.items():
            if value is None:
                if case.name not in known:
                    expected = f"it, as {FAULTS.name} has no fault of this name"
                    raise FaultFileError.of(CASES.name, f"{case.name}: {key}", "nothing", expected)
                given[key] = getattr(known[case.name], key)
        cases.append(Planted(name=case.name, module=case.module, seed=case.seed, **given))
        _fit(CASES.name, case.name, cases[-1].file, cases[-1].old)
    return cases


def _fit(source: str, name: str, file: str, old: str) -> None:
    """Raise FaultFileError unless rtl/`file` holds the text `old` exactly once."""
    path = REPO / "rtl" / file
    count = path.read_text(encoding="utf-8").count(old) if path.is_file() else 0
    if count != 1:
        expected = f"it once in rtl/{file}"
        raise FaultFileError.of(source, name, f"{old!r} {count} times", expected)
