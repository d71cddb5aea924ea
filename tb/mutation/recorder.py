# SPDX-License-Identifier: Apache-2.0
"""Pytest plugin: writes down what tests would build and run, and runs nothing.

``python -m pytest -p tb.mutation.recorder NODES`` writes a JSON list, an entry a simulation, into
the file that it is told of as `tb.handover.Handover.recording`. It replaces ``tb.sim.build.build``
and ``tb.sim.run.run`` before any test is imported.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tb.sim.build
import tb.sim.run
from tb.handover import handover
from tb.paths import RTL_FILELIST
from tb.settings import running_test
from tb.sim.build import Build, read_filelist

_found: list[dict[str, Any]] = []


@dataclass(frozen=True)
class _Wanted(Build):
    """A build that was asked for and never made: to tests it looks like any other."""

    plan: dict[str, Any] = field(default_factory=dict)


def _build(sim: str, top: str, parameters: Any = None, **options: Any) -> _Wanted:
    sources = [str(s) for s in options.pop("sources", ())]
    filelist = options.pop("filelist", RTL_FILELIST)
    if filelist is not None:
        listed, folders = read_filelist(filelist)
        sources = [*map(str, listed), *(s for s in sources if Path(s) not in listed)]
        options["include_dirs"] = [*options.get("include_dirs", ()), *folders]
    options["include_dirs"] = [str(d) for d in options.get("include_dirs", ())]
    parameters = dict(parameters or {})
    plan = {"sim": sim, "top": top, "parameters": parameters, "sources": sources,
            "options": options}  # fmt: skip
    return _Wanted(sim, top, Path(), Path(), parameters, plan=plan)


def _run(
    built: _Wanted,
    test_module: str,
    test_filter: str | None = None,
    *,
    plusargs: Any = (),
    case: Any = None,
    agents: str | None = None,
    job: Path | None = None,
    **_: Any,
) -> None:
    _found.append(
        {
            "node": running_test(),
            "build": built.plan,
            "module": test_module,
            "filter": test_filter,
            "plusargs": list(plusargs),
            "case": dict(case or {}),
            "agents": agents,
            "job": str(job) if job else None,
            "path": [p for p in sys.path if p],
        }
    )
    pytest.skip("written down")


tb.sim.build.build = _build
tb.sim.run.run = _run  # type: ignore[assignment]  # a stand-in that takes what it needs


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a file that was given as a whole, keep the Verilator simulations."""
    given = {argument.rpartition("/")[2] for argument in config.args}
    items[:] = [
        item
        for item in items
        if item.nodeid.rpartition("/")[2] in given or "verilator" in item.name
    ]


def pytest_sessionfinish() -> None:
    path = handover().recording
    if path is not None:
        path.write_text(json.dumps(_found), encoding="utf-8")
