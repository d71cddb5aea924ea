# SPDX-License-Identifier: Apache-2.0
"""Renders results and their verdict as one HTML file that needs nothing else."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tb.report import trends, verdict
from tb.report.heatmap import heat_map
from tb.report.load import Results
from tb.report.verdict import Verdict

TEMPLATES = Path(__file__).parent / "templates"
SLOWEST = 15
EXPORTS = (
    ("jobs", "junit.xml", "JUnit: tests, for CI servers"),
    ("functional", "coverage.ucis.xml", "UCIS: functional coverage, for coverage tools"),
    ("code", "code.info", "LCOV: code coverage, for genhtml and editors"),
)
"""Part that a file belongs to, its name, what it is for."""
TABLE_LIMIT = 400
"""Rows of a table of holes or mutants that are shown; the JSON file has them all."""


def render(results: Results, judged: Verdict, *, root: Path, reports: Path, output: Path) -> str:
    """The page as text. Links lead from `output` to files below `root` and `reports`."""
    jobs = results.jobs["jobs"] if results.jobs else []
    return (
        _environment()
        .get_template("index.html")
        .render(
            href=partial(link, root, output.parent),
            picture=partial(picture, root),
            verdict=judged,
            part={part.name: part for part in judged.parts},
            results=results,
            made=datetime.now(UTC).isoformat(),
            failures=[job for job in jobs if job["status"] != "passed"],
            slowest=sorted(jobs, key=lambda job: -job["seconds"])[:SLOWEST],
            groups=_groups(results.functional),
            coverage={
                group["name"]: group for group in (results.functional or {}).get("groups", ())
            },
            files=_files(results.code),
            modules=_modules(results.mutants),
            charts=trends.charts(results.history, results.jobs["cut"] if results.jobs else None),
            chart=trends,
            exports=[
                (link(reports, output.parent, name), name, what)
                for part, name, what in EXPORTS
                if part not in results.other and (reports / name).is_file()
            ],
            share=verdict.share_of,
            limit=TABLE_LIMIT,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=verdict.percent, day=trends.day, clock=clock, count=verdict.count
    )
    return environment


def link(root: Path, base: Path, path: str) -> str:
    """A relative URL from the folder `base` to `path` below `root`."""
    return "./" + quote(Path(os.path.relpath((root / path).resolve(), base.resolve())).as_posix())


def picture(root: Path, path: str) -> str | None:
    """An SVG file below `root` as a URL that holds it; None if it is not there."""
    try:
        content = (root / path).read_bytes()
    except OSError:
        return None
    return "data:image/svg+xml;base64," + b64encode(content).decode("ascii")


def clock(seconds: float) -> str:
    """A time as 0.8 s, 42 s, 3 min 05 s or 1 h 02 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _groups(functional: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Groups with their heat maps, missed bins and reasons of exclusion; open ones first."""
    found = []
    for group in (functional or {"groups": []})["groups"]:
        bins = group["bins"]
        excluded = [entry for entry in bins if entry["excluded"] is not None]
        found.append(
            {
                **group,
                "share": verdict.share_of(group["covered"], group["total"]),
                "map": heat_map(group),
                "missed": [
                    verdict.at(entry)
                    for entry in bins
                    if not entry["hits"] and entry["excluded"] is None
                ],
                "reasons": [
                    (reason, [verdict.at(entry) for entry in entries])
                    for reason, entries in _grouped(excluded, lambda entry: entry["excluded"])
                ],
                "refuted": [verdict.at(entry) for entry in excluded if entry["hits"]],
            }
        )
    return sorted(found, key=lambda group: (group["share"] >= group["goal"], not group["key"]))


def _grouped(
    entries: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], str]
) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(name, list(found)) for name, found in groupby(sorted(entries, key=key), key)]


def _files(code: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Files with their holes, those without a reason first."""
    return [
        {**file, "holes": sorted(file["holes"], key=lambda hole: hole["reason"] is not None),
         "bare": sum(hole["reason"] is None for hole in file["holes"])}
        for file in (code or {"files": []})["files"]
    ]  # fmt: skip


def _modules(mutants: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Mutants by file: counts, score, and those that were not killed, survivors first."""
    modules = []
    found = (mutants or {"mutants": []})["mutants"]
    for file, entries in _grouped(found, lambda mutant: mutant["file"]):
        states = [mutant["status"] for mutant in entries]
        alive = [mutant for mutant in entries if mutant["status"] != "killed"]
        modules.append(
            {
                "file": file,
                **{state: states.count(state) for state in ("killed", "survived", "equivalent")},
                "score": verdict.score(entries),
                "alive": sorted(alive, key=lambda mutant: (mutant["status"] != "survived",
                                                           mutant["line"])),
            }
        )  # fmt: skip
    return modules
