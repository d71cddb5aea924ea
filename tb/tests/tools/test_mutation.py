# SPDX-License-Identifier: Apache-2.0
"""Mutants of a small design: they are what they say, and what is wrong with a run is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tb.mutation.mutant import Edit, Mutant, name_edits
from tb.mutation.operators import SyntaxNotUnderstoodError, find_edits
from tb.mutation.sample import PlanError, load_plan, possible_mutants, sample
from tb.mutation.schemata import mutated_text
from tb.mutation.simulations import record
from tb.paths import REPO, TABLES

TOY = """\
// A counter that stops at its limit: a + b, in a comment.
module toy #(parameter int Limit = 4 - 1) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       up_i,
  output logic [3:0] count_o,
  output logic       quiet_o
);
  wire at_limit = (count_o == 4'(Limit));
  assign quiet_o = up_i & 1'b0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) count_o <= '0;
    else if (up_i && !at_limit) count_o <= count_o + 1'b1;
  end
`ifndef SYNTHESIS
  always @(posedge clk_i) if (count_o > 4'd9) $error("too many");
`endif
endmodule
"""
BENCH = """\
import cocotb, pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from pathlib import Path
from tb.sim.build import build
from tb.sim.run import run

def test_toy(tmp_path):
    source = Path(__file__).with_name("toy.sv")
    run(build("verilator", "toy", sources=[source], filelist=None), __name__, work_dir=tmp_path)

@cocotb.test()
async def counts(dut):
    Clock(dut.clk_i, 10, "ns").start()
    dut.up_i.value = 0
    for _ in range(2):
        dut.rst_ni.value = 0
        await FallingEdge(dut.clk_i)
        await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        for up, count in ((0, 0), (1, 1), (1, 2), (0, 2), (1, 3), (1, 3), (0, 3)):
            dut.up_i.value = up
            await FallingEdge(dut.clk_i)
            assert dut.count_o.value == count
"""
PLAN = """\
goal = {goal}
sample = 100
least = 1
seed = 3
[tests]
"{file}" = ["{bench}::test_toy"]
"""
EQUIVALENT = """
[[equivalent]]
file = "{file}"
before = "{before}"
after = "{after}"
reason = "of this test"
"""


def toy_mutants() -> list[Mutant]:
    return name_edits("toy.sv", TOY, find_edits(TOY, "toy.sv"))


def changes() -> set[tuple[str, str]]:
    """(original text, replacement) of each mutant."""
    return {(TOY[m.edit.start : m.edit.end], m.edit.text) for m in toy_mutants()}


def test_described_change_of_each_mutant() -> None:
    """Could break: an operator that is not changed, or into itself; a mutant where none belongs:
    comments, parameters, assertions, clock edges.
    """
    assert changes() >= {
        ("count_o == 4'(Limit)", "count_o != 4'(Limit)"),
        ("up_i && !at_limit", "up_i || !at_limit"),
        ("up_i && !at_limit", "up_i"),
        ("up_i & 1'b0", "up_i | 1'b0"),
        ("up_i & 1'b0", "1'sd0"),
        ("!rst_ni", "1'b0"),
        ("'0", "'1"),
        ("count_o + 1'b1", "count_o - 1'b1"),
        ("count_o <= '0;", ";"),
    }
    for mutant in toy_mutants():
        assert mutant.before != mutant.after
        line = TOY.splitlines()[mutant.line - 1]
        assert not line.lstrip().startswith(("//", "module", "always"))
        assert "$error" not in line


def test_preserved_grouping() -> None:
    """Could break: a changed operator that binds otherwise than the one it stands for, so that the
    line shown is not what the simulation works with.
    """
    text = "module m(input a, b, c, output d); assign d = a && b && c; endmodule"
    shown = {e.text for e in find_edits(text, "m") if e.operator == "logical"}
    assert shown == {"(a || b)", "a && b || c"}
    text = text.replace("a && b && c", "a || b || c")
    shown = {e.text for e in find_edits(text, "m") if e.operator == "logical"}
    assert shown == {"a && b", "(a || b) && c"}


def test_stable_ids_when_lines_move() -> None:
    """Could break: names that follow from line numbers, so that explanations go stale."""
    moved = "\n\n" + TOY.replace("module toy", "// more\nmodule toy")
    assert [m.id for m in name_edits("toy.sv", moved, find_edits(moved, "toy.sv"))] == [
        m.id for m in toy_mutants()
    ]
    ids = [m.id for m in toy_mutants()]
    assert len(set(ids)) == len(ids)


def test_nested_mutants_in_one_text() -> None:
    """Could break: edits inside one another, or a statement left out that takes an else with it."""
    inner, outer = Edit(6, 7, "x", "B"), Edit(2, 10, "x", "C")
    held = Edit(0, 12, "held", ";", held=True)
    mutants = [
        Mutant(str(n), n, "f", 1, edit, "", "") for n, edit in enumerate((inner, outer, held), 1)
    ]
    chosen = "mutation_pkg::chosen"
    assert mutated_text("x=f(a+b*c)*d; rest", mutants) == (
        f"begin if ({chosen} != 3) x=({chosen} == 2 ? C : f(a+({chosen} == 1 ? B : b)*c))*d end;"
        " rest"
    )


def test_sample_share_of_every_file() -> None:
    """Could break: a small module that is not sampled at all, or a sample that changes."""
    files = [f"rtl/{name}.sv" for name in ("ram_1r1w", "stream_fifo", "sequencer")]
    mutants = possible_mutants(REPO, files)
    drawn = sample(mutants, 60, 12, seed=1)
    counts = [sum(m.file == file for m in drawn) for file in files]
    assert sum(counts) == 60 and min(counts) >= 12 and counts[2] == max(counts)
    assert drawn == sample(mutants, 60, 12, seed=1) != sample(mutants, 60, 12, seed=2)
    assert len(sample(mutants, 10**6, 12, seed=1)) == len(mutants)


def test_recorded_killer_tests() -> None:
    """Could break: a test of tb/tables/mutants.toml that is gone, renamed, runs on Icarus, or asks
    more of a build than it is given where nothing is built.
    """
    plan = load_plan(TABLES / "mutants.toml")
    nodes = sorted({node for some in plan.tests.values() for node in some})
    benches = record(nodes)
    assert set(benches) == set(nodes)
    sources = {Path(s).name for some in benches.values() for b in some for s in b.build["sources"]}
    assert {path.name for path in (REPO / "rtl").glob("*.sv")} <= sources


DEFAULTS = """\
goal = 0.9
sample = 1
least = 1
seed = 1
[default]
filelist = "rtl/all.f"
tests = "tests/test_{name}.py"
[without_module_test]
"rtl/b.sv" = "a top"
[tests]
"rtl/b.sv" = ["tests/test_a.py::test_a"]
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository of two modules, one of them with a test file."""
    for name in ("rtl/a.sv", "rtl/b.sv", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "rtl" / "all.f").write_text("b.sv\na.sv\n")
    (tmp_path / "plan.toml").write_text(DEFAULTS)
    return tmp_path


def test_default_tests_of_a_module(small: Path) -> None:
    """Could break: a module that nobody named, so that it is never mutated. Its test file is its
    test, in the order of compilation; other tests where the plan says so.
    """
    tests = load_plan(small / "plan.toml", small).tests
    assert list(tests.items()) == [
        ("rtl/b.sv", ("tests/test_a.py::test_a",)),
        ("rtl/a.sv", ("tests/test_a.py",)),
    ]


@pytest.mark.parametrize(
    ("new_file", "old", "new", "message"),
    [
        ("rtl/c.sv", "", "", "rtl/c.sv: found no tests/test_c.py, expected it, or a reason"),
        ("rtl/c.sv", '"a top"', '"a top"\n"rtl/c.sv" = " "', "rtl/c.sv: found ' ', expected text"),
        ("tests/test_b.py", "", "", "rtl/b.sv has tests/test_b.py: remove the entry"),
        ("x", '"a top"', '"a top"\n"rtl/d.sv" = "gone"', "found rtl/d.sv, expected a file of"),
        ("x", "[tests]", '[tests]\n"rtl/d.sv" = []', "found rtl/d.sv, expected a file of"),
    ],
)
def test_module_without_a_test(
    small: Path, new_file: str, old: str, new: str, message: str
) -> None:
    """Could break: a new file of RTL, listed or not, without a test and without a reason for it; a
    reason that outlives its file.
    """
    (small / new_file).touch()
    plan = small / "plan.toml"
    plan.write_text(DEFAULTS.replace(old, new) if old else DEFAULTS)
    with pytest.raises(PlanError, match=f"^plan.toml: .*{message}"):
        load_plan(plan, small)


def test_unparsable_files() -> None:
    """Could break: a file with an error of syntax that counts as one without mutants."""
    with pytest.raises(SyntaxNotUnderstoodError, match="m"):
        find_edits("module m; assign = ; endmodule", "m.sv")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy, its test and its outcomes, shared so that it is built once."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.sv").write_text(TOY)
    (folder / "test_toy.py").write_text(BENCH)
    return folder


def typed(
    folder: Path, *words: str, goal: float = 0.5, equivalents: str = ""
) -> subprocess.CompletedProcess[str]:
    """Type the command with the toy's plan."""
    names = {"file": folder / "toy.sv", "bench": folder / "test_toy.py"}
    text = PLAN.format(goal=goal, **names) + equivalents
    plan = folder / "plan.toml"
    plan.write_text(text)
    command = [sys.executable, REPO / "scripts" / "mutants.py", "--plan", plan, "--jobs", "1"]
    command += ["--work", folder / "work", "--json", folder / "found.json", *words]
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )


