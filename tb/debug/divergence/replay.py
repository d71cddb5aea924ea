# SPDX-License-Identifier: Apache-2.0
"""Runs a failing test again, twice: with a deep trace to find the first wrong value, then with
waves around it and the golden values beside the core's.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tb.debug.divergence.deep import (
    DEEP_FILE,
    HISTORY_FILE,
    DeepTraceError,
    read_events,
    read_history,
)
from tb.debug.divergence.finding import Divergence
from tb.debug.divergence.hanging import awaited
from tb.debug.divergence.replay_options import DUMP
from tb.debug.divergence.search import Search, search
from tb.debug.taps import tap_path
from tb.device.clock import CLOCK_NS
from tb.failure import (
    FAILURE_FILE,
    RUN_FILE,
    Failure,
    Kind,
    ReportedError,
    first_line,
    read_failure,
    read_run,
)
from tb.handover import Handover, Replay, handover
from tb.paths import REPO
from tb.settings import Settings, child_env, settings
from tb.sim.build import first_error
from tb.sim.window import WINDOW_MOST_NS

NEVER_NS = 10**12
"""A time that no simulation reaches: waves of the first run."""
BEFORE_NS, AFTER_NS = 1000, 1000
EXPECTED_FILE, REPORT_FILE = "expected.txt", "divergence.json"
BUILD_LOG = "build.log"
PLUGIN = "tb.debug.divergence.replay_plugin"
LOGS = ("trace.txt", "sim.log", BUILD_LOG, RUN_FILE, FAILURE_FILE)
WHY_AWAITED = {
    Kind.HANG: "hang",
    Kind.TIMED_OUT: "hang",
    Kind.ENDED_EARLY: "hang",
    Kind.NO_RESULTS: "hang",
    Kind.CHECKER: "hang or protocol error",
}
"""What the end of a run without a wrong value is called; "hang or early end" for other kinds."""


class LocaliseError(RuntimeError):
    """Nothing can be localised; one line says why."""


class UnknownTestError(ValueError):
    """There is no such test; one line says which."""


@dataclass(frozen=True)
class Localised:
    """What a replay found and left: `folder` holds divergence.json and the dump it names."""

    divergence: Divergence
    folder: Path
    report: dict[str, Any]
    message: str  # of the test that failed

    def text(self) -> str:
        """For the terminal."""
        dump = self.report["dump"]
        where = f"{self.folder / dump}" if dump else "none"
        begin, end = self.report["window_ns"]
        lines = [
            f"test      {self.report['node']}, seed {self.report['seed']}",
            f"failed    {self.message}",
            self.divergence.text(),
            f"  waves     {where}, {begin} to {end} ns",
            f"  report    {self.folder / REPORT_FILE}",
            f"  again     {self.report['rerun']}",
        ]
        return "\n".join(lines)


def localise(
    node: str,
    seed: int | None = None,
    folder: Path | None = None,
    *,
    root: Path = REPO,
    waves: bool = True,
    timeout_s: float = 1800,
) -> Localised:
    """Replay a pytest node and find its first divergence.

    `seed`: of the failing run; by default that of the settings, else a fresh one. `folder`:
    where all files go (default: below reports/localise). `root`: the repository, or a copy with
    another RTL. `waves=False` leaves the second run out. Raises LocaliseError when the test passes,
    its build fails or it runs no simulation of the whole core, UnknownTestError when there is none.
    """
    if seed is None:
        seed = settings().seed_or_fresh()
    folder = (folder or root / "reports" / "localise" / _name(node)).resolve()
    deadline = time.monotonic() + timeout_s
    rerun = f"python scripts/localise.py {shlex.quote(node)} --seed {seed}"

    def run(wanted: Settings, replay: Replay) -> Failure | None:
        return _run(node, wanted, replay, root, deadline)

    return _localise(node, seed, folder, run, rerun, waves)


def localise_command(
    command: Sequence[str], seed: int, folder: Path, *, rerun: str, timeout_s: float = 1800
) -> Localised:
    """As `localise`, for a program that ends in `tb.flows.simulation.simulate`, given as its words.

    It runs in the current folder, with its simulator's files in folders of its own.
    `rerun`: what to type to do this again. The program must run to the end of the simulation: it
    is not to compare, nor to stop at a difference. Raises LocaliseError.
    """
    name = Path(command[0] if len(command) == 1 else command[1]).name
    deadline = time.monotonic() + timeout_s
    folder = folder.resolve()

    def run(wanted: Settings, replay: Replay) -> Failure | None:
        done = _replay(command, name, wanted, replay, Path.cwd(), deadline)
        return None if done.returncode == 0 else _failure(folder, done.stderr)

    return _localise(name, seed, folder, run, rerun, waves=True)


def _localise(
    node: str,
    seed: int,
    folder: Path,
    run: Callable[[Settings, Replay], Failure | None],
    rerun: str,
    waves: bool,
) -> Localised:
    """`run` replays and returns what failed, None when it passed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DEEP_FILE, HISTORY_FILE, EXPECTED_FILE, REPORT_FILE, *LOGS):
        (folder / name).unlink(missing_ok=True)
    for stale in folder.glob(f"{DUMP}.*"):
        stale.unlink()

    wanted = settings().for_child(seed=seed, waves_from_ns=NEVER_NS)
    failure = run(wanted, Replay(folder))
    if failure is not None:
        _refuse_unbuilt(node, failure, folder)
    outcome = _search(folder)
    if outcome.divergence is not None:
        found = outcome.divergence
    elif failure is not None:
        found = awaited(outcome, WHY_AWAITED.get(failure.kind, "hang or early end"))
    else:
        raise LocaliseError(f"{node}: passes with seed {seed}, and every value is right")
    message = failure.message if failure else "the test passes, but a value inside is wrong"
    run_record = read_run(folder)
    top = run_record.design.top if run_record else "edgedrnn_tb"
    found.signal = f"{top}.{tap_path(found.signal)}"
    (folder / EXPECTED_FILE).write_text("".join(f"{line}\n" for line in outcome.golden))
    suffix = next((p.suffix for p in folder.glob(f"{DUMP}.*")), ".fst")
    window = _window(found, WINDOW_MOST_NS[suffix])
    dump = None
    if waves:
        for empty in folder.glob(f"{DUMP}.*"):
            empty.unlink()  # of the first run
        begin, end = window
        run(
            replace(wanted, waves_from_ns=begin, waves_to_ns=end),
            Replay(folder, golden=folder / EXPECTED_FILE, end_ns=end + AFTER_NS),
        )
        dump = next((path.name for path in sorted(folder.glob(f"{DUMP}.*"))), None)
    report = found.json() | {
        "seed": seed,
        "node": node,
        "rerun": rerun,
        "dump": dump,
        "window_ns": list(window),
        "clock_ns": CLOCK_NS[top],
        "message": message,
    }
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=1) + "\n")
    return Localised(found, folder, report, message)


