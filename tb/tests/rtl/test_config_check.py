# SPDX-License-Identifier: Apache-2.0
"""The check of the configuration: each cause, in each layer and region, up to the very limits."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ClockCycles, RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.handover import simulation
from tb.paths import SIMULATORS

SIZE_BITS = 11
NONE, LAYERS, SIZE, ALIGN, RANGE = 0, 3, 4, 5, 6  # ERROR.CAUSE
WX, WH, BIAS = range(3)
REGIONS = ("wx", "wh", "bias")
TESTS = ("counts", "sizes", "alignment", "ends_of_regions", "random_and_flush")


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize(
    ("width", "addr_width", "layers", "units"), [(32, 32, 4, 1024), (256, 24, 8, 512)]
)
def test_config_check(
    width: int, addr_width: int, layers: int, units: int, sim: str, tmp_path: Path
) -> None:
    """The narrowest and the widest port, all addresses and few, two sets of limits."""
    parameters = {
        "AxiDataWidth": width,
        "AxiAddrWidth": addr_width,
        "MaxLayers": layers,
        "MaxUnits": units,
    }
    result = module_test(__name__, "config_check", sim, parameters, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


@dataclass
class Config:
    """What a driver writes. Layers beyond `num_layers` hold what they like."""

    num_layers: int
    inputs: list[int]
    units: list[int]
    base: list[list[int]]  # [region][layer]
    lut_frac: int = 8


class Check(ModuleBench):
    """The module with its parameters, and how to ask it."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        built_with = simulation().parameters
        self.addr_width = built_with["AxiAddrWidth"]
        self.layers, self.units = built_with["MaxLayers"], built_with["MaxUnits"]
        self.beat = self.pes = built_with["AxiDataWidth"] // 8
        self.rng = rng_for("config")

    def span(self, config: Config, layer: int, region: int) -> int:
        """Bytes of a region."""
        padded = -(-config.units[layer] // self.pes) * self.pes
        columns = (3 * config.inputs[layer], 3 * config.units[layer], 16)
        return padded * columns[region]

    def top(self, config: Config, layer: int, region: int) -> int:
        """The base with which a region ends where the addresses do."""
        return (1 << self.addr_width) - self.span(config, layer, region)

    def good(self, num_layers: int | None = None) -> Config:
        """A random configuration in which all is well."""
        rng = self.rng
        count = num_layers or int(rng.integers(1, self.layers + 1))
        units = [8 * int(rng.integers(1, self.units // 8 + 1)) for _ in range(self.layers)]
        inputs = [int(rng.integers(1, self.units + 1)), *units[:-1]]
        config = Config(count, inputs, units, [[0] * self.layers for _ in REGIONS])
        config.lut_frac = int(rng.integers(4, 9))
        for layer in range(self.layers):
            for region in range(3):
                beats = self.top(config, layer, region) // self.beat
                config.base[region][layer] = self.beat * int(rng.integers(beats + 1))
            if layer >= count:  # nobody looks
                config.inputs[layer] = int(rng.integers(2048))
                config.units[layer] = int(rng.integers(2048))
                for region in range(3):
                    config.base[region][layer] = int(rng.integers(1 << 32))
        return config

    async def ask(self, config: Config) -> tuple[int, int, int]:
        """Start, wait until done: (cause, layer, region)."""
        dut = self.dut
        dut.num_layers_i.value = config.num_layers
        dut.lut_frac_i.value = config.lut_frac
        groups = [-(-units // self.pes) for units in config.units]
        for name, values, bits in (
            ("input_size_i", config.inputs, SIZE_BITS),
            ("hidden_size_i", config.units, SIZE_BITS),
            ("groups_i", groups, SIZE_BITS),
            *((f"addr_{name}_i", config.base[r], 32) for r, name in enumerate(REGIONS)),
        ):
            getattr(dut, name).value = sum(v << (bits * i) for i, v in enumerate(values))
        dut.start_i.value = 1
        await RisingEdge(dut.clk_i)
        dut.start_i.value = 0
        for _ in range(20 * 3 * self.layers):
            await RisingEdge(dut.clk_i)
            if dut.done_o.value == 1:
                cause, layer, region = (
                    int(getattr(dut, f"{name}_o").value) for name in ("cause", "layer", "region")
                )
                break
        else:
            raise AssertionError(f"no answer: {config}")
        await RisingEdge(dut.clk_i)
        assert dut.done_o.value == 0
        # Layer and region mean something with some causes alone.
        layer = layer if cause in (SIZE, ALIGN, RANGE) else 0
        return cause, layer, region if cause in (ALIGN, RANGE) else 0

    async def expect(self, config: Config, cause: int, layer: int = 0, region: int = 0) -> None:
        found = await self.ask(config)
        assert found == (cause, layer, region), (
            f"{found}, expected {(cause, layer, region)}: {config}"
        )


@cocotb.test()
async def counts(dut: Any) -> None:
    """Could break: a limit of NUM_LAYERS or LUT_FRAC that is one off. Every pair of both registers'
    values with layers that are good themselves: CFG_LAYERS exactly outside of the limits.
    """
    check = Check(dut)
    await check.start()
    for num_layers in range(16):
        for lut_frac in range(16):
            config = check.good(check.layers)
            config.num_layers, config.lut_frac = num_layers, lut_frac
            good = 1 <= num_layers <= check.layers and 4 <= lut_frac <= 8
            await check.expect(config, NONE if good else LAYERS)


@cocotb.test()
async def sizes(dut: Any) -> None:
    """Could break: a limit of I or H that is one off, a multiple of 8 not asked for, chaining that
    is not checked or is checked for layer 0, the layer told wrong. In each layer each size around
    its limits with all else good: CFG_SIZE and the layer exactly where the contract says.
    """
    check = Check(dut)
    await check.start()
    limit = check.units
    for layer in range(check.layers):
        around = [0, 1, 4, 7, 8, 9, 12, 16, limit - 8, limit - 4, limit - 1, limit]
        for units in [*around, limit + 1, limit + 8, 2047]:
            config = check.good(layer + 1)
            config.units[layer] = units
            for region in range(3):
                config.base[region][layer] = 0
            good = 8 <= units <= limit and units % 8 == 0
            await check.expect(config, *((NONE,) if good else (SIZE, layer)))
        for inputs in [0, 1, 2, 7, limit - 1, limit, limit + 1, 2047]:
            config = check.good(layer + 1)
            config.inputs[layer] = inputs
            config.base[WX][layer] = 0
            good = 1 <= inputs <= limit and (layer == 0 or inputs == config.units[layer - 1])
            await check.expect(config, *((NONE,) if good else (SIZE, layer)))
        for bit in range(SIZE_BITS):  # one bit off what the layer below has
            config = check.good(layer + 1)
            config.inputs[layer] ^= 1 << bit
            config.base[WX][layer] = 0
            good = layer == 0 and 1 <= config.inputs[0] <= limit
            await check.expect(config, *((NONE,) if good else (SIZE, layer)))


@cocotb.test()
async def alignment(dut: Any) -> None:
    """Could break: a bit of an address that is not looked at, or one too many, another region's
    address. Each low bit of each region's base in each layer: CFG_ALIGN below the beat's size with
    the layer and the region, and none for the beat's own bit.
    """
    check = Check(dut)
    await check.start()
    for layer in range(check.layers):
        for region in range(3):
            bit = 1
            while bit <= check.beat:
                config = check.good()
                config = config if config.num_layers > layer else check.good(layer + 1)
                config.base[region][layer] = bit
                good = bit == check.beat
                await check.expect(config, *((NONE,) if good else (ALIGN, layer, region)))
                bit <<= 1


@cocotb.test()
async def ends_of_regions(dut: Any) -> None:
    """Could break: a region's length in beats (Hp for H, I for H, 16 of biases), a sum that loses
    its carry, the limit itself. In each layer and region: ending exactly at the top of the
    addresses passes, one beat more is CFG_RANGE with the layer and the region; so do the smallest
    and the largest sizes, and a base at the very top.
    """
    check = Check(dut)
    await check.start()
    beat, limit = check.beat, check.units
    for layer in range(check.layers):
        for region in range(3):
            for units, inputs in ((None, None), (8, 1), (limit, limit), (24, limit)):
                config = check.good(layer + 1)
                if units and inputs:
                    config.units[layer] = units
                    config.inputs[layer] = inputs if layer == 0 else config.units[layer - 1]
                for other in range(3):
                    config.base[other][layer] = 0
                top = check.top(config, layer, region)
                config.base[region][layer] = top
                await check.expect(config, NONE)
                above = copy.deepcopy(config)
                above.base[region][layer] = top + beat
                await check.expect(above, RANGE, layer, region)
                above.base[region][layer] = (1 << 32) - beat
                if check.span(config, layer, region) > beat or check.addr_width < 32:
                    await check.expect(above, RANGE, layer, region)


@cocotb.test()
async def random_and_flush(dut: Any) -> None:
    """Could break: something that one check leaves to the next, layers beyond NUM_LAYERS that are
    looked at, a flush after which the old check goes on. Good ones and ones with a single
    fault in turn, some cut by a flush: then nothing is answered, and the next is answered right.
    """
    check = Check(dut)
    await check.start()
    rng = check.rng
    cut = 0
    for _ in range(60):
        config = check.good()
        layer, region = int(rng.integers(config.num_layers)), int(rng.integers(3))
        if rng.random() < 0.3:  # all is given, the answer never comes
            dut.start_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.start_i.value = 0
            await ClockCycles(dut.clk_i, int(rng.integers(1, 14)))
            dut.flush_i.value = 1
            await RisingEdge(dut.clk_i)
            dut.flush_i.value = 0
            cut += 1
            for _ in range(60):
                await RisingEdge(dut.clk_i)
                assert dut.done_o.value == 0, "an answer after a flush"
        kind = rng.integers(4)
        if kind == 0:
            await check.expect(config, NONE)
        elif kind == 1:
            config.units[layer] += 4
            await check.expect(config, SIZE, layer)
        elif kind == 2:
            config.base[region][layer] += int(rng.integers(1, check.beat))
            await check.expect(config, ALIGN, layer, region)
        else:
            config.base[region][layer] = check.top(config, layer, region) + check.beat
            await check.expect(config, RANGE, layer, region)
    assert cut > 5
