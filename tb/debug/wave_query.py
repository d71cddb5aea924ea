# SPDX-License-Identifier: Apache-2.0
"""Waves read back: values of any signal at each rising clock edge, as numpy arrays.

A question about time becomes one expression::

    wave = Wave("build/run/.../edgedrnn_tb.fst")
    queued = wave["work_valid"] & (wave["work_type"] != 2)   # an entry that has beats
    assert not (queued & wave["reader_idle"]).any()

What a value at an edge means is what a flip-flop takes there: the value just before the edge.
Edges in reset are left out.
A signal of the core is named by its tap (`tb.debug.taps`); any other by its path from below the
bench's top, whatever that is called, or by any unique ending.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pywellen

from golden.arrays import Int64s
from tb.debug.taps import DUT, is_tap, tap_path, taps

_T = TypeVar("_T")

CLOCK = "clk"
RESET_N = "rst_n"
CYCLE = "u_trace.cycle_q"
PS_PER_NS = 1000
UNITS = {"fs": -15, "ps": -12, "ns": -9, "us": -6, "ms": -3, "s": 0}


class WaveError(ValueError):
    """A dump that is missing or damaged, or a question it cannot answer; one line says which."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's panics, which it prints itself, off the terminal."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _guarded(path: Path, action: Callable[[], _T]) -> _T:
    """Call the library; its panics, which are no Exceptions, and errors become WaveError."""
    try:
        with _quiet():
            return action()
    except (KeyboardInterrupt, SystemExit, WaveError):
        raise
    except BaseException as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WaveError(
            f"{path}: not a dump that can be read ({why}), expected a whole FST or VCD file"
        ) from None


class Moment:
    """All signals at one clock edge; ``moment["state"]`` is a Python number."""

    def __init__(self, wave: Wave, index: int) -> None:
        self._wave = wave
        self.index = index

    def __getitem__(self, name: str) -> int:
        return int(self._wave[name][self.index])


