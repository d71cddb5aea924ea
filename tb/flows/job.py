# SPDX-License-Identifier: Apache-2.0
"""What a flow asks of its cocotb side, as the JSON file that both share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tb.device.config import DeviceConfig
from tb.handover import simulation
from tb.records import from_json, to_json


@dataclass(frozen=True)
class Job:
    """One sequence. ``steps``: how many. ``rest``: cycles before the first x is offered.
    ``result``: the file to which the cocotb side writes what it measured.
    """

    config: DeviceConfig
    steps: int
    result: Path
    rest: int = 0

    def write(self, folder: Path) -> Path:
        """Leave job.json in a folder; its path."""
        path = folder / "job.json"
        path.write_text(to_json(self), encoding="utf-8")
        return path


def job_of_this_run() -> Job:
    """Inside a simulation: the job that it was told of. Raises RecordError for a damaged file."""
    path = simulation().job
    assert path is not None, "the flow named no job"
    return from_json(path.read_text(encoding="utf-8"), Job)
