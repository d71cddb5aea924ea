# SPDX-License-Identifier: Apache-2.0
"""Clock periods of the benches. They decide no result: everything is counted in clock cycles."""

from __future__ import annotations

RUN_CLOCK_NS = 8
"""Of `run_top` and `loop_top`, which make their clock themselves: that of the published core."""
BENCH_CLOCK_NS = 10
"""Of `edgedrnn_tb`, whose clock the test bench makes."""

CLOCK_NS = {"edgedrnn_tb": BENCH_CLOCK_NS, "run_top": RUN_CLOCK_NS}
"""Period by the top of a run."""
