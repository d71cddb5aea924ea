"""Cuts of the regression: which tests, how many seeds, what must run, which coverage is asked."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FUNCTIONAL = ("off", "collect", "key", "all")
CODE = ("off", "collect", "goals")


class CutError(ValueError):
    """The file of cuts, or what was asked of it, is wrong. The text names file, key and value."""


@dataclass(frozen=True)
class Rule:
    """Tests that share a number of seeds.

    ``nodes`` are patterns of pytest node ids in which ``*`` stands for anything; a pattern without
    ``::`` means whole files. ``guess_s`` is how long one such job takes until that was measured,
    in seconds. ``code`` False leaves these jobs out of code coverage: they run plain builds.
    """

    nodes: tuple[str, ...]
    seeds: int = 1
    mandatory: bool = True
    guess_s: float = 2.0
    code: bool = True

    def matches(self, node: str) -> bool:
        return any(matches(pattern, node) for pattern in self.nodes)


@dataclass(frozen=True)
class Cut:
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
    try:
        cuts = tomllib.loads(path.read_text(encoding="utf-8")).get("cut", {})
    except OSError as error:
        raise CutError(f"{path}: {error.strerror}, expected a file of cuts") from None
    except tomllib.TOMLDecodeError as error:
        raise CutError(f"{path}: {error}") from None
    if name not in cuts:
        raise CutError(f"cut: found {name!r}, expected one of {', '.join(sorted(cuts)) or 'none'}")
    table, where = cuts[name], f"{path.name}: cut.{name}"
    _only(where, table, {"functional", "code", "timeout_s", "tests"})
    for key, known in (("functional", FUNCTIONAL), ("code", CODE)):
        if table.get(key, "off") not in known:
            raise CutError(f"{where}.{key}: found {table[key]!r}, expected one of {known}")
    timeout_s = table.get("timeout_s", Cut.timeout_s)
    if not isinstance(timeout_s, int | float) or timeout_s <= 0:
        raise CutError(f"{where}.timeout_s: found {timeout_s!r}, expected seconds above 0")
    rules = tuple(_rule(f"{where}.tests[{i}]", t) for i, t in enumerate(table.get("tests", [])))
    if not rules:
        raise CutError(f"{where}: found no tests, expected at least one [[cut.{name}.tests]]")
    return Cut(name, rules, table.get("functional", "off"), table.get("code", "off"), timeout_s)


def _rule(where: str, table: dict[str, Any]) -> Rule:
    _only(where, table, {"nodes", "seeds", "mandatory", "guess_s", "code"})
    nodes = table.get("nodes")
    if not (isinstance(nodes, list) and nodes and all(isinstance(n, str) for n in nodes)):
        raise CutError(f"{where}.nodes: found {nodes!r}, expected a list of patterns")
    seeds, guess_s = table.get("seeds", Rule.seeds), table.get("guess_s", Rule.guess_s)
    if type(seeds) is not int or seeds < 1:
        raise CutError(f"{where}.seeds: found {seeds!r}, expected an integer from 1 up")
    if not isinstance(guess_s, int | float) or guess_s <= 0:
        raise CutError(f"{where}.guess_s: found {guess_s!r}, expected seconds above 0")
    for key in ("mandatory", "code"):
        if not isinstance(table.get(key, True), bool):
            raise CutError(f"{where}.{key}: found {table[key]!r}, expected true or false")
    return Rule(tuple(nodes), seeds, table.get("mandatory", True), guess_s, table.get("code", True))


def _only(where: str, table: dict[str, Any], known: set[str]) -> None:
    for key in table.keys() - known:
        raise CutError(f"{where}: found key {key!r}, expected only {', '.join(sorted(known))}")
