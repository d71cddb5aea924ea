# SPDX-License-Identifier: Apache-2.0
"""Notes, inside a replayed simulation, what the buses do not show: models, thresholds of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from golden.model_file import Model, save_model
from tb.device.config import DeviceConfig
from tb.device.image import DramImage
from tb.handover import handover
from tb.records import to_plain


class Recorder:
    """Writes history.jsonl and the models beside it, line by line, whatever ends the run."""

    def __init__(self, folder: Path) -> None:
        from tb.debug.divergence.deep import HISTORY_FILE  # heavy, and only a replay needs it

        self.folder = folder
        self.history = folder / HISTORY_FILE
        self.models = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.history.write_text("")

    def _write(self, entry: dict[str, Any]) -> None:
        with self.history.open("a") as file:
            print(json.dumps(entry), file=file)

    def place(self, time_ns: float, model: Model, image: DramImage) -> None:
        """A model is put into DRAM."""
        name = f"model-{self.models}.npz"
        self.models += 1
        save_model(self.folder / name, model)
        self._write(
            {
                "time": time_ns,
                "model": name,
                "config": to_plain(DeviceConfig.of(model, image)),
            }
        )

    def step(self, time_ns: float, step: int, theta_x: list[int], theta_h: list[int]) -> None:
        """The first beat of a step's x is taken, with these thresholds in force."""
        entry = {"time": time_ns, "step": step}
        self._write(entry | {"theta_x": list(theta_x), "theta_h": list(theta_h)})


def recorder_of(scoreboard: Any, x_monitor: Any) -> Recorder | None:
    """In a replay: a recorder that hears of each step's thresholds as the scoreboard has them."""
    replay = handover().replay
    if replay is None:
        return None
    from cocotb.utils import get_sim_time

    recorder = Recorder(replay.folder)

    def first_beat() -> None:
        if scoreboard.running:
            recorder.step(get_sim_time("ns"), scoreboard.steps, *scoreboard.taken_theta)

    x_monitor.on_first.append(first_beat)  # after the scoreboard's own
    return recorder
