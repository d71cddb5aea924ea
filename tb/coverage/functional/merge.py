# SPDX-License-Identifier: Apache-2.0
"""Merges coverage files of many runs, applies exclusions, and says what is open.

Files merge by content: the same file found twice, in whatever folders, counts once, and the order
does not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import Struct

from golden.toml_file import Text, TomlError, read_toml
from tb.coverage.functional.collector import SCHEMA
from tb.coverage.functional.groups import GROUPS, Bin, Group, Hits
from tb.paths import TABLES

EXCLUDED_FILE = TABLES / "coverage_excluded.toml"
ANY = "*"


class CoverageError(TomlError):
    """A coverage file or the list of exclusions is not as expected; one line says what and why."""


class Exclusion(Struct, frozen=True, forbid_unknown_fields=True):
    """Bins of `group` that `at` matches, label by label or by '*', cannot be reached: `reason`."""

    group: str
    at: Bin
    reason: Text

    def matches(self, at: Bin) -> bool:
        """Whether a bin is one of these."""
        return all(want in (ANY, found) for want, found in zip(self.at, at, strict=True))


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    excluded: list[Exclusion] = []


def read_exclusions(
    path: Path = EXCLUDED_FILE, groups: Mapping[str, Group] = GROUPS
) -> list[Exclusion]:
    """The exclusions of a file; CoverageError for one without reason, or that matches no bin."""
    exclusions = read_toml(path, _File, CoverageError).excluded
    for number, one in enumerate(exclusions):
        where, group = f"excluded[{number}]", groups.get(one.group)
        if group is None:
            raise CoverageError.of(path.name, f"{where}.group", repr(one.group), "a group")
        if len(one.at) != len(group.axes) or not any(map(one.matches, group.bins)):
            found = f"{list(one.at)}, which matches no bin"
            raise CoverageError.of(path.name, f"{where}.at", found, f"bins of {one.group}")
    return exclusions


@dataclass
class Merged:
    """Coverage of `runs` runs."""

    hits: Hits
    runs: int
    exclusions: list[Exclusion] = field(default_factory=list)

    def reason(self, group: str, at: Bin) -> str | None:
        """Why a bin is excluded; None where it is not."""
        for exclusion in self.exclusions:
            if exclusion.group == group and exclusion.matches(at):
                return exclusion.reason
        return None

    def open(self, group: str) -> list[Bin]:
        """Bins neither hit nor excluded, in their order."""
        left = self.hits.open(group)
        return [
            at for at in self.hits.groups[group].bins if at in left and not self._out(group, at)
        ]

    def _out(self, group: str, at: Bin) -> bool:
        return self.reason(group, at) is not None

    def refuted(self) -> list[str]:
        """Excluded bins that were hit all the same, as text."""
        return [
            f"{name} {' '.join(at)}: hit {count} times, but excluded: {self.reason(name, at)}"
            for name, counter in self.hits.counts.items()
            for at, count in counter.items()
            if self._out(name, at)
        ]

    def report(self) -> dict[str, Any]:
        """What `reports/functional.json` holds."""
        groups = []
        for name, group in self.hits.groups.items():
            counter = self.hits.counts[name]
            rows = [
                {"at": list(at), "hits": counter[at], "excluded": self.reason(name, at)}
                for at in group.bins
            ]
            wanted = [at for at in group.bins if self.reason(name, at) is None]
            groups.append(
                {
                    "name": name,
                    "title": group.title,
                    "key": group.key,
                    "axes": list(group.axes),
                    "goal": 1.0,
                    "bins": rows,
                    "covered": sum(counter[at] > 0 for at in wanted),
                    "total": len(wanted),
                }
            )
        return {"schema": SCHEMA, "runs": self.runs, "groups": groups}


def merge(
    folders: Iterable[Path],
    exclusions: list[Exclusion],
    groups: Mapping[str, Group] = GROUPS,
) -> Merged:
    """All `functional-*.json` below the folders; CoverageError for one that is damaged."""
    hits, seen = Hits(groups), set()
    for folder in folders:
        for path in sorted(folder.rglob("functional-*.json")):
            data = path.read_bytes()
            digest = hashlib.sha256(data).digest()
            if digest not in seen:
                seen.add(digest)
                _add(hits, path, data)
    return Merged(hits, len(seen), exclusions)


def _add(hits: Hits, path: Path, data: bytes) -> None:
    try:
        content = json.loads(data)
        if content["schema"] != SCHEMA:
            raise CoverageError(f"{path}: found schema {content['schema']}, expected {SCHEMA}")
        for name, rows in content["hits"].items():
            for at, count in rows:
                hits.add(name, *at, count=count)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise CoverageError(f"{path}: {error}, expected coverage of a run") from None
    except KeyError as error:
        raise CoverageError(
            f"{path}: found {error}, expected groups and bins of this version"
        ) from None
