"""The core among agents that this project did not write: cocotbext-axi on all four buses."""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
import pytest
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiRamRead,
    AxiReadBus,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from golden.integer import IntegerGru
from golden.stimulus import random_inputs, random_model
from tb.env.driver import EdgeDrnnDriver
from tb.env.image import DramImage
from tb.env.stranger import StrangersPort
from tb.env.stream import LANES, pack, unpack
from tb.env.tb import TB, at_random, rng_for
from tb.system import bench

RAM_BYTES = 1 << 16


@cocotb.test()
async def strangers_on_every_bus(dut: Any) -> None:
    """Could break: a habit that our agents share with the RTL. The same run with the AXI4-Lite
    master, the AXI RAM, the stream source and sink of cocotbext-axi, with its pauses; h compared.
    """
    tb = TB(dut, memory=False, axil=False, streams=False)
    clock, reset = dut.clk_i, dut.rst_ni
    port = StrangersPort(
        AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), clock, reset, reset_active_level=False)
    )
    ram = AxiRamRead(
        AxiReadBus.from_prefix(dut, "m_axi"),
        clock,
        reset,
        reset_active_level=False,
        size=RAM_BYTES,
    )
    source = AxiStreamSource(
        AxiStreamBus.from_prefix(dut, "s_axis_x"), clock, reset, reset_active_level=False
    )
    sink = AxiStreamSink(
        AxiStreamBus.from_prefix(dut, "m_axis_h"), clock, reset, reset_active_level=False
    )
    await tb.reset()
    model = random_model(tb.rng, 11, [16, 8], 6, 0.5, theta_x=[9, 4], theta_h=[2, 7])
    image: DramImage = tb.place(model, base=0x400)
    for region in image.regions:
        ram.write(region.address, region.data.tobytes())
    driver = EdgeDrnnDriver(port, idle_wait=lambda: tb.cycles(10))
    await driver.identify()
    inputs = random_inputs(tb.rng, 3 if bench.on_icarus() else 8, 11, "walk")
    for pauses in (None, 0.5):
        if pauses is not None:
            source.set_pause_generator(at_random(rng_for("source"), pauses))
            sink.set_pause_generator(at_random(rng_for("sink"), pauses))
            ram.ar_channel.set_pause_generator(at_random(rng_for("ar"), pauses))
            ram.r_channel.set_pause_generator(at_random(rng_for("r"), pauses))
            await driver.new_sequence()
        else:
            await driver.configure(model, image)
            await driver.start()
        gru = IntegerGru(model)
        for x in inputs:
            beats = pack(x)
            await source.send(
                AxiStreamFrame(b"".join(beat.to_bytes(2 * LANES, "little") for beat in beats))
            )
            frame = await sink.recv()
            assert set(_flat(frame.tuser)) <= {0}
            data = bytes(frame.tdata)
            got = unpack(
                [int.from_bytes(data[i : i + 16], "little") for i in range(0, len(data), 16)]
            )
            expected = gru.step(x).h
            assert (got == expected).all(), f"h {got}, expected {expected}"
    await driver.soft_reset()
    await tb.finish(at_least=2 * len(inputs))


def _flat(user: Any) -> list[int]:
    """A frame's tuser, which is a number or a list of them."""
    return list(itertools.chain(user)) if isinstance(user, list) else [int(user or 0)]


@pytest.mark.parametrize(
    ("test", "config"), bench.matrix(("strangers_on_every_bus", "w64 w256 i64"))
)
def test_stranger(test: str, config: str) -> None:
    """The story of this file on the configurations it names."""
    bench.simulate(__file__, test, config)
