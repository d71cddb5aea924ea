"""Where things are in the repository, and what the two simulators are called."""

from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BUILD_ROOT = REPO / "build"
RTL_FILELIST = REPO / "rtl" / "edgedrnn.f"
SV_DIR = REPO / "tb" / "sv"
CPP_DIR = REPO / "tb" / "cpp"

SIMULATORS = ("verilator", "icarus")
