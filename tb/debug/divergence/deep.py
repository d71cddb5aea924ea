# SPDX-License-Identifier: Apache-2.0
"""Read deep traces (tb/sv/monitors/deep_monitor.sv) and the history of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from golden.model_file import Model, load_model
from tb.debug.divergence.events import KINDS
from tb.device.beats import fields_of, lanes_of, signed_value
from tb.device.config import DeviceConfig
from tb.records import from_plain

UNKNOWN = 1 << 40
"""Stands for a value with unknown bits; no signal can hold it."""
DEEP_FILE, HISTORY_FILE = "deep.txt", "history.jsonl"


class DeepTraceError(ValueError):
    """A deep trace or a history is missing or makes no sense; one line says which and why."""


class Event(NamedTuple):
    """One line of the deep trace: `cycle` since reset, `time` in ns, a code, fields in hex."""

    cycle: int
    time: int
    code: str
    words: list[str]

    def number(self, index: int) -> int:
        """A field, unsigned; UNKNOWN where a bit is x or z."""
        try:
            return int(self.words[index], 16)
        except ValueError:
            return UNKNOWN

    def signed(self, index: int, bits: int) -> int:
        """A field, two's complement."""
        value = self.number(index)
        return value if value == UNKNOWN else signed_value(value, bits)

    def lanes(self, index: int, bits: int, *, signed: bool = True) -> np.ndarray:
        """A field of several values of `bits` (8, 16 or 32) bits, lowest first, int64."""
        text = self.words[index]
        try:
            data = bytes.fromhex(text)
            return lanes_of(data, len(data), bits, signed=signed).astype(np.int64)
        except ValueError:  # unknown bits: lane by lane
            digits = bits // 4
            words = [text[at : at + digits] for at in range(0, len(text), digits)][::-1]
            one = [Event(0, 0, "", [word]) for word in words]
            return np.array([e.signed(0, bits) if signed else e.number(0) for e in one], np.int64)

    def fields(self, index: int, bits: int, count: int) -> list[int]:
        """`count` unsigned values of any width, lowest first."""
        return fields_of(self.number(index), bits, count)


Handler = Callable[[Event], None]


@dataclass(frozen=True, eq=False)
class Placed:
    """A model that the bench put into DRAM at `time` ns; the addresses it told the core."""

    time: float
    model: Model
    addr_wx: tuple[int, ...]
    addr_wh: tuple[int, ...]
    addr_bias: tuple[int, ...]


@dataclass(eq=False)
class History:
    """What the bench did, as far as the buses do not show it.

    `placed`: models in the order of their times. `steps`: by the time in ns at which the first beat
    of x was taken: (number of the step, thetas of x, thetas of h), as the bench has them.
    """

    placed: list[Placed] = field(default_factory=list)
    steps: dict[int, tuple[int, list[int], list[int]]] = field(default_factory=dict)

    def at(self, time: float) -> Placed | None:
        """The model that was the latest to be placed at a time."""
        earlier = [placed for placed in self.placed if placed.time <= time]
        return earlier[-1] if earlier else None


def read_history(path: Path) -> History:
    """Read what `tb.bench.replay_recorder` wrote."""
    history = History()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DeepTraceError(f"{path}: {error.strerror}, expected a history") from None
    for line in lines:
        entry = json.loads(line)
        if "model" in entry:
            config = from_plain(entry["config"], DeviceConfig)
            model = load_model(path.parent / entry["model"])
            addresses = config.addr_wx, config.addr_wh, config.addr_bias
            history.placed.append(Placed(entry["time"], model, *addresses))
        else:
            step = (entry["step"], entry["theta_x"], entry["theta_h"])
            history.steps[round(entry["time"])] = step
    return history


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """Events of a deep trace; a last line that was cut is left out.

    Raises DeepTraceError at a line of no known kind, or with another number of fields than its
    kind has.
    """
    for line in lines:
        if not line.endswith("\n"):
            return
        cycle, time, code, *words = line.split()
        kind = KINDS.get(code)
        if kind is None or len(words) != len(kind.fields):
            fields = f"{len(kind.fields)} fields" if kind else "a known kind"
            raise DeepTraceError(f"deep trace: found {line.strip()!r}, expected {fields}")
        yield Event(int(cycle), int(time), code, words)
