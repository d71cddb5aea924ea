# SPDX-License-Identifier: Apache-2.0
"""From a red test to the first wrong value: deep traces, the golden side, the verdict, the replay.

`first_divergence` is pure: a deep trace (tb/sv/monitors/deep_monitor.sv) and a history (what was
placed in DRAM, thresholds of each step) go in, a `Divergence` comes out. `replay` runs tests for
it.

Each simulation imports constants from here, so both names are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tb.debug.divergence.finding import Divergence
    from tb.debug.divergence.search import first_divergence

__all__ = ["Divergence", "first_divergence"]
_HOMES = {"Divergence": "finding", "first_divergence": "search"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
