"""Runs a failing test again, twice: with a deep trace to find the first wrong value, then with
waves around it and the golden values beside the core's.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tb.debug.divergence.deep import (
    DEEP_FILE,
    HISTORY_FILE,
    DeepTraceError,
    read_events,
    read_history,
)
from tb.debug.divergence.finding import Divergence
from tb.debug.divergence.hanging import awaited
from tb.debug.divergence.replay_settings import DUMP, wanted
from tb.debug.divergence.search import Search, search
from tb.device.clock import CLOCK_NS
from tb.paths import REPO
from tb.settings import WINDOW_MOST_NS, switched_on
from tb.sim.build import first_error

NEVER_NS = 10**12
"""A time that no simulation reaches: waves of the first run."""
BEFORE_NS, AFTER_NS = 1000, 1000
EXPECTED_FILE, REPORT_FILE = "expected.txt", "divergence.json"
BUILD_LOG = "build.log"
NOT_IN_A_REPLAY = {"LOCALISE", "WAVES", "WAVES_STEPS", "COVERAGE", "COVER_CODE", "COVER_DIR"}
LOGS = ("trace.txt", "sim.log", BUILD_LOG)


class LocaliseError(RuntimeError):
    """Nothing can be localised; one line says why."""


class UnknownTestError(ValueError):
    """There is no such test; one line says which."""


@dataclass(frozen=True)
class Localised:
    """What a replay found and left: `folder` holds divergence.json and the dump it names."""

    divergence: Divergence
    folder: Path
    report: dict
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

    `seed`: of the failing run; by default `SEED` in the environment, else a fresh one. `folder`:
    where all files go (default: below reports/localise). `root`: the repository, or a copy with
    another RTL. `waves=False` leaves the second run out. Raises LocaliseError when the test passes,
    its build fails or it runs no simulation of the whole core, UnknownTestError when there is none.
    """
    if seed is None:
        seed = int(os.environ.get("SEED") or secrets.randbelow(2**31))
    folder = (folder or root / "reports" / "localise" / _name(node)).resolve()
    deadline = time.monotonic() + timeout_s
    rerun = f"python scripts/localise.py {shlex.quote(node)} --seed {seed}"

    def run(more: dict[str, str]) -> str | None:
        return _run(node, seed, folder, root, deadline, more)

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

    def run(more: dict[str, str]) -> str | None:
        done = _replay(command, name, seed, folder, Path.cwd(), deadline, more)
        return None if done.returncode == 0 else (done.stderr.strip() or "failed").splitlines()[0]

    return _localise(name, seed, folder, run, rerun, waves=True)


