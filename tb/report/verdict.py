# SPDX-License-Identifier: Apache-2.0
"""Judges what was measured: which parts hold, and why the others do not.

A part that holds is green, one that is broken is red, and one that was not measured is neither.
The page is green only if every required part holds. A quick cut is judged by what it promises: no
intent fails, nothing is an orphan, and the groups marked as key are closed. The full cut has to
close everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from tb.report.load import PARTS, Results

QUICK = "quick"
TITLES = {
    "jobs": "Tests",
    "plan": "Plan",
    "functional": "Functional coverage",
    "code": "Code coverage",
    "mutants": "Mutants",
}
HOLDS, BROKEN, MISSING = "holds", "broken", "not measured"
NAMED = 5
"""Examples that a reason names before it says how many more there are."""


@dataclass
class Part:
    """One part and its judgement. `reasons` why it is broken, `remarks` what else to know."""

    name: str
    required: bool
    state: str = MISSING
    figure: str = "–"
    note: str = ""
    reasons: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Its name on the page."""
        return TITLES[self.name]


@dataclass(frozen=True)
class Verdict:
    """All parts; `state` is "green", "amber" (holds, but a part not required is red) or "red"."""

    parts: tuple[Part, ...]

    @property
    def failures(self) -> list[Part]:
        """Required parts that are broken or missing."""
        return [part for part in self.parts if part.required and part.state != HOLDS]

    @property
    def state(self) -> str:
        """The colour of the page."""
        if self.failures:
            return "red"
        return "amber" if any(part.state == BROKEN for part in self.parts) else "green"


def judge(results: Results, required: Collection[str] = PARTS) -> Verdict:
    """The verdict on what was measured, with `required` parts deciding it."""
    quick = results.jobs is not None and results.jobs["cut"] == QUICK
    parts = []
    for name in PARTS:
        part = Part(name, name in required)
        content = getattr(results, name)
        if content is None:
            why = "was measured on other files" if name in results.other else "is not there"
            part.note = f"reports/{name}.json {why}"
        else:
            _JUDGES[name](part, content, quick)
            part.state = BROKEN if part.reasons else HOLDS
        parts.append(part)
    return Verdict(tuple(parts))


def percent(share: float) -> str:
    """A share as text that never rounds up to 100 %."""
    text = f"{100 * share:.1f}"
    if share < 1 and text == "100.0":
        text = "99.9"
    return f"{text.removesuffix('.0')} %"


def share_of(covered: int, total: int) -> float:
    """Covered share; nothing to cover is all of it."""
    return covered / total if total else 1.0


