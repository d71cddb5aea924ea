# SPDX-License-Identifier: Apache-2.0
"""Inside a simulation: one process that imports the tests once and forks a child for each mutant.

Named last in COCOTB_TEST_MODULES it is imported when everything else is, before time 0. The child
goes on and simulates; the parent waits, writes what became of it and forks the next one. This saves
the seconds that Python, cocotb and numpy take to start, which are most of a unit test.

It is told of a `tb.handover.MutantBatch`. A line of its report is JSON: number, status ``ended``,
``cpu`` (time used up), ``wall`` or ``died``; ``passed`` and ``failed`` tests; ``seconds`` of CPU.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tb.handover import MutantBatch, handover
from tb.mutation.schemata import NUMBER_FILE
from tb.settings import write_results_to
from tb.sim.process import die_with_parent
from tb.sim.run import read_results

LARGEST_FILE = 1 << 29  # a mutant may print for ever
RESULTS = "results.xml"
ASLEEP_S = 2.0


def _become(number: int, folder: Path, cpu_s: float) -> None:
    """In the child: a folder of its own, limits, its number where the simulation reads it."""
    die_with_parent()
    folder.mkdir(parents=True)
    os.chdir(folder)
    Path(NUMBER_FILE).write_text(f"{number}\n", encoding="ascii")
    write_results_to(folder / RESULTS)
    soft = math.ceil(cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log = os.open("sim.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _wait(pid: int, folder: Path, wall_s: float) -> tuple[str, float]:
    """(what became of a child, its CPU seconds).

    A child that has written its results is ended at once: a thread of the simulator's that it did
    not inherit would keep its exit waiting. One that sleeps has met its end in another way.
    """
    deadline = time.monotonic() + wall_s
    pause, asleep = 0.002, 0.0
    word = "wall"
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            signalled = os.WIFSIGNALED(status) and os.WTERMSIG(status)
            word = "cpu" if signalled in (signal.SIGXCPU, signal.SIGKILL) else "died"
            return word, usage.ru_utime + usage.ru_stime
        if _written(folder / RESULTS):
            word = "ended"
            break
        asleep = asleep + pause if _sleeps(pid) else 0.0
        if asleep > ASLEEP_S:
            word = "died"
            break
        time.sleep(pause)
        pause = min(0.05, pause * 1.2)
    os.kill(pid, signal.SIGKILL)
    _, _, usage = os.wait4(pid, 0)
    return word, usage.ru_utime + usage.ru_stime


def _written(path: Path) -> bool:
    try:
        return path.read_bytes().rstrip().endswith(b"</testsuites>")
    except OSError:
        return False


def _sleeps(pid: int) -> bool:
    """Whether it waits for something else than a core or a disk, which a simulation never does."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "S"


def _outcome(word: str, folder: Path) -> dict[str, Any]:
    passed, _, failed = read_results(folder / RESULTS) if word == "ended" else (None, [], [])
    return {"status": word, "passed": len(passed or ()), "failed": [str(one) for one in failed[:1]]}


def _serve(batch: MutantBatch) -> None:
    """Returns in each child, never in the parent."""
    die_with_parent()
    here = Path.cwd()
    for number in batch.numbers:
        folder = here / f"m{number}"
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _become(number, folder, batch.cpu_s)
            return
        word, seconds = _wait(pid, folder, batch.wall_s)
        line = {"number": number, "seconds": round(seconds, 3), **_outcome(word, folder)}
        with batch.report.open("a", encoding="utf-8") as report:
            report.write(json.dumps(line) + "\n")
    os._exit(0)


if (_batch := handover().mutants) is not None:
    _serve(_batch)
