# SPDX-License-Identifier: Apache-2.0
"""The window of a dump of waves: which plusargs keep a simulation to it."""

from __future__ import annotations

from pathlib import Path

from tb.settings import Settings

# A window of steps is at most so long: 50 MB of a 64-bit core at 125 MHz. docs/waveforms.md has
# figures.
WINDOW_MOST_NS = {".fst": 700_000, ".vcd": 40_000}


def window_plusargs(wanted: Settings, suffix: str, cut_file: Path) -> list[str]:
    """Plusargs of a build with waves for the window that `wanted` asks for, empty for none.

    `suffix`: of the dump, which says how much 50 MB hold. The simulation writes `cut_file` when it
    stops dumping before its last step has ended.
    """
    window = []
    if wanted.waves_from_ns is not None:
        window.append(f"WAVES_FROM_NS={wanted.waves_from_ns}")
    if wanted.waves_to_ns is not None:
        window.append(f"WAVES_TO_NS={wanted.waves_to_ns}")
    if wanted.waves_steps is not None:
        first, last = wanted.waves_steps
        most = wanted.waves_most_ns
        window += [
            f"WAVES_FROM_STEP={first}",
            f"WAVES_TO_STEP={last}",
            f"WAVES_MOST_NS={WINDOW_MOST_NS[suffix] if most is None else most}",
            f"WAVES_CUT_FILE={cut_file}",
        ]
    return window
