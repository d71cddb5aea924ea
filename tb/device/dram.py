# SPDX-License-Identifier: Apache-2.0
"""Memory timing: TOML file in, plusargs of ``tb/sv/memories/axi_dram.sv`` out.

``tb/tables/dram/ideal.toml`` and ``tb/tables/dram/ddr3l.toml`` show every key; a user's own file
has the same. ``far`` is a DDR3L at 200 cycles of latency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from golden.timing import IDEAL, MemoryTiming
from golden.toml_file import TomlError, read_toml, typed
from tb.paths import TABLES

DRAM_DIR = TABLES / "dram"
MODES = ("ideal", "ddr3l")
BUILT_IN = (*MODES, "far")
MAX_OUTSTANDING = 64  # QueueDepth of axi_dram
CHUNK_BYTES = 128  # ChunkBytes of axi_dram: what it schedules at a time

Chance = Annotated[float, Meta(ge=0, le=0.999)]
Period = Annotated[float, Meta(ge=0.1, le=1000)]
Time = Annotated[float, Meta(ge=0, le=1000)]
LongTime = Annotated[float, Meta(ge=0, le=1e6)]


class Stall(Struct, frozen=True, forbid_unknown_fields=True):
    """Random waits: chances that arready is low, and that a beat waits one more cycle."""

    ar_probability: Chance | None = None
    r_probability: Chance | None = None
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


class Port(Struct, frozen=True, forbid_unknown_fields=True):
    """The port's clock."""

    period_ns: Period


class Geometry(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes, powers of two: width of the bus, bytes of a row, banks."""

    bus_bytes: Literal[1, 2, 4, 8, 16]
    row_bytes: Literal[128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]
    banks: Literal[1, 2, 4, 8, 16]


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """Times of the DRAM, by the names of its data sheet. A time left out would be a silent zero."""

    t_ck_ns: Annotated[float, Meta(ge=0.1, le=100)]
    t_rcd_ns: Time
    t_rp_ns: Time
    t_ras_ns: Time
    t_cl_ns: Time
    t_rrd_ns: Time
    t_faw_ns: Time
    t_rtp_ns: Time
    t_refi_ns: LongTime
    t_rfc_ns: LongTime


class Controller(Struct, frozen=True, forbid_unknown_fields=True):
    """What lies between port and DRAM: delays on the way there and back, the read buffer."""

    front_ns: LongTime
    back_ns: LongTime
    fifo_bytes: Annotated[int, Meta(ge=2 * CHUNK_BYTES, le=8192)]


Outstanding = Annotated[int, Meta(ge=1, le=MAX_OUTSTANDING)]


class Ideal(Struct, frozen=True, forbid_unknown_fields=True, tag_field="mode", tag="ideal"):
    """A memory that never keeps the port waiting, but for stalls."""

    outstanding: Outstanding | None = None
    stall: Stall = Stall()


class Ddr3l(Struct, frozen=True, forbid_unknown_fields=True, tag_field="mode", tag="ddr3l"):
    """A DDR3L device behind a controller."""

    port: Port
    geometry: Geometry
    device: Device
    controller: Controller
    outstanding: Outstanding | None = None
    stall: Stall = Stall()

    def __post_init__(self) -> None:
        """Raise ValueError where refresh leaves no time for reads."""
        of = self.device
        burst = CHUNK_BYTES // self.geometry.bus_bytes * of.t_ck_ns
        busy = of.t_rp_ns + of.t_rfc_ns + of.t_rcd_ns + of.t_cl_ns + of.t_ras_ns + burst
        if 0 < of.t_refi_ns <= 2 * busy:
            raise ValueError(
                f"device.t_refi_ns: found {of.t_refi_ns:g}, expected 0 (no refresh) or more than "
                f"{2 * busy:g}, so that reads fit in between"
            )


# A union is no type[...] to mypy.
_KINDS: type[Ideal | Ddr3l] = Ideal | Ddr3l  # type: ignore[assignment]

_PLUSARGS = {
    "outstanding": "DRAM_OUTSTANDING",
    "ar_probability": "DRAM_STALL_AR",
    "r_probability": "DRAM_STALL_R",
    "seed": "DRAM_STALL_SEED",
    "period_ns": "DRAM_PORT_PERIOD",
    "bus_bytes": "DRAM_BUS_BYTES",
    "row_bytes": "DRAM_LOG2_ROW_BYTES",
    "banks": "DRAM_LOG2_BANKS",
    "front_ns": "DRAM_FRONT",
    "back_ns": "DRAM_BACK",
    "fifo_bytes": "DRAM_FIFO_BYTES",
}
"""By key. Device times follow their names: ``t_rcd_ns`` is DRAM_TRCD."""


def _plusarg(key: str, value: float) -> tuple[str, int]:
    """Name and value of a key's plusarg: picoseconds, thousandths, logarithms."""
    name = _PLUSARGS.get(key) or f"DRAM_T{key.removeprefix('t_').removesuffix('_ns').upper()}"
    if name.startswith("DRAM_LOG2"):
        return name, int(value).bit_length() - 1
    if key.endswith(("_ns", "_probability")):
        return name, round(value * 1000)
    return name, round(value)


class DramError(TomlError):
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
    return _dram(read_toml(path, _KINDS, DramError, source), source)


def parse_dram(table: Mapping[str, object], source: str = "dram") -> Dram:
    """Check a parsed TOML table. Raises DramError that names ``source`` and the first bad key."""
    return _dram(typed(table, _KINDS, source, DramError), source)


def _dram(file: Ideal | Ddr3l, source: str) -> Dram:
    mode = "ideal" if isinstance(file, Ideal) else "ddr3l"
    given: dict[str, object] = {"outstanding": file.outstanding, **asdict(file.stall)}
    if isinstance(file, Ddr3l):
        for section in (file.port, file.geometry, file.device, file.controller):
            given |= asdict(section)
    values = {"DRAM_MODE": MODES.index(mode)}
    for key, value in given.items():
        if isinstance(value, int | float):
            name, number = _plusarg(key, value)
            values[name] = number
    return Dram(source, mode, values)
