# SPDX-License-Identifier: Apache-2.0
"""What a module test derives from the RTL: the files it needs, the inputs it drives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tb.bench import module_bench, rtl_sources
from tb.bench.rtl_sources import inputs_of, sources_of
from tb.failure import Design, Run
from tb.paths import RTL_DIR
from tb.sim.build import read_filelist
from tb.sim.run import RunResult


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RTL of a package, a leaf, a parent and a module that nobody needs."""
    texts = {
        "p.sv": "package p; localparam int W = 3; endpackage",
        "leaf.sv": "module leaf (input logic clk_i, output logic q_o); endmodule",
        "other.sv": "module other (input logic a_i); endmodule",
        "parent.sv": "module parent import p::*; #(parameter int N = 1) (input logic clk_i, rst_ni,"
        " input logic [W-1:0] d_i [2], output logic q_o, input wire ready);"
        " for (genvar i = 0; i < N; i++) begin : gen_l\n`LEAF u_leaf (.*); end endmodule",
        "scope.sv": '`include "names.svh"\nmodule scope (input logic [p::W-1:0] d_i); endmodule',
    }
    texts["parent.sv"] = "`define LEAF leaf\n" + texts["parent.sv"]
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "names.svh").touch()
    (tmp_path / "all.f").write_text("\n".join(sorted(texts, key=lambda name: name != "p.sv")))
    monkeypatch.setattr(rtl_sources, "RTL_FILELIST", tmp_path / "all.f")
    return tmp_path


def test_sources_of_a_module(small: Path) -> None:
    """Could break: a package or an instance that is not found, behind a macro or a scope, or a file
    too many, in another order than that of the list.
    """
    names = {m: [path.name for path in sources_of(m)] for m in ("leaf", "parent", "scope")}
    assert names == {
        "leaf": ["leaf.sv"],
        "parent": ["p.sv", "leaf.sv", "parent.sv"],
        "scope": ["p.sv", "scope.sv"],
    }


def test_inputs_of_a_module(small: Path) -> None:
    """Could break: a port without a direction of its own, or an output that is driven."""
    assert inputs_of("parent") == ("clk_i", "rst_ni", "d_i", "ready")


def test_unknown_module_and_bad_source(small: Path) -> None:
    """Could break: a test of a misspelt module, or of a file that does not parse, which builds
    something else.
    """
    for find in (sources_of, inputs_of):
        with pytest.raises(ValueError, match=r"nobody: found no such module in all\.f"):
            find("nobody")
    (small / "leaf.sv").write_text("module leaf (;")
    rtl_sources.scan.cache_clear()
    with pytest.raises(ValueError, match=r"leaf\.sv: found \d+ syntax errors"):
        sources_of("leaf")


def test_complete_sources_of_each_module() -> None:
    """Could break: the order or the walk on our RTL. The top needs every file of the list."""
    assert sources_of("edgedrnn") == read_filelist(RTL_DIR / "edgedrnn.f")[0]


RECORD = Run(Design("icarus", "ram_1r1w", {}, Path()), "", None, 1, None, Path(), "")


def test_story_that_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: a story of a module that is skipped or filtered away, while the test passes."""
    name = "tb.tests.rtl.test_ram_1r1w"
    result = RunResult((f"{name}.random_accesses",), (), 0, 0.0, Path(), Path(), RECORD)
    monkeypatch.setattr(module_bench, "build", lambda *_, **options: options)
    monkeypatch.setattr(module_bench, "run", lambda *_, **__: result)
    module_bench.module_test(name, "ram_1r1w", "icarus")
    monkeypatch.setattr(module_bench, "stories_of", lambda _: ("random_accesses", "another"))
    with pytest.raises(AssertionError, match=r"expected \['another', 'random_accesses'\]"):
        module_bench.module_test(name, "ram_1r1w", "icarus")
