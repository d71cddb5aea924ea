"""From a red test to the first wrong value: deep traces, the golden side, the verdict, the replay.

`first_divergence` is pure: a deep trace (tb/sv/monitors/deep_monitor.sv) and a history (what was
placed in DRAM, thresholds of each step) go in, a `Divergence` comes out. `replay` runs tests for
it.
"""

from tb.debug.divergence.finding import Divergence
from tb.debug.divergence.search import first_divergence

__all__ = ["Divergence", "first_divergence"]
