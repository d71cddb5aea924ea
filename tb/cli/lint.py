# SPDX-License-Identifier: Apache-2.0
"""Lints the RTL with `verilator -Wall` in every port width and size class, and checks that
generated files are fresh. Exit status 1 on the first finding.
"""

from __future__ import annotations

import subprocess
import sys

from tb.command_line import Parser, guarded
from tb.paths import REPO
from tb.sim.toolchain import verilator_env

RTL = REPO / "rtl"
CONFIGURATIONS: tuple[dict[str, int], ...] = (
    {},
    {"AxiDataWidth": 32},
    {"AxiDataWidth": 128},
    {"AxiDataWidth": 256},
    {"MaxLayers": 1, "MaxUnits": 64, "Outstanding": 2},
    {"MaxLayers": 8, "AxiAddrWidth": 24},
)


@guarded("lint.py")
def main() -> int:
    """Run all checks; 0 when nothing was found."""
    Parser(description=__doc__).parse_args()
    generated = subprocess.run(
        [sys.executable, str(REPO / "scripts/gen_registers.py"), "--check"], check=False
    )
    if generated.returncode:
        return 1
    environment = verilator_env()
    for parameters in CONFIGURATIONS:
        command = [
            *("verilator", "--lint-only", "-Wall", "--quiet", "--top-module", "edgedrnn"),
            *(f"-G{name}={value}" for name, value in parameters.items()),
            "lint.vlt",
            *(RTL / "edgedrnn.f").read_text(encoding="utf-8").split(),
        ]
        name = ", ".join(f"{k} {v}" for k, v in parameters.items()) or "defaults"
        if subprocess.run(command, cwd=RTL, env=environment, check=False).returncode:
            print(f"lint: edgedrnn with {name}: see above", file=sys.stderr)
            return 1
        print(f"lint: edgedrnn with {name}: clean")
    return 0
