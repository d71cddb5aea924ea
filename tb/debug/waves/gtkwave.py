# SPDX-License-Identifier: Apache-2.0
"""GTKWave save files."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from vcd.gtkw import GTKWColor, GTKWFlag, GTKWSave

from golden.files import write_text
from tb.debug.wave_query import Wave
from tb.debug.waves.catalog import Group, Row
from tb.debug.waves.diagram import rows_of
from tb.debug.waves.moment import View

WINDOW = (1600, 1000)
NAMES_WIDTH = 320
TREE_WIDTH = 1
FRAME = 200  # pixels that 2^-zoom units of time take
FORMATS = {"bit": "bin", "bin": "bin", "hex": "hex", "dec": "dec", "signed": "signed"}


def write_gtkwave(
    out: TextIO, wave: Wave, groups: Sequence[Group], view: View, window: range, filters: Path
) -> None:
    """Write a save file; names of enums go into files in the folder ``filters``.

    The signals of a divergence come first; groups that it is not in are folded.
    """
    save = GTKWSave(out)
    save.dumpfile(str(wave.path))
    save.size(*WINDOW)
    save.signals_width(NAMES_WIDTH)
    save.sst_expanded(False)
    times = wave.edges[[window[0], window[-1]]] / wave.ps_per_unit
    span = max(1.0, float(times[1] - times[0]))
    save.timestart(int(times[0]))
    letters = dict(zip(string.ascii_lowercase, view.markers, strict=False))
    marked = {k: int(marker.time_ps / wave.ps_per_unit) for k, marker in letters.items()}
    centre = int(wave.edges[view.centre] / wave.ps_per_unit)
    zoom = -math.log2(span * FRAME / (WINDOW[0] - NAMES_WIDTH - TREE_WIDTH))
    save.zoom_markers(zoom, centre, **marked)
    for letter, marker in letters.items():
        out.write(f"[markername_long] {letter.upper()} {marker.name}\n")
    wrong = view.divergence
    if wrong is not None and wrong.signal in wave:
        with save.group("first wrong value"):
            for row in rows_of(wave, groups, wrong):
                _trace(save, out, wave, row, filters, wrong.signal)
    for group in groups:
        folded = wrong is not None and wrong.module not in group.modules
        with save.group(group.name, closed=folded):
            for row in group.rows:
                _trace(save, out, wave, row, filters, wrong.signal if wrong else None)


def _trace(
    save: GTKWSave, out: TextIO, wave: Wave, row: Row, filters: Path, wrong: str | None
) -> None:
    full = wave.top + row.path
    width = wave.width(full)
    name = full if width == 1 else f"{full}[{width - 1 + row.low}:{row.low}]"
    colour: Any = GTKWColor.normal  # pyvcd's annotations leave out its own colours
    if full == wrong:
        colour = GTKWColor.red
    elif row.is_golden:
        colour = GTKWColor.orange
    style = row.format
    lanes = style.lanes(width)
    if lanes > 1:
        folded = GTKWFlag.grp_begin | GTKWFlag.closed
        with save.trace_bits(name, row.label, colour, "hex", extraflags=folded):
            for lane in range(lanes):
                _lane(save, out, name, row, width, lane)
        return
    if style.what == "fixed":
        _fixed(save, out, row, f"+{{{row.label}}} {name}", colour)
    elif style.what == "enum":
        table = filters / f"{style.name}.txt"
        lines = [f"{value:x} {text}" for value, text in style.names.items()]
        filters.mkdir(parents=True, exist_ok=True)
        write_text(table, "\n".join(lines) + "\n")
        save.trace(name, row.label, colour, translate_filter_file=str(table.resolve()))
    else:
        save.trace(name, row.label, colour, FORMATS[style.what])


def _fixed(save: GTKWSave, out: TextIO, row: Row, line: str, colour: GTKWColor) -> None:
    """A fixed-point trace: a flag and a count that the library has no word for."""
    radix = GTKWFlag.signed if row.format.signed else GTKWFlag.dec
    save._set_flags(radix | GTKWFlag.rjustify | GTKWFlag.fpdecshift)
    save._set_color(colour)
    out.write(f"[fpshift_count] {row.format.fraction}\n{line}\n")


def _lane(save: GTKWSave, out: TextIO, name: str, row: Row, width: int, lane: int) -> None:
    """One element of a word: its bits, the highest first, counted from the word's highest."""
    bits = row.format.bits
    first = width - (lane + 1) * bits
    parts = " ".join(f"({first + bit}){name}" for bit in range(bits))
    _fixed(save, out, row, f"#{{{row.label}[{lane}]}} {parts}", GTKWColor.normal)
