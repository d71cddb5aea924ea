# SPDX-License-Identifier: Apache-2.0
"""Functional coverage in the interchange format of UCIS, for the tools that people own."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ucis.flags_t import FlagsT
from ucis.mem.mem_ucis import MemUCIS
from ucis.scope_type_t import ScopeTypeT
from ucis.source_t import SourceT
from ucis.xml.xml_factory import XmlFactory

INSTANCE = "edgedrnn"
AT_LEAST = 1


def to_ucis(functional: dict[str, Any]) -> str:
    """The groups of `functional.json` as UCIS XML.

    Each group is a covergroup with one coverpoint for each axis and, from two axes on, their
    cross. Excluded bins are left out, so that the totals of the crosses are those of the page.
    """
    database = MemUCIS()
    design = database.createScope(INSTANCE, None, 1, SourceT.OTHER, ScopeTypeT.DU_MODULE,
                                  FlagsT.INST_ONCE | FlagsT.SCOPE_UNDER_DU)  # fmt: skip
    instance = database.createInstance(
        INSTANCE, None, 1, SourceT.OTHER, ScopeTypeT.INSTANCE, design, FlagsT.INST_ONCE
    )
    for group in functional["groups"]:
        scope = instance.createCovergroup(group["name"], None, 1, SourceT.OTHER)
        wanted = [entry for entry in group["bins"] if entry["excluded"] is None]
        points = []
        for axis, name in enumerate(group["axes"]):
            point = scope.createCoverpoint(name, None, 1, SourceT.OTHER)
            _add(point, [((entry["at"][axis],), entry["hits"]) for entry in wanted])
            points.append(point)
        if len(points) > 1:
            name = " x ".join(group["axes"])
            cross = scope.createCross(name, None, 1, SourceT.OTHER, points)
            _add(cross, [(tuple(entry["at"]), entry["hits"]) for entry in wanted])
    out = StringIO()
    XmlFactory.write(database, out)
    # The library names the user of this machine, which is nobody's business.
    return re.sub(r'writtenBy="[^"]*"', f'writtenBy="{INSTANCE}"', out.getvalue(), count=1)


def _add(point: Any, hits: list[tuple[tuple[str, ...], int]]) -> None:
    """Bins by label, hits of the same label together."""
    sums: dict[tuple[str, ...], int] = {}
    for at, count in hits:
        sums[at] = sums.get(at, 0) + count
    for at, count in sums.items():
        name = ", ".join(at)
        point.createBin(name, None, AT_LEAST, count, name)
