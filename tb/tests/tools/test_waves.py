# SPDX-License-Identifier: Apache-2.0
"""Waves: formats, queries, layouts and pictures, on dumps written by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vcd import VCDWriter

from tb.cli import waves as command
from tb.codegen.rtl import enum_types
from tb.debug.taps import DUT, tap_path
from tb.debug.wave_query import Wave, WaveError
from tb.debug.waves import outputs
from tb.debug.waves.catalog import Row, catalog
from tb.debug.waves.formats import Format
from tb.debug.waves.outputs import open_scene
from tb.debug.waves.text import draw_text
from tb.paths import REPO

PERIOD, CYCLES = 10, 24
N10 = tap_path("lane_n[2]")
# Path below the bench: (width, {cycle: value that flip-flops take from this cycle on}).
SIGNALS: dict[str, tuple[int, dict[int, Any]]] = {
    tap_path("state"): (3, {0: 0, 4: 3, 6: 4, 16: 3}),
    tap_path("x_first"): (1, {0: 0, 5: 1, 6: 0, 17: 1, 18: 0}),
    tap_path("packet_done"): (1, {0: 0, 15: 1, 16: 0}),
    tap_path("s_axis_x_tdata"): (128, {0: 0x0080_FF00, 9: 0}),
    N10: (10, {0: "x", 8: 0, 11: 0x3E0, 12: 64}),
    "u_trace.step_q": (64, {0: 6, 16: 7}),
    "u_golden.gen_lane[2].gate_n": (10, {0: 0, 12: 240}),
    "u_golden.mismatch": (1, {0: 0, 12: 1, 13: 0}),
}
WRONG_NS = 5 + 11 * PERIOD


def write_dump(path: Path, without: str = "\n") -> Path:
    """A dump of 24 cycles, two steps: the second value of lane 2's n is wrong."""
    with path.open("w") as out, VCDWriter(out, timescale="1 ns", date="") as writer:
        clock = writer.register_var(f"bench.{DUT}", "clk_i", "wire", 1, 0)
        variables = {}
        for name, (width, changes) in SIGNALS.items():
            if without not in name:
                scope, _, leaf = f"bench.{name}".rpartition(".")
                variables[name] = writer.register_var(scope, leaf, "wire", width, changes[0])
        for cycle in range(CYCLES):
            writer.change(clock, 5 + cycle * PERIOD, 1)
            for name, variable in variables.items():
                if cycle + 1 in SIGNALS[name][1]:  # set by this edge, taken at the next one
                    writer.change(variable, 5 + cycle * PERIOD, SIGNALS[name][1][cycle + 1])
            writer.change(clock, 10 + cycle * PERIOD, 0)
    return path


def write_divergence(folder: Path, **changed: object) -> Path:
    """What the localisation leaves beside a dump."""
    data = {
        "schema": 1, "what": "gate n", "step": 6, "layer": 0, "kind": None, "column": None,
        "unit": 6, "gate": "n", "expected": {"hex": "0f0", "q": 0.9375},
        "actual": {"hex": "3e0", "q": -0.125}, "format": "Q2.8", "cycle": 11,
        "inputs": [{"name": "r", "right": True, "expected": "1", "actual": "1"},
                   {"name": "M_nh", "right": False, "expected": "0.5", "actual": "0.25"}],
        "time_ns": WRONG_NS, "signal": f"bench.{N10}", "module": "gate_lane", "dump": "dump.vcd",
        "steps": [{"step": 6, "from_ns": 55, "to_ns": 155}],
    }  # fmt: skip
    path = folder / "divergence.json"
    path.write_text(json.dumps(data | changed))
    return path


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return write_dump(tmp_path / "dump.vcd")


