# SPDX-License-Identifier: Apache-2.0
"""The environment: what is read from it, what is handed on, and the page that documents it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tb.handover import Handover, MutantBatch, Replay, Simulation, handover, simulation
from tb.paths import REPO
from tb.records import RecordError, from_json
from tb.settings import (
    HANDOVER,
    NAMES,
    SettingError,
    Settings,
    change_settings,
    child_env,
    settings,
    simulator_env,
)

PAGE = (REPO / "docs" / "settings.md").read_text(encoding="utf-8")
ALL = Settings(
    seed=7,
    coverage=True,
    cover_code=True,
    cover_dir=REPO / "build" / "cover",
    waves=True,
    waves_from_ns=10,
    waves_to_ns=20,
    waves_steps=(3, 5),
    waves_most_ns=0,
    localise=True,
    timeline=True,
    sim_timeout_s=1.5,
    no_color=True,
)


def table(title: str) -> list[list[str]]:
    """The rows of the table in this section of the page, without its head."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in rows]


def test_page_of_the_settings() -> None:
    """Could break: a variable that no page names, or one that nothing reads any more."""
    rows = table("Environment variables")
    assert [row[0] for row in rows] == [f"`{name}`" for name in NAMES]
    for one, row in zip(fields(Settings), rows, strict=True):
        default = "none" if one.default is None or one.name == "no_color" else f"{one.default:g}"
        assert row[2] == default and all(row), row
    inherited = [name for name, one in zip(NAMES, fields(Settings), strict=True)
                 if one.metadata["inherited"]]  # fmt: skip
    passed_on = " and ".join(f"`{name}`" for name in inherited)
    assert f"they pass on only {passed_on}." in " ".join(PAGE.split())


def test_page_of_the_variables_of_make() -> None:
    """Could break: a variable of the Makefile that no page names."""
    named = {name for row in table("Variables of make") for name in re.findall(r"`(\w+)`", row[0])}
    text = (REPO / "Makefile").read_text(encoding="utf-8")
    own = set(re.findall(r"^(\w+) *:=", text, re.MULTILINE))
    used = set(re.findall(r"(?<!\$)\$\((?:if \$\()?(?:call quoted,|value )?([A-Z]+)\)", text))
    assert used - own - {"SEED", "MAKE"} == named


def test_settings_survive_the_environment() -> None:
    """Could break: a child that reads another value than its parent meant."""
    assert all(getattr(ALL, one.name) != one.default for one in fields(Settings))
    assert Settings.of(ALL.variables()) == ALL
    assert Settings().variables() == {} and Settings.of(dict.fromkeys(NAMES, "")) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("SEED", "abc", "a whole number"),
        ("SEED", "-1", "a whole number"),
        ("WAVES_FROM_NS", "1.5", "a time in ns"),
        ("WAVES_MOST_NS", "soon", "a time in ns"),
        ("WAVES_STEPS", "x", "a step as 3, or steps as 3:5"),
        ("WAVES_STEPS", "5:3", "a step as 3, or steps as 3:5"),
        ("SIM_TIMEOUT_S", "x", "a number of seconds above 0"),
        ("SIM_TIMEOUT_S", "0", "a number of seconds above 0"),
        ("LOCALISE", "yes", "0 or 1"),
    ],
)
def test_bad_value_of_a_setting(name: str, text: str, expected: str) -> None:
    """Could break: a traceback, or a default in silence, for a value that means nothing."""
    with pytest.raises(SettingError) as caught:
        Settings.of({name: text})
    assert str(caught.value) == f"{name}: found {text!r}, expected {expected}"


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["scripts/simulate.py", "--model", "m", "--stimulus", "x", "--output", "o"], 2),
        (["-m", "tb.sim.run", "--top", "edgedrnn"], 2),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "tb/tests/tools/test_settings.py"], 4),
    ],
)
def test_message_of_a_bad_value(words: list[str], status: int) -> None:
    """Could break: a traceback for a mistake at the keyboard."""
    env = child_env(Settings(), SEED="abc")
    done = subprocess.run(
        [sys.executable, *words], cwd=REPO, env=env, capture_output=True, text=True, check=False
    )
    said = (done.stdout + done.stderr).strip()
    assert done.returncode == status and len(said.splitlines()) == 1, said
    assert "SEED: found 'abc', expected a whole number" in said


def test_waves_in_any_window() -> None:
    """Could break: a window that is given and no waves."""
    assert not Settings(waves_most_ns=5).wants_waves
    for one in ({"waves": True}, {"waves_from_ns": 0}, {"waves_to_ns": 5}, {"waves_steps": (0, 0)}):
        assert Settings(**one).wants_waves, one


def test_settings_of_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Could break: WAVES=1 or an old replay of the person who started it in a test of a replay."""
    for name, text in ALL.variables().items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv(HANDOVER, Handover(replay=Replay(Path("/old"))).text())
    monkeypatch.setenv("PYTHONPATH", "/mine")
    kept = settings().for_child(seed=3)
    assert kept == Settings(seed=3, sim_timeout_s=1.5, no_color=True)
    env = child_env(kept, "told", python_path=[Path("/first")], COLUMNS="100")
    assert Settings.of(env) == kept and env[HANDOVER] == "told"
    assert (env["PYTHONPATH"], env["COLUMNS"]) == ("/first:/mine", "100")
    assert HANDOVER not in child_env(kept)


def test_a_simulator_sees_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: COVERAGE=1 reaches cocotb, which then covers our Python code."""
    for name, text in (ALL.variables() | {"COCOTB_USER_COVERAGE": "1"}).items():
        monkeypatch.setenv(name, text)
    env = simulator_env("told", python_path=["/a", "/b"], path_last=[Path("/last")])
    assert not set(env) & {*NAMES, "COCOTB_USER_COVERAGE", "PYTEST_CURRENT_TEST"}
    assert (env[HANDOVER], env["PYTHONPATH"]) == ("told", "/a:/b")
    assert env["PATH"].endswith(":/last")


def test_settings_that_change_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: coverage of one test of a regression in the folder of the test before."""
    for name in NAMES:
        monkeypatch.setenv(name, "")  # monkeypatch puts back what was there
    monkeypatch.setenv("SEED", "5")
    change_settings(cover_dir=Path("/x"))
    assert settings() == Settings(seed=5, cover_dir=Path("/x"))


def test_cover_dir_below_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Could break: coverage lost in the folder from which a test happens to run."""
    monkeypatch.chdir(tmp_path)
    assert Settings.of({"COVER_DIR": "build/cover"}).cover_dir == REPO / "build" / "cover"
    assert Settings.of({"COVER_DIR": "/x/cover"}).cover_dir == Path("/x/cover")


def test_handover_to_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: a record that changes on its way from parent to child, or is not checked."""
    told = Handover(
        chunk=Path("/chunk.json"),
        replay=Replay(Path("/r"), Path("/r/expected.txt"), 500),
        simulation=Simulation(7, "m", "f$", {"A": 1}, {"n": [1, "x"]}, "ours", True, Path("/c")),
        mutants=MutantBatch([1, 2], 1.0, 2.5, Path("/report")),
    )
    monkeypatch.setenv(HANDOVER, told.text())
    assert handover() == told and simulation() == told.simulation
    monkeypatch.setenv(HANDOVER, "")
    assert handover() == Handover()
    with pytest.raises(RuntimeError, match=r"tb\.sim\.run does that"):
        simulation()
    with pytest.raises(RecordError, match=r"Handover: .*numbers"):
        from_json('{"mutants": {"numbers": "all"}}', Handover)
