# SPDX-License-Identifier: Apache-2.0
"""The DRAM image against an independent slow reading of docs/interfaces.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.model_file import Model
from tb.device.image import BIAS, KINDS, WH, WX, DramImage


def random_model(sizes: list[tuple[int, int]], seed: int = 3) -> Model:
    """A model of random full-range weights; ``sizes``: (inputs, units) of each layer."""
    rng = np.random.default_rng(seed)
    return Model(
        num_layers=len(sizes),
        lut_frac=8,
        weight_ih=tuple(rng.integers(-128, 128, (3 * h, i), np.int8) for i, h in sizes),
        weight_hh=tuple(rng.integers(-128, 128, (3 * h, h), np.int8) for _, h in sizes),
        bias=tuple(rng.integers(-(2**31), 2**31, (4, h), np.int64).astype(np.int32)
                   for _, h in sizes),
        theta_x=np.zeros(len(sizes), np.int16),
        theta_h=np.zeros(len(sizes), np.int16),
    )  # fmt: skip


def slow_bytes(model: Model, image: DramImage, lanes: int) -> dict[int, int]:
    """Address -> byte, one element at a time, straight from the layout's definition."""
    memory: dict[int, int] = {}

    def put(address: int, value: int) -> None:
        assert address not in memory
        memory[address] = value

    for layer, hidden in enumerate(model.hidden_sizes):
        padded = (hidden + lanes - 1) // lanes * lanes
        halves = (
            (image.addr_wx[layer], model.weight_ih[layer]),
            (image.addr_wh[layer], model.weight_hh[layer]),
        )
        for base, weight in halves:
            for column in range(weight.shape[1]):
                address = base + column * 3 * padded
                for group in range(padded // lanes):
                    for gate in range(3):
                        for lane in range(lanes):
                            unit = group * lanes + lane
                            inside = unit < hidden
                            value = int(weight[gate * hidden + unit, column]) if inside else 0
                            put(address, value % 256)
                            address += 1
        address = image.addr_bias[layer]
        for group in range(padded // lanes):
            for memory_index in range(4):
                for lane in range(lanes):
                    unit = group * lanes + lane
                    bias = int(model.bias[layer][memory_index, unit]) if unit < hidden else 0
                    for byte in (bias % 2**32).to_bytes(4, "little"):
                        put(address, byte)
                        address += 1
    return memory


@pytest.mark.parametrize("port_bits", [32, 64, 128, 256])
@pytest.mark.parametrize("sizes", [[(1, 8)], [(13, 24), (24, 40)], [(3, 16), (16, 8), (8, 72)]])
@pytest.mark.parametrize("options", [{}, {"base": 0x12345, "gap": 100}, {"edge": 64}])
def test_documented_layout(port_bits: int, sizes: list[Any], options: dict[str, Any]) -> None:
    model = random_model(sizes)
    image = DramImage(model, port_bits, **options)
    expected = slow_bytes(model, image, port_bits // 8)
    dense, written = image.dense(), image.written()
    assert {int(a) for a in np.flatnonzero(written)} == set(expected)
    assert all(dense[a] == v for a, v in expected.items())
    assert image.size == len(expected)
    for region in image.regions:
        assert region.address % (port_bits // 8) == 0
        if "edge" in options:
            assert region.address % 4096 == 4096 - options["edge"]


def test_columns_by_address() -> None:
    model = random_model([(5, 24)])
    image = DramImage(model, 128)
    assert image.column_bytes(0) == 3 * 32 and image.bias_bytes(0) == 16 * 32
    column = image.read(image.column_address(0, WH, 7), image.column_bytes(0))
    assert column is not None
    assert np.array_equal(np.frombuffer(column, np.int8)[:16], model.weight_hh[0][:16, 7])


def test_column_of_3h_bytes_at_64_bits() -> None:
    image = DramImage(random_model([(40, 768)]), 64)
    assert image.column_bytes(0) == 3 * 768


def test_reads_outside_the_image() -> None:
    image = DramImage(random_model([(5, 8)]), 64, base=64)
    end = image.region(0, WX).end
    assert image.read(56, 8) is None and image.read(end, 8) is None
    assert image.read(end - 8, 16) is None and image.read(end - 8, 8) is not None
    assert not image.written()[end]


def test_given_addresses() -> None:
    model = random_model([(5, 8)])
    image = DramImage(model, 64, addresses={(0, WX): 0xFFFF_FF00, (0, BIAS): 0x8000})
    assert image.addr_wx == (0xFFFF_FF00,) and image.addr_bias == (0x8000,)
    with pytest.raises(ValueError, match="multiple"):
        DramImage(model, 64, addresses={(0, WX): 4})
    with pytest.raises(ValueError, match="overlaps"):
        DramImage(model, 64, addresses={(0, WX): 0, (0, WH): 8})


def test_simulator_file(tmp_path: Path) -> None:
    image = DramImage(random_model([(5, 8)]), 64, base=0x100)
    path = tmp_path / "image.bin"
    image.write(path)
    entries = [line.split() for line in (tmp_path / "image.bin.map").read_text().splitlines()]
    assert [int(a, 16) for a, _ in entries] == [r.address for r in image.regions]
    stored = path.read_bytes()
    for (_, size), region in zip(entries, image.regions, strict=True):
        chunk, stored = stored[: int(size, 16)], stored[int(size, 16) :]
        beats = [chunk[i : i + 8][::-1] for i in range(0, len(chunk), 8)]
        assert b"".join(beats) == region.data.tobytes()
    assert not stored and len(KINDS) == 3
