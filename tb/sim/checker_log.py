# SPDX-License-Identifier: Apache-2.0
"""What the checkers in SystemVerilog print: ``CHECKER path: RULE text``, one line a violation."""

from __future__ import annotations

import re
from pathlib import Path

from tb.failure import Complaint

_LINE = re.compile(r"^CHECKER (\S+): (\w+)")


def complaints(log: Path, most: int | None = None) -> list[Complaint]:
    """The violations in a simulation's log, in the order of time; at most `most` of them."""
    found: list[Complaint] = []
    with log.open(errors="replace") as lines:
        for line in lines:
            if most is not None and len(found) >= most:
                break
            if match := _LINE.match(line):
                found.append(Complaint(match[1], match[2]))
    return found
