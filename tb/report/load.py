# SPDX-License-Identifier: Apache-2.0
"""Reads the result files of a regression, and refuses what does not fit their schemas.

The schemas in `schema/` say what each file holds. A file that is not there is not measured; one
that is damaged, or whose sums do not fit its entries, is an error and never a green page.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import jsonschema

SCHEMAS = Path(__file__).parent / "schema"
PARTS = ("jobs", "plan", "functional", "code", "mutants")
HISTORY = "history.jsonl"
SHOWN = 160
"""Characters of a complaint that are shown; more would not be one line."""


class ReportError(ValueError):
    """One line: which file is damaged, where in it, and what was expected."""


@dataclass
class Results:
    """What a folder of reports holds, each part as in its JSON file; None: not measured.

    `other` names parts that were measured, but on other files than those of this checkout; they
    are None, too.
    """

    jobs: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    functional: dict[str, Any] | None = None
    code: dict[str, Any] | None = None
    mutants: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    other: frozenset[str] = frozenset()


def load(reports: Path, tree: str | None = None) -> Results:
    """All parts below a folder that are of `tree`, a hash of all files; of any if that is None.

    Raises ReportError for a damaged file or if there is no folder.
    """
    if not reports.is_dir():
        raise ReportError(f"{reports}: found no such folder, expected one with {PARTS[0]}.json")
    results = Results()
    for part in PARTS:
        path = reports / f"{part}.json"
        if (text := _text(path)) is not None:
            setattr(results, part, _parse(text, part, str(path)))
    if tree is not None:
        found = {part: getattr(results, part) for part in PARTS}
        results.other = frozenset(p for p, one in found.items() if one and one.get("tree") != tree)
        for part in results.other:
            setattr(results, part, None)
    _check_functional(results.functional, reports / "functional.json")
    _check_mutants(results.mutants, reports / "mutants.json")
    history = reports / HISTORY
    for number, line in enumerate((_text(history) or "").splitlines(), 1):
        if line.strip():
            results.history.append(_parse(line, "history", f"{history}: line {number}"))
    return results


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: found bytes that are not UTF-8, expected JSON") from None
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}, expected a file") from None


@cache
def _validator(part: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{part}.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _parse(text: str, part: str, where: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{where}: found damaged JSON ({error}), expected {part}") from None
    wrong = jsonschema.exceptions.best_match(_validator(part).iter_errors(content))
    if wrong is not None:
        said = " ".join(wrong.message.split())
        said = said if len(said) <= SHOWN else f"{said[:SHOWN]}…"
        raise ReportError(f"{where}: {wrong.json_path}: {said}")
    return content


def _check_functional(functional: dict[str, Any] | None, path: Path) -> None:
    for group in (functional or {"groups": []})["groups"]:
        where = f"{path}: group {group['name']}"
        seen = Counter(tuple(entry["at"]) for entry in group["bins"])
        at, times = seen.most_common(1)[0]
        if times > 1:
            raise ReportError(f"{where}: found bin {', '.join(at)} {times} times, expected once")
        for at in seen:
            if len(at) != len(group["axes"]):
                raise ReportError(
                    f"{where}: bin {', '.join(at)} has {len(at)} labels, "
                    f"expected {len(group['axes'])}: one for each axis"
                )
        wanted = [entry for entry in group["bins"] if entry["excluded"] is None]
        counts = sum(entry["hits"] > 0 for entry in wanted), len(wanted)
        if counts != (group["covered"], group["total"]):
            raise ReportError(
                f"{where}: says {group['covered']} of {group['total']} bins are covered, "
                f"but its bins are {counts[0]} of {counts[1]}"
            )


def _check_mutants(mutants: dict[str, Any] | None, path: Path) -> None:
    if mutants is None:
        return
    found = Counter(mutant["status"] for mutant in mutants["mutants"])
    for status, count in mutants["counts"].items():
        if found[status] != count:
            raise ReportError(
                f"{path}: counts.{status}: found {count}, but its list has {found[status]}"
            )