class Wave:
    """A dump, FST or VCD. Raises WaveError when it cannot be read or has no clock.

    ``edges``: times of the rising edges in ps, int64 (N,). ``cycle``: their numbers, int64 (N,), as
    the trace monitor counts them; without one in the dump 0, 1, 2... ``top``: the scope above the
    core, with its dot. ``names``: full names of all signals.
    """

    def __init__(self, path: str | Path, clock: str = CLOCK) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise WaveError(f"{path}: found no such file, expected a dump (FST or VCD)")
        dump = _guarded(self.path, lambda: pywellen.Waveform(str(self.path)))
        self._vars = _guarded(self.path, lambda: {v.full_name: v for v in dump.all_vars()})
        self.names = list(self._vars)
        scale = dump.timescale
        exponent = UNITS.get(str(scale.unit), -12) + 12 if scale else 0
        self.ps_per_unit = (scale.factor if scale else 1) * 10.0**exponent
        self.top = self._find_top()
        self._values: dict[str, np.ndarray] = {}
        self._known: dict[str, np.ndarray] = {}
        times, values = self.changes(clock)
        bits = np.array([value == 1 for value in values], bool)
        rises = bits & ~np.concatenate(([True], bits[:-1]))
        self.edges = times[rises]
        if RESET_N in self:
            self.edges = self.edges[self.get(RESET_N, unknown=0) == 1]
            self._values.clear()
            self._known.clear()
        if not len(self.edges):
            raise WaveError(f"{path}: found no rising edge of {clock} out of reset, expected one")
        self.end = max(int(times[-1]), int(self.edges[-1]))
        self.cycle = np.arange(len(self.edges), dtype=np.int64)
        with contextlib.suppress(WaveError):
            self.cycle = self.get(CYCLE, unknown=-1).astype(np.int64)

    def _find_top(self) -> str:
        for name in self.names:
            if f".{DUT}." in f".{name}":
                return f".{name}".split(f".{DUT}.")[0].removeprefix(".") + "."
        raise WaveError(
            f"{self.path}: found no instance {DUT}, expected a dump of one of tb's tops"
        )

    # ------------------------------------------------------------ names

    def _matches(self, name: str) -> list[str]:
        tap = tap_path(name) if is_tap(name) else name
        for full in (self.top + tap, name, self.top + name):
            if full in self._vars:
                return [full]
        return [full for full in self.names if full.endswith("." + name)]

    def find(self, name: str) -> str:
        """The full name that ``name`` means; WaveError, with what is near, if none or several."""
        found = self._matches(name)
        if len(found) == 1:
            return found[0]
        near = found or difflib.get_close_matches(self.top + name, self.names, 3, 0.75)
        near = near or difflib.get_close_matches(name, taps(), 3, 0.75)
        raise WaveError(
            f"{self.path}: {name}: found {len(found) or 'no'} such signal"
            f"{'s' if len(found) > 1 else ''}, expected one"
            + (f"; near are {', '.join(near[:3])}" if near else "")
        )

    def __contains__(self, name: str) -> bool:
        return len(self._matches(name)) == 1

    def width(self, name: str) -> int:
        """Bits of a signal."""
        return int(self._vars[self.find(name)].length or 1)

    # ------------------------------------------------------------ values

    def changes(self, name: str) -> tuple[np.ndarray, list[int | str]]:
        """(times in ps, int64 (K,); values: integers, or text where bits are x or z)."""
        full = self.find(name)
        pairs = _guarded(self.path, lambda: list(self._vars[full].signal))
        times = np.array([time for time, _ in pairs], np.float64) * self.ps_per_unit
        return np.rint(times).astype(np.int64), [value for _, value in pairs]

    def _sample(self, name: str) -> str:
        full = self.find(name)
        if full in self._values:
            return full
        times, values = self.changes(full)
        place = np.searchsorted(times, self.edges, side="left") - 1  # the last change before it
        good = np.array([not isinstance(value, str) for value in values], bool)
        numbers = [0 if isinstance(value, str) else value for value in values]
        width = self.width(full)
        kind = (
            bool if width == 1 else np.int64 if width < 64 else np.uint64 if width == 64 else object
        )
        if not values:
            numbers, good, place = [0], np.array([False]), np.zeros_like(place)
        self._values[full] = np.array(numbers, kind)[np.maximum(place, 0)]
        self._known[full] = good[np.maximum(place, 0)] & (place >= 0)
        return full

    def __getitem__(self, name: str) -> np.ndarray:
        """Values at each edge, (N,): bool for one bit, integers, unsigned, for more.

        Raises WaveError when any is unknown: an x must not pass for a 0. See ``get``.
        """
        full = self._sample(name)
        known = self._known[full]
        if not known.all():
            first = int(self.cycle[np.argmin(known)])
            raise WaveError(
                f"{self.path}: {name}: found {int((~known).sum())} unknown values, the first in"
                f" cycle {first}, expected none; get({name!r}, unknown=...) names a stand-in"
            )
        return self._values[full]

    def get(self, name: str, unknown: int) -> np.ndarray:
        """As ``wave[name]``, with ``unknown`` where bits are x or z or nothing has been dumped."""
        full = self._sample(name)
        values = self._values[full]
        kind = {"bool": np.int64, "uint64": object}.get(values.dtype.name, values.dtype)
        values = values.astype(kind)  # a copy that holds any stand-in
        values[~self._known[full]] = unknown
        return values

    def known(self, name: str) -> np.ndarray:
        """Whether the signal has a known value at each edge, bool (N,)."""
        return self._known[self._sample(name)]

    def signed(self, name: str) -> np.ndarray:
        """As ``wave[name]``, two's complement, int64 (N,); for signals of up to 64 bits."""
        values = self[name].astype(np.int64)
        width = self.width(name)
        return values if width >= 64 else values - ((values >> (width - 1)) << width)

    # ------------------------------------------------------------ times

    def index_of(self, cycle: int) -> int:
        """Place of a cycle in the arrays; WaveError if the dump does not hold it."""
        found = np.flatnonzero(self.cycle == cycle)
        if not len(found):
            raise WaveError(
                f"{self.path}: cycle {cycle} not found, expected {self.cycle.min()} to"
                f" {self.cycle.max()}"
            )
        return int(found[-1])

    def at(self, cycle: int) -> Moment:
        """All signals in one cycle."""
        return Moment(self, self.index_of(cycle))

    def when(self, condition: npt.ArrayLike) -> Int64s:
        """Numbers of the cycles in which ``condition``, bool (N,), holds."""
        chosen: Int64s = self.cycle[np.asarray(condition, bool)]
        return chosen

    def index_at_ns(self, time_ns: float) -> int:
        """Place of the last edge not after a time; WaveError outside the dump."""
        time = round(time_ns * PS_PER_NS)
        if not 0 <= time <= max(self.end, int(self.edges[-1])) or time < self.edges[0]:
            raise WaveError(
                f"{self.path}: {time_ns:g} ns is outside, expected {self.edges[0] / PS_PER_NS:g} to"
                f" {self.end / PS_PER_NS:g} ns"
            )
        return int(np.searchsorted(self.edges, time, side="right") - 1)
