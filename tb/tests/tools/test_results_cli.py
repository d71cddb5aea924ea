# SPDX-License-Identifier: Apache-2.0
"""results.py on tones named like the digits: what it says, and what it refuses."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from golden.datasets.features import write_wav
from tb.cli import results
from tb.paths import REPO


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/results.py", *map(str, words)],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )


def test_measurement_on_both_splits_and_the_rtl(tmp_path: Path) -> None:
    for index in (0, 1, 5):
        for digit in range(3):
            tone = 0.1 * np.sin((digit + 1) * np.arange(2000 + 400 * index) / 9)
            write_wav(tmp_path / f"{digit}_tone_{index}.wav", tone)
    page = tmp_path / "page.md"
    done = typed("--fsdd", tmp_path, "--only", "digits-2l128h", "--output", page)
    assert done.returncode == 0, done.stderr
    rows = [
        line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| digits")
    ]
    assert [row[1] for row in rows[:2]] == ["validation", "test"]
    assert rows[0][2].startswith("3, ")
    assert rows[1][2].startswith("6, ")
    on_rtl = rows[2]
    steps = 1 + (2400 - 200) // 80
    assert on_rtl[1] == str(steps)
    # Four memories and r, z, n, h of 256 units, in every step.
    assert on_rtl[2] == f"{steps * 256 * 8:,}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "--fsdd, --har, --skab: found none, expected a folder"),
        (("--only", "lstm"), "--only: found 'lstm', expected digits-2l128h"),
        (("--har", "none"), "none: found no such folder"),
    ],
)
def test_mistake_message(
    tmp_path: Path,
    words: Sequence[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(REPO)
    try:
        status = results.main([*words, "--output", str(tmp_path / "page.md")])
    except SystemExit as end:  # argparse's own mistakes
        status = int(str(end.code))
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "page.md").exists()