def _localise(
    node: str,
    seed: int,
    folder: Path,
    run: Callable[[dict[str, str]], str | None],
    rerun: str,
    waves: bool,
) -> Localised:
    """`run` replays with more environment and returns what failed, None when it passed."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in (DEEP_FILE, HISTORY_FILE, EXPECTED_FILE, REPORT_FILE, *LOGS):
        (folder / stale).unlink(missing_ok=True)
    for stale in folder.glob(f"{DUMP}.*"):
        stale.unlink()

    message = run({"WAVES_FROM_NS": str(NEVER_NS)})
    _refuse_unbuilt(node, message or "", folder)
    outcome = _search(folder)
    if message is None and outcome.divergence is None:
        raise LocaliseError(f"{node}: passes with seed {seed}, and every value is right")
    found = outcome.divergence or awaited(outcome, _why(message))
    message = message or "the test passes, but a value inside is wrong"
    top = _top(folder)
    found.signal = _path(top, found)
    (folder / EXPECTED_FILE).write_text("".join(f"{line}\n" for line in outcome.golden))
    suffix = next((p.suffix for p in folder.glob(f"{DUMP}.*")), ".fst")
    window = _window(found, WINDOW_MOST_NS[suffix])
    dump = None
    if waves:
        more = {
            "REPLAY_GOLDEN": str(folder / EXPECTED_FILE),
            "WAVES_FROM_NS": str(window[0]),
            "WAVES_TO_NS": str(window[1]),
            "REPLAY_END_NS": str(window[1] + AFTER_NS),
        }
        for empty in folder.glob(f"{DUMP}.*"):
            empty.unlink()  # of the first run
        run(more)
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


def explain(message: str) -> str:
    """The message of a failed simulation, and how to localise it.

    With `LOCALISE=1` in the environment it is localised at once and the report added.
    """
    node = os.environ.get("PYTEST_CURRENT_TEST", "").rsplit(" ", 1)[0]
    seed = re.search(r"REPRODUCE: SEED=(\d+)", message)
    if not node or seed is None or wanted() is not None:
        return message
    message += f"\nLOCALISE: python scripts/localise.py {shlex.quote(node)} --seed {seed[1]}"
    if not switched_on("LOCALISE"):
        return message
    try:
        return f"{message}\n---\n{localise(node, int(seed[1])).text()}"
    except LocaliseError as error:
        return f"{message}\n---\nnot localised: {error}"


def _name(node: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", node).strip("-")


def _run(
    node: str, seed: int, folder: Path, root: Path, deadline: float, more: dict[str, str]
) -> str | None:
    """Run the test; None when it passes, else the first line of what it says."""
    junit = folder / "junit.xml"
    junit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={junit}", node]
    done = _replay(command, node, seed, folder, root, deadline, more)
    if done.returncode not in (0, 1):
        said = [x for x in (done.stdout + done.stderr).splitlines() if x.startswith("ERROR")]
        raise UnknownTestError(
            f"{node}: {said[0] if said else 'pytest found no such test'}, expected a test node"
        )
    return None if done.returncode == 0 else _message(junit)


def _replay(
    command: Sequence[str],
    name: str,
    seed: int,
    folder: Path,
    root: Path,
    deadline: float,
    more: dict[str, str],
) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if k not in NOT_IN_A_REPLAY}
    env |= {"SEED": str(seed), "REPLAY_DIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **more}
    left = max(1.0, deadline - time.monotonic())
    try:
        return subprocess.run(
            command, cwd=root, env=env, capture_output=True, text=True, timeout=left, check=False
        )
    except subprocess.TimeoutExpired:
        raise LocaliseError(f"{name}: no end after {left:.0f} s of replay") from None


def _message(junit: Path) -> str:
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        for tag in ("failure", "error"):
            for failure in case.iter(tag):
                text = (failure.get("message") or "").strip()
                return text.splitlines()[0] if text else "failed without a message"
    return "failed without a message"


def _refuse_unbuilt(node: str, message: str, folder: Path) -> None:
    """Raise LocaliseError when the message says that a build failed; its log goes to `folder`."""
    found = re.search(r"whole log: (\S+\.failed\.log)", message)
    if found is None:
        return
    log = folder / BUILD_LOG
    shutil.copy(found[1], log)
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


def _why(message: str) -> str:
    """What an end without a wrong value is called."""
    for words, name in (
        (
            (
                "not in",
                "no end after",
                "HANG",
                "shut down",
                "no results file",
                "hang",
                "timed out",
                "not answered",
            ),
            "hang",
        ),
        (("protocol checkers", "CHECKER"), "hang or protocol error"),
    ):
        if any(word in message for word in words):
            return name
    return "hang or early end"


def _top(folder: Path) -> str:
    """The bench, from the first lines of the simulation's log."""
    log = folder / "sim.log"
    head = log.read_text(errors="replace")[:4000] if log.is_file() else ""
    return "run_top" if "run_top" in head else "edgedrnn_tb"


def _path(top: str, found: Divergence) -> str:
    if found.signal.startswith("u_"):
        return f"{top}.u_dut.{found.signal}"
    return f"{top}.{found.signal}"


def _window(found: Divergence, most_ns: int) -> tuple[int, int]:
    """From the step before, but no more than `most_ns`, until shortly after; in ns."""
    begun = [s["from_ns"] for s in found.steps if s["from_ns"] <= found.time_ns]
    begin = begun[-2] if len(begun) > 1 else 0
    begin = max(begin - BEFORE_NS, found.time_ns - most_ns, 0)
    return begin, found.time_ns + AFTER_NS
