# SPDX-License-Identifier: Apache-2.0
"""What a worker does with a bundle of jobs: one pytest, supervised, on the tree it was meant for.

This module is imported by local threads and by workers of a Dask cluster, which must be started in
a checkout of the same content.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path
from typing import Any

from tb.handover import Handover
from tb.paths import REPO
from tb.records import to_json
from tb.regress.jobs import Job, pytest_command, pytest_env
from tb.regress.plugin import Chunk
from tb.regress.store import pack, results_folder
from tb.regress.tree import tree_hash
from tb.settings import Settings, settings
from tb.sim.folders import log_tail
from tb.sim.process import supervise

START_S = 180.0
"""How long pytest may take before its first test: a busy machine imports slowly."""


class _EndedError(Exception):
    """The pytest under way is to be killed."""


def run_chunk(order: dict[str, Any]) -> dict[str, Any]:
    """Run the jobs of an order (see `order_of`) and say how it went.

    Returns ``refused``: why nothing was done, or None; ``started``: the job under way when pytest
    ended, or ""; ``timeout``: whether that job was stopped for taking too long; ``stopped``:
    whether the whole run ended meanwhile; ``exit``: pytest's exit status, None when killed by us;
    ``log``: the end of its output; ``files``: results as a ZIP archive, None where the folder of
    results is on this machine's disk, too.
    """
    candidates = [Path(order["root"]), REPO]
    found = {path: tree_hash(path) for path in dict.fromkeys(candidates) if path.is_dir()}
    root = next((path for path in found if found[path] == order["tree"]), None)
    if root is None:
        have = ", ".join(f"{path} has {tree}" for path, tree in found.items())
        return {"refused": f"jobs are for tree {order['tree']}, but {have}"}
    token = Path(order["token"])
    shared = token.exists()
    results = token.parent if shared else results_folder(root, order["tree"])
    with tempfile.TemporaryDirectory(prefix=".chunk-", dir=results) as scratch:
        outcome = _run(order, root, results, Path(scratch), token if shared else None)
    outcome["files"] = None if shared else pack(results, order["jobs"].values())
    return outcome


def _run(
    order: dict[str, Any], root: Path, results: Path, scratch: Path, token: Path | None
) -> dict[str, Any]:
    state, log, chunk = scratch / "state", scratch / "pytest.log", scratch / "chunk.json"
    state.touch()
    asked = Settings.of(order["env"])
    wanted = settings().for_child(
        seed=asked.seed, coverage=asked.coverage, cover_code=asked.cover_code, waves=asked.waves
    )
    content = Chunk(results, asked.coverage or asked.cover_code, state, order["jobs"])
    chunk.write_text(to_json(content), encoding="utf-8")
    over = time.monotonic() + order["limit_s"] if order["limit_s"] is not None else None
    outcome: dict[str, Any] = {"refused": None, "timeout": False, "stopped": False, "exit": None}

    def poll() -> None:
        if (token and not token.exists()) or (over is not None and time.monotonic() > over):
            outcome["stopped"] = True
            raise _EndedError
        under_way = bool(state.read_text())
        bound = order["timeout_s"] if under_way else max(order["timeout_s"], START_S)
        if time.time() - state.stat().st_mtime > bound:
            outcome["timeout"] = True
            raise _EndedError

    with contextlib.suppress(_EndedError):
        outcome["exit"] = supervise(
            pytest_command("-q", *order["jobs"]),
            env=pytest_env(root, Handover(chunk=chunk), wanted),
            work_dir=root,
            log=log,
            timeout_s=(order["timeout_s"] + START_S) * (len(order["jobs"]) + 1),
            poll=poll,
        )
    outcome["started"] = state.read_text()
    outcome["log"] = log_tail(log)
    return outcome


def order_of(
    jobs: list[Job], *, root: Path, tree: str, token: Path, timeout_s: float, limit_s: float | None
) -> dict[str, Any]:
    """Jobs of equal seed and switches as plain data that travels to a worker.

    ``token`` is a file in the folder of results that exists as long as the run does: a worker that
    sees it writes results right there, and stops when it goes. ``timeout_s`` bounds one test,
    ``limit_s`` all of them.
    """
    return {
        "root": str(root),
        "tree": tree,
        "token": str(token),
        "timeout_s": timeout_s,
        "limit_s": limit_s,
        "env": jobs[0].settings.variables(),
        "jobs": {job.node: job.id for job in jobs},
    }
