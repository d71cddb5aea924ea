"""Memory timing: TOML file in, plusargs of ``tb/sv/memories/axi_dram.sv`` out.

``tb/tables/dram/ideal.toml`` and ``tb/tables/dram/ddr3l.toml`` show every key; a user's own file
has the same. ``far`` is a DDR3L at 200 cycles of latency.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from golden.timing import IDEAL, MemoryTiming
from tb.paths import TABLES

DRAM_DIR = TABLES / "dram"
MODES = ("ideal", "ddr3l")
BUILT_IN = (*MODES, "far")
MAX_OUTSTANDING = 64  # QueueDepth of axi_dram
CHUNK_BYTES = 128  # ChunkBytes of axi_dram: what it schedules at a time

_PS = 1000  # picoseconds in a nanosecond

# section -> key -> (plusarg, factor from the file's unit, lowest, highest)
_NUMBERS: dict[str, dict[str, tuple[str, int, float, float]]] = {
    "": {"outstanding": ("DRAM_OUTSTANDING", 1, 1, MAX_OUTSTANDING)},
    "stall": {
        "ar_probability": ("DRAM_STALL_AR", 1000, 0, 0.999),
        "r_probability": ("DRAM_STALL_R", 1000, 0, 0.999),
        "seed": ("DRAM_STALL_SEED", 1, 0, 2**31 - 1),
    },
    "port": {"period_ns": ("DRAM_PORT_PERIOD", _PS, 0.1, 1000)},
    "geometry": {
        "bus_bytes": ("DRAM_BUS_BYTES", 1, 1, 16),
        "row_bytes": ("DRAM_LOG2_ROW_BYTES", 1, CHUNK_BYTES, 65536),
        "banks": ("DRAM_LOG2_BANKS", 1, 1, 16),
    },
    "device": {
        "t_ck_ns": ("DRAM_TCK", _PS, 0.1, 100),
        "t_rcd_ns": ("DRAM_TRCD", _PS, 0, 1000),
        "t_rp_ns": ("DRAM_TRP", _PS, 0, 1000),
        "t_ras_ns": ("DRAM_TRAS", _PS, 0, 1000),
        "t_cl_ns": ("DRAM_TCL", _PS, 0, 1000),
        "t_rrd_ns": ("DRAM_TRRD", _PS, 0, 1000),
        "t_faw_ns": ("DRAM_TFAW", _PS, 0, 1000),
        "t_rtp_ns": ("DRAM_TRTP", _PS, 0, 1000),
        "t_refi_ns": ("DRAM_TREFI", _PS, 0, 1e6),
        "t_rfc_ns": ("DRAM_TRFC", _PS, 0, 1e6),
    },
    "controller": {
        "front_ns": ("DRAM_FRONT", _PS, 0, 1e6),
        "back_ns": ("DRAM_BACK", _PS, 0, 1e6),
        "fifo_bytes": ("DRAM_FIFO_BYTES", 1, 2 * CHUNK_BYTES, 8192),
    },
}
_INTEGER_KEYS = {"outstanding", "seed", "bus_bytes", "row_bytes", "banks", "fifo_bytes"}
_POWERS_OF_TWO = {"bus_bytes", "row_bytes", "banks"}
_DDR_SECTIONS = ("port", "geometry", "device", "controller")


class DramError(ValueError):
    """A memory file that cannot be used: one line, ``file: key: found ..., expected ...``."""


@dataclass(frozen=True)
class Dram:
    """A checked memory configuration; ``values`` maps plusarg names to integers."""

    source: str
    mode: str
    values: Mapping[str, int]

    def plusargs(self, seed: int | None = None) -> list[str]:
        """``NAME=value`` strings for the simulator; ``seed`` replaces the seed of the stalls."""
        values = dict(self.values)
        if seed is not None:
            values["DRAM_STALL_SEED"] = seed % 2**31
        return [f"{name}={value}" for name, value in values.items()]

    def timing(self) -> MemoryTiming:
        """What the analytic model needs: latency in port cycles, sustained beats a cycle of a
        64-bit port. Random stalls are not in it.
        """
        if self.mode == "ideal":
            return IDEAL
        v = {name.removeprefix("DRAM_"): value for name, value in self.values.items()}
        transfer = CHUNK_BYTES // v["BUS_BYTES"] * v["TCK"] / 2
        latency = v["FRONT"] + v["BACK"] + v["TRCD"] + v["TCL"] + 4 * v["TCK"]
        latency += v["TRP"]  # another row is open
        share = 1 - v["TRFC"] / v["TREFI"] if v["TREFI"] else 1.0
        rate = share * CHUNK_BYTES / transfer * v["PORT_PERIOD"] / 8
        return MemoryTiming(latency / v["PORT_PERIOD"], min(1.0, rate))


def load_dram(name: str | Path) -> Dram:
    """Read ``ideal``, ``ddr3l`` or a TOML file. Raises DramError of one line."""
    path = DRAM_DIR / f"{name}.toml" if str(name) in BUILT_IN else Path(name)
    source = str(name)
    if not path.is_file():
        raise DramError(
            f"{source}: file: found none, expected {', '.join(BUILT_IN)} or a TOML file"
        )
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise DramError(f"{source}: file: not TOML: {error}") from error
    return parse_dram(table, source)


def parse_dram(table: Mapping[str, object], source: str = "dram") -> Dram:
    """Check a parsed TOML table. Raises DramError that names ``source`` and the first bad key."""

    def fail(key: str, found: object, expected: str) -> None:
        raise DramError(f"{source}: {key}: found {found}, expected {expected}")

    mode = table.get("mode")
    if mode not in MODES:
        fail("mode", repr(mode) if mode is not None else "nothing", '"ideal" or "ddr3l"')
    sections = ("stall",) if mode == "ideal" else ("stall", *_DDR_SECTIONS)
    for key, value in table.items():
        if key != "mode" and key not in _NUMBERS[""] and key not in sections:
            known = ", ".join(["mode", *_NUMBERS[""], *(f"[{s}]" for s in sections)])
            fail(key, f"an unknown key for mode {mode}", known)
        if key in sections and not isinstance(value, Mapping):
            fail(key, repr(value), "a section")

    values = {"DRAM_MODE": MODES.index(str(mode))}
    given = {"": {k: v for k, v in table.items() if k in _NUMBERS[""]}}
    given |= {s: table.get(s, {}) for s in sections}
    for section, keys in given.items():
        prefix = f"{section}." if section else ""
        for key in keys:
            if key not in _NUMBERS[section]:
                fail(f"{prefix}{key}", "an unknown key", ", ".join(_NUMBERS[section]))
        for key, (plusarg, factor, low, high) in _NUMBERS[section].items():
            if key not in keys:
                if section in _DDR_SECTIONS:  # a timing left out would be a silent zero
                    fail(f"{prefix}{key}", "nothing", f"a number, {low:g} to {high:g}")
                continue
            value = keys[key]
            kind = "an integer" if key in _INTEGER_KEYS else "a number"
            expected = f"{kind}, {low:g} to {high:g}"
            right_type = isinstance(value, int if key in _INTEGER_KEYS else (int, float))
            if not right_type or isinstance(value, bool) or not low <= value <= high:
                fail(f"{prefix}{key}", repr(value), expected)
            if key in _POWERS_OF_TWO and value & (value - 1):
                fail(f"{prefix}{key}", repr(value), f"{expected}, a power of two")
            if plusarg.startswith("DRAM_LOG2"):
                value = value.bit_length() - 1
            values[plusarg] = round(value * factor)
    if mode == "ddr3l":
        burst = CHUNK_BYTES // values["DRAM_BUS_BYTES"] * values["DRAM_TCK"]
        busy = sum(values[f"DRAM_{t}"] for t in ("TRP", "TRFC", "TRCD", "TCL", "TRAS")) + burst
        if 0 < values["DRAM_TREFI"] <= 2 * busy:
            fail(
                "device.t_refi_ns",
                f"{values['DRAM_TREFI'] / _PS:g}",
                f"0 (no refresh) or more than {2 * busy / _PS:g}, so that reads fit in between",
            )
    return Dram(source, str(mode), values)
