# SPDX-License-Identifier: Apache-2.0
"""The hidden states: two read ports that see the same words, writes by quad, clears by vector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.device.beats import pack
from tb.paths import SIMULATORS

LAYERS, UNITS = 3, 64
VECS = UNITS // 8


@pytest.mark.parametrize("sim", SIMULATORS)
def test_hidden_memory(sim: str, tmp_path: Path) -> None:
    """Three layers (not a power of two) of 64 units."""
    parameters = {"MaxLayers": LAYERS, "MaxUnits": UNITS}
    module_test(__name__, "hidden_memory", sim, parameters, work_dir=tmp_path)


@cocotb.test()
async def random_accesses(dut: Any) -> None:
    """Could break: the two copies differ, a quad lands in the wrong half, vector or layer, a clear
    misses a half. Clear all, then random reads on both ports beside random quads and clears,
    against an array; what is written in the cycle of its read shows as its complement.
    """
    rng = rng_for("hidden")
    state = np.zeros((LAYERS, UNITS), np.int16)
    await ModuleBench(dut).start()
    dut.enc_clear_i.value = 1
    for layer in range(LAYERS):
        for vec in range(VECS):
            dut.enc_layer_i.value = layer
            dut.enc_vec_i.value = vec
            await RisingEdge(dut.clk_i)
    outputs: dict[str, int | None] = {"enc": None, "gate": None}
    for _ in range(2500):
        place = {port: (int(rng.integers(LAYERS)), int(rng.integers(VECS))) for port in outputs}
        clear = int(rng.random() < 0.05)
        write = int(rng.random() < 0.6) & ~clear
        quad, data = int(rng.integers(2 * VECS)), rng.integers(-(2**15), 2**15, 4).astype(np.int16)
        reads = {port: int(rng.random() < 0.6) for port in outputs}
        for port, (layer, vec) in place.items():
            getattr(dut, f"{port}_re_i").value = reads[port]
            getattr(dut, f"{port}_layer_i").value = layer
            getattr(dut, f"{port}_vec_i").value = vec
        dut.enc_clear_i.value = clear
        dut.we_i.value = write
        dut.quad_i.value = quad
        dut.wdata_i.value = pack(data)[0]
        await RisingEdge(dut.clk_i)
        for port, word in outputs.items():
            if word is not None:
                assert int(getattr(dut, f"{port}_rdata_o").value) == word, port
        for port, (layer, vec) in place.items():
            if reads[port]:
                seen = state[layer, 8 * vec : 8 * vec + 8].copy()
                if clear and (layer, vec) == place["enc"]:
                    seen = ~seen
                if write and (layer, vec) == (place["gate"][0], quad // 2):
                    seen[4 * (quad % 2) :][:4] ^= -1
                outputs[port] = pack(seen)[0]
        if clear:
            layer, vec = place["enc"]
            state[layer, 8 * vec : 8 * vec + 8] = 0
        if write:
            state[place["gate"][0], 4 * quad : 4 * quad + 4] = data
