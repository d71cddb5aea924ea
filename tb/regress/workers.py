# SPDX-License-Identifier: Apache-2.0
"""Where bundles of jobs run: threads of this machine, each with one pytest, or a Dask cluster."""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

from tb.regress.worker import run_chunk

CONNECT_S = 10

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
        self._running: set[Future[Any]] = set()

    def size(self) -> int:
        return self._workers

    def free(self) -> int:
        return self._workers - len(self._running)

    def submit(self, order: dict[str, Any]) -> Future[Any]:
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


class PoolError(ValueError):
    """A cluster cannot be used at all. The text names its address."""


@dataclass(eq=False)
class _Ticket:
    future: Any
    worker: str


class DaskPool:
    """The workers of a Dask cluster, by the address of its scheduler.

    Each order goes to one worker of our choice, as many at a time as that worker has threads: so a
    worker that is gone is noticed here, and one that refused its order gets no more of them.
    """

    def __init__(self, address: str) -> None:
        from distributed import Client

        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            self._client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError, ImportError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise PoolError(
                f"--dask: no scheduler answers at {address!r} ({why}), expected tcp://HOST:PORT"
            ) from None
        self._running: list[_Ticket] = []
        self._refused: set[str] = set()
        self._complaints: list[str] = []

    def size(self) -> int:
        return sum(self._workers().values())

    def free(self) -> int:
        return sum(max(0, n) for n in self._room().values())

    def submit(self, order: dict[str, Any]) -> _Ticket:
        room = self._room()
        worker = max(room, key=room.__getitem__)
        future = self._client.submit(
            run_chunk, order, workers=[worker], allow_other_workers=False, pure=False, retries=0
        )
        ticket = _Ticket(future, worker)
        self._running.append(ticket)
        return ticket

    def finished(self, patience_s: float) -> list[tuple[object, Outcome]]:
        until = time.monotonic() + patience_s
        while True:
            alive = self._alive()
            ended = [t for t in self._running if t.future.done() or t.worker not in alive]
            if ended or time.monotonic() > until:
                self._running = [t for t in self._running if t not in ended]
                return [(ticket, self._outcome(ticket)) for ticket in ended]
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        said, self._complaints = self._complaints, []
        return said

    def close(self) -> None:
        for ticket in self._running:
            ticket.future.cancel()
        self._client.close(timeout=CONNECT_S)

    def _outcome(self, ticket: _Ticket) -> Outcome:
        if ticket.future.status == "finished":
            outcome = ticket.future.result()
            if outcome["refused"]:
                return self._refusal(ticket.worker, outcome["refused"])
            ended: Outcome = outcome
            return ended
        if ticket.future.status == "error":
            error = ticket.future.exception()
            if isinstance(error, ImportError):
                return self._refusal(ticket.worker, f"{error}; start it in a checkout")
            why = f"worker {ticket.worker}: {type(error).__name__}: {error}"
        else:
            ticket.future.cancel()
            why = f"worker {ticket.worker} is gone"
            self._complaints.append(why)
        return {"lost": " ".join(why.split())[:200]}

    def _refusal(self, worker: str, why: str) -> Outcome:
        self._refused.add(worker)
        self._complaints.append(f"worker {worker} refuses: {why}")
        return {"refused": why}

    def _alive(self) -> dict[str, int]:
        """Threads of each worker that the scheduler knows, by address."""
        if self._client.status != "running":
            return {}
        try:
            threads: dict[str, int] = self._client.nthreads()
            return threads
        except (OSError, TimeoutError):
            return {}

    def _workers(self) -> dict[str, int]:
        return {a: n for a, n in self._alive().items() if a not in self._refused}

    def _room(self) -> dict[str, int]:
        room = self._workers()
        for ticket in self._running:
            if ticket.worker in room:
                room[ticket.worker] -= 1
        return room
