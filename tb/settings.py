"""What the environment asks of builds and runs: waves, a window of them."""

from __future__ import annotations

import os
import re

# A window is at most so long: 50 MB of a 64-bit core at 125 MHz. docs/waveforms.md has figures.
WINDOW_MOST_NS = {".fst": 700_000, ".vcd": 40_000}
CUT = "WAVES: cut"  # what a simulator says that stops there


def switched_on(name: str) -> bool:
    """Whether an environment variable such as ``WAVES`` is set to anything but 0."""
    return os.environ.get(name, "0") not in ("", "0")


def waves_wanted() -> bool:
    """Whether the environment asks for waves of every test, whole or in a window."""
    return switched_on("WAVES") or bool(wave_window())


def wave_window(suffix: str = ".fst") -> list[str]:
    """Plusargs of the window that the environment asks waves for; ValueError on a bad one.

    ``WAVES_FROM_NS``, ``WAVES_TO_NS``: times in ns. ``WAVES_STEPS``: a step, or ``first:last``, of
    which ``WAVES_MOST_NS`` are dumped, by default what a file of this suffix holds in 50 MB.
    """
    window = []
    given = {}
    for name in ("WAVES_FROM_NS", "WAVES_TO_NS", "WAVES_MOST_NS"):
        given[name] = os.environ.get(name, "")
        if given[name] and not given[name].isdecimal():
            raise ValueError(f"{name}: found {given[name]!r}, expected a time in ns")
    for name in ("WAVES_FROM_NS", "WAVES_TO_NS"):
        window += [f"{name}={given[name]}"] if given[name] else []
    text = os.environ.get("WAVES_STEPS", "")
    if text:
        found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"WAVES_STEPS: found {text!r}, expected a step as 3, or steps as 3:5")
        window += [f"WAVES_FROM_STEP={found[1]}", f"WAVES_TO_STEP={found[2] or found[1]}"]
        window.append(f"WAVES_MOST_NS={given['WAVES_MOST_NS'] or WINDOW_MOST_NS[suffix]}")
    return window
