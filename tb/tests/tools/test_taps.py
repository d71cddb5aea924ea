# SPDX-License-Identifier: Apache-2.0
"""The sheet of taps: the one place in tb/ that knows where a signal of the core is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from tb.debug.taps import FIELDS, SHEET, TapError, is_tap, rtl_path, tap_path, taps
from tb.paths import REPO, RTL_FILELIST
from tb.sim.build import read_filelist

NUMBERS = {"lane": 4, "memory": 4, "stage": 12}  # of what a tap with a number is counted
INTO_THE_CORE = re.compile(r"\bu_dut\.\w")
SIGNAL_IN_A_STRING = re.compile(r"\bu_[a-z]+(_[a-z]+)*\.\w")
OF_MONITORS = re.compile(r"u_(trace|golden|timeline|deep)\.")


def elaborated(parameters: dict[str, int]) -> Any:
    """The core alone, elaborated by slang with these parameters."""
    from pyslang import Bag, syntax
    from pyslang import ast as slang

    options = slang.CompilationOptions()
    options.topModules = {"edgedrnn"}
    options.paramOverrides = [f"{name}={value}" for name, value in parameters.items()]
    design = slang.Compilation(Bag([options]))
    for source in read_filelist(RTL_FILELIST)[0]:
        design.addSyntaxTree(syntax.SyntaxTree.fromFile(str(source)))
    return design.getRoot()


@pytest.mark.parametrize("width", [32, 64, 256])
def test_every_tap_resolves_in_the_rtl(width: int) -> None:
    """Could break: a register of the core renamed, its tap left behind in the sheet."""
    root = elaborated({"AxiDataWidth": width})
    assert len(taps()) > 180
    for name, (path, letter) in taps().items():
        count = NUMBERS[name.split("_")[0]] if letter else 1
        first = 1 if name.startswith("stage_") else 0
        for number in range(first, first + count):
            whole = rtl_path(f"{name}[{number}]" if letter else name)
            below = re.sub(r"^u_dut\b", "edgedrnn", whole)
            held = root.lookupName(re.sub(r"\[\d+\]$", "", below))
            if held is None:  # a member of a struct
                parent, _, member = below.rpartition(".")
                held = root.lookupName(parent)
                names = [field.name for field in held.type.canonicalType] if held else []
                assert member in names, f"{name}: {path}"
            assert held is not None and hasattr(held, "type"), f"{name}: {path}"


def test_members_of_structs_among_the_nets_of_dumps() -> None:
    """Could break: a field of a stream that no dump shows, since stream_fields.sv lacks its net."""
    text = (SHEET.parent / "stream_fields.sv").read_text(encoding="utf-8")
    nets = re.findall(r"^  wire .*?(\w+) += `tap_(\w+);$", text, re.M)
    assert all(net == tap for net, tap in nets)
    members = [name for name, (_, letter) in taps().items()
               if letter is None and tap_path(name) == f"{FIELDS}.{name}"]  # fmt: skip
    assert len(members) > 20 and members == [net for net, _ in nets]
    for name in members:
        assert rtl_path(name).count(".") >= 2


def test_paths_into_the_core_in_the_sheet_alone() -> None:
    """Could break: a monitor, a test or a table that reaches into the core past the sheet."""
    files = [path for path in (REPO / "tb").rglob("*") if path.is_file() and path != SHEET]
    texts = [
        path for path in files if path.suffix in (".sv", ".svh", ".vlt", ".cpp", ".py", ".toml")
    ]
    assert len(texts) > 200
    here = Path(__file__)
    found = [p for p in texts if p != here and INTO_THE_CORE.search(p.read_text(encoding="utf-8"))]
    assert not found, found


def test_taps_named_by_the_localisation() -> None:
    """Could break: a finding whose signal is the path of a register, which a rename would break."""
    for path in (REPO / "tb" / "debug").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = OF_MONITORS.sub("", node.value)
                assert not SIGNAL_IN_A_STRING.search(text), f"{path.name}:{node.lineno}"


def test_no_unused_tap() -> None:
    """Could break: a sheet that grows for ever, since nobody knows who uses a tap."""
    sources = [
        *(REPO / "tb" / "sv").rglob("*.sv"),
        *(REPO / "tb" / "debug").rglob("*.py"),
        *(REPO / "tb" / "tests").rglob("*.py"),
        REPO / "tb" / "tables" / "waves.toml",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    words = set(re.findall(r"\w+", text.replace("tap_", "")))
    lane = {f"lane_{word}" for word in words}  # gating.py puts `lane_` before
    prefixed = {f"{a}_{word}" for a in ("push", "work", "entry", "lane_entry") for word in words}
    assert not set(taps()) - words - lane - prefixed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wire x = u_dut.x;", "found 'wire x"),
        ("`define tap_x u_dut.x // twice\n", "found '`define tap_x"),
        ("`define tap_x u_dut.x\n`define tap_x u_dut.y", "x is defined twice"),
        ("`define tap_x(i) u_dut.x", "its number is unused"),
        ("`define tap_x u_other.x", "found '`define tap_x u_other"),
    ],
)
def test_line_of_another_form(tmp_path: Path, line: str, said: str) -> None:
    """Could break: a tap that Python does not see, since its line is written in another way."""
    sheet = tmp_path / "core_taps.svh"
    sheet.write_text(line)
    with pytest.raises(TapError, match=re.escape(said)):
        taps(sheet)


def test_names_of_taps() -> None:
    """Could break: a number left out, or given to a tap that has none."""
    assert tap_path("lane_r[2]").startswith("u_dut.") and "[2]" in tap_path("lane_r[2]")
    assert tap_path("lane_r[{lane}]").count("[{lane}]") == 1
    assert is_tap("x_valid") and not is_tap("x_valid[1]") and not is_tap("lane_r")
    with pytest.raises(TapError, match="nothing: found no such tap"):
        tap_path("nothing")
