# SPDX-License-Identifier: Apache-2.0
"""What a simulation of the whole core imports before its first clock edge."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tb.paths import REPO

HEAVY = ("matplotlib", "onnx", "pandas", "scapy", "scipy", "torch", "tb.debug.divergence.search")


@pytest.mark.parametrize("module", ["tb.bench.testbench", "tb.bench.case", "tb.flows.run_model"])
def test_imports_of_a_simulation(module: str) -> None:
    """Catches: a package that only a tool needs, imported by each of some 400 simulations."""
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_difference_of_the_bus_scoreboard() -> None:
    """Catches: a scoreboard of cocotb-bus that fails where it would print a difference."""
    code = """if True:
        import sys
        from types import SimpleNamespace
        from tb.checks.bus_scoreboard import Scoreboard
        assert "scapy" not in sys.modules
        board = Scoreboard(SimpleNamespace(_name="dut"), fail_immediately=False)
        board.compare(b"abc", b"abd", board.log)
        print(board.errors, "scapy.utils" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1 True"
    assert "61 62 64" in done.stdout.upper()  # the bytes that differ
