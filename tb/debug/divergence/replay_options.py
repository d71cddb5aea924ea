# SPDX-License-Identifier: Apache-2.0
"""What a replay adds to a simulation: sources, plusargs, a folder for its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tb.debug.divergence.deep import DEEP_FILE
from tb.handover import Replay
from tb.paths import MONITORS

SOURCES = (MONITORS / "deep_monitor.sv", MONITORS / "golden_probe.sv")
DUMP = "replay"  # name of the waves, without the simulator's suffix


def plusargs(replay: Replay) -> list[str]:
    """Of the simulation."""
    plus = [f"DEEP={replay.folder / DEEP_FILE}"]
    if replay.golden is not None:
        plus.append(f"GOLDEN={replay.golden}")
    if replay.end_ns is not None:
        plus.append(f"REPLAY_END_NS={replay.end_ns}")
    return plus


def of_build(replay: Replay | None, sources: Sequence[Path]) -> dict[str, Any]:
    """Options of `tb.sim.build.build` for a bench with these sources: more of them in a replay."""
    if replay is None:
        return {"sources": sources}
    return {"sources": [*SOURCES, *sources], "defines": {"REPLAY": 1}, "waves": True}


def of_run(replay: Replay | None, wave_suffix: str) -> dict[str, Any]:
    """Options of `tb.sim.run.run`: where a replay runs and leaves its waves."""
    if replay is None:
        return {}
    return {"work_dir": replay.folder, "waves_file": dump_file(replay, wave_suffix)}


def dump_file(replay: Replay, wave_suffix: str) -> Path:
    """The waves of a replay."""
    return replay.folder / f"{DUMP}{wave_suffix}"