def explain(error: ReportedError) -> str:
    """The message of a failed simulation, and how to localise it.

    With `LOCALISE=1` it is localised at once and the report added.
    """
    text = str(error)
    run = error.failure.run if error.failure else None
    if run is None or run.node is None or handover().replay is not None:
        return text
    text += f"\nLOCALISE: python scripts/localise.py {shlex.quote(run.node)} --seed {run.seed}"
    if not settings().localise:
        return text
    try:
        return f"{text}\n---\n{localise(run.node, run.seed).text()}"
    except LocaliseError as why:
        return f"{text}\n---\nnot localised: {why}"


def _name(node: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", node).strip("-")


def _run(
    node: str, wanted: Settings, replay: Replay, root: Path, deadline: float
) -> Failure | None:
    """Run the test; None when it passes."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN, node]
    done = _replay(command, node, wanted, replay, root, deadline)
    if done.returncode not in (0, 1):
        said = [x for x in (done.stdout + done.stderr).splitlines() if x.startswith("ERROR")]
        raise UnknownTestError(
            f"{node}: {said[0] if said else 'pytest found no such test'}, expected a test node"
        )
    return None if done.returncode == 0 else _failure(replay.folder, done.stdout)


def _failure(folder: Path, said: str) -> Failure:
    """What the replay left of its failure; `said`, what it printed, where it left nothing."""
    return read_failure(folder) or Failure(Kind.TEST_FAILED, first_line(said))


def _replay(
    command: Sequence[str], name: str, wanted: Settings, replay: Replay, root: Path, deadline: float
) -> subprocess.CompletedProcess[str]:
    told = Handover(replay=replay).text()
    env = child_env(wanted, told, python_path=[REPO], PYTHONDONTWRITEBYTECODE="1")
    left = max(1.0, deadline - time.monotonic())
    try:
        return subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, timeout=left, check=False
        )
    except subprocess.TimeoutExpired:
        raise LocaliseError(f"{name}: no end after {left:.0f} s of replay") from None


def _refuse_unbuilt(node: str, failure: Failure, folder: Path) -> None:
    """Raise LocaliseError for a build that failed; its log goes to `folder`."""
    if failure.kind is not Kind.BUILD_FAILED:
        return
    if failure.build_log is None:
        raise LocaliseError(f"{node}: the build failed: {failure.message}")
    log = folder / BUILD_LOG
    shutil.copy(failure.build_log, log)
    raise LocaliseError(f"{node}: the build failed: {first_error(log)}; whole log: {log}")


def _search(folder: Path) -> Search:
    path = folder / DEEP_FILE
    if not path.is_file():
        raise LocaliseError(
            f"{path.name}: the test left no deep trace; only simulations of the whole core make one"
        )
    try:
        with path.open() as file:
            return search(read_events(file), read_history(folder / HISTORY_FILE))
    except DeepTraceError as error:
        raise LocaliseError(str(error)) from None


def _window(found: Divergence, most_ns: int) -> tuple[int, int]:
    """From the step before, but no more than `most_ns`, until shortly after; in ns."""
    begun = [s["from_ns"] for s in found.steps if s["from_ns"] <= found.time_ns]
    begin = begun[-2] if len(begun) > 1 else 0
    begin = max(begin - BEFORE_NS, found.time_ns - most_ns, 0)
    return begin, found.time_ns + AFTER_NS
