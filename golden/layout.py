# SPDX-License-Identifier: Apache-2.0
"""Sizes of what lies in DRAM: columns of weights, padded to whole groups of the port's lanes.

A port of ``lanes`` bytes reads one weight of ``lanes`` units in a beat, a group: first all r, then
all z, then all n of a group. Units past the last are padding. With ``lanes`` 1 nothing is padded.
"""

from typing import TypeVar

import numpy as np

ROWS = 3
"""Rows of a column for each unit: r, z, n."""

Units = TypeVar("Units", int, np.ndarray)


def groups_of(units: Units, lanes: int) -> Units:
    """Groups of ``lanes`` units that ``units``, a number or an array of them, take."""
    return -(-units // lanes)


def padded_units(units: Units, lanes: int) -> Units:
    """Hp: ``units`` rounded up to whole groups of ``lanes``."""
    return groups_of(units, lanes) * lanes


def column_beats(units: Units, lanes: int) -> Units:
    """Beats of the port that one weight column of a layer of ``units`` takes."""
    return ROWS * groups_of(units, lanes)


def column_bytes(units: Units, lanes: int = 1) -> Units:
    """Bytes that are read for one weight column of a layer of ``units``, padding included."""
    return ROWS * padded_units(units, lanes)
