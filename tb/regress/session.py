# SPDX-License-Identifier: Apache-2.0
"""A run of a regression: hands jobs out, takes results in, and accounts for every one of them."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tb.failure import Failure
from tb.records import RecordError, from_plain
from tb.regress.jobs import CHUNK_S, Job, chunks_of, seconds_of
from tb.regress.store import read_json, unpack
from tb.regress.worker import order_of
from tb.regress.workers import Pool

ATTEMPTS = 3
"""How often a job is started whose worker dies, before it counts as lost."""

GRACE_S = 120.0
"""How long a job may go on when the time is up, before it is stopped and left out."""

POLL_S = 0.3
CHUNKS_A_WORKER = 6
"""Bundles are cut small enough that each worker gets about so many, but not below LEAST_CHUNK_S:
pytest takes 1 to 3 s of CPU time to start, the most where torch is imported."""

LEAST_CHUNK_S = 10.0


@dataclass(frozen=True)
class Diagnosis:
    """``text``: the first wrong value, or one line that says why there is none.

    ``picture``: its timing diagram (SVG), ``waves``: the dump around it; None without.
    """

    text: str
    picture: Path | None = None
    waves: Path | None = None


@dataclass(frozen=True)
class Done:
    """How one job ended. ``status`` is passed, failed, timeout or lost; ``seconds`` wall clock.

    ``failure``: what ended the test, None where it passed or was killed.
    """

    job: Job
    status: str
    seconds: float
    message: str
    log: Path | None = None
    skipped: bool = False
    waves: Path | None = None
    resumed: bool = False
    diagnosis: Diagnosis | None = None
    failure: Failure | None = None

    @property
    def simulated(self) -> bool:
        """Whether a simulation failed, which can be run again with waves or localised."""
        return self.failure is not None and self.failure.run is not None

    @property
    def passed(self) -> bool:
        return self.status == "passed"


@dataclass
class _Bundle:
    jobs: list[Job]
    keys: frozenset[str]


@dataclass
class Session:
    """``run`` works jobs off; ``done`` and ``left_out`` then hold every one of them, once.

    ``until`` is the `time.monotonic` at which nothing new starts, None without a limit.
    ``count`` is the number of jobs to run at most, resumed ones included. ``on_done`` hears of
    each job as it ends. ``patience_s`` is how long to wait while there is no worker at all.
    """

    root: Path
    tree: str
    results: Path
    pool: Pool
    timeout_s: float
    until: float | None = None
    count: int | None = None
    patience_s: float = 60.0
    on_done: Callable[[Done], None] = lambda done: None
    on_complaint: Callable[[str], None] = lambda text: None
    done: dict[str, Done] = field(default_factory=dict)
    left_out: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._attempts: dict[str, int] = {}
        self._built: set[str] = set()
        self._queue: list[_Bundle] = []
        self._running: dict[object, _Bundle] = {}
        self._alone_since: float | None = None

    def resume(self, jobs: Sequence[Job]) -> list[Job]:
        """Take over what has passed on this tree before; the jobs that remain."""
        remain = []
        for job in jobs:
            done = self._read(job)
            if done and done.passed and not self._full():
                self._end(replace(done, resumed=True))
            else:
                remain.append(job)
        return remain

    def run(self, jobs: Sequence[Job]) -> None:
        """Run jobs until all have ended or the budget is used up."""
        jobs = sorted(jobs, key=lambda job: job.round)
        if self.count is not None:
            room = max(0, self.count - len(self.done))
            self.left_out += jobs[room:]
            jobs = jobs[:room]
        small = seconds_of(jobs) / max(1, self.pool.size()) / CHUNKS_A_WORKER
        self._queue = [
            self._bundle(c) for c in chunks_of(jobs, min(CHUNK_S, max(LEAST_CHUNK_S, small)))
        ]
        with tempfile.NamedTemporaryFile(prefix=".run-", dir=self.results) as token:
            try:
                while self._queue or self._running:
                    if not self._running and self._over():
                        break
                    self._step(Path(token.name))
            finally:
                stopped = [job for bundle in self._running.values() for job in bundle.jobs]
                waiting = [job for bundle in self._queue for job in bundle.jobs]
                self.left_out += [j for j in stopped + waiting if j.id not in self.done]
                self._queue, self._running = [], {}

    def expected_s(self) -> float:
        """Roughly how many seconds remain, at this number of workers."""
        bundles = [*self._queue, *self._running.values()]
        left = [job for b in bundles for job in b.jobs if job.id not in self.done]
        seconds = seconds_of(left) / max(1, self.pool.size())
        return seconds if self.until is None else min(seconds, self.until - time.monotonic())

    # ------------------------------------------------------------ one turn of the loop

    def _step(self, token: Path) -> None:
        while self.pool.free() > 0 and (bundle := self._next()):
            for job in bundle.jobs:  # what an earlier run left must not be taken for this one's
                (self.results / job.id / "result.json").unlink(missing_ok=True)
            limit = None if self.until is None else self.until - time.monotonic() + GRACE_S
            order = order_of(
                bundle.jobs,
                root=self.root,
                tree=self.tree,
                token=token,
                timeout_s=self.timeout_s,
                limit_s=limit,
            )
            self._running[self.pool.submit(order)] = bundle
        for ticket, outcome in self.pool.finished(POLL_S):
            self._settle(self._running.pop(ticket), outcome)
        for bundle in self._running.values():
            self._take_in(bundle)
        for text in self.pool.complaints():
            self.on_complaint(text)
        self._mind_workers()

    def _next(self) -> _Bundle | None:
        """The first bundle that fits the time left and waits for no build under way."""
        left = None if self.until is None else self.until - time.monotonic()
        if left is not None and left <= 0:
            return None
        busy = {key for bundle in self._running.values() for key in bundle.keys - self._built}
        for index, bundle in enumerate(self._queue):
            optional = not any(job.mandatory for job in bundle.jobs)
            if optional and left is not None and seconds_of(bundle.jobs) > left:
                continue
            if not bundle.keys & busy:
                return self._queue.pop(index)
        return None

    def _over(self) -> bool:
        """With nothing running: whether nothing will be started any more."""
        if self.until is None:
            return False
        left = self.until - time.monotonic()
        return left <= 0 or all(
            seconds_of(b.jobs) > left and not any(job.mandatory for job in b.jobs)
            for b in self._queue
        )

    def _mind_workers(self) -> None:
        """Give up when there has been no worker for too long: what was begun is lost."""
        if self.pool.size() > 0:
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since < self.patience_s:
            return
        self.on_complaint(f"no worker for {self.patience_s:.0f} s: giving up")
        waiting = [job for bundle in self._queue for job in bundle.jobs]
        self._queue = []
        for job in waiting:
            if self._attempts.get(job.id):
                self._end(Done(job, "lost", 0.0, "its worker died and no other came"))
            else:
                self.left_out.append(job)

    # ------------------------------------------------------------ what came of it

    def _settle(self, bundle: _Bundle, outcome: dict[str, Any]) -> None:
        if outcome.get("files"):
            unpack(outcome["files"], self.results)
        missing = self._take_in(bundle)
        if not outcome.get("refused") and "lost" not in outcome:
            self._built |= bundle.keys
        if not missing:
            return
        if outcome.get("refused"):
            self._again(missing)
        elif outcome.get("stopped"):
            self.left_out += missing
        elif outcome.get("timeout"):
            late = [j for j in missing if j.id == outcome["started"]] or missing
            for job in late:
                text = f"no end after {self.timeout_s:.0f} s of wall clock, killed"
                self._end(Done(job, "timeout", self.timeout_s, text))
            self._again([job for job in missing if job.id not in self.done])
        elif (outcome.get("exit") or 0) > 0 and not outcome["started"]:
            self._not_run(missing, alone=len(bundle.jobs) == 1, log=outcome["log"])
        else:
            begun = [j for j in missing if j.id == outcome.get("started")] or missing
            why = outcome.get("lost") or f"pytest died with exit status {outcome.get('exit')}"
            self._count_attempt(begun, why)
            self._again([job for job in missing if job.id not in self.done])

    def _not_run(self, jobs: list[Job], *, alone: bool, log: str) -> None:
        """pytest ended by itself without running these: another file may be to blame, or they."""
        if not alone:
            self._again(jobs, each=True)
            return
        lines = [line for line in log.strip().splitlines() if line.strip()] or ["no output"]
        for job in jobs:
            self._end(Done(job, "failed", 0.0, f"pytest did not run it: {lines[-1][:200]}"))

    def _count_attempt(self, jobs: list[Job], why: str) -> None:
        for job in jobs:
            self._attempts[job.id] = self._attempts.get(job.id, 0) + 1
            if self._attempts[job.id] >= ATTEMPTS:
                self._end(Done(job, "lost", 0.0, f"started {ATTEMPTS} times, never ended: {why}"))

    def _again(self, jobs: list[Job], *, each: bool = False) -> None:
        """To the front of the queue; alone if a pytest died of them before."""
        alone = [job for job in jobs if each or self._attempts.get(job.id)]
        rest = [job for job in jobs if job not in alone]
        bundles = [[job] for job in alone] + ([rest] if rest else [])
        self._queue[:0] = [self._bundle(bundle) for bundle in bundles]

    def _take_in(self, bundle: _Bundle) -> list[Job]:
        """Note the bundle's jobs that have ended; those that have not."""
        missing = []
        for job in bundle.jobs:
            if job.id in self.done:
                continue
            if done := self._read(job):
                self._end(done)
            else:
                missing.append(job)
        return missing

    def _read(self, job: Job) -> Done | None:
        folder = self.results / job.id
        found = read_json(folder / "result.json")
        with contextlib.suppress(KeyError, TypeError, RecordError):
            return Done(
                job,
                found["status"],
                found["seconds"],
                found["message"],
                folder / "log.txt",
                found["skipped"],
                failure=from_plain(found["failure"], Failure) if found["failure"] else None,
            )
        return None

    def _end(self, done: Done) -> None:
        self.done[done.job.id] = done
        self.on_done(done)

    def _full(self) -> bool:
        return self.count is not None and len(self.done) >= self.count

    @staticmethod
    def _bundle(jobs: list[Job]) -> _Bundle:
        return _Bundle(jobs, frozenset(job.build_key for job in jobs))
