# SPDX-License-Identifier: Apache-2.0
"""One call from a dump to layouts, pictures and text; files appear whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from golden.files import whole_path, write_text
from tb.debug.wave_query import Wave, WaveError
from tb.debug.waves.catalog import Group, in_dump
from tb.debug.waves.diagram import Diagram, diagram, same_lane
from tb.debug.waves.gtkwave import write_gtkwave
from tb.debug.waves.moment import Divergence, View, load_divergence, view_of
from tb.debug.waves.picture import draw_picture
from tb.debug.waves.surfer import write_surfer

BESIDE = "divergence.json"
BEFORE, AFTER = 9, 3  # cycles of a picture around its centre
LAYOUT_BEFORE, LAYOUT_AFTER = 24, 8


@dataclass(frozen=True)
class Scene:
    """A dump, what is in it, and the moment to look at."""

    wave: Wave
    groups: tuple[Group, ...]
    view: View

    def diagram(self, cycles: int = BEFORE + AFTER + 1, groups: Sequence[str] = ()) -> Diagram:
        """The picture of ``cycles`` cycles around the moment, three quarters of them before it."""
        after = cycles // 4
        window = self.view.window(self.wave, cycles - 1 - after, after)
        return diagram(self.wave, self.groups, self.view, window, groups)

    def gtkwave(self, path: Path) -> None:
        """Write a GTKWave save file, names of enums in a folder beside it."""
        window = self.view.window(self.wave, LAYOUT_BEFORE, LAYOUT_AFTER)
        filters = path.with_name(f"{path.stem}_enums")
        _whole(path, lambda out: write_gtkwave(
            out, self.wave, self.groups, self.view, window, filters))  # fmt: skip

    def surfer(self, path: Path) -> None:
        """Write a Surfer command file, mnemonics in a folder ``.surfer`` beside it."""
        window = self.view.window(self.wave, LAYOUT_BEFORE, LAYOUT_AFTER)
        _whole(path, lambda out: write_surfer(
            out, self.wave, self.groups, self.view, window, path.parent))  # fmt: skip


def _whole(path: Path, write: Callable[[io.StringIO], None]) -> None:
    text = io.StringIO()
    write(text)
    write_text(path, text.getvalue())


def save_picture(shown: Diagram, path: Path) -> None:
    """Draw into a file whose suffix is .svg or .png."""
    with whole_path(path) as scratch:
        draw_picture(shown, scratch)


def open_scene(
    dump: Path | None,
    divergence: Path | None = None,
    at_ns: float | None = None,
    step: int | None = None,
) -> Scene:
    """Read a dump and, if there is one, the divergence that goes with it.

    Without ``dump`` the divergence names it; without ``divergence`` a ``divergence.json`` beside
    the dump is taken if it names this dump. Raises WaveError.
    """
    found: Divergence | None = None
    if divergence is not None:
        found = load_divergence(divergence)
        dump = dump or found.dump
    elif dump is not None and (dump.parent / BESIDE).is_file():
        beside = load_divergence(dump.parent / BESIDE)
        found = beside if beside.dump and beside.dump.name == dump.name else None
    if dump is None:
        if found is not None:
            raise WaveError(f"{divergence}: names no dump, expected one made with waves")
        raise WaveError("found neither a dump nor a divergence.json, expected one of them")
    wave = Wave(dump)
    groups = in_dump(wave)
    if not groups:
        raise WaveError(f"{dump}: found no signal of tb/tables/waves.toml in it, expected some")
    if found is not None:
        groups = tuple(_lane_first(group, found) for group in groups)
    return Scene(wave, groups, view_of(wave, found, at_ns, step))


def _lane_first(group: Group, wrong: Divergence) -> Group:
    """Of the stage at fault, what belongs to the wrong signal's lane before the other lanes."""
    if wrong.module not in group.modules:
        return group
    rows = sorted(group.rows, key=lambda row: not same_lane(row, wrong.signal))
    return replace(group, rows=tuple(rows))