@pytest.mark.parametrize(
    "style, value, width, text",
    [
        ("Q8.8", 0xFF80, 16, "-0.5"),
        ("Q8.8", 0x8000, 16, "-128"),
        ("Q17.15", 0xFFFFFFFF, 32, "-0.00003"),
        ("UQ1.8", 256, 9, "1"),
        ("Q2.8", 0x301, 10, "-0.9961"),
        ("Q8.8[]", 0x0001_FF00_0180, 48, "1.5 -1 0.0039"),
        ("signed", 7, 3, "-1"),
        ("dec", 7, 3, "7"),
        ("hex", 10, 9, "00a"),
        ("bin", 2, 3, "010"),
        ("enum", 4, 3, "SeqStep"),
        ("enum", 7, 3, "?7"),
        ("Q8.8", None, 16, "x"),
    ],
)
def test_formats(style: str, value: int | None, width: int, text: str) -> None:
    """Could break: signs, the place of the point, the order of lanes, numbers for names."""
    enum = ("seq_state_e", enum_types()["seq_state_e"])
    assert Format.parse(style, enum).text(value, width) == text


@pytest.mark.parametrize("style", ["Q8", "float", "dec[]", ""])
def test_unknown_format(style: str) -> None:
    """Could break: a typing error in tb/tables/waves.toml that shows every value as hex."""
    with pytest.raises(WaveError, match="expected bit, bin, hex"):
        Format.parse(style)


def test_golden_signals_of_the_probe() -> None:
    """Could break: golden rows that no dump will ever hold, since optional ones may be absent."""
    from pyslang import ast, syntax

    design = ast.Compilation()
    for path in (
        REPO / "rtl" / "edgedrnn_pkg.sv",
        REPO / "tb" / "sv" / "monitors" / "golden_probe.sv",
    ):
        design.addSyntaxTree(syntax.SyntaxTree.fromFile(str(path)))
    declared: dict[str, int] = {}

    def visit(symbol: object) -> None:
        if isinstance(symbol, ast.ValueSymbol):
            width = symbol.type.bitWidth
            declared[symbol.hierarchicalPath.replace("golden_probe.", "u_golden.", 1)] = width

    design.getRoot().visit(visit)
    rows = [row for group in catalog() if group.optional for row in group.rows]
    assert len(rows) > 30
    for row in rows:
        assert row.path in declared, row.path
        assert row.format.what != "bit" or declared[row.path] == 1, row.path
        assert declared[row.path] % (row.format.bits or 1) == 0, row.path
    golden = {row.path for row in rows}
    assert {row.golden for group in catalog() for row in group.rows} - {None} <= golden


def test_distinct_labels() -> None:
    """Could break: two rows of one name; GTKWave takes no dots in one."""
    labels = [row.label for group in catalog() for row in group.rows]
    assert len(set(labels)) == len(labels) and not any("." in label for label in labels)
    assert Row(N10, Format("hex")).label == "lane 2 n10"


def test_values_at_the_clock_edge(dump: Path) -> None:
    """Could break: a change at the edge itself that counts a cycle early; signs; wide words."""
    wave = Wave(dump)
    assert wave.top == "bench." and wave.cycle.tolist() == list(range(CYCLES))
    assert wave.when(wave["x_first"]).tolist() == [5, 17]
    assert wave.when(wave["state"] == 3).tolist() == [4, 5, *range(16, 24)]
    assert wave.at(11)["u_trace.step_q"] == 6 and wave.at(16)["u_trace.step_q"] == 7
    assert wave["s_axis_x_tdata"][0] == 0x0080_FF00 and wave["s_axis_x_tdata"][9] == 0
    busy = wave["state"] == 4
    assert not (busy & wave["x_first"]).any() and (~busy).sum() == CYCLES - 10


def test_unknown_values(dump: Path) -> None:
    """Could break: x read as 0, which answers every question that begins with `never`."""
    wave = Wave(dump)
    with pytest.raises(WaveError, match=r"n10: found 8 unknown values, the first in cycle 0"):
        wave[N10]
    assert wave.get(N10, unknown=-1)[[7, 8, 11]].tolist() == [-1, 0, 0x3E0]
    assert np.flatnonzero(wave.known(N10))[0] == 8


def test_excluded_reset(tmp_path: Path) -> None:
    """Could break: what signals held before and in reset counted as behaviour."""
    path = tmp_path / "reset.vcd"
    with path.open("w") as out, VCDWriter(out, timescale="1 ns", date="") as writer:
        clock = writer.register_var(f"bench.{DUT}", "clk_i", "wire", 1, 0)
        reset_n = writer.register_var(f"bench.{DUT}", "rst_ni", "wire", 1, 0)
        for cycle in range(6):
            writer.change(clock, 5 + 10 * cycle, 1)
            if cycle == 2:
                writer.change(reset_n, 5 + 10 * cycle, 1)
            writer.change(clock, 10 + 10 * cycle, 0)
    assert Wave(path).edges.tolist() == [35000, 45000, 55000]


