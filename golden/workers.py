# SPDX-License-Identifier: Apache-2.0
"""Worker processes that leave nothing behind: neither a traceback at Ctrl-C nor themselves."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any


class Workers:
    """A pool of `count` processes, started as they are needed, each begun with `begin(*given)`.

    They are spawned: forked ones could inherit locks of torch's threads. They never see Ctrl-C;
    the process that made them does, and ends them.
    """

    def __init__(self, count: int, begin: Callable[..., None], given: tuple[Any, ...]) -> None:
        self._pool = ProcessPoolExecutor(count, get_context("spawn"), begin, given)

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        """Do `work(*given)` in a worker."""
        with _interrupts_ignored():  # a child inherits it, so it holds while it imports, too
            return self._pool.submit(work, *given)

    def close(self) -> None:
        """Wait for what is under way, and end."""
        self._pool.shutdown(wait=True)

    def kill(self) -> None:
        """End at once, whatever is under way."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def workers(count: int, begin: Callable[..., None], given: tuple[Any, ...]) -> Iterator[Workers]:
    """Workers for a block; if it is left early, by Ctrl-C or an error, they are killed."""
    made = Workers(count, begin, given)
    try:
        yield made
    except BaseException:
        made.kill()
        raise
    made.close()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
