# SPDX-License-Identifier: Apache-2.0
"""A timeline in words: cycles by cause, the worst step, the bottleneck, the counters."""

from __future__ import annotations

from tb.debug.timeline.account import Summary
from tb.debug.timeline.causes import ALL, BY_CODE, MOVES


def cause_table(summary: Summary) -> str:
    """Cycles of each cause that occurred, share of all, and the step in which most of it was."""
    width = max(len(cause.name) for cause in ALL)
    steps = len(summary.accounts)
    lines = [f"{'the port':<{width}}  {'cycles':>9}  {'a step':>8}  {'share':>7}  most in"]
    for cause in ALL:
        cycles = summary.cycles[cause.code]
        if cycles:
            most = max(summary.accounts, key=lambda account: account.cycles[cause.code])
            lines.append(
                f"{cause.name:<{width}}  {cycles:>9}  {cycles / steps:>8.1f}  "
                f"{100 * cycles / summary.total:>5.1f} %  step {most.step.index}"
                f" ({most.cycles[cause.code]})"
            )
    lines.append(f"{'all':<{width}}  {summary.total:>9}  {summary.total / steps:>8.1f}  100.0 %")
    return "\n".join(lines)


def verdict(summary: Summary) -> str:
    """The step with the longest rest, and the one bottleneck."""
    worst = summary.worst
    rests = {code: n for code, n in worst.cycles.items() if code not in MOVES and n}
    parts = ", ".join(
        f"{BY_CODE[code].name} {n}" for code, n in sorted(rests.items(), key=lambda item: -item[1])
    )
    lines = [
        f"longest rest: step {worst.step.index}, {worst.rest} of {worst.step.cycles} cycles"
        + (f" ({parts})" if parts else "")
    ]
    busy = f"{100 * summary.moving / summary.total:.1f} %"
    if summary.bottleneck is None:
        lines.append(
            f"bottleneck: the port, a beat in {busy} of the cycles;"
            " larger Θ or a wider port would help"
        )
    else:
        cause = summary.bottleneck
        share = 100 * summary.cycles[cause.code] / summary.total
        advice = f"; {cause.remedy} would help" if cause.remedy else ""
        lines.append(
            f"bottleneck: {cause.name}, {share:.1f} % of the cycles, {cause.why}"
            f" (a beat in {busy}){advice}"
        )
    return "\n".join(lines)
