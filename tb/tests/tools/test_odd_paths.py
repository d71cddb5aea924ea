# SPDX-License-Identifier: Apache-2.0
"""Folders with odd names, and packages of somebody else with our names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from golden.model_file import save_model
from golden.stimulus import random_model
from tb import paths
from tb.paths import REPO, harmless

ODD = "my #1: runs, a=b; 'q' \"d\" $x %y Müller"


def copy_of_the_repository(folder: Path) -> Path:
    """A copy of what the commands need, without builds and models."""
    left_out = shutil.ignore_patterns("models", "clips", "__pycache__", "tests")
    for name in ("golden", "tb", "rtl", "scripts"):
        shutil.copytree(REPO / name, folder / name, ignore=left_out)
    return folder


def inputs(folder: Path) -> tuple[Path, Path]:
    """A small model and a stimulus in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    model, stimulus = folder / "m.npz", folder / "x.npy"
    save_model(model, random_model(rng, 3, (8,)))
    np.save(stimulus, rng.integers(-500, 500, (3, 3)).astype(np.int16))
    return model, stimulus


def environment(temporary: Path, python_path: str = "") -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251
    return keep | {"TMPDIR": str(temporary), "PYTHONPATH": python_path}


@pytest.mark.parametrize("name", [ODD, "/".join(["long" * 40] * 3)])
def test_checkout_in_an_odd_folder(name: str, tmp_path: Path) -> None:
    """Could break: a build or a run that a character of a path ends. Inputs and outputs lie there
    as well.
    """
    checkout = copy_of_the_repository(tmp_path / name)
    model, stimulus = inputs(checkout / "data")
    links = tmp_path / "t"
    links.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "scripts/simulate.py", "--model", model, "--stimulus", stimulus),
            *("--sim", "icarus", "--output", checkout / "o.npz", "--waves"),
        ],
        cwd=checkout,
        env=environment(links),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "equal to the golden model" in done.stdout and (checkout / "o.fst").is_file()
    [folder] = [path for path in links.iterdir() if path.name.startswith("edgedrnn-")]
    assert any(path.name.endswith("-build") for path in folder.iterdir())
    assert not (checkout / "build").exists()


def test_link_with_a_harmless_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Could break: two folders behind one link, a link that somebody else may turn, a plain path
    that is needlessly used by another name.
    """
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    plain, odd, other = (tmp_path / name for name in ("plain", "o dd", "o,dd"))
    for folder in (plain, odd, other):
        folder.mkdir()
    assert harmless(plain) == plain
    links = {harmless(odd), harmless(other), harmless(odd)}
    assert len(links) == 2 and {link.resolve() for link in links} == {odd, other}
    for link in links:
        assert paths._HARMLESS.fullmatch(str(link))
    folder = links.pop().parent
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(folder)
    folder.symlink_to(plain)
    monkeypatch.setattr(paths, "_LINK_FOLDERS", ())
    assert harmless(odd) == odd and not list(plain.iterdir())


def test_packages_of_somebody_else(tmp_path: Path) -> None:
    """Could break: ours hidden by others of the same names, on PYTHONPATH or in the folder of the
    user, in this process or inside a simulation.
    """
    for name in ("tb", "scripts", "golden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('somebody else')\n")
    model, stimulus = inputs(tmp_path / "data")
    commands = [[str(REPO / "scripts" / "simulate.py")], ["-c", ENTRY, "simulate"]]
    for number, command in enumerate(commands):
        words = ("--model", model, "--stimulus", stimulus, "--sim", "icarus")
        done = subprocess.run(
            [sys.executable, *command, *words, "--output", tmp_path / f"{number}.npz"],
            cwd=tmp_path,
            env=environment(tmp_path, str(tmp_path)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


ENTRY = (
    f"import sys; sys.path.append({str(REPO)!r}); import edgedrnn_command as e; sys.exit(e.main())"
)


@pytest.mark.parametrize("value", ["/tmp/my recordings", "/tmp/it's #1", '/tmp/"a" & b;c'])
def test_make_variable_as_one_word(value: str) -> None:
    """Could break: make demo FSDD="/tmp/my recordings", cut into two words."""
    done = subprocess.run(
        ["make", "-n", "demo", "results", f"FSDD={value}"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if "--fsdd" in line]
    assert len(lines) == 2
    for line in lines:
        script = line.replace(".venv/bin/python", "printf '%s\\n'", 1)
        said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        words = said.stdout.splitlines()
        assert words[words.index("--fsdd") + 1] == value
