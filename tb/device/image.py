# SPDX-License-Identifier: Apache-2.0
"""A model as it lies in DRAM: weight columns and biases, packed as docs/interfaces.md says.

With a port of ``8·P`` bits a column is, for each group of P units, P bytes of the r row, P of the z
row and P of the n row. Units past H, where H is not a multiple of P, are zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from golden.layout import column_bytes, padded_units
from golden.model_file import Model

WX, WH, BIAS = "wx", "wh", "bias"
KINDS = (WX, WH, BIAS)  # the order of the fault register's region codes 0, 1, 2
PAGE_BYTES = 4096  # no AXI burst crosses a multiple of this


@dataclass(frozen=True, eq=False)
class Region:
    """Bytes that were written, and where: ``address`` in bytes, ``data`` uint8."""

    layer: int
    kind: str
    address: int
    data: np.ndarray

    @property
    def end(self) -> int:
        """First byte address after the region."""
        return self.address + len(self.data)


def pack_columns(weight: np.ndarray, lanes: int) -> np.ndarray:
    """Pack int8 (3H, N), rows r, z, n, into uint8 (N, 3·Hp): one row for each column."""
    hidden, columns = weight.shape[0] // 3, weight.shape[1]
    padded = padded_units(hidden, lanes)
    gates = np.zeros((3, padded, columns), np.int8)
    gates[:, :hidden] = weight.reshape(3, hidden, columns)
    groups = gates.reshape(3, padded // lanes, lanes, columns)
    return np.ascontiguousarray(groups.transpose(3, 1, 0, 2)).reshape(columns, -1).view(np.uint8)


def pack_bias(bias: np.ndarray, lanes: int) -> np.ndarray:
    """Pack int32 (4, H), M_r, M_z, M_nx, M_nh, into uint8 (16·Hp,)."""
    hidden = bias.shape[1]
    padded = padded_units(hidden, lanes)
    memories = np.zeros((4, padded), "<i4")
    memories[:, :hidden] = bias
    groups = memories.reshape(4, padded // lanes, lanes).transpose(1, 0, 2)
    return np.ascontiguousarray(groups).reshape(-1).view(np.uint8)


class DramImage:
    """The DRAM contents for one model.

    ``port_bits``: width of the weight port; every region is aligned to it. ``base``: byte address
    from which regions are laid out one after the other. ``gap``: unwritten bytes at least between
    regions, so that a read past an end is caught (default: one beat). ``edge``: start each region
    that many bytes below a multiple of 4 KiB, to make bursts meet the boundary. ``addresses``: a
    byte address for each ``(layer, kind)`` named, overriding the layout.

    ``addr_wx[i]``, ``addr_wh[i]``, ``addr_bias[i]`` are what the address registers of layer i take.
    """

    def __init__(
        self,
        model: Model,
        port_bits: int,
        base: int = 0,
        *,
        gap: int | None = None,
        edge: int | None = None,
        addresses: Mapping[tuple[int, str], int] | None = None,
    ) -> None:
        self.port_bytes = port_bits // 8
        self.lanes = self.port_bytes  # one PE for each weight of a beat
        gap = self.port_bytes if gap is None else gap
        self.hidden_sizes = tuple(model.hidden_sizes)
        regions = []
        free = base
        for layer in range(model.num_layers):
            packed = {
                WX: pack_columns(model.weight_ih[layer], self.lanes).reshape(-1),
                WH: pack_columns(model.weight_hh[layer], self.lanes).reshape(-1),
                BIAS: pack_bias(model.bias[layer], self.lanes),
            }
            for kind, data in packed.items():
                address = -(-free // self.port_bytes) * self.port_bytes
                if edge is not None:
                    address = -(-(free + edge) // PAGE_BYTES) * PAGE_BYTES - edge
                named = (addresses or {}).get((layer, kind))
                if named is not None:
                    address = named
                if address % self.port_bytes:
                    raise ValueError(
                        f"layer {layer} {kind}: address {address:#x} is not a multiple of"
                        f" {self.port_bytes}"
                    )
                regions.append(Region(layer, kind, address, data))
                if named is None:
                    free = regions[-1].end + gap
        self.regions: tuple[Region, ...] = tuple(sorted(regions, key=lambda r: r.address))
        for one, other in itertools.pairwise(self.regions):
            if one.end > other.address:
                raise ValueError(
                    f"layer {other.layer} {other.kind} at {other.address:#x} overlaps"
                    f" layer {one.layer} {one.kind}"
                )
        self._by_name = {(r.layer, r.kind): r for r in regions}
        layers = range(model.num_layers)
        self.addr_wx = tuple(self._by_name[i, WX].address for i in layers)
        self.addr_wh = tuple(self._by_name[i, WH].address for i in layers)
        self.addr_bias = tuple(self._by_name[i, BIAS].address for i in layers)

    @property
    def end(self) -> int:
        """First byte address after everything written."""
        return self.regions[-1].end

    @property
    def size(self) -> int:
        """Bytes written, gaps not counted."""
        return sum(len(r.data) for r in self.regions)

    def region(self, layer: int, kind: str) -> Region:
        """The region of ``layer`` and ``kind`` (WX, WH or BIAS)."""
        return self._by_name[layer, kind]

    def column_bytes(self, layer: int) -> int:
        """Bytes that the core reads for one weight column of ``layer``."""
        return column_bytes(self.hidden_sizes[layer], self.lanes)

    def bias_bytes(self, layer: int) -> int:
        """Bytes that the core reads for the biases of ``layer``."""
        return 16 * padded_units(self.hidden_sizes[layer], self.lanes)

    def column_address(self, layer: int, kind: str, index: int) -> int:
        """Byte address of weight column ``index`` of ``layer``, half ``kind`` (WX or WH)."""
        return self._by_name[layer, kind].address + index * self.column_bytes(layer)

    def read(self, address: int, size: int) -> bytes | None:
        """The ``size`` bytes at ``address``; None unless all of them were written in one region."""
        for region in self.regions:
            if region.address <= address and address + size <= region.end:
                start = address - region.address
                return region.data[start : start + size].tobytes()
        return None

    def dense(self, fill: int = 0xA5) -> np.ndarray:
        """All bytes from address 0 to ``end``, uint8, gaps filled with ``fill``."""
        memory = np.full(self.end, fill, np.uint8)
        for region in self.regions:
            memory[region.address : region.end] = region.data
        return memory

    def written(self) -> np.ndarray:
        """Which bytes from address 0 to ``end`` were written, bool."""
        mask = np.zeros(self.end, bool)
        for region in self.regions:
            mask[region.address : region.end] = True
        return mask

    def write(self, path: Path) -> None:
        """Write ``path`` and ``path.map`` for ``tb/sv/memories/axi_dram.sv``.

        The first holds beats with their last byte first, the second the address and the size of
        each region.
        """
        with path.open("wb") as file:
            for region in self.regions:
                file.write(region.data.reshape(-1, self.port_bytes)[:, ::-1].tobytes())
        lines = (f"{r.address:x} {len(r.data):x}\n" for r in self.regions)
        path.with_name(path.name + ".map").write_text("".join(lines))
