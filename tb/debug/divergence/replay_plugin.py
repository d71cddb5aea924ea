# SPDX-License-Identifier: Apache-2.0
"""pytest plugin of a replay: the test that fails leaves its failure.json in the replay's folder."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tb.failure import failure_of
from tb.handover import handover


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the record of what ended the test, unless that is a skip."""
    report = yield
    replay = handover().replay
    if replay is not None and report.failed and call.excinfo is not None:
        failure_of(call.excinfo.value).write(replay.folder)
    return report
