# SPDX-License-Identifier: Apache-2.0
"""Cuts of the regression: which tests, how many seeds, what must run, which coverage is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from golden.toml_file import Count, Positive, Text, TomlError, read_toml


class CutError(TomlError):
    """The file of cuts, or what was asked of it, is wrong. The text names file, key and value."""


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """Tests that share a number of seeds.

    ``nodes`` are patterns of pytest node ids in which ``*`` stands for anything; a pattern without
    ``::`` means whole files. ``guess_s`` is how long one such job takes until that was measured,
    in seconds. ``code`` False leaves these jobs out of code coverage: they run plain builds.
    """

    nodes: Annotated[tuple[Text, ...], Meta(min_length=1)]
    seeds: Count = 1
    mandatory: bool = True
    guess_s: Positive = 2.0
    code: bool = True

    def matches(self, node: str) -> bool:
        return any(matches(pattern, node) for pattern in self.nodes)


class _CutTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[cut.name]`` of the file."""

    tests: Annotated[tuple[Rule, ...], Meta(min_length=1)]
    functional: Literal["off", "collect", "key", "all"] = "off"
    code: Literal["off", "collect", "goals"] = "off"
    timeout_s: Positive = 900.0


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    cut: dict[str, _CutTable]


class Cut(Struct, frozen=True):
    """A named part of the regression. The first rule that matches a test decides on it."""

    name: str
    rules: tuple[Rule, ...]
    functional: str = "off"
    code: str = "off"
    timeout_s: float = 900.0


def matches(pattern: str, node: str) -> bool:
    """Whether a node id fits a pattern; brackets mean themselves, ``*`` is any text."""
    tail = "" if "::" in pattern else "(::.*)?"
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*") + tail, node) is not None


def load_cut(path: Path, name: str) -> Cut:
    """The cut ``name`` of a TOML file. Raises CutError with one line on any mistake in it."""
    cuts = read_toml(path, _File, CutError).cut
    if name not in cuts:
        raise CutError(f"cut: found {name!r}, expected one of {', '.join(sorted(cuts)) or 'none'}")
    table = cuts[name]
    return Cut(name, table.tests, table.functional, table.code, table.timeout_s)
