# SPDX-License-Identifier: Apache-2.0
"""What the search finds: the first wrong value, or what a hanging core owes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tb.checks.compare import ACCUMULATOR, ACTIVATION, Format
from tb.debug.divergence.deep import UNKNOWN

INTEGER = Format(32, 0)
GATE = Format(10, 8)
THETA = Format(16, 8)


@dataclass(frozen=True)
class Value:
    """A number in its format, as tools and people want it."""

    value: int
    form: Format

    def json(self) -> dict[str, str]:
        """{"hex", "q"}."""
        if self.value == UNKNOWN:
            return {"hex": "x", "q": "unknown"}
        bits = max(self.form.bits, int(self.value).bit_length())
        word = int(self.value) & ((1 << bits) - 1)
        digits = (bits + 3) // 4
        if self.form.frac:
            q = f"{self.value / (1 << self.form.frac):.{self.form.frac}g}"
        else:
            q = str(int(self.value))
        return {"hex": f"0x{word:0{digits}x}", "q": q}

    def __str__(self) -> str:
        return "{q} ({hex})".format(**self.json())


@dataclass(frozen=True)
class Input:
    """An input of the stage in which the wrong value arose."""

    name: str
    right: bool
    expected: str
    actual: str


@dataclass
class Divergence:
    """The first wrong value of a run, or (`hangs`) what the core still owes.

    `kind`: x or h. `signal`: a tap, until the replay puts its path there.
    `time_ns`, `cycle`: of the clock edge at which the value was there to be taken.
    """

    what: str
    module: str
    signal: str
    time_ns: int
    cycle: int
    step: int | None = None
    layer: int | None = None
    kind: str | None = None
    column: int | None = None
    unit: int | None = None
    gate: str | None = None
    expected: Value | str | None = None
    actual: Value | str | None = None
    inputs: list[Input] = field(default_factory=list)
    steps: list[dict[str, int]] = field(default_factory=list)
    last_right: str = ""
    hangs: bool = False

    def json(self) -> dict[str, Any]:
        """The fields of divergence.json that the search knows."""
        form = next((v.form.name for v in (self.expected, self.actual) if isinstance(v, Value)), "")
        return {
            "schema": 1,
            "what": self.what,
            "step": self.step,
            "layer": self.layer,
            "kind": self.kind,
            "column": self.column,
            "unit": self.unit,
            "gate": self.gate,
            "expected": _side(self.expected),
            "actual": _side(self.actual),
            "format": form,
            "cycle": self.cycle,
            "time_ns": self.time_ns,
            "signal": self.signal,
            "module": self.module,
            "inputs": [vars(i) for i in self.inputs],
            "steps": self.steps,
            "last_right": self.last_right,
        }

    def text(self) -> str:
        """The report for the terminal."""
        names = ("step", "layer", "kind", "column", "unit", "gate")
        where = [f"{n} {getattr(self, n)}" for n in names if getattr(self, n) is not None]
        lines = [f"first divergence: {self.what}"]
        if self.hangs:
            lines = [self.what]
        lines += [f"  module    {self.module}", f"  signal    {self.signal}"]
        lines += [f"  where     {', '.join(where)}"] if where else []
        if self.expected is not None:
            form = self.json()["format"]
            suffix = f"  in {form}" if form and form != INTEGER.name else ""
            lines += [f"  expected  {self.expected}{suffix}", f"  actual    {self.actual}"]
        lines.append(f"  when      cycle {self.cycle}, {self.time_ns} ns")
        for one in self.inputs:
            state = "right" if one.right else f"WRONG, expected {one.expected}"
            lines.append(f"  input     {one.name}: {one.actual} ({state})")
        lines += [f"  before    {self.last_right}"] if self.last_right else []
        return "\n".join(lines)


def _side(value: Value | str | None) -> dict[str, str] | None:
    if value is None:
        return None
    return value.json() if isinstance(value, Value) else {"hex": "", "q": value}


__all__ = [
    "ACCUMULATOR",
    "ACTIVATION",
    "GATE",
    "INTEGER",
    "THETA",
    "Divergence",
    "Format",
    "Input",
    "Value",
]
