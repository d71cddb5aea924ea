# SPDX-License-Identifier: Apache-2.0
"""Which tests a change can break: in a toy repository, and for the sources of this one."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tb.cli import quick
from tb.mutation import report
from tb.mutation.campaign import Verdict
from tb.mutation.sample import load_plan, possible_mutants
from tb.paths import REPO, TABLES
from tb.regress.affected import (
    Budget,
    Choice,
    SelectionError,
    Tree,
    changed_files,
    rtl_nodes,
    select,
    within,
)

FILES = {
    "rtl/leaf.sv": "module leaf; endmodule  // of top\n",
    "rtl/middle.sv": '`include "checks.svh"\nmodule middle; leaf u_leaf (); endmodule\n',
    "rtl/top.sv": "module top; middle u_middle (); endmodule  // no other: lonely\n",
    "rtl/lonely.sv": "module lonely; endmodule\n",
    "rtl/checks.svh": "// macros\n",
    "golden/model.py": "X = 1\n",
    "tb/bench/case.py": 'from golden import model\nTOP = "top"\n',
    "tb/reader.py": 'PATH = "numbers.toml"\n',
    "tb/tables/numbers.toml": "a = 1\n",
    "tb/tests/rtl/test_leaf.py": 'MODULE = "leaf"\n',
    "tb/tests/rtl/test_middle.py": 'MODULE = "middle"\n',
    "tb/tests/system/test_core.py": "from tb.bench import case\n",
    "tb/tests/tools/test_reader.py": "def test():\n    import tb.reader\n",
    "tb/tests/tools/test_other.py": "import golden\n",
}
CORE = "tb/tests/system/test_core.py::test_core[w64]"
PLAN = {
    "rtl/leaf.sv": ["tb/tests/rtl/test_leaf.py::test_leaf[8]", CORE],
    "rtl/middle.sv": ["tb/tests/rtl/test_middle.py", CORE],
}
BUDGET = Budget(60.0, 8.0, 6.0, ["tb/bench/case.py"], {"tb/tests/": 2.0}, {})


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def chosen(
    root: Path, *changed: str, budget: Budget = BUDGET, gone: tuple[str, ...] = ()
) -> list[str]:
    """Names of the selected tests, in order."""
    return [c.node for c in select(changed, Tree(root, gone), PLAN, budget, 2).chosen]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("golden/model.py", [CORE, "tb/tests/system/test_core.py"]),
        ("tb/tables/numbers.toml", ["tb/tests/tools/test_reader.py"]),
        ("tb/tests/tools/test_other.py", ["tb/tests/tools/test_other.py"]),
        ("rtl/lonely.sv", []),
        (
            "rtl/leaf.sv",
            [*PLAN["rtl/leaf.sv"], "tb/tests/rtl/test_leaf.py", "tb/tests/rtl/test_middle.py"],
        ),
        ("rtl/checks.svh", ["tb/tests/rtl/test_middle.py"]),
    ],
)
def test_selection_of_one_change(toy: Path, changed: str, expected: list[str]) -> None:
    """Catches: an import in a function, a table's reader, a module's parent or an include that is
    not followed; a comment or an unrelated test that is.
    """
    assert chosen(toy, changed) == expected


def test_selection_of_a_deleted_file(toy: Path) -> None:
    """Catches: a deletion that nothing is run for, though its importers break."""
    (toy / "tb/reader.py").unlink()
    assert chosen(toy, "tb/reader.py", gone=("tb/reader.py",)) == ["tb/tests/tools/test_reader.py"]


def test_selection_within_the_budget() -> None:
    """Catches: a selection that takes longer than promised, or leaves something out unsaid."""
    choices = [Choice(f"tb/tests/tools/t{i}.py", "", 1, s) for i, s in enumerate((40, 90, 30))]
    found = within(choices, BUDGET, workers=2)
    assert [c.node[-5:] for c in found.chosen] == ["t0.py", "t2.py"] and found.seconds == 43
    assert [c.node[-5:] for c in found.left_out] == ["t1.py"]
    core = within([Choice(CORE, "", 0, 2.0)] * 1, BUDGET, workers=2)
    assert core.seconds == 8 + 1 + 6  # start, its share of two workers, the build


def git(root: Path, *words: str) -> None:
    identity = ["-c", "user.name=toy", "-c", "user.email=toy@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *words], check=True, capture_output=True)


def test_change_since_the_merge_base(toy: Path) -> None:
    """Catches: a commit of the base branch counted as a change, or a new file that is missed."""
    git(toy, "init", "-q", "-b", "main")
    git(toy, "add", ".")
    git(toy, "commit", "-q", "-m", "first")
    git(toy, "branch", "work")
    (toy / "rtl/top.sv").write_text("module top; endmodule\n")
    git(toy, "commit", "-q", "-a", "-m", "of main alone")
    git(toy, "checkout", "-q", "work")
    (toy / "golden/model.py").write_text("X = 2\n")
    git(toy, "commit", "-q", "-a", "-m", "committed")
    (toy / "rtl/leaf.sv").unlink()
    (toy / "tb/new.py").write_text("")
    assert changed_files(toy, "main") == ["golden/model.py", "rtl/leaf.sv", "tb/new.py"]
    assert changed_files(toy, "HEAD") == ["rtl/leaf.sv", "tb/new.py"]
    with pytest.raises(SelectionError, match=r"^git merge-base: .*nowhere"):
        changed_files(toy, "nowhere")


def test_quick_tests_of_every_rtl_file() -> None:
    """Catches: a source file whose own tests, or those of the whole core, do not fit a minute."""
    plan, budget = load_plan(TABLES / "mutants.toml").tests, Budget.read(TABLES / "quick.toml")
    for file, nodes in plan.items():
        found = rtl_nodes(file, plan, budget)
        assert found[:1] == list(nodes[:1]) and len(found) >= len(nodes) - 1, file
        assert any(node.startswith("tb/tests/system/") for node in found), file


def test_times_of_existing_tests() -> None:
    """Catches: a file that was renamed and then counts as a short one."""
    budget = Budget.read(TABLES / "quick.toml")
    assert [file for file in [*budget.file, *budget.bench] if not (REPO / file).is_file()] == []


def test_quick_share_of_the_mutation_score() -> None:
    """Catches: a kill by a test that make quick would not run, counted as one of its kills."""
    first, second, third = possible_mutants(REPO, ["rtl/stream_fifo.sv"])[:3]
    verdicts = [
        Verdict(first, "a.py::t[1]: x"),
        Verdict(second, "b.py::t: x"),
        Verdict(third, None),
    ]
    words: dict[str, Any] = {
        "seed": 1,
        "possible": 3,
        "goal": 0.5,
        "quick": {first.file: ["a.py", "b.py::t[2]"]},
    }
    found = report.summary(verdicts, {third.id: "none"}, **words)
    assert found["score"] == 1.0 and found["quick"] == 0.5
    assert "**50.0%**" in report.page(found) and report.complaints(found) == []
    worse = report.summary(verdicts, {third.id: "none"}, **{**words, "goal": 0.9})
    assert report.complaints(worse) == ["score of make quick 50.0%, goal 90%"]


def test_quick_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a list without a reason, a file that does not exist taken for one without tests."""
    assert quick.main(["--list", "rtl/h_egress.sv"]) == 0
    printed = capsys.readouterr().out
    assert "strongest for rtl/h_egress.sv" in printed and "test_h_egress.py" in printed
    assert quick.main(["rtl/nowhere.sv"]) == 2
    assert "rtl/nowhere.sv: found no such file" in capsys.readouterr().err
    assert quick.main(["--base", "no-such-revision"]) == 2
