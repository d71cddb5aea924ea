# SPDX-License-Identifier: Apache-2.0
"""Waves read back in Python: dumps of a run on both simulators, asked questions about time."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import cocotb
import pytest

from golden.stimulus import random_inputs, random_model
from tb.bench import case as bench
from tb.bench.testbench import TB
from tb.codegen.rtl import enum_types
from tb.debug.taps import tap_path
from tb.debug.wave_query import Wave
from tb.debug.waves.catalog import catalog, in_dump
from tb.debug.waves.outputs import open_scene
from tb.debug.waves.text import draw_text
from tb.sim.build import build
from tb.sim.run import run

ENTRY = {name: value for value, name in enum_types()["entry_e"].items()}


@cocotb.test()
async def three_steps(dut: Any) -> None:
    """Three steps of two layers, every bus at full speed: what the dump is asked about."""
    tb = TB(dut)
    await tb.reset()
    model = random_model(tb.rng, 10, [16, 16], weight_scale=0.05, theta_x=[9, 9], theta_h=[4, 4])
    await tb.run(model, random_inputs(tb.rng, 3, 10))
    await tb.finish(at_least=3)


@pytest.fixture(scope="module", params=["w64", "i64"])
def wave(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Wave:
    """The dump of that run, by each simulator."""
    config = bench.configs()[request.param]
    built = build(config.sim, bench.TOP, config.parameters, sources=bench.SOURCES, waves=True)
    folder = tmp_path_factory.mktemp(request.param)
    dump = folder / f"dump{built.wave_suffix}"
    run(
        built,
        f"tb.tests.system.{Path(__file__).stem}",
        r"\.three_steps$",
        plusargs=["TRACE=trace.txt"],
        seed=11,
        work_dir=folder,
        waves_file=dump,
        timeout_s=300,
    )
    return Wave(dump)


def events(wave: Wave, kind: str) -> list[list[str]]:
    """Lines of one kind in the trace that the same run wrote."""
    lines = (wave.path.parent / "trace.txt").read_text().splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{kind} ")]


def test_busy_port_while_columns_are_queued(wave: Wave) -> None:
    """Could break: bandwidth, the one thing this core is about."""
    queued = wave["work_valid"] & (wave.get("work_type", -1) != ENTRY["EntryEnd"])
    rests = wave["reader_idle"]
    assert queued.sum() > 200 and not wave.when(queued & rests).size


def test_requests_delayed_only_by_the_bus(wave: Wave) -> None:
    """Could break: requests that wait while the address channel is free and a burst may begin."""
    waits = wave["burst_valid"] & ~wave["burst_ready"]
    free = ~wave["m_axi_arvalid"] & (wave["reader_under_way"] < 16)
    assert not wave.when(waits & free).size
    assert wave.when(wave["m_axi_arvalid"]).size > 20, "nothing was asked"


def test_values_and_cycles_equal_to_the_trace(wave: Wave) -> None:
    """Could break: the query helper itself: cycles, edges, order and signs of values. Everything is
    compared with what the trace monitor wrote in the same run.
    """
    assert wave.when(wave["packet_done"]).tolist() == [int(c) for _, c in events(wave, "Y")]
    column = (
        wave["push_valid"]
        & wave["push_ready"]
        & (wave.get("push_type", -1) == ENTRY["EntryColumn"])
    )
    names = ("push_layer", "push_kind", "fetch_index", "push_delta", "burst_beats")
    seen = zip(*(wave.get(name, -1)[column].tolist() for name in names), strict=True)
    assert list(seen) == [tuple(int(word, 16) for word in line) for line in events(wave, "C")]
    written = wave["h_we"]
    outputs = ("gate_layer", "h_quad", "h_wdata")
    seen = zip(*(wave.get(name, -1)[written].tolist() for name in outputs), strict=True)
    assert list(seen) == [tuple(int(word, 16) for word in line) for line in events(wave, "H")]


def test_every_catalogue_signal_in_the_dump(wave: Wave) -> None:
    """Could break: tb/tables/waves.toml, when a signal of the RTL gets another name or range."""
    expected = {row.path for group in catalog() if not group.optional for row in group.rows}
    found = {row.path for group in in_dump(wave) for row in group.rows}
    assert found >= expected, sorted(expected - found)
    assert {path for group in catalog() for path in group.picture} >= {tap_path("state")}
    shown = {row.path for group in catalog() for row in group.rows}
    assert {path for group in catalog() for path in group.picture} <= shown
    if wave.path.suffix == ".vcd":
        with wave.path.open(errors="replace") as file:
            head = "".join(itertools.takewhile(lambda line: "$enddefinitions" not in line, file))
        ranges = dict(re.findall(r"\$var \w+ \d+ \S+ (\w+)\s+\[\d+:(\d+)\] \$end", head))
        for group in in_dump(wave):
            for row in group.rows:
                if wave.width(wave.top + row.path) > 1:
                    assert int(ranges[row.path.split(".")[-1]]) == row.low, row.path


def test_layouts_and_text_of_a_real_step(wave: Wave, tmp_path: Path) -> None:
    """Could break: step numbers, layer starts and enum names on a dump that a simulator wrote."""
    scene = open_scene(wave.path, step=1)
    names = {marker.name for marker in scene.view.markers}
    assert names == {"step 0", "step 1", "step 2", "gates of layer 0", "gates of layer 1"}
    text = draw_text(scene.diagram())
    assert "▼ step 1" in text and "SeqWaitX" in text and "StWalk" in text
    scene.gtkwave(tmp_path / "step.gtkw")
    scene.surfer(tmp_path / "step.sucl")
    save = (tmp_path / "step.gtkw").read_text()
    for group in catalog():
        assert group.optional or f"\n-{group.name}\n" in save
    assert "\n+{valid_q}" not in save and ".valid_q[12:1]\n" in save
    commands = (tmp_path / "step.sucl").read_text()
    assert commands.count("variable_add ") == sum(len(group.rows) for group in scene.groups)
