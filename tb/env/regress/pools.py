"""Where bundles of jobs run: threads of this machine, each with one pytest, or a Dask cluster."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from tb.env.regress.worker import run_chunk

Outcome = dict[str, Any]
"""What `run_chunk` returned, or ``{"lost": why}`` when its worker is gone."""


class Pool(Protocol):
    """Workers. A ticket is whatever `submit` returned."""

    def size(self) -> int:
        """How many bundles may run at once, now."""

    def free(self) -> int:
        """How many more may be handed out now."""

    def submit(self, order: dict[str, Any]) -> object:
        """Start an order; only when `free`."""

    def finished(self, patience_s: float) -> list[tuple[object, Outcome]]:
        """Those that ended since last asked; waits up to ``patience_s`` for one."""

    def complaints(self) -> list[str]:
        """What a person should know about the workers, each said once."""

    def close(self) -> None:
        """Hand the workers back."""


class LocalPool:
    """``workers`` threads of this process; each runs one pytest at a time."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers)
        self._running: set[Future] = set()

    def size(self) -> int:
        return self._workers

    def free(self) -> int:
        return self._workers - len(self._running)

    def submit(self, order: dict[str, Any]) -> Future:
        future = self._threads.submit(run_chunk, order)
        self._running.add(future)
        return future

    def finished(self, patience_s: float) -> list[tuple[object, Outcome]]:
        done, self._running = wait(self._running, patience_s, FIRST_COMPLETED)
        return [(future, future.result()) for future in done]

    def complaints(self) -> list[str]:
        return []

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
