# SPDX-License-Identifier: Apache-2.0
"""Each assertion macro fires, and each conflict of docs/architecture.md is caught by its assertion.

A case plants one wrong expression in the RTL and gives a module a few cycles of legal stimulus. The
same stimulus without the change must pass. All changes of a module are in one build (see
`tb.mutation.schemata`): +MUTANT=N chooses one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from tb.device.constants import EntryType
from tb.device.streams import PASS, WORK
from tb.failure import SimulationError
from tb.mutation.mutant import Edit, Mutant
from tb.mutation.schemata import PACKAGE, PACKAGE_TEXT, mutated_text
from tb.paths import BUILD_ROOT, REPO, RTL_DIR, RTL_FILELIST, SIMULATORS, TOPS
from tb.sim.build import Build, build, read_filelist
from tb.sim.run import run

PASS_X, PASS_H, PASS_INIT = 0, 1, 2
COLUMN = int(EntryType.COLUMN)


@dataclass(frozen=True)
class Planted:
    """A wrong expression ``new`` for ``old``, which follows ``before`` at one place of a module."""

    assertion: str
    module: str
    story: str
    before: str
    old: str
    new: str


PARAMETERS = {
    "stream_fifo": {"Width": 8, "Depth": 4},
    "stream_register": {"Width": 8},
    "work_queue": {"Depth": 4},
    "delta_encoder": {"MaxLayers": 2, "MaxUnits": 64},
    "pe_array": {"AxiDataWidth": 32, "MaxLayers": 2, "MaxUnits": 64},
    "gate_pipeline": {"Pes": 4},
    "burst_reader": {"AxiDataWidth": 32, "Outstanding": 2},
    "sequencer": {"MaxLayers": 2, "MaxUnits": 64},
}
PLANTED = (
    # The rows of "Conflicts, and why there are none".
    Planted(
        "ColumnOvertakesGates", "pe_array", "column_behind_gates",
        "wire conflict = ",
        "gate_busy_i && (gate_layer_i == work_i.layer) && !started_q && (sub_q == 4'd0)"
        " && (fresh_q || !clear_q)",
        "1'b0",
    ),
    Planted(
        "TwoReadOneBank", "pe_array", "gates_and_column_of_two_layers",
        "wire yield = ", "!is_bias && (sub_q == 4'd2) && gate_re_i[BankZ]", "1'b0",
    ),
    Planted(
        "HiddenReadBeforeWritten", "delta_encoder", "walk_behind_gates",
        "|| (", "vec_q < gate_vecs_i", "vec_q <= gate_vecs_i",
    ),
    Planted(
        "HiddenReadAfterWritten", "gate_pipeline", "quads_back_to_back",
        "h_read = ", "tag_q[StageTanh]", "tag_q[StageWrite]",
    ),
    Planted(
        "ClearWhileGatesRun", "delta_encoder", "walk_behind_gates",
        "clearing = ", "(state_q == StClearX) || (state_q == StClearH)", "state_q != StIdle",
    ),
    Planted(
        "BeatNotOwedKept", "burst_reader", "beat_without_a_burst",
        "keep = ", "m_axi_rvalid && owed && !drain_i", "m_axi_rvalid && !drain_i",
    ),
    # Commands of one write.
    Planted(
        "SoftResetFirst", "sequencer", "all_commands_at_once",
        "end else if (", "soft_reset_i", "soft_reset_i && !start_i",
    ),
    # Bounds of queues, and streams between modules.
    Planted(
        "PushWhenFull", "stream_fifo", "pushes_without_pops",
        "in_ready_o  = ", "!full", "1'b1",
    ),
    Planted(
        "OutputStable", "stream_register", "pushes_without_pops",
        "    if (", "free", "1'b1",
    ),
    Planted(
        "PushWhenFull", "work_queue", "pushes_without_pops",
        "in_ready_o    = ", "ready_q", "1'b1",
    ),
    Planted(
        "EntryStable", "delta_encoder", "entries_that_wait",
        "d_ready = ", "(e_rest == '0) && (!e_valid || entry_ready_i)", "1'b1",
    ),
    Planted(
        "GateStartStable", "pe_array", "start_that_waits",
        "gate_start_o = ", "!started_q", "!started_q && !beat_valid_i",
    ),
)  # fmt: skip
STORIES = sorted({(planted.module, planted.story) for planted in PLANTED})


def build_planted(module: str) -> Build:
    """The module for Verilator, with all its planted changes, of which +MUTANT=N chooses one."""
    path = RTL_DIR / f"{module}.sv"
    text = path.read_text(encoding="utf-8")
    mutants = []
    for number, planted in enumerate(PLANTED, 1):
        if planted.module != module:
            continue
        place = planted.before + planted.old
        assert text.count(place) == 1, f"{path.name}: expected once: {place}"
        start = text.index(place) + len(planted.before)
        edit = Edit(start, start + len(planted.old), "planted", planted.new)
        mutants.append(Mutant(planted.assertion, number, f"rtl/{path.name}", 0, edit, "", ""))
    folder = BUILD_ROOT / "planted" / module
    folder.mkdir(parents=True, exist_ok=True)
    changed = {PACKAGE: PACKAGE_TEXT, path.name: mutated_text(text, mutants)}
    for name, content in changed.items():
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != content:
            (folder / name).write_text(content, encoding="utf-8")
    sources = [folder / PACKAGE, *read_filelist(RTL_FILELIST)[0]]
    sources[sources.index(path)] = folder / path.name
    return build(
        "verilator", module, PARAMETERS[module], sources=sources, filelist=None, coverage=False
    )


@pytest.mark.parametrize(("module", "story"), STORIES)
def test_legal_stimulus(module: str, story: str, tmp_path: Path) -> None:
    """Could break: a stimulus that trips an assertion without any fault. Nothing is planted."""
    run(build_planted(module), __name__, f"{story}$", plusargs=["MUTANT=0"], work_dir=tmp_path)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.module}-{p.assertion}")
def test_planted_fault(planted: Planted, tmp_path: Path) -> None:
    """Could break: an assertion that cannot fail, or whose failure the run survives. One wrong
    expression in the RTL; the run fails, and its log names the assertion.
    """
    number = PLANTED.index(planted) + 1
    with pytest.raises(SimulationError, match=rf"Assertion failed in .*\b{planted.assertion}\b"):
        run(
            build_planted(planted.module),
            __name__,
            f"{planted.story}$",
            plusargs=[f"MUTANT={number}"],
            work_dir=tmp_path,
        )


BENCH = TOPS / "assertion_bench.sv"


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("Holds", "property_fails"),
        ("Happens", "condition_happens"),
        ("Stays", "offer_withdrawn"),
        ("Stays", "payload_changed"),
    ],
)
def test_violation_of_each_macro(name: str, story: str, tmp_path: Path) -> None:
    """Could break: a macro that expands to nothing, or to what never fails. Each is violated."""
    built = build("verilator", "assertion_bench", sources=[BENCH], filelist=None)
    with pytest.raises(SimulationError, match=rf"Assertion failed in .*\b{name}\b"):
        run(built, __name__, f"{story}$", work_dir=tmp_path)


@pytest.mark.parametrize("sim", SIMULATORS)
def test_macro_silent(sim: str, tmp_path: Path) -> None:
    """Could break: a macro that fires in reset, on a flush or on a legal handshake; one that
    another simulator does not compile.
    """
    built = build(sim, "assertion_bench", sources=[BENCH], filelist=None)
    run(built, __name__, "legal_behaviour$", work_dir=tmp_path)


def test_assertion_for_each_conflict() -> None:
    """Could break: a row of the table of conflicts whose assertion has gone or was never planted.
    Each row names assertions; they are in the RTL, and at least one of each row is in PLANTED.
    """
    text = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("## Conflicts, and why there are none") :].split("\n\n")[1]
    rows = table.splitlines()[2:]
    rtl = "".join(path.read_text(encoding="utf-8") for path in RTL_DIR.glob("*.sv"))
    assert len(rows) == 6
    for row in rows:
        names = re.findall(r"`(\w+)`", row.rstrip("| ").rpartition("|")[2])
        assert names, f"no assertion named: {row}"
        for name in names:
            assert re.search(rf"`EDGEDRNN_\w+\({name},", rtl), f"{name} is not in the RTL"
        assert {p.assertion for p in PLANTED}.intersection(names), f"none is planted: {row}"


def test_declared_nets() -> None:
    """Could break: a new file in which a misspelt name becomes a wire. Each SystemVerilog file
    begins with default_nettype none and gives the default back at its end.
    """
    files = [*RTL_DIR.glob("*.sv"), *TOPS.parent.rglob("*.sv")]
    assert len(files) > 30
    for path in files:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        code = [line for line in lines if not line.startswith(("//", "`include"))]
        assert code[0] == "`default_nettype none", path.name
        assert code[-1] == "`default_nettype wire", path.name


# ------------------------------------------------------------------------------- stories


async def start(dut: Any, **inputs: int) -> None:
    """Clock and reset, with all inputs at 0 or as given."""
    for handle in dut:
        if handle._name.endswith("_i") and handle._name != "clk_i":
            handle.value = inputs.get(handle._name.removesuffix("_i"), 0)
    dut.rst_ni.value = 0
    Clock(dut.clk_i, 10, "ns").start()
    await ClockCycles(dut.clk_i, 3)
    dut.rst_ni.value = 1
    await RisingEdge(dut.clk_i)


async def cycle(dut: Any, **inputs: int) -> None:
    """One cycle with these inputs."""
    for name, value in inputs.items():
        getattr(dut, f"{name}_i").value = value
    await RisingEdge(dut.clk_i)


@cocotb.test()
async def legal_behaviour(dut: Any) -> None:
    """Violations in reset and on a flush are none."""
    await start(dut)
    assert int(dut.active_o.value) == int("Icarus" not in cocotb.SIM_NAME)
    await cycle(dut, valid=1, data=5)
    await cycle(dut, ready=1)
    await cycle(dut, valid=1, data=6, ready=0)
    await cycle(dut, flush=1, data=7)
    await cycle(dut, flush=0, valid=0)
    await cycle(dut, valid=1, data=8)
    dut.rst_ni.value = 0
    await cycle(dut, data=1, wrong=1, valid=0)
    await cycle(dut, data=2)
    dut.rst_ni.value = 1
    await cycle(dut, wrong=0)
    await cycle(dut)


@cocotb.test()
async def property_fails(dut: Any) -> None:
    """The condition of ASSERT is false for a cycle."""
    await start(dut)
    await cycle(dut, wrong=1, data=1)
    await cycle(dut, wrong=0)


@cocotb.test()
async def condition_happens(dut: Any) -> None:
    """The condition of NEVER is true for a cycle."""
    await start(dut)
    await cycle(dut, wrong=1, data=2)
    await cycle(dut, wrong=0)


@cocotb.test()
async def offer_withdrawn(dut: Any) -> None:
    """Valid falls before ready came."""
    await start(dut)
    await cycle(dut, valid=1, data=5)
    await cycle(dut, valid=0)
    await cycle(dut)


@cocotb.test()
async def payload_changed(dut: Any) -> None:
    """The payload changes while it waits."""
    await start(dut)
    await cycle(dut, valid=1, data=5)
    await cycle(dut, data=6)
    await cycle(dut)


@cocotb.test()
async def pushes_without_pops(dut: Any) -> None:
    """More is offered than fits."""
    await start(dut, in_valid=1)
    data = dut.in_i if hasattr(dut, "in_i") else dut.in_data_i
    for number in range(12):
        data.value = number + 1
        await cycle(dut)


@cocotb.test()
async def column_behind_gates(dut: Any) -> None:
    """A column of a layer whose gates have read nothing yet, then one group after the other."""
    work = WORK.word(op=COLUMN, last_group=3)
    await start(dut, gate_busy=1, beat_valid=1, work=work, work_valid=1)
    taken = 0
    for passed in (0, 1, 2, 3, 2047):
        for _ in range(5):
            await cycle(dut, gate_passed=passed)
            taken += int(dut.beat_ready_o.value)
            if int(dut.work_ready_o.value):
                dut.work_valid_i.value = dut.beat_valid_i.value = 0
    assert taken == 12


@cocotb.test()
async def gates_and_column_of_two_layers(dut: Any) -> None:
    """Gates of layer 0 read as fast as they may while a column of layer 1 comes with pauses."""
    work = WORK.word(op=COLUMN, layer=1, last_group=15)
    await start(dut, gate_busy=1, work=work, work_valid=1)
    granted, behind, offered = 0, 0, False
    for number in range(80):
        offered = offered or number % 2 == 0
        dut.beat_valid_i.value = int(offered)
        dut.gate_re_i.value = 1 | (behind & 1) << 1 | (behind >> 1 & 1) * 0b1100
        await FallingEdge(dut.clk_i)
        got = int(dut.gate_grant_o.value)
        await RisingEdge(dut.clk_i)
        offered = offered and not int(dut.beat_ready_o.value)
        granted, behind = granted + got, (behind << 1 | got) & 3
    assert granted > 10


@cocotb.test()
async def start_that_waits(dut: Any) -> None:
    """The end of a layer at the head of the queue while the gates are busy."""
    work = WORK.word(op=EntryType.END, last=1)
    await start(dut, gate_busy=1, gate_layer=1, work=work, work_valid=1)
    for number in range(6):
        await cycle(dut, beat_valid=number // 3)
        assert int(dut.gate_start_o.value) == 1
    await cycle(dut, gate_ready=1, gate_busy=0)


async def hand_out(dut: Any, type_: int, layer: int, size: int) -> None:
    """Hand a pass to the encoder."""
    offered = PASS.word(op=type_, layer=layer, size=size, theta=1)
    await cycle(dut, pass_valid=1, **{"pass": offered})
    dut.pass_valid_i.value = 0


@cocotb.test()
async def walk_behind_gates(dut: Any) -> None:
    """A walk over h of the layer whose gates run and write vector after vector."""
    await start(dut, entry_ready=1)
    await hand_out(dut, PASS_INIT, 0, 64)
    for _ in range(40):
        await cycle(dut)
    assert int(dut.idle_o.value) == 1
    await cycle(dut, gate_busy=1)
    await hand_out(dut, PASS_H, 0, 64)
    for vectors in range(9):
        for _ in range(5):
            await cycle(dut, gate_vecs=vectors)
    await cycle(dut, gate_busy=0)
    for _ in range(20):
        await cycle(dut)
    assert int(dut.idle_o.value) == 1


@cocotb.test()
async def entries_that_wait(dut: Any) -> None:
    """Elements that fire, and a fetch that takes none of them for a while."""
    await start(dut, entry_ready=1)
    await hand_out(dut, PASS_INIT, 0, 64)
    for _ in range(40):
        await cycle(dut)
    await cycle(dut, entry_ready=0, x_valid=1, x_data=sum(100 << 16 * lane for lane in range(8)))
    await hand_out(dut, PASS_X, 0, 32)
    for _ in range(30):
        await cycle(dut)
    assert int(dut.entry_valid_o.value) == 1
    await cycle(dut, entry_ready=1)


@cocotb.test()
async def beat_without_a_burst(dut: Any) -> None:
    """A beat that nobody asked for, then a read and its two beats."""
    await start(dut, beat_ready=1)
    dut.m_axi_arready.value = dut.m_axi_rlast.value = dut.m_axi_rvalid.value = 0
    await RisingEdge(dut.clk_i)
    dut.m_axi_rvalid.value = 1
    await cycle(dut)
    dut.m_axi_rvalid.value = 0
    await cycle(dut, burst_valid=1, burst_addr=64, burst_beats=2)
    dut.m_axi_arready.value = 1
    await cycle(dut, burst_valid=0)
    for last in (0, 1):
        dut.m_axi_rvalid.value, dut.m_axi_rlast.value = 1, last
        await cycle(dut)
    dut.m_axi_rvalid.value = 0
    for _ in range(4):
        await cycle(dut)
    assert int(dut.idle_o.value) == 1


@cocotb.test()
async def all_commands_at_once(dut: Any) -> None:
    """A start, a new sequence and a soft reset in the same cycle; then the first two."""
    await start(dut, num_layers=1, lut_frac=8)
    await cycle(dut, start=1, new_sequence=1, soft_reset=1)
    await cycle(dut, start=0, new_sequence=0, soft_reset=0)
    await cycle(dut, bus_idle=1)
    await cycle(dut)
    await cycle(dut, start=1, new_sequence=1)
    await cycle(dut, start=0, new_sequence=0)
    await cycle(dut)


@cocotb.test()
async def quads_back_to_back(dut: Any) -> None:
    """The gates of a layer of 64 units, a quad in each cycle."""
    await start(dut, all_ready=1, bank_grant=0, units=64, lut_frac=8, out_room=1)
    await cycle(dut, start=1)
    dut.start_i.value = 0
    written = 0
    for _ in range(40):
        dut.bank_grant_i.value = 0
        await FallingEdge(dut.clk_i)
        dut.bank_grant_i.value = int(dut.bank_re_o.value) & 1
        await RisingEdge(dut.clk_i)
        written += int(dut.h_we_o.value)
    assert written == 16 and int(dut.busy_o.value) == 0