def test_wrong_and_ambiguous_names(dump: Path) -> None:
    """Could break: a wrong name that silently means another signal, or a message of no help."""
    wave = Wave(dump)
    with pytest.raises(WaveError, match=r"stat: found no such signal.*near are .*state"):
        wave["stat"]
    assert "mismatch" in wave and "nothing" not in wave
    with pytest.raises(WaveError, match="cycle 99 not found, expected 0 to 23"):
        wave.at(99)


def test_steps_and_moment(dump: Path) -> None:
    """Could break: step numbers counted from the start of a dump that starts later."""
    scene = open_scene(dump)
    marks = [(marker.name, marker.time_ps) for marker in scene.view.markers]
    assert marks == [("step 6", 55_000), ("step 7", 175_000)]
    assert open_scene(dump, step=7).view.centre == 17
    assert open_scene(dump, at_ns=119.0).view.centre == 11
    write_divergence(dump.parent)
    assert open_scene(dump).view.centre == 11
    assert open_scene(None, dump.parent / "divergence.json").wave.path == dump
    write_divergence(dump.parent, dump="another.vcd")
    assert open_scene(dump).view.divergence is None


def test_found_and_expected_values_in_text(dump: Path) -> None:
    """Could break: the picture of a divergence without the divergence."""
    write_divergence(dump.parent)
    text = draw_text(open_scene(dump).diagram(), width=110, ascii_only=True)
    lines = {line[:20].strip(): line for line in text.splitlines()}
    assert text.splitlines()[0].endswith("expected 0.9375, actual -0.125 in Q2.8")
    column = lines["cycle"].index("11")
    assert lines["lane 2 n10"][column:].startswith("|!-0.125")
    assert lines["expected (golden)"][column:].startswith("|0.9375")
    assert lines["state"].count("SeqStep") == 1 and text.isascii()
    assert [name for name in text.split("\n") if name.startswith("- ")] == [
        "- sequencer", "- gate pipeline", "- golden model"]  # fmt: skip


def test_unlisted_signal(dump: Path) -> None:
    """Could break: the one signal that matters left out since nobody foresaw it."""
    write_divergence(dump.parent, signal=f"bench.{DUT}.u_pe_array.gen_pe[1].product")
    text = draw_text(open_scene(dump).diagram(), ascii_only=True)
    assert "!-0.125" in text and "|0.9375" in text and "gen_pe[1] product" in text
    assert "input M_nh: 0.25, WRONG, expected 0.5" in text


@pytest.mark.parametrize(
    "path, width, style, text",
    [
        ("u_gate_pipeline.gen_lane[2].u_lane.z8", 9, "Q2.8", "1"),  # as the catalogue has it
        ("u_gate_pipeline.gen_lane[2].u_lane.z9", 9, "Q2.8", "1"),  # too narrow for a sign
        ("u_gate_pipeline.m_q", 512, "Q17.15", "0.00781"),  # a lane of several
        ("u_sequencer.check_region", 2, "Q32.0", "?3"),  # an enum
    ],
)
def test_format_of_the_wrong_value(
    path: str, width: int, style: str, text: str, tmp_path: Path
) -> None:
    """Could break: a 1 of sigma, 9 bits, shown as -1; a word of lanes as one number."""
    dump = tmp_path / "dump.vcd"
    with dump.open("w") as out, VCDWriter(out, timescale="1 ns", date="") as writer:
        clock = writer.register_var(f"bench.{DUT}", "clk_i", "wire", 1, 0)
        scope, _, leaf = f"bench.{DUT}.{path}".rpartition(".")
        writer.register_var(scope, leaf, "wire", width, 256 if width > 2 else 3)
        writer.register_var(f"bench.{DUT}", "h_we", "wire", 1, 0)
        for cycle in range(CYCLES):
            writer.change(clock, 5 + cycle * PERIOD, 1)
            writer.change(clock, 10 + cycle * PERIOD, 0)
    write_divergence(
        tmp_path, signal=f"bench.{DUT}.{path}", format=style, steps=[], unit=None,
        actual={"hex": "100", "q": "0.0078125" if width > 9 else "1"},
    )  # fmt: skip
    shown = draw_text(open_scene(dump).diagram(), ascii_only=True)
    assert re.search(rf"\|!{re.escape(text)}[ |]", shown), shown


