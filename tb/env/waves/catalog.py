"""What is worth seeing, by stage of the pipeline: tb/waves.toml, held against a dump."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tb.env.build import REPO
from tb.env.wave_query import DUT, Wave, WaveError
from tb.env.waves.enums import enum_variables
from tb.env.waves.formats import Format

CATALOG = REPO / "tb" / "waves.toml"
GOLDEN = "u_golden"
EACH = re.compile(r"\[(\d+)\.\.(\d+)\]")
RANGE = re.compile(r"\[(\d+):(\d+)\]$")
LANE = re.compile(r"gen_lane\[(\d+)\]\.u_lane\.")


@dataclass(frozen=True)
class Row:
    """A signal: ``path`` below the bench's top, ``low`` its lowest bit, ``golden`` what the golden
    model has to say of it, if the dump holds that."""

    path: str
    format: Format
    low: int = 0
    golden: str | None = None

    @property
    def label(self) -> str:
        """A short name: the signal and, unless that is the core, where it is."""
        lane = LANE.search(self.path)
        *where, name = (self.path[lane.end() :] if lane else self.path).split(".")
        place = f"lane {lane[1]}" if lane else where[-1].removeprefix("u_") if where else ""
        return name if place in ("dut", "") else f"{place} {name}"


@dataclass(frozen=True)
class Group:
    """A stage: its rows, the modules whose faults show in it, and the rows of every picture."""

    name: str
    rows: tuple[Row, ...]
    modules: tuple[str, ...] = ()
    picture: tuple[str, ...] = ()


def _each(path: str) -> Iterator[str]:
    found = EACH.search(path)
    if not found:
        yield path
        return
    for number in range(int(found[1]), int(found[2]) + 1):
        yield from _each(f"{path[: found.start()]}[{number}]{path[found.end() :]}")


def _rows(path: str, text: str) -> Iterator[Row]:
    bounds = RANGE.search(path)
    for one in _each(RANGE.sub("", path)):
        names = None
        if text == "enum":
            below = one.removeprefix(DUT + ".")
            if below not in enum_variables():
                raise WaveError(f"{CATALOG.name}: {one}: found no enum of this name in rtl/")
            names = enum_variables()[below][1]
        yield Row(one, Format.parse(text, names), int(bounds[2]) if bounds else 0)


@cache
def catalog(path: Path = CATALOG) -> tuple[Group, ...]:
    """The groups of ``tb/waves.toml``; WaveError names what is wrong in it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Group(
                group["name"],
                tuple(row for name, text in group["signals"].items() for row in _rows(name, text)),
                tuple(group.get("modules", ())),
                tuple(group.get("picture", ())),
            )
            for group in data["group"]
        )
    except (OSError, KeyError, tomllib.TOMLDecodeError, WaveError) as error:
        raise WaveError(f"{path}: {error}") from error


def in_dump(wave: Wave) -> tuple[Group, ...]:
    """The groups with those rows that a dump holds, and what the golden probe added to it."""
    groups = []
    for group in catalog():
        rows = tuple(row for row in group.rows if wave.top + row.path in wave)
        if rows:
            groups.append(Group(group.name, rows, group.modules, group.picture))
    below = f"{wave.top}{GOLDEN}."
    golden = [name.removeprefix(wave.top) for name in wave.names if name.startswith(below)]
    if golden:
        rows = tuple(
            Row(name, Format("bit" if wave.width(name) == 1 else "hex")) for name in golden
        )
        groups.append(Group("golden model", rows))
    return tuple(groups)