def survivors(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((folder / "found.json").read_text())
    return [m for m in found["mutants"] if m["status"] == "survived"]


def test_unexplained_survivor(toy: Path) -> None:
    """Could break: a green run with a mutant that no test notices (nothing looks at quiet_o); an
    explanation that is not taken, or one of a mutant that a test kills.
    """
    first = typed(toy)
    assert first.returncode == 1, first.stdout + first.stderr
    found = json.loads((toy / "found.json").read_text())
    alive = survivors(toy)
    assert alive and all("quiet_o" in m["before"] for m in alive), alive
    assert found["schema"] == 1 and found["counts"]["killed"] > 15
    assert all(m["by"] for m in found["mutants"] if m["status"] == "killed")
    assert found["score"] == found["counts"]["killed"] / len(found["mutants"])
    assert found["quick"] == found["score"] and "make quick alone: " in first.stdout
    assert alive[0]["id"] in first.stderr

    words = [EQUIVALENT.format(**m) for m in alive]
    page = toy / "page.md"
    again = typed(toy, "--markdown", str(page), equivalents="".join(words))
    assert again.returncode == 0, again.stderr
    assert "of this test" in page.read_text() and not survivors(toy)

    killed = next(m for m in found["mutants"] if "!at_limit" in m["before"] and m["by"])
    words.append(EQUIVALENT.format(**killed))
    wrong = typed(toy, equivalents="".join(words))
    assert wrong.returncode == 1 and "said to be equivalent" in wrong.stderr


def test_score_below_the_goal(toy: Path) -> None:
    """Could break: a score that nobody compares with its goal."""
    done = typed(toy, goal=1.0)
    assert done.returncode == 1 and "goal 100%" in done.stderr


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--sample", "0"), "--sample"),
        (("--seed", "x"), "--seed"),
        (("--only", "none.sv"), "none.sv"),
        (("--diff", "toy-0"), "--diff"),
        (("--jobs", "many"), "--jobs"),
        (("--json", "/no/such/folder/x.json"), "found no folder"),
    ],
)
def test_mistake_message(toy: Path, words: tuple[str, ...], names: str) -> None:
    """Could break: a stack trace, or a run of minutes before a word that is wrong is read."""
    done = typed(toy, *words)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and names in done.stderr, done.stderr


def test_stale_explanation(toy: Path) -> None:
    """Could break: an explanation that outlives its line and hides the next mutant there."""
    stale = EQUIVALENT.format(file=toy / "toy.sv", before="x = y;", after="x = z;")
    done = typed(toy, equivalents=stale)
    assert done.returncode == 2 and "no mutant turns 'x = y;'" in done.stderr
