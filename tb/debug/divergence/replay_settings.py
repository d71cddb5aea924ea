"""What a replay asks of a simulation that runs inside a test, through the environment.

`REPLAY_DIR`: folder in which the run leaves its deep trace, history and dump.
`REPLAY_GOLDEN`: file of golden values for golden_probe. `REPLAY_END_NS`: when the run may end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tb.debug.divergence.deep import DEEP_FILE
from tb.paths import MONITORS

SOURCES = (MONITORS / "deep_monitor.sv", MONITORS / "golden_probe.sv")
DUMP = "replay"  # name of the waves, without the simulator's suffix


@dataclass(frozen=True)
class Replay:
    """A replay: what to build and what to run with."""

    folder: Path
    golden: str
    end_ns: str

    @property
    def plusargs(self) -> list[str]:
        """Of the simulation."""
        plus = [f"DEEP={self.folder / DEEP_FILE}"]
        if self.golden:
            plus.append(f"GOLDEN={self.golden}")
        if self.end_ns:
            plus.append(f"REPLAY_END_NS={self.end_ns}")
        return plus


def wanted() -> Replay | None:
    """The replay that the environment asks for; None in an ordinary run."""
    folder = os.environ.get("REPLAY_DIR")
    if not folder:
        return None
    golden, end = (os.environ.get(name, "") for name in ("REPLAY_GOLDEN", "REPLAY_END_NS"))
    return Replay(Path(folder), golden, end)


def build_options(sources: Sequence[Path]) -> dict[str, Any]:
    """Options of `tb.sim.build.build` for a bench with these sources: more of them in a replay."""
    if wanted() is None:
        return {"sources": sources}
    return {"sources": [*SOURCES, *sources], "defines": {"REPLAY": 1}, "waves": True}


def run_options(wave_suffix: str) -> dict[str, Any]:
    """Options of `tb.sim.run.run`: where a replay runs and leaves its waves."""
    replay = wanted()
    if replay is None:
        return {}
    return {"work_dir": replay.folder, "waves_file": replay.folder / f"{DUMP}{wave_suffix}"}
