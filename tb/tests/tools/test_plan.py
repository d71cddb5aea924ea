# SPDX-License-Identifier: Apache-2.0
"""The verification plan names every test and every coverage group, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tb.coverage.functional.groups import GROUPS
from tb.regress.intents import (
    Intent,
    Orphans,
    PlanError,
    collect_tests,
    names_node,
    orphans,
    read_plan,
    report,
    status,
)

INTENT = Intent("a", "A", "b", "s", "c", ("theta",), ("tb/tests/system/test_a.py::story",))


def test_no_orphans() -> None:
    """Could break: a test that nobody planned, an intent that nothing tests, a group of no use."""
    assert orphans(read_plan(), collect_tests(), GROUPS) == Orphans([], [], [])


def test_named_orphans() -> None:
    """Could break: the check above, by finding nothing whatever there is."""
    tests = ["tb/tests/system/test_a.py::story", "tb/tests/rtl/test_b.py::test_b"]
    assert orphans([INTENT], tests, ["theta", "delta"]) == Orphans([tests[1]], ["delta"], [])
    vain = replace(
        INTENT, tests=("tb/tests/rtl/test_b.py", "tb/tests/rtl/test_c.py"), coverage=("nothing",)
    )
    assert orphans([vain], tests, ["theta"]) == Orphans(
        [tests[0]], ["theta"], ["a: tb/tests/rtl/test_c.py", "a: nothing"]
    )


def test_collected_stories_and_functions(tmp_path: Path) -> None:
    """Could break: a kind of test that the plan does not see."""
    folder = tmp_path / "tb" / "tests" / "system"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text(
        "import cocotb\n@cocotb.test()\nasync def story(dut): ...\nasync def helper(): ...\n"
        "def test_x(test, config): ...\ndef test_y(): ...\nclass TestZ:\n def test_z(self): ...\n"
    )
    names = ("story", "test_y", "test_z")
    assert collect_tests(tmp_path) == [f"tb/tests/system/test_x.py::{name}" for name in names]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "plan.toml: intent: found nothing"),
        ("[[intent]]\nid = 'a'\n", r"intent\[0\].title: found nothing, expected a value"),
        ("intent = ", "expected TOML"),
    ],
)
def test_bad_plan(tmp_path: Path, text: str, message: str) -> None:
    """Could break: an entry that is half there and holds nothing."""
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        read_plan(path)


def test_files_of_a_pattern(tmp_path: Path) -> None:
    """Could break: a pattern that takes what another intent names or hides its own error."""
    rows = [f"{key} = 'x'" for key in ("title", "breaks", "stimulus", "check")]
    texts = [
        "\n".join(["[[intent]]", f"id = '{name}'", *rows, "coverage = []", f"tests = {tests}"])
        for name, tests in (
            ("named", ["tb/tests/rtl/test_gate_lane.py"]),
            ("all", ["tb/tests/rtl/test_gate_*.py"]),
            ("none", ["tb/tests/rtl/test_nothing_*.py"]),
        )
    ]
    path = tmp_path / "plan.toml"
    path.write_text("\n".join(texts))
    assert [intent.tests for intent in read_plan(path)] == [
        ("tb/tests/rtl/test_gate_lane.py",),
        ("tb/tests/rtl/test_gate_pipeline.py",),
        ("tb/tests/rtl/test_nothing_*.py",),
    ]
    assert orphans(read_plan(path), collect_tests(), []).intents == [
        "none: tb/tests/rtl/test_nothing_*.py"
    ]


def test_matched_nodes_of_a_run() -> None:
    """Could break: results given to another intent, or to none."""
    node = "tb/tests/system/test_a.py::test_a[story-w64]"
    assert names_node("tb/tests/system/test_a.py", node)
    assert names_node("tb/tests/system/test_a.py::story", node)
    assert names_node("tb/tests/system/test_a.py::test_a", node)
    assert not names_node("tb/tests/system/test_a.py::sto", node)
    assert not names_node(
        "tb/tests/system/test_a.py::story", "tb/tests/system/test_a.py::test_a[stor-w64]"
    )


def test_status_of_an_intent() -> None:
    """Could break: an intent that holds although a test failed, was not run, or bins are open."""
    job = {"node": "tb/tests/system/test_a.py::test_a[story-w64]", "status": "passed"}
    lost = {**job, "node": "tb/tests/system/test_a.py::test_a[story-w32]", "status": "lost"}
    assert status(INTENT, [job], set()) == "holds"
    assert status(INTENT, [job], {"theta"}) == "open"
    assert status(INTENT, [job, lost], set()) == "fails"
    assert status(INTENT, [], set()) == "not run"
    written = report([INTENT], Orphans([], [], []), [job], set())
    assert written["intents"][0]["tests"] == list(INTENT.tests)
    assert written["intents"][0]["status"] == "holds"
