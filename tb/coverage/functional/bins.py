# SPDX-License-Identifier: Apache-2.0
"""Labels of coverage bins, and the functions that put a number into its bin."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from golden.fixed import LUT_FRAC_MAX, LUT_FRAC_MIN, MAX_HIDDEN, MAX_LAYERS, THETA_MAX
from tb.device.constants import VEC_LANES
from tb.device.registers import State


def labels(edges: Sequence[int], last: int | None) -> tuple[str, ...]:
    """Names of the bins that begin at `edges`; `last`: the end of the last one, None for open."""
    ends: list[int | None] = [e - 1 for e in edges[1:]]
    ends.append(last)
    return tuple(
        f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"
        for low, high in zip(edges, ends, strict=True)
    )


class Ranges:
    """Bins of whole numbers: `label(n)` names the one that n falls into."""

    def __init__(self, edges: Sequence[int], last: int | None) -> None:
        self.edges = tuple(edges)
        self.last = last
        self.labels = labels(edges, last)

    def label(self, number: int) -> str:
        """The bin of `number`; ValueError outside all of them."""
        index = bisect_right(self.edges, number) - 1
        if index < 0 or (self.last is not None and number > self.last):
            raise ValueError(f"{number} is in none of the bins {', '.join(self.labels)}")
        return self.labels[index]


THETA = Ranges((0, 1, 2, 16, 64, 128, 256, 1024, THETA_MAX), THETA_MAX)
SIZE = Ranges((1, 9, 65, 257), MAX_HIDDEN)
SILENCE = Ranges((0, 1, 2, 4, 8), None)
BURST = Ranges((1, 2, 16, 17, 64, 128, 256), 256)
STALL = Ranges((0, 1, 2, 4, 16, 64), None)

LAYERS = tuple(str(layer) for layer in range(MAX_LAYERS))
KINDS = ("x", "h")
SIGNS = ("-", "+")
EDGES = ("Θ-1", "Θ", "Θ+1")
DELTAS = ("0", "1", *EDGES, "saturated")
LANES = tuple(str(lane) for lane in range(VEC_LANES))
RATES = ("none", "single", "sparse", "half", "all but", "all")
CHANGES = ("up", "down", "to 0", "to max")
LUT_FRACS = tuple(str(bits) for bits in range(LUT_FRAC_MIN, LUT_FRAC_MAX + 1))
GATES = ("r", "z", "n")
WIDTHS = ("32", "64", "128", "256")
STATES = tuple(state.name.title().replace("_", "") for state in State)
DEPTHS = ("1", "2", "3–4", "5–8", "9 to below the limit", "the limit")


def rate(fired: int, size: int) -> str:
    """How much of a vector of `size` elements fired; all and none come before the fractions."""
    if fired == 0:
        return "none"
    if fired == size:
        return "all"
    if fired == 1:
        return "single"
    if 4 * fired <= size:
        return "sparse"
    return "half" if 4 * fired <= 3 * size else "all but"


def change(before: int, after: int) -> str | None:
    """What happened to a threshold; None where it stayed."""
    if before == after:
        return None
    if after == 0:
        return "to 0"
    if after == THETA_MAX:
        return "to max"
    return "up" if after > before else "down"


def depth(under_way: int, limit: int) -> str:
    """Bursts under way, of at most `limit`."""
    if under_way >= limit:
        return "the limit"
    if under_way <= 2:
        return str(under_way)
    return "3–4" if under_way <= 4 else "5–8" if under_way <= 8 else "9 to below the limit"