def test_bit_changes(dump: Path) -> None:
    """Could break: a picture a cycle off."""
    text = draw_text(open_scene(dump, at_ns=65).diagram(8, ["x in"]), width=60, ascii_only=True)
    first = next(line for line in text.splitlines() if line.startswith("x_first"))
    cycles = next(line for line in text.splitlines() if line.startswith("cycle"))
    assert first.index("-") == cycles.index("5")
    assert first[cycles.index("6") - 1] == "-" and first[cycles.index("6")] == "_"


def test_gtkwave_layout(dump: Path) -> None:
    """Could break: names without their ranges, which GTKWave does not find; formats; markers."""
    write_divergence(dump.parent)
    out = dump.parent / "view.gtkw"
    open_scene(dump).gtkwave(out)
    lines = out.read_text().splitlines()
    at = lines.index(f"+{{lane 2 n10}} bench.{N10}[9:0]")
    assert lines[at - 3 : at] == ["@40000420", "[color] 1", "[fpshift_count] 8"]
    assert lines[at + 3] == "+{golden lane 2 gate_n} bench.u_golden.gen_lane[2].gate_n[9:0]"
    zoom = next(line for line in lines if line.startswith("*")).split()
    assert zoom[1:4] == [str(WRONG_NS), str(WRONG_NS), "55"]
    assert "[markername_long] A divergence" in lines and "[markername_long] B step 6" in lines
    names = next(line for line in lines if line.startswith("^1 ")).split(maxsplit=1)[1]
    assert "4 SeqStep" in Path(names).read_text().splitlines()
    assert lines.count("-group_end") == sum(line == "-s_axis_x_tdata" for line in lines) + 1


def test_surfer_layout(dump: Path) -> None:
    """Could break: a format put on the neighbour, since Surfer names items by their place."""
    write_divergence(dump.parent)
    out = dump.parent / "view.sucl"
    open_scene(dump).surfer(out)
    lines = out.read_text().splitlines()
    items = [line for line in lines if line.split()[0] in ("variable_add", "divider_add")]
    for place, line in enumerate(lines):
        if line.startswith("item_focus"):
            letters, name = line.split()[1].split("_", 1)
            number = int("".join(f"{ord(letter) - ord('a'):x}" for letter in letters), 16)
            assert items[number] == f"variable_add {name}"
            assert lines[place + 1].startswith("item_")
    at = next(i for i, line in enumerate(lines) if line.endswith(N10) and "focus" in line)
    assert lines[at + 1 : at + 4] == [
        "item_set_format Signed", "item_set_format Q2.8_10", "item_set_color Red"]  # fmt: skip
    table = (dump.parent / ".surfer" / "mnemonic" / "Q2.8_10.txt").read_text().splitlines()
    assert table[:2] == ["Name: Q2.8_10", "Bits: 10"] and "0x3e0 -0.125" in table
    assert f"marker_set divergence {WRONG_NS}" in lines and f"cursor_set {WRONG_NS}" in lines


SURFER = {  # what Surfer takes behind each command that is written
    "divider_add": r"\w+",  # a second word is an error, and the divider is not made
    "variable_add": r"[\w.\[\]]+",
    "item_focus": r"[a-p]+_[\w.\[\]]+",
    "item_set_format": r"Binary|Hexadecimal|Unsigned|Signed|[\w.]+_\d+",
    "item_set_color": r"Red|Yellow",
    "item_unfocus": r"",
    "marker_set": r"[\w']+ \d+",
    "zoom_fit": r"",
    "cursor_set": r"\d+",
    "zoom_in": r"",
    "goto_cursor": r"",
}
MNEMONIC = r"0x[0-9a-f]+ [^\s/#\"\[\]]+"  # bare digits are binary in one Surfer, decimal in another