def count(number: int, what: str) -> str:
    """A number of things, as "1 job" or "2,000 jobs"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _examples(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _jobs(part: Part, jobs: dict[str, Any], quick: bool) -> None:
    runs = jobs["jobs"]
    passed = sum(job["status"] == "passed" for job in runs)
    part.figure = f"{passed:,} of {len(runs):,}"
    part.note = "passed" + (", quick cut" if quick else "")
    if not runs:
        part.reasons.append("no job ran")
    if jobs.get("part"):
        part.reasons.append(f"only a part of the cut was asked for: {jobs['part']}")
    for status, what in (("failed", "failed"), ("timeout", "ran out of time"), ("lost", "lost")):
        names = [job["node"] for job in runs if job["status"] == status]
        if names:
            part.reasons.append(f"{len(names):,} {what}: {_examples(names)}")
    left = [job["id"] for job in jobs["left_out"] if job["mandatory"]]
    if left:
        part.reasons.append(f"{count(len(left), 'mandatory job')} left out: {_examples(left)}")
    optional = len(jobs["left_out"]) - len(left)
    if optional:
        part.remarks.append(f"{count(optional, 'further job')} did not fit the budget")
    skipped = sum(job.get("skipped", False) for job in runs)
    if skipped:
        part.remarks.append(f"{count(skipped, 'job')} skipped by their tests")


def _plan(part: Part, plan: dict[str, Any], quick: bool) -> None:
    intents = plan["intents"]
    held = sum(intent["status"] == "holds" for intent in intents)
    part.figure = f"{held} of {len(intents)}"
    part.note = "intents hold"
    if not intents:
        part.reasons.append("the plan has no intent")
    for status, what in (("fails", "that fail"), ("not run", "not run"), ("open", "left open")):
        names = [intent["id"] for intent in intents if intent["status"] == status]
        if names:
            said = part.remarks if quick and status != "fails" else part.reasons
            said.append(f"intents {what}: {_examples(names)}")
    for kind, what in (
        ("tests", "tests without an intent"),
        ("groups", "coverage groups without an intent"),
        ("intents", "intents that name what does not exist"),
    ):
        if plan["orphans"][kind]:
            part.reasons.append(f"{what}: {_examples(plan['orphans'][kind])}")


def _functional(part: Part, functional: dict[str, Any], quick: bool) -> None:
    groups = functional["groups"]
    covered = sum(group["covered"] for group in groups)
    total = sum(group["total"] for group in groups)
    part.figure = percent(share_of(covered, total))
    part.note = f"{covered:,} of {total:,} bins"
    if not groups:
        part.reasons.append("there is no coverage group")
    for group in groups:
        refuted = [at(entry) for entry in group["bins"] if entry["excluded"] and entry["hits"]]
        if refuted:
            part.reasons.append(f"{group['name']}: excluded, yet reached: {_examples(refuted)}")
        if share_of(group["covered"], group["total"]) < group["goal"]:
            missed = [
                at(entry) for entry in group["bins"] if not entry["hits"] and not entry["excluded"]
            ]
            said = part.remarks if quick and not group["key"] else part.reasons
            said.append(f"{group['name']}: {count(len(missed), 'bin')} missed: {_examples(missed)}")


def at(entry: dict[str, Any]) -> str:
    """The bin of an entry as text."""
    return " × ".join(entry["at"])


def _code(part: Part, code: dict[str, Any], quick: bool) -> None:
    shares = {
        metric: share_of(code["total"][metric]["covered"], code["total"][metric]["total"])
        for metric in ("line", "branch", "toggle")
    }
    part.figure = percent(shares["line"])
    part.note = "of lines; " + ", ".join(
        f"{metric} {percent(shares[metric])}" for metric in ("branch", "toggle")
    )
    if not code["files"]:
        part.reasons.append("there is no file")
    for metric, share in shares.items():
        if share < code["goals"][metric]:
            part.reasons.append(
                f"{metric} coverage {percent(share)}, goal {percent(code['goals'][metric])}"
            )
    bare = [
        f"{file['file']}:{hole['line']} {hole['metric']}"
        for file in code["files"]
        for hole in file["holes"]
        if hole["reason"] is None
    ]
    if bare:
        part.reasons.append(f"{count(len(bare), 'hole')} without a reason: {_examples(bare)}")


def score(mutants: Iterable[dict[str, Any]]) -> float:
    """Killed share of the mutants that can be killed."""
    states = [mutant["status"] for mutant in mutants]
    killed = states.count("killed")
    return share_of(killed, killed + states.count("survived"))


def _mutants(part: Part, mutants: dict[str, Any], quick: bool) -> None:
    counts = mutants["counts"]
    told = mutants["score"]
    lowest = min(score(mutants["mutants"]), 1.0 if told is None else told)
    part.figure = percent(lowest)
    part.note = f"{counts['killed']:,} of {counts['killed'] + counts['survived']:,} killed"
    if not mutants["mutants"]:
        part.reasons.append("there is no mutant")
    if lowest < mutants["goal"]:
        part.reasons.append(f"score {percent(lowest)}, goal {percent(mutants['goal'])}")
    alive = [
        f"{mutant['file']}:{mutant['line']}"
        for mutant in mutants["mutants"]
        if mutant["status"] == "survived"
    ]
    if alive:
        part.reasons.append(f"{len(alive):,} survived: {_examples(alive)}")
    bare = [
        str(mutant["id"])
        for mutant in mutants["mutants"]
        if mutant["status"] == "equivalent" and not mutant["reason"]
    ]
    if bare:
        part.reasons.append(f"called equivalent without a reason: {_examples(bare)}")


_JUDGES: dict[str, Callable[[Part, dict[str, Any], bool], None]] = {
    "jobs": _jobs,
    "plan": _plan,
    "functional": _functional,
    "code": _code,
    "mutants": _mutants,
}
