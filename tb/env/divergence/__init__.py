"""From a red test to the first wrong value: deep traces, the golden side, the verdict, the replay.

`first_divergence` is pure: a deep trace (tb/sv/deep_monitor.sv) and a history (what was placed in
DRAM, thresholds of each step) go in, a `Divergence` comes out. `replay` runs tests for it.
"""

from tb.env.divergence.search import first_divergence
from tb.env.divergence.verdict import Divergence

__all__ = ["Divergence", "first_divergence"]
