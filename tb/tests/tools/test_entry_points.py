# SPDX-License-Identifier: Apache-2.0
"""The command `edgedrnn`, the thin files in scripts/, and the FuseSoC core file."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from tb.cli.main import COMMANDS, main
from tb.paths import REPO, RTL_FILELIST

SCRIPTS = {path.stem: path for path in (REPO / "scripts").glob("*.py")}
OF_GOLDEN = {"train", "datasets", "ablate"}  # python -m golden.train and so on


def test_one_script_per_command() -> None:
    """Could break: a new command without a script, or a script without a command."""
    assert {name.replace("-", "_") for name in COMMANDS} - OF_GOLDEN == set(SCRIPTS)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_thin_script(name: str) -> None:
    """Could break: logic in scripts/, where nothing types or tests it."""
    tree = ast.parse(SCRIPTS[name].read_text(encoding="utf-8"))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert [n.module for n in imports] == ["pathlib", f"tb.cli.{name}"]
    assert COMMANDS[name.replace("_", "-")].module == f"tb.cli.{name}"


def test_help_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: a command that the help does not list."""
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS.values():
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", text, re.MULTILINE)


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: a wrong name that ends in a traceback or in status 0."""
    assert main(["simulat"]) == 2
    assert "found command 'simulat', expected one of simulate, " in capsys.readouterr().err


@pytest.mark.parametrize("words", [["simulate", "--help"], ["datasets", "--help"]])
def test_dispatched_help(words: list[str]) -> None:
    """Could break: a sub-command that is not reached, or does not get its own words."""
    command = [sys.executable, "-m", "tb.cli.main", *words]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("usage: "), done.stderr


def test_core_file_in_the_order_of_the_file_list() -> None:
    """Could break: a module added to edgedrnn.f alone, so that FuseSoC users miss it."""
    core = (REPO / "edgedrnn.core").read_text(encoding="utf-8")
    listed = re.findall(r"^ +- (rtl/\w+\.sv)$", core, re.MULTILINE)
    words = [line.split("//")[0].strip() for line in RTL_FILELIST.read_text().splitlines()]
    assert listed == [f"rtl/{word}" for word in words if word.endswith(".sv")]


def test_pin_of_every_requirement() -> None:
    """Could break: a package that floats, or has two versions in two files."""

    def pins(name: str) -> set[str]:
        text = (REPO / name).read_text(encoding="utf-8")
        found = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", text, re.MULTILINE)
        return {f"{re.sub('[-_.]+', '-', name).lower()}=={version}" for name, version in found}

    assert len(pins("requirements.txt")) > 20
    assert pins("requirements.txt") - pins("requirements.lock") == set(), "run make lock"
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lists = [project["dependencies"], *extras]
    named = {name.partition("[")[0] for names in lists for name in names}
    assert {pin.partition("==")[0] for pin in pins("requirements.txt")} <= named, "pyproject.toml"
    assert named <= {pin.partition("==")[0] for pin in pins("requirements.lock")}, "run make lock"
    assert "+" not in (REPO / "requirements.lock").read_text(encoding="utf-8"), "a local version"
