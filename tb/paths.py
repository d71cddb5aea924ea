# SPDX-License-Identifier: Apache-2.0
"""Where things are in the repository, and what the two simulators are called."""

from __future__ import annotations

from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
BUILD_ROOT = REPO / "build"
RTL_DIR = REPO / "rtl"
RTL_FILELIST = RTL_DIR / "edgedrnn.f"
SV_DIR = REPO / "tb" / "sv"
TOPS = SV_DIR / "tops"
CHECKERS = SV_DIR / "checkers"
MEMORIES = SV_DIR / "memories"
MONITORS = SV_DIR / "monitors"
CPP_DIR = SV_DIR / "cpp"
TABLES = REPO / "tb" / "tables"
TESTS = REPO / "tb" / "tests"
TEST_FOLDERS = ("golden/tests", "tb/tests/rtl", "tb/tests/tools", "tb/tests/system")

SIMULATORS = ("verilator", "icarus")
