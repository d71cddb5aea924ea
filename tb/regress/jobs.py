# SPDX-License-Identifier: Apache-2.0
"""Jobs of a regression: every test of a cut with every seed, and how they are bundled."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tb.handover import Handover
from tb.paths import REPO, SIMULATORS
from tb.regress.cuts import Cut, CutError
from tb.settings import Settings, child_env, settings
from tb.sim.configurations import Configuration, read_configurations

CHUNK_S = 60.0
"""Seconds of tests given to one pytest: enough that its start, 1 to 3 s, matters little."""

CHUNK_JOBS = 100


class CollectError(RuntimeError):
    """pytest could not list the tests. The text holds the end of what it said."""


@dataclass(frozen=True)
class Job:
    """One test with one seed. ``expected_s`` is what it took last time, or a guess."""

    node: str
    seed: int
    config: str | None = None
    simulator: str | None = None
    functional: bool = False
    code: bool = False
    mandatory: bool = True
    round: int = 0
    expected_s: float = 1.0
    waves: bool = False

    @property
    def test(self) -> str:
        """The test function, without its parameters."""
        return self.node.split("::", 1)[-1].split("[", 1)[0]

    @property
    def file(self) -> str:
        return self.node.split("::", 1)[0]

    @property
    def settings(self) -> Settings:
        """With what it runs."""
        return Settings(
            seed=self.seed, coverage=self.functional, cover_code=self.code, waves=self.waves
        )

    @property
    def switches(self) -> dict[str, str]:
        """Variables of the test, apart from its seed."""
        return replace(self.settings, seed=None).variables()

    @property
    def id(self) -> str:
        """12 hex digits that stand for test, seed and switches, the same on every machine."""
        text = json.dumps([self.node, self.seed, self.switches], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def duration_key(self) -> str:
        """Under which name its duration is remembered: the seed changes little of it."""
        return self.node + (" +code" if self.code else "")

    @property
    def build_key(self) -> str:
        """Stands for the builds it needs: jobs of equal keys are likely to share one."""
        return self.config or f"{self.file} {self.simulator or ''}"

    @property
    def rerun(self) -> str:
        """What to type to run it alone."""
        words = [f"SEED={self.seed}", *(f"{k}={v}" for k, v in self.switches.items())]
        return f"{' '.join(words)} python -m pytest {shlex.quote(self.node)}"


def collect(root: Path) -> list[str]:
    """Node ids of all tests below ``root``, in pytest's order. Raises CollectError."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "nodes.json"
        done = subprocess.run(
            pytest_command("--collect-only", "-q"),
            cwd=root,
            env=pytest_env(root, Handover(listing=listing), settings().for_child()),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not listing.is_file():
            last = (done.stdout + done.stderr).strip().splitlines()[-30:]
            raise CollectError("pytest cannot list the tests:\n" + "\n".join(last))
        nodes: list[str] = json.loads(listing.read_text())
        return nodes


def pytest_command(*words: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "tb.regress.plugin"),
        *words,
    ]


def pytest_env(root: Path, told: Handover, wanted: Settings) -> dict[str, str]:
    """Environment of a pytest of ours: nothing of another run leaks into it."""
    env = child_env(wanted, told.text(), python_path=[root, REPO])
    env.setdefault("OMP_NUM_THREADS", "1")  # jobs run in parallel already
    return env


def place_of(node: str, configs: Mapping[str, Configuration]) -> tuple[str | None, str | None]:
    """(configuration, simulator) that a node id names among its parameters; None where it none."""
    bracket = re.search(r"\[(.*)\]$", node, re.DOTALL)
    words = bracket[1].split("-") if bracket else []
    config = next((word for word in reversed(words) if word in configs), None)
    if config:
        return config, configs[config].sim
    return None, next((word for word in reversed(words) if word in SIMULATORS), None)


def jobs_of(
    cut: Cut,
    nodes: Sequence[str],
    *,
    root: Path,
    first_seed: int = 1,
    durations: Mapping[str, float] | None = None,
) -> list[Job]:
    """All jobs of a cut. Round 0 holds the first seed of the mandatory ones, round 1 of the rest,
    round n >= 2 seed n of all. Raises CutError for a pattern that no test matches.
    """
    for rule in cut.rules:
        for pattern in rule.nodes:
            if not any(type(rule)((pattern,)).matches(node) for node in nodes):
                raise CutError(f"cut.{cut.name}: pattern {pattern!r} matches no test")
    path = root / "tb" / "tables" / "configs.toml"
    configs = read_configurations(path) if path.is_file() else {}
    durations = durations or {}
    jobs = []
    for node in nodes:
        matching = [rule for rule in cut.rules if rule.matches(node)]
        if not matching:
            continue
        rule = matching[0]
        config, simulator = place_of(node, configs)
        code = cut.code != "off" and rule.code and simulator != "icarus"  # Verilator alone counts
        known = durations.get(node + (" +code" if code else ""), rule.guess_s)
        for n in range(rule.seeds):
            jobs.append(
                Job(
                    node,
                    first_seed + n,
                    config,
                    simulator,
                    functional=cut.functional != "off",
                    code=code,
                    mandatory=rule.mandatory and n == 0,
                    round=n + 1 if n or not rule.mandatory else 0,
                    expected_s=known,
                )
            )
    return jobs


def chunks_of(jobs: Iterable[Job], chunk_s: float = CHUNK_S) -> list[list[Job]]:
    """Bundles of jobs that one pytest may run, in the order to start them.

    One bundle has one round, seed, switches and configuration (or simulator). Of a round those come
    first that count code coverage, since goals hang on them, and among them the longest, so that
    all workers end it together.
    """
    groups: dict[tuple[Any, ...], list[Job]] = {}
    for job in jobs:
        place = job.config or job.simulator or ""
        key = (job.round, job.seed, place, tuple(job.switches.items()))
        groups.setdefault(key, []).append(job)
    chunks: list[list[Job]] = []
    for group in groups.values():
        chunk: list[Job] = []
        for job in sorted(group, key=lambda j: j.file):
            full = seconds_of(chunk) + job.expected_s > chunk_s or len(chunk) == CHUNK_JOBS
            if chunk and full:
                chunks.append(chunk)
                chunk = []
            chunk.append(job)
        chunks.append(chunk)
    return sorted(chunks, key=lambda c: (c[0].round, not c[0].code, -seconds_of(c)))


def seconds_of(chunk: Iterable[Job]) -> float:
    """Expected seconds of all of its jobs."""
    return sum(job.expected_s for job in chunk)
