# SPDX-License-Identifier: Apache-2.0
"""pytest plugin inside a worker: each test leaves its result on disk the moment it has ended.

So a pytest that is killed loses the test under way and nothing else. It is told of a file that
holds a `Chunk`. Each job gets a folder of its name with ``result.json``, ``log.txt`` and, with
coverage, ``cover/``, to which COVER_DIR points during the test.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from golden.files import write_text
from tb.failure import Failure, failure_of
from tb.handover import handover
from tb.records import from_json, to_plain
from tb.settings import change_settings

MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class Chunk:
    """Jobs of one pytest.

    `results`: the folder of all results. `cover`: whether tests leave coverage. `state`: the file
    that holds the job under way. `jobs`: job id by node id.
    """

    results: Path
    cover: bool
    state: Path
    jobs: dict[str, str]


def pytest_configure(config: pytest.Config) -> None:
    path = handover().chunk
    if path is not None:
        chunk = from_json(path.read_text(encoding="utf-8"), Chunk)
        config.pluginmanager.register(_Recorder(chunk), "regress")


def pytest_collection_finish(session: pytest.Session) -> None:
    listing = handover().listing
    if listing is not None:
        write_text(listing, json.dumps([item.nodeid for item in session.items]))


class _Recorder:
    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk
        self._reports: list[pytest.TestReport] = []
        self._failure: Failure | None = None
        self._started = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._reports, self._failure, self._started = [], None, time.monotonic()
        job = self._chunk.jobs[nodeid]
        folder = self._chunk.results / job
        if folder.exists():  # of a run that was cut off, or failed
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if self._chunk.cover:
            change_settings(cover_dir=folder / "cover")
            (folder / "cover").mkdir()
        write_text(self._chunk.state, job)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and call.excinfo is not None and self._failure is None:
            self._failure = failure_of(call.excinfo.value)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.append(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        bad = [r for r in self._reports if r.failed]
        skipped = [r for r in self._reports if r.skipped]
        folder = self._chunk.results / self._chunk.jobs[nodeid]
        text = "\n".join([*(r.longreprtext for r in bad), *_captured(self._reports)])
        write_text(folder / "log.txt", text + "\n")
        result = {
            "status": "failed" if bad else "passed",
            "skipped": bool(skipped) and not bad,
            "seconds": round(time.monotonic() - self._started, 3),
            "message": _message(bad[0]) if bad else _why_skipped(skipped),
            "failure": to_plain(self._failure) if bad else None,
        }
        write_text(folder / "result.json", json.dumps(result))
        write_text(self._chunk.state, "")


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
