# SPDX-License-Identifier: Apache-2.0
"""Surfer command files: ``surfer --command-file FILE DUMP``.

Surfer's own fixed point is for signals whose range says where the point is, as ``[7:-8]`` does.
Ours say nothing, so names of enums and fixed-point numbers both come from mnemonic files: a text
for each value that occurs in this dump. They are written to ``.surfer/mnemonic``, Surfer's folder
for things of a project; where a Surfer reads only ``~/.config/surfer/mnemonic``, copy them there. A
Surfer without mnemonics shows the signals as integers, in units of the last place.

Surfer reports a line that it does not take in its log alone and goes on, and then every place
behind it is another's. Layouts were opened in a web build of Surfer (June 2026, near 0.7.0), which
takes every line. It has no mnemonics: their files were compared with the source of three states of
their reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from golden.files import write_text
from tb.debug.wave_query import Wave
from tb.debug.waves.catalog import Group, Row
from tb.debug.waves.diagram import rows_of
from tb.debug.waves.moment import View

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
    first: list[Group] = []
    if view.divergence is not None and view.divergence.signal in wave:
        rows = tuple(rows_of(wave, groups, view.divergence))
        first = [Group("first wrong value", rows)]
    mnemonics = _Mnemonics(folder)
    dress: list[str] = []
    item = 0
    for group in [*first, *groups]:
        out.write(f"divider_add {_word(group.name)}\n")
        item += 1
        for row in group.rows:
            full = wave.top + row.path
            out.write(f"variable_add {full}\n")
            looks = _looks(wave, row, mnemonics)
            if full == wrong:
                looks.append("item_set_color Red")
            elif row.is_golden:
                looks.append("item_set_color Yellow")
            if looks:
                dress += [f"item_focus {_letters(item)}_{full}", *looks]
            item += 1
    mnemonics.write()
    out.writelines(f"{line}\n" for line in dress)
    out.write("item_unfocus\n")
    used: set[str] = set()
    for marker in view.markers[:MARKERS]:
        name = _word(marker.name)
        while name in used:
            name += "'"
        used.add(name)
        out.write(f"marker_set {name} {int(marker.time_ps / unit)}\n")
    times = wave.edges[[window[0], window[-1]]]
    doublings = max(0, round(math.log2(max(1.0, wave.end / max(1, times[1] - times[0])))))
    out.write(f"zoom_fit\ncursor_set {int(wave.edges[view.centre] / unit)}\n")
    out.write("zoom_in\ngoto_cursor\n" * doublings)


def _word(name: str) -> str:
    """A name as one word: a divider whose name has two is not made at all."""
    return name.replace(" ", "_")


def _letters(item: int) -> str:
    """Surfer's name of the place of an item: its number in hex, written a to p."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in f"{item:x}")


class _Mnemonics:
    """Files of texts, a file for each enum or kind of number, filled row by row."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / MNEMONICS
        self.tables: dict[tuple[str, int], dict[int, str]] = {}

    def add(self, name: str, width: int, texts: Mapping[int, str]) -> str:
        """Add texts of values to a table; what Surfer calls it."""
        self.tables.setdefault((name, width), {}).update(texts)
        return f"{name}_{width}"

    def write(self) -> None:
        """Write the files. Values in hex: Surfers take bare digits for binary, or for decimal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for (name, width), texts in self.tables.items():
            lines = [f"{value:#x} {text}" for value, text in sorted(texts.items())]
            head = f"Name: {name}_{width}\nBits: {width}\n"
            text = head + "\n".join(lines) + "\n"
            write_text(self.folder / f"{name}_{width}.txt", text)


def _looks(wave: Wave, row: Row, mnemonics: _Mnemonics) -> list[str]:
    style, full = row.format, wave.top + row.path
    width = wave.width(full)
    if style.what == "enum":
        return [f"item_set_format {mnemonics.add(style.name, width, style.names)}"]
    if style.what == "fixed":
        if style.lanes(width) > 1:
            return []
        values = {value for value in wave.changes(full)[1] if not isinstance(value, str)}
        texts = {value: style.text(value, width) for value in values}
        sign = "Signed" if style.signed else "Unsigned"
        name = mnemonics.add(style.name, width, texts)
        return [f"item_set_format {sign}", f"item_set_format {name}"]
    return [f"item_set_format {FORMATS[style.what]}"] if style.what in FORMATS else []
