"""Surfer command files: ``surfer --command-file FILE DUMP``.

Surfer knows fixed point only for signals whose range says so, as ``[7:-8]`` does, and no radix
point for others: those are shown as signed integers, in units of the last place, which the label
names. Names of enums come from mnemonic files in ``.surfer/mnemonic`` below the folder it is
started in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tb.env.wave_query import Wave
from tb.env.waves.catalog import Group, Row
from tb.env.waves.moment import View

FORMATS = {"bin": "Binary", "hex": "Hexadecimal", "dec": "Unsigned", "signed": "Signed"}
MNEMONICS = Path(".surfer") / "mnemonic"
MARKERS = 24


def write_surfer(
    out: TextIO, wave: Wave, groups: Sequence[Group], view: View, window: range, folder: Path
) -> None:
    """Write a command file; names of enums go into mnemonic files below ``folder``.

    All items are added first and dressed afterwards, since a new one goes behind the focused one.
    """
    unit = wave.ps_per_unit
    wrong = view.divergence.signal if view.divergence else None
    dress: list[str] = []
    item = 0
    for group in groups:
        out.write(f"divider_add {group.name}\n")
        item += 1
        for row in group.rows:
            full = wave.top + row.path
            out.write(f"variable_add {full}\n")
            looks = [*_looks(row, wave.width(full), folder)]
            if full == wrong:
                looks.append("item_set_color Red")
            elif row.is_golden:
                looks.append("item_set_color Yellow")
            if looks:
                dress += [f"item_focus {_letters(item)}_{full}", *looks]
            item += 1
    out.writelines(f"{line}\n" for line in dress)
    out.write("item_unfocus\n")
    used: set[str] = set()
    for marker in view.markers[:MARKERS]:
        name = marker.name.replace(" ", "_")
        while name in used:
            name += "'"
        used.add(name)
        out.write(f"marker_set {name} {int(marker.time_ps / unit)}\n")
    times = wave.edges[[window[0], window[-1]]]
    doublings = max(0, round(math.log2(max(1.0, wave.end / max(1, times[1] - times[0])))))
    out.write(f"zoom_fit\ncursor_set {int(wave.edges[view.centre] / unit)}\n")
    out.write("zoom_in\ngoto_cursor\n" * doublings)


def _letters(item: int) -> str:
    """Surfer's name of the place of an item: its number in hex, written a to p."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in f"{item:x}")


def _looks(row: Row, width: int, folder: Path) -> list[str]:
    style = row.format
    if style.what == "enum":
        name = row.path.split(".")[-1] if row.path.count(".") == 1 else row.path.split(".", 1)[1]
        name = name.replace(".", "_")
        table = folder / MNEMONICS / f"{name}.txt"
        table.parent.mkdir(parents=True, exist_ok=True)
        # In binary: 10 and 11 would be read as that whatever is meant.
        lines = [f"{value:0{width}b} {text}" for value, text in style.names.items()]
        table.write_text(f"Name: {name}\nBits: {width}\n" + "\n".join(lines) + "\n")
        return [f"item_set_format {name}"]
    if style.what == "fixed":
        if style.lanes(width) > 1:
            return []
        sign = "Signed" if style.signed else "Unsigned"
        return [f"item_set_format {sign}", f"item_rename {row.label} / {1 << style.fraction}"]
    return [f"item_set_format {FORMATS[style.what]}"] if style.what in FORMATS else []
