# SPDX-License-Identifier: Apache-2.0
"""A whole regression, from the cut's name to the reports."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from golden.files import write_text
from tb.regress.cuts import Cut, CutError, load_cut, matches
from tb.regress.diagnosis import with_diagnoses
from tb.regress.jobs import Job, collect, jobs_of
from tb.regress.results import (
    append_history,
    history_line,
    jobs_report,
    remove_old,
    write_reports,
)
from tb.regress.session import Done, Session
from tb.regress.store import (
    add_durations,
    read_durations,
    read_json,
    results_folder,
)
from tb.regress.tree import commit, tree_hash
from tb.regress.waves import with_waves
from tb.regress.workers import DaskPool, LocalPool, Pool

WAVES_LIMIT_S = 300.0


@dataclass(frozen=True)
class Request:
    """What was asked for; `scripts/regress.py --help` explains each."""

    root: Path
    cut: str
    reports: Path
    time_s: float | None = None
    count: int | None = None
    workers: int = 1
    dask: str | None = None
    first_seed: int = 1
    only: str | None = None
    config: str | None = None
    simulator: str | None = None
    resume: bool = True
    waves: bool = True
    localise: bool = True
    dry: bool = False
    patience_s: float = 60.0


@dataclass
class RunReport:
    """How a regression ended, and what the scripts that judge coverage are to be asked."""

    green: bool
    filtered: bool = False
    functional_words: list[str] | None = None
    code_words: list[str] | None = None
    report: dict[str, Any] = field(default_factory=dict)
    reports: Path = Path()

    def remember(self) -> None:
        """Add the run to the history, once the coverage of its jobs was judged."""
        if self.filtered:  # a part of a cut is no point on its trend
            return
        measured = {
            name
            for name, words in (("functional", self.functional_words), ("code", self.code_words))
            if words is not None
        }
        append_history(history_line(self.report, self.reports, measured), self.reports)


def regress(request: Request) -> RunReport:
    """Run it; writes jobs.json and junit.xml. Raises CutError, CollectError, PoolError, OSError."""
    began, when = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    cut = load_cut(request.root / "tb" / "tables" / "regress.toml", request.cut)
    tree = tree_hash(request.root)
    results = results_folder(request.root, tree)
    jobs = _chosen(request, cut, results)
    if request.dry:
        for job in jobs:
            print(f"{job.id}  seed {job.seed:<5} {'must' if job.mandatory else '    '}  {job.node}")
        print(f"{len(jobs)} jobs, about {sum(j.expected_s for j in jobs) / 60:.0f} core-minutes")
        return RunReport(True)
    asked = [request.only, request.config, request.simulator]
    part = ", ".join(filter(None, asked)) or None
    if not part:
        remove_old(request.reports)
    with _pool(request) as pool, _screen(len(jobs)) as screen:
        session = Session(
            request.root,
            tree,
            results,
            pool,
            cut.timeout_s,
            until=None if request.time_s is None else began + request.time_s,
            count=request.count,
            patience_s=request.patience_s,
            on_done=screen.ended,
            on_complaint=screen.say,
        )
        screen.session = session
        workers = max(1, pool.size())
        try:
            session.run(session.resume(jobs) if request.resume else jobs)
        finally:
            add_durations(
                request.root,
                {d.job.duration_key: d.seconds for d in session.done.values() if d.passed},
            )
    done = [d for d in session.done.values() if d.passed]
    failed = [d for d in session.done.values() if not d.passed]
    if request.waves and failed:
        failed = with_waves(failed, session, request.workers, WAVES_LIMIT_S)
    if request.localise and failed:
        failed = with_diagnoses(failed, request.root, request.reports, request.workers)
    done += failed
    report = jobs_report(
        done,
        session.left_out,
        request.root,
        tree=tree,
        commit=commit(request.root),
        when=when,
        seconds=round(time.monotonic() - began, 1),
        cut=cut.name,
        part=part,
        workers=workers,
        budget_s=request.time_s,
    )
    write_reports(report, done, request.reports)
    changed = tree_hash(request.root) != tree
    if changed:
        print("red: results discarded: files changed during the run", file=sys.stderr)
    missed = [job for job in session.left_out if job.mandatory]
    _summary(done, session.left_out, missed, report["seconds"])
    cover = _gather(results, done) if {cut.functional, cut.code} != {"off"} else None
    return RunReport(
        green=not failed and not missed and not changed,
        filtered=part is not None,
        functional_words=_functional_words(cut, cover, request.reports),
        code_words=_code_words(cut, cover, request.reports),
        report=report,
        reports=request.reports,
    )


def _chosen(request: Request, cut: Cut, results: Path) -> list[Job]:
    listing = results / "nodes.json"
    nodes = read_json(listing)
    if not nodes:
        nodes = collect(request.root)
        write_text(listing, json.dumps(nodes))
    jobs = jobs_of(
        cut,
        nodes,
        root=request.root,
        first_seed=request.first_seed,
        durations=read_durations(request.root),
    )
    chosen = [
        job
        for job in jobs
        if (not request.only or matches(request.only, job.node))
        and (not request.config or job.config == request.config)
        and (not request.simulator or job.simulator == request.simulator)
    ]
    if not chosen:
        asked = ", ".join(filter(None, [request.only, request.config, request.simulator]))
        raise CutError(f"{asked}: found no such test in cut {cut.name!r}, expected at least one")
    return chosen


@contextlib.contextmanager
def _pool(request: Request) -> Iterator[Pool]:
    pool = DaskPool(request.dask) if request.dask else LocalPool(request.workers)
    try:
        yield pool
    finally:
        pool.close()


def _gather(results: Path, done: list[Done]) -> Path:
    """One folder with the coverage of what passed: files of equal names have equal content."""
    folder = results / ".cover"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for one in filter(lambda d: d.passed, done):
        for path in sorted((results / one.job.id / "cover").glob("*")):
            if not path.name.startswith(".") and not (folder / path.name).exists():
                os.link(path, folder / path.name)
    return folder


def _functional_words(cut: Cut, cover: Path | None, reports: Path) -> list[str] | None:
    """Arguments of scripts/coverage.py, None when the cut does not collect that coverage."""
    if cut.functional == "off":
        return None
    files = {"json": "functional", "plan": "plan", "jobs": "jobs"}
    words = [word for k, name in files.items() for word in (f"--{k}", f"{reports}/{name}.json")]
    require = [] if cut.functional == "collect" else ["--require", cut.functional]
    return ["--cover-dir", str(cover), *words, *require]


def _code_words(cut: Cut, cover: Path | None, reports: Path) -> list[str] | None:
    """Arguments of scripts/code_coverage.py, None when the cut does not collect that coverage."""
    if cut.code == "off":
        return None
    files = ["--json", f"{reports}/code.json", "--lcov", f"{reports}/code.info"]
    require = [] if cut.code == "collect" else ["--require"]
    return ["--cover-dir", str(cover), *files, *require]


def _summary(done: list[Done], left_out: list[Job], missed: list[Job], seconds: float) -> None:
    counts = {
        "passed": sum(d.passed for d in done),
        "failed": sum(not d.passed for d in done),
        "skipped": sum(d.skipped for d in done),
        "taken over from an earlier run": sum(d.resumed for d in done),
        "left out": len(left_out),
    }
    words = [f"{n} {what}" for what, n in counts.items() if n or what == "passed"]
    print(f"{len(done)} jobs in {seconds / 60:.1f} min: {', '.join(words)}")
    for one in done:
        if one.waves:
            print(f"waves: {one.waves}  of  {one.job.rerun}")
        if one.diagnosis:
            print(f"{one.job.node}, seed {one.job.seed}\n{one.diagnosis.text}")
    if missed:
        print(f"red: {len(missed)} mandatory jobs left out, such as {missed[0].node}")


class _Screen:
    """Progress bar, and each failure at once with the line that runs it again."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        quiet: dict[str, Any] = {} if sys.stderr.isatty() else {"mininterval": 30.0, "ncols": 100}
        self._bar = tqdm(total=total, unit="job", bar_format=BAR, **quiet)
        self._failed = 0
        self.session: Session | None = None

    def ended(self, done: Done) -> None:
        if not done.passed:
            self._failed += 1
            self.say(f"{done.status}: {done.job.node} (seed {done.job.seed}): {done.message}")
            self.say(f"  rerun: {done.job.rerun}")
        left = self.session.expected_s() if self.session else 0.0
        self._bar.set_postfix_str(f"{self._failed} failed, {left / 60:.0f} min left", refresh=False)
        self._bar.update()

    def say(self, text: str) -> None:
        self._bar.write(text)

    def close(self) -> None:
        self._bar.close()


BAR = "{percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


@contextlib.contextmanager
def _screen(total: int) -> Iterator[_Screen]:
    screen = _Screen(total)
    try:
        yield screen
    finally:
        screen.close()
