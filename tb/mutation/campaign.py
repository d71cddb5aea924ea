# SPDX-License-Identifier: Apache-2.0
"""Runs the tests on each mutant until one fails, and keeps what was found for the next time."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tb.mutation.mutant import Mutant
from tb.mutation.simulations import Bench, BenchError, build_bench, planted_sources, run_batch
from tb.sim.build import Build

BATCH = 16  # mutants a process: more start quicker in all, fewer share the work better
CPU_FACTOR, CPU_MARGIN_S = 3.0, 2.0  # a mutant's CPU time against that of the original
WALL_FACTOR, WALL_MARGIN_S = 20.0, 120.0  # only against a child that waits for ever
BASE_CPU_S = 600.0
WALL_TRIES = 3


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant. ``by``: the test that killed it, with what it said."""

    mutant: Mutant
    by: str | None


class OutcomeCache:
    """Outcomes by content, one JSON line each; safe to be killed at any moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue  # the line under way when a run was killed

    def get(self, key: str) -> dict[str, Any] | None:
        return self._known.get(key)

    def put(self, key: str, report: Mapping[str, Any]) -> None:
        entry = {"key": key, **report}
        with self._lock:
            self._known[key] = entry
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")


@dataclass
class _FileQueue:
    """Mutants of one file on their way through its tests."""

    benches: Sequence[Bench]
    left: list[Mutant]
    stage: int = -1
    under_way: int = 0
    survivors: list[Mutant] = field(default_factory=list)


class Campaign:
    """All of it. ``tell`` is called with each verdict, ``say`` with what is being done.

    Raises BenchError when a test is red without a mutant or a process dies.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        benches: Mapping[str, Sequence[Bench]],
        *,
        planted: Sequence[Mutant],
        work: Path,
        seed: int,
        jobs: int,
        tell: Callable[[Verdict], None] = lambda verdict: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """``benches``: by file, in the order in which they are tried. ``planted``: the mutants
        that builds hold; those to run are among them.
        """
        self._mutants, self._benches = mutants, benches
        digest = hashlib.sha256("".join(sorted(m.id for m in planted)).encode()).hexdigest()[:16]
        self._folder = work / f"sources-{digest}"
        self._planted = planted_sources(planted, self._folder)
        self._memory = OutcomeCache(work / "outcomes.jsonl")
        self._seed, self._jobs = seed, jobs
        self._tell, self._say = tell, say
        self._builds: dict[int, Build] = {}
        self._building: dict[int, threading.Lock] = {}
        self._identities: dict[int, str] = {}
        for bench in {id(b): b for some in benches.values() for b in some}.values():
            self._building[id(bench)] = threading.Lock()
            self._identities[id(bench)] = bench.identity(seed)

    def run(self) -> list[Verdict]:
        """A verdict for each mutant."""
        lines: dict[str, _FileQueue] = {}
        for mutant in self._mutants:
            line = lines.setdefault(mutant.file, _FileQueue(self._benches[mutant.file], []))
            line.survivors.append(mutant)
        verdicts: list[Verdict] = []

        def settle(mutant: Mutant, by: str | None) -> None:
            verdicts.append(Verdict(mutant, by))
            self._tell(verdicts[-1])

        with ThreadPoolExecutor(self._jobs) as pool:
            waiting: dict[Future[Any], _FileQueue] = {}

            def advance(line: _FileQueue) -> None:
                """To the next test that says something new of a mutant that still lives."""
                while not line.under_way and line.survivors:
                    line.stage += 1
                    line.left, line.survivors = line.survivors, []
                    if line.stage == len(line.benches):
                        for mutant in line.left:
                            settle(mutant, None)
                        return
                    bench = line.benches[line.stage]
                    unknown = []
                    for mutant in line.left:
                        report = self._memory.get(self._key(bench, mutant))
                        if report is None:
                            unknown.append(mutant)
                        else:
                            judge(line, bench, mutant, report)
                    for start in range(0, len(unknown), BATCH):
                        some = unknown[start : start + BATCH]
                        waiting[pool.submit(self._try, bench, some)] = line
                        line.under_way += 1

            def judge(
                line: _FileQueue, bench: Bench, mutant: Mutant, report: Mapping[str, Any]
            ) -> None:
                if report["killed"]:
                    settle(mutant, f"{bench.node}: {report['killed']}")
                else:
                    line.survivors.append(mutant)

            try:
                for line in lines.values():
                    advance(line)
                while waiting:
                    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        line = waiting.pop(future)
                        bench, reports = future.result()
                        for mutant, report in reports:
                            judge(line, bench, mutant, report)
                        line.under_way -= 1
                        advance(line)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return verdicts

    def _key(self, bench: Bench, mutant: Mutant | None) -> str:
        name = mutant.id if mutant else "original"
        return hashlib.sha256(f"{self._identities[id(bench)]} {name}".encode()).hexdigest()[:32]

    def _built(self, bench: Bench) -> Build:
        with self._building[id(bench)]:
            if id(bench) not in self._builds:
                self._say(f"building {bench.build['top']}")
                self._builds[id(bench)] = build_bench(bench, self._planted, self._folder)
        return self._builds[id(bench)]

    def _base(self, bench: Bench, built: Build) -> Mapping[str, Any]:
        """What the original does: tests passed, CPU seconds."""
        key = self._key(bench, None)
        with self._building[id(bench)]:
            known = self._memory.get(key)
            if known is None:
                self._say(f"{bench.node} without a mutant")
                reports: list[dict[str, Any]] = []
                run_batch(bench, built, [0], seed=self._seed, cpu_s=BASE_CPU_S,
                          wall_s=10 * BASE_CPU_S, found=reports.append)  # fmt: skip
                report = reports[0]
                if report["status"] != "ended" or report["failed"] or not report["passed"]:
                    raise BenchError(
                        f"{bench.node}: must pass without a mutant, found {report['status']} "
                        f"{''.join(report['failed'])}"
                    )
                self._memory.put(key, report)
                known = report
        return known

    def _try(
        self, bench: Bench, mutants: Sequence[Mutant]
    ) -> tuple[Bench, list[tuple[Mutant, dict[str, Any]]]]:
        """Outcome of each mutant on a bench."""
        built = self._built(bench)
        base = self._base(bench, built)
        self._say(bench.node)
        by_number = {m.number: m for m in mutants}
        outcomes: list[tuple[Mutant, dict[str, Any]]] = []
        pending = list(by_number)

        def found(report: dict[str, Any]) -> None:
            if report["status"] == "wall":
                return  # says more about the machine than about the mutant: again
            mutant = by_number[report["number"]]
            pending.remove(mutant.number)
            outcome = {**report, "killed": _killed(report, base)}
            self._memory.put(self._key(bench, mutant), outcome)
            outcomes.append((mutant, outcome))

        for _ in range(WALL_TRIES):
            if pending:
                run_batch(
                    bench,
                    built,
                    tuple(pending),
                    seed=self._seed,
                    cpu_s=CPU_FACTOR * base["seconds"] + CPU_MARGIN_S,
                    wall_s=WALL_FACTOR * base["seconds"] + WALL_MARGIN_S,
                    found=found,
                )
        if pending:
            raise BenchError(
                f"{bench.node}: mutant {by_number[pending[0]].id} neither ended nor used its CPU "
                f"time, {WALL_TRIES} times"
            )
        return bench, outcomes


def _killed(report: Mapping[str, Any], base: Mapping[str, Any]) -> str | None:
    """How a run differs from that of the original, None if it does not."""
    if report["status"] == "cpu":
        return "no end"
    if report["status"] == "died":
        return "the simulation died"
    if report["failed"]:
        return str(report["failed"][0])[:200]
    if report["passed"] != base["passed"]:
        return f"{report['passed']} tests passed, {base['passed']} without a mutant"
    return None