def test_every_line_of_a_surfer_file(dump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: a line that Surfer drops, and so every place behind it is another's."""
    monkeypatch.setattr(outputs, "LAYOUT_BEFORE", 2)  # so that there is something to zoom into
    write_divergence(dump.parent)
    out = dump.parent / "view.sucl"
    open_scene(dump).surfer(out)
    used = set()
    for line in out.read_text().splitlines():
        name, _, rest = line.partition(" ")
        assert name in SURFER and re.fullmatch(SURFER[name], rest), line
        assert not set("#;") & set(line), line  # the rest is a comment; the next command
        used.add(name)
    assert used == set(SURFER)
    tables = list((dump.parent / ".surfer" / "mnemonic").iterdir())
    assert {table.name for table in tables} >= {"Q2.8_10.txt", "seq_state_e_3.txt"}
    for table in tables:
        name, bits, *values = table.read_text().splitlines()
        assert name == f"Name: {table.stem}" and bits == f"Bits: {table.stem.rpartition('_')[2]}"
        for value in values:
            assert re.fullmatch(MNEMONIC, value), value
            assert int(value.split()[0], 16) < 1 << int(bits.split()[1]), value


def test_requested_outputs(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: an option that writes nothing; text printed besides files."""
    write_divergence(dump.parent)
    names = {
        option: dump.parent / f"out.{option}" for option in ("svg", "png", "gtkwave", "surfer")
    }
    words = [word for option, path in names.items() for word in (f"--{option}", str(path))]
    assert command.main([str(dump), *words]) == 0
    assert capsys.readouterr().out == ""
    svg = names["svg"].read_text()
    assert "0.9375" in svg and "-0.125" in svg and "SeqStep" in svg and "divergence" in svg
    assert names["png"].read_bytes().startswith(b"\x89PNG")
    assert names["gtkwave"].stat().st_size and names["surfer"].stat().st_size
    assert command.main([str(dump), "--text"]) == 0
    assert "✗-0.125" in capsys.readouterr().out


def test_mistake_messages(dump: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Could break: a traceback, a panic of the library, an empty picture; half a file left."""
    empty, cut, other = (tmp_path / name for name in ("empty.fst", "cut.fst", "other.vcd"))
    empty.touch()
    cut.write_bytes(b"\x00" * 400)
    other.write_text(dump.read_text().replace("u_dut", "u_other"))
    bad = tmp_path / "bad.json"
    bad.write_text('{"schema": 1}')
    out = tmp_path / "out.svg"
    cases = {
        (): "found neither a dump nor a divergence.json",
        ("none.fst",): "none.fst: found no such file",
        (str(empty),): "empty.fst: not a dump that can be read",
        (str(cut),): "cut.fst: not a dump that can be read",
        (str(other),): "found no instance u_dut",
        (str(dump), "--at", "soon"): "--at: found 'soon'",
        (str(dump), "--at", "1e9"): "outside, expected 5 to",
        (str(dump), "--step", "3"): "step 3 not found, the dump holds 6, 7",
        (str(dump), "--step", "6", "--at", "9"): "--at, --step: found both",
        (str(dump), "--cycles", "0"): "--cycles: found '0'",
        (str(dump), "--group", "gates"): "group 'gates': found no such group",
        (str(dump), "--divergence", str(bad)): "found no what, time_ns, signal",
        (str(dump), "--svg", "/no/such/folder/x.svg"): "found no folder",
    }
    for words, message in cases.items():
        extra = () if "--svg" in words else ("--svg", str(out))
        assert command.main([*words, *extra]) == 2, words
        error = capfd.readouterr().err
        assert error.count("\n") == 1 and message in error, error
    assert not out.exists()


def test_missing_viewer(
    dump: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Could break: a traceback where nobody has installed the viewer."""
    monkeypatch.setenv("PATH", str(dump.parent))
    assert command.main([str(dump), "--open", "surfer"]) == 2
    assert "found no surfer on PATH" in capsys.readouterr().err


def test_help_text() -> None:
    """Could break: a command that nobody can use without reading it."""
    script = REPO / "scripts" / "waves.py"
    text = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True).stdout
    assert all(word in text for word in ("which moment", "examples", "--divergence", "exit status"))
