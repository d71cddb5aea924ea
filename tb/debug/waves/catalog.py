# SPDX-License-Identifier: Apache-2.0
"""What is worth seeing, by stage of the pipeline: tb/tables/waves.toml, matched with a dump."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from golden.toml_file import Text, TomlError, read_toml
from tb.codegen.rtl import enum_variables
from tb.debug.taps import DUT, is_tap, rtl_path, tap_path
from tb.debug.wave_query import Wave, WaveError
from tb.debug.waves.formats import Format
from tb.paths import TABLES

CATALOG = TABLES / "waves.toml"
GOLDEN = "u_golden."
EACH = re.compile(r"\[(\d+)\.\.(\d+)\]")
RANGE = re.compile(r"\[(\d+):(\d+)\]$")
LANE = re.compile(r"gen_lane\[(\d+)\]\.(u_lane\.)?")


@dataclass(frozen=True)
class Row:
    """A signal: ``path`` below the bench's top, ``low`` its lowest bit, ``golden`` the signal that
    has the golden model's value, in dumps that hold it."""

    path: str
    format: Format
    low: int = 0
    golden: str | None = None

    @property
    def label(self) -> str:
        """A short name: the signal and, unless that is the core, where it is."""
        lane = LANE.search(self.path)
        *where, name = (self.path[lane.end() :] if lane else self.path).split(".")
        place = where[-1].removeprefix("u_") if where else "dut"
        if lane:
            place = f"{'golden ' if self.is_golden else ''}lane {lane[1]}"
        return name if place == "dut" else f"{place} {name}"

    @property
    def is_golden(self) -> bool:
        """Whether the golden model made it, not the core."""
        return self.path.startswith(GOLDEN)


@dataclass(frozen=True)
class Group:
    """A stage: its rows, the modules whose faults show in it, and the rows of every picture.

    ``optional``: only some dumps hold it.
    """

    name: str
    rows: tuple[Row, ...]
    modules: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()
    optional: bool = False


def _path(name: str) -> str:
    """Below the bench's top: of a tap, or of a monitor's signal, which is named by its path."""
    if is_tap(name) or "." not in name:
        return tap_path(name)
    return name


def _each(path: str) -> Iterator[str]:
    found = EACH.search(path)
    if not found:
        yield path
        return
    for number in range(int(found[1]), int(found[2]) + 1):
        yield from _each(f"{path[: found.start()]}[{number}]{path[found.end() :]}")


def _rows(path: str, text: str, golden: dict[str, str]) -> Iterator[Row]:
    bounds = RANGE.search(path)
    for name in _each(RANGE.sub("", path)):
        one, enum = _path(name), None
        if text == "enum":
            below = (rtl_path(name) if is_tap(name) else one).removeprefix(DUT + ".")
            if below not in enum_variables():
                raise WaveError(f"{one}: found no enum of this name in rtl/")
            enum = enum_variables()[below]
        low = int(bounds[2]) if bounds else 0
        yield Row(one, Format.parse(text, enum), low, golden.get(one))


def _pairs(table: dict[str, str]) -> dict[str, str]:
    return {
        _path(core): golden
        for key, value in table.items()
        for core, golden in zip(_each(key), _each(value), strict=True)
    }


class _GroupTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[group]]`` of the file; `signals`: a format by path."""

    name: Text
    signals: dict[str, str]
    modules: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()
    optional: bool = False


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """`golden`: the path of the golden value by that of the core's."""

    group: Annotated[tuple[_GroupTable, ...], Meta(min_length=1)]
    golden: dict[str, str] = {}


@cache
def catalog(path: Path = CATALOG) -> tuple[Group, ...]:
    """The groups of ``tb/tables/waves.toml``; WaveError names what is wrong in it."""
    try:
        file = read_toml(path, _File)
        golden = _pairs(file.golden)
        return tuple(
            Group(
                group.name,
                tuple(row for at, text in group.signals.items() for row in _rows(at, text, golden)),
                group.modules,
                tuple(map(_path, group.picture)),
                group.optional,
            )
            for group in file.group
        )
    except TomlError as error:
        raise WaveError(str(error)) from None
    except ValueError as error:
        raise WaveError(f"{path}: {error}") from error


def in_dump(wave: Wave) -> tuple[Group, ...]:
    """The groups with those rows that a dump holds; golden values are below the core's."""
    every = [row for group in catalog() for row in group.rows]
    held = {row.path: row for row in every if wave.top + row.path in wave}
    groups = []
    for group in catalog():
        rows: list[Row] = []
        for row in group.rows:
            if row.path in held:
                rows.append(row)
                rows += [held[row.golden]] if row.golden in held else []
        if rows:
            groups.append(replace(group, rows=tuple(rows)))
    return tuple(groups)
