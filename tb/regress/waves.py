# SPDX-License-Identifier: Apache-2.0
"""Waves of what failed: each such job once more, here, with WAVES=1."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tb.regress.session import Done, Session
from tb.regress.workers import LocalPool

LIMIT = 5
"""Builds with waves take a minute each: the first few failures are enough to begin with."""


def with_waves(
    failed: Sequence[Done], session: Session, workers: int, limit_s: float
) -> list[Done]:
    """The same failures, those that came from a simulation with their waves file.

    Waves go to reports/waves of the session's checkout. At most LIMIT jobs, within ``limit_s``.
    """
    wanted = [d for d in failed if d.simulated][:LIMIT]
    again = {
        d.job.id: replace(d.job, waves=True, functional=False, code=False, mandatory=False)
        for d in wanted
    }
    if not again:
        return list(failed)
    pool = LocalPool(workers)
    try:
        rerun = Session(
            session.root,
            session.tree,
            session.results,
            pool,
            session.timeout_s,
            until=time.monotonic() + limit_s,
        )
        rerun.run(list(again.values()))
    finally:
        pool.close()
    files = {
        first: _keep(rerun.done[job.id]) for first, job in again.items() if job.id in rerun.done
    }
    return [replace(d, waves=files.get(d.job.id)) for d in failed]


def _keep(done: Done) -> Path | None:
    """The waves of a failed run, renamed so that another seed does not overwrite them."""
    path = done.failure.run.waves if done.failure and done.failure.run else None
    if path is None or not path.is_file():
        return None
    return path.replace(path.with_stem(f"{path.stem}-seed{done.job.seed}"))
