# SPDX-License-Identifier: Apache-2.0
"""Where in the core a tap is: names of signals to paths, read from the sheet of taps.

`tb/sv/monitors/core_taps.svh` is the one place in tb/ that says what a signal of the core is called
there and which module holds it. Everything else says the tap's name: ``x_valid``, or ``lane_r[2]``
where the tap takes a number.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from tb.paths import MONITORS

SHEET = MONITORS / "core_taps.svh"
DUT = "u_dut"
"""The core's instance in every top of tb/."""

_TAP = re.compile(rf"`define tap_(\w+)(?:\((\w)\))? +({DUT}\.\S+)")
_OTHER = re.compile(r"//.*|`ifndef CORE_TAPS_SVH|`define CORE_TAPS_SVH|`endif|")
_NAME = re.compile(r"(\w+)(?:\[([^\]]+)\])?")
_MEMBER = re.compile(r"\.(?!u_|gen_)\w+\.\w+$")
FIELDS = "u_fields"
"""The instance of stream_fields.sv, which has a net for each tap that is a member of a struct."""


class TapError(ValueError):
    """A name that is no tap, or a line of the sheet that is none; one line says which."""


@cache
def taps(sheet: Path = SHEET) -> dict[str, tuple[str, str | None]]:
    """All taps: name -> (path below the top, the letter in it that stands for the tap's number).

    Raises TapError at a line that is not of the sheet's form, or a name that is there twice.
    """
    found: dict[str, tuple[str, str | None]] = {}
    for number, line in enumerate(sheet.read_text(encoding="utf-8").splitlines(), 1):
        tap = _TAP.fullmatch(line)
        if tap is None:
            if not _OTHER.fullmatch(line):
                raise TapError(
                    f"{sheet.name}:{number}: found {line!r}, expected a tap or a comment"
                )
            continue
        name, letter, path = tap.groups()
        if name in found or (letter is not None) != (f"[{letter}]" in path):
            raise TapError(
                f"{sheet.name}:{number}: {name} is defined twice, or its number is unused"
            )
        found[name] = path, letter
    return found


def is_tap(name: str) -> bool:
    """Whether a name is a tap's: with a number where, and only where, the tap takes one."""
    parts = _NAME.fullmatch(name)
    if parts is None or parts[1] not in taps():
        return False
    return (taps()[parts[1]][1] is None) == (parts[2] is None)


def rtl_path(name: str) -> str:
    """Where a tap is in the RTL, from the core's instance down; TapError when there is none."""
    parts = _NAME.fullmatch(name)
    if parts is None or not is_tap(name):
        raise TapError(f"{name}: found no such tap in {SHEET.name}")
    base, number = parts.groups()
    path, letter = taps()[base]
    return path if letter is None else path.replace(f"[{letter}]", f"[{number}]")


def tap_path(name: str) -> str:
    """The path of a tap in a dump, below the bench's top; TapError when there is none of the name.

    A member of a struct has no path of its own there, see stream_fields.sv.
    """
    path = rtl_path(name)
    return f"{FIELDS}.{name}" if _MEMBER.search(path) else path
