# SPDX-License-Identifier: Apache-2.0
"""A child process under a wall-clock watchdog, of which nothing stays behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def supervise(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    work_dir: Path,
    log: Path,
    timeout_s: float,
    poll: Callable[[], None] | None = None,
) -> int | None:
    """Run ``command`` in ``work_dir``, its output appended to ``log``; leave none of it behind.

    Returns its exit status, None when it was killed after ``timeout_s`` seconds of wall clock.
    ``poll`` is called some times a second meanwhile; what it raises ends the command.
    """
    deadline = time.monotonic() + timeout_s
    with log.open("a") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            env=env,
            cwd=work_dir,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        try:
            return _wait(process, deadline, poll)
        finally:
            _kill(process)


def _wait(
    process: subprocess.Popen[bytes], deadline: float, poll: Callable[[], None] | None
) -> int | None:
    """Exit status of ``process``, or None when the deadline passed first."""
    while time.monotonic() < deadline:
        try:
            pause = min(0.2 if poll else 5.0, max(0.01, deadline - time.monotonic()))
            status = process.wait(pause)
        except subprocess.TimeoutExpired:
            status = None
        if poll:
            poll()
        if status is not None:
            return status
    return None


def die_with_parent() -> None:
    """In the child, before it starts: have Linux kill it should this process be killed."""
    with contextlib.suppress(OSError, AttributeError):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End ``process`` and all it started. It leads a process group of its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
