# SPDX-License-Identifier: Apache-2.0
"""What a run leaves for people and tools: jobs.json, JUnit XML, a line of history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import junitparser

from golden.files import write_text
from tb.records import to_plain
from tb.regress.jobs import Job
from tb.regress.session import Done
from tb.regress.store import read_json

SCHEMA = 1
OWN = (
    *("jobs.json", "junit.xml", "plan.json", "functional.json", "coverage.ucis.xml"),
    *("code.json", "code.info", "index.html"),
)
"""What a regression leaves in its folder of reports, and replaces."""


def jobs_report(
    done: Sequence[Done], left_out: Sequence[Job], root: Path, **run: Any
) -> dict[str, Any]:
    """Content of jobs.json. ``run`` has tree, commit, when, seconds, cut, part, workers, budget_s.

    ``part`` is what of the cut was asked for, None for all of it.
    """

    def below_root(path: Path | None) -> str | None:
        if path is None or not path.exists():
            return None
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

    def diagnosis(one: Done) -> dict[str, Any] | None:
        if (found := one.diagnosis) is None:
            return None
        files = {"picture": below_root(found.picture), "waves": below_root(found.waves)}
        return {"text": found.text, **files}

    return {
        "schema": SCHEMA,
        **run,
        "jobs": [
            {
                "id": one.job.id,
                "node": one.job.node,
                "test": one.job.test,
                "config": one.job.config,
                "simulator": one.job.simulator,
                "seed": one.job.seed,
                "status": one.status,
                "skipped": one.skipped,
                "mandatory": one.job.mandatory,
                "seconds": one.seconds,
                "message": one.message,
                "rerun": one.job.rerun,
                "log": below_root(one.log),
                "waves": below_root(one.waves),
                "failure": None if one.failure is None else to_plain(one.failure),
                "diagnosis": diagnosis(one),
            }
            for one in sorted(done, key=lambda d: (d.job.node, d.job.seed))
        ],
        "left_out": [
            {"id": job.id, "node": job.node, "seed": job.seed, "mandatory": job.mandatory}
            for job in left_out
        ],
    }


def write_junit(done: Sequence[Done], path: Path) -> None:
    """One suite a test file, one case a job."""
    xml = junitparser.JUnitXml("regress")
    ordered = sorted(done, key=lambda d: (d.job.file, d.job.node, d.job.seed))
    for file, ends in groupby(ordered, key=lambda d: d.job.file):
        suite = junitparser.TestSuite(file)
        for one in ends:
            suite.add_testcase(_case(one))
        xml.add_testsuite(suite)
    xml.update_statistics()
    path.parent.mkdir(parents=True, exist_ok=True)
    xml.write(str(path), pretty=True)


def _case(one: Done) -> junitparser.TestCase:
    node = one.job.node.removeprefix(f"{one.job.file}::")
    module = one.job.file.removesuffix(".py").replace("/", ".")
    case = junitparser.TestCase(_xml(f"{node} seed {one.job.seed}"), module, one.seconds)
    if one.skipped:
        case.result = [junitparser.Skipped(_xml(one.message))]
    elif not one.passed:
        kind = junitparser.Failure if one.status == "failed" else junitparser.Error
        case.result = [kind(_xml(one.message), one.status)]
        log = one.log.read_text(errors="replace") if one.log and one.log.exists() else ""
        case.system_out = _xml(f"{log}\nrerun: {one.job.rerun}\n")
    return case


def _xml(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(c if c >= " " or c in "\t\n\r" else "?" for c in text)


def history_line(report: dict[str, Any], reports: Path, measured: set[str]) -> dict[str, Any]:
    """One run in a line. ``measured`` names the reports that are this run's own."""
    passed = sum(job["status"] == "passed" for job in report["jobs"])
    functional = read_json(reports / "functional.json") if "functional" in measured else None
    code = read_json(reports / "code.json") if "code" in measured else None
    mutants = read_json(reports / "mutants.json")
    if mutants and mutants.get("tree") != report["tree"]:  # of other files
        mutants = None
    return {
        "when": report["when"],
        "commit": report["commit"],
        "cut": report["cut"],
        "seconds": report["seconds"],
        "passed": passed,
        "failed": len(report["jobs"]) - passed,
        "left_out": len(report["left_out"]),
        "functional": _covered(functional["groups"]) if functional else None,
        "code": {m: _covered([code["total"][m]]) for m in ("line", "branch", "toggle")}
        if code
        else None,
        "mutants": mutants["score"] if mutants else None,
    }


def _covered(counts: Sequence[dict[str, Any]]) -> float:
    total = sum(count["total"] for count in counts)
    return round(sum(count["covered"] for count in counts) / total, 4) if total else 1.0


def write_reports(report: dict[str, Any], done: Sequence[Done], reports: Path) -> None:
    """jobs.json and junit.xml."""
    reports.mkdir(parents=True, exist_ok=True)
    write_text(reports / "jobs.json", json.dumps(report, indent=1))
    write_junit(done, reports / "junit.xml")


def remove_old(reports: Path) -> None:
    """Remove what an earlier run left, but the history; mutants.json says itself whose it is."""
    for name in OWN:
        (reports / name).unlink(missing_ok=True)


def append_history(line: dict[str, Any], reports: Path) -> None:
    """Add a run to history.jsonl."""
    with (reports / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
