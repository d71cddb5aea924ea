# SPDX-License-Identifier: Apache-2.0
"""Stories and the pytest functions that run them are joined by name: the names must fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tb.bench.case import simulate
from tb.bench.stories import never_run, stories_in, without_story
from tb.paths import TESTS

FILES = sorted((TESTS / "system").glob("test_*.py"))
STORIES = """\
import cocotb
@cocotb.test()
async def first(dut): "of two"
@cocotb.test(timeout_time=1, timeout_unit="ms")
async def second(dut): ...
async def helper(dut): ...
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_stories(path: Path) -> None:
    """Could break: a story that no pytest function names, so that it never runs, and a name in a
    matrix that is misspelt.
    """
    assert (never_run(path), without_story(path)) == ([], [])


def test_found_stories() -> None:
    """Could break: the check above, which holds of files in which nothing is found."""
    assert sum(len(stories_in(path)) for path in FILES) > 50


@pytest.mark.parametrize(
    ("runs", "forgotten", "misspelt"),
    [
        ('bench.matrix(("first", "w64"), ("second", "w64"))', [], []),
        ('bench.matrix(("first", "w64"))', ["second"], []),
        ('bench.matrix(("first", "w64"), ("secnd", "w64"))', ["second"], ["secnd"]),
        ('bench.simulate(__file__, "first", c); run(b, m, r"\\.second$")', [], []),
        ('bench.simulate(__file__, "frist", c)', ["first", "second"], ["frist"]),
        ('bench.simulate(other.__file__, "frist", c); NAMES = ["first", "second"]', [], []),
    ],
)
def test_messages_of_wrong_names(
    tmp_path: Path, runs: str, forgotten: list[str], misspelt: list[str]
) -> None:
    """Could break: a forgotten or misspelt name that passes."""
    path = tmp_path / "test_x.py"
    path.write_text(STORIES + runs)
    assert stories_in(path) == ("first", "second")
    assert (never_run(path), without_story(path)) == (forgotten, misspelt)


def test_unknown_story() -> None:
    """Could break: a long build before anybody sees that the name of a story is wrong."""
    with pytest.raises(ValueError, match=r"test_joints.py: found no cocotb test 'no_such'"):
        simulate(str(TESTS / "system" / "test_joints.py"), "no_such", "w64")
