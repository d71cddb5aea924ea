# SPDX-License-Identifier: Apache-2.0
"""cocotb-bus's Scoreboard, imported without scapy.

cocotb_bus.scoreboard imports two functions of scapy, which takes a fifth of a simulation's start
and serves only to print a difference that we print otherwise. They are imported when they are
called.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

NAMES = ("hexdiff", "hexdump")


def _when_called(name: str) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(import_module("scapy.utils"), name)(*arguments, **options)

    return call


def _import_scoreboard() -> Any:
    """The class, imported while a module with those two functions stands in for scapy's."""
    if "scapy.utils" in sys.modules or "cocotb_bus.scoreboard" in sys.modules:
        return import_module("cocotb_bus.scoreboard").Scoreboard
    light = {name: ModuleType(name) for name in ("scapy", "scapy.utils")}
    for name in NAMES:
        setattr(light["scapy.utils"], name, _when_called(name))
    before = {name: sys.modules[name] for name in light if name in sys.modules}
    sys.modules.update(light)
    try:
        return import_module("cocotb_bus.scoreboard").Scoreboard
    finally:
        for name in light:
            del sys.modules[name]
        sys.modules.update(before)


Scoreboard: Any = _import_scoreboard()
"""`cocotb_bus.scoreboard.Scoreboard`."""
