"""pytest plugin inside a worker: each test leaves its result on disk the moment it has ended.

So a pytest that is killed loses the test under way and nothing else. `REGRESS_CHUNK` names a JSON
file: ``{"results": folder, "cover": bool, "state": file, "jobs": {node id: job id}}``. Each job
gets a folder of its name with ``result.json``, ``log.txt`` and, with coverage, ``cover/``, to which
COVER_DIR points during the test. The state file names the job under way.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from golden.files import write_text as write_whole

MESSAGE_LENGTH = 300


def pytest_configure(config: pytest.Config) -> None:
    chunk = os.environ.get("REGRESS_CHUNK")
    if chunk:
        config.pluginmanager.register(_Recorder(json.loads(Path(chunk).read_text())), "regress")


def pytest_collection_finish(session: pytest.Session) -> None:
    if listing := os.environ.get("REGRESS_COLLECT"):
        write_whole(Path(listing), json.dumps([item.nodeid for item in session.items]))


class _Recorder:
    def __init__(self, chunk: dict) -> None:
        self._jobs: dict[str, str] = chunk["jobs"]
        self._results = Path(chunk["results"])
        self._cover: bool = chunk["cover"]
        self._state = Path(chunk["state"])
        self._reports: list[pytest.TestReport] = []
        self._started = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._reports, self._started = [], time.monotonic()
        job = self._jobs[nodeid]
        folder = self._results / job
        if folder.exists():  # of a run that was cut off, or failed
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if self._cover:
            os.environ["COVER_DIR"] = str(folder / "cover")
            (folder / "cover").mkdir()
        write_whole(self._state, job)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        bad = [r for r in self._reports if r.failed]
        skipped = [r for r in self._reports if r.skipped]
        folder = self._results / self._jobs[nodeid]
        text = "\n".join([*(r.longreprtext for r in bad), *_captured(self._reports)])
        write_whole(folder / "log.txt", text + "\n")
        result = {
            "status": "failed" if bad else "passed",
            "skipped": bool(skipped) and not bad,
            "seconds": round(time.monotonic() - self._started, 3),
            "message": _message(bad[0]) if bad else _why_skipped(skipped),
        }
        write_whole(folder / "result.json", json.dumps(result))
        write_whole(self._state, "")


def _captured(reports: list[pytest.TestReport]) -> list[str]:
    """What the test printed. Each report repeats the sections before it: the last has them all."""
    return [f"--- {title}\n{text}" for title, text in reports[-1].sections] if reports else []


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else report.longreprtext
    lines = text.strip().splitlines() or ["no message"]
    return lines[0][:MESSAGE_LENGTH]


def _why_skipped(reports: list[pytest.TestReport]) -> str:
    if not reports:
        return ""
    where = reports[0].longrepr
    return str(where[-1] if isinstance(where, tuple) else where)[:MESSAGE_LENGTH]
