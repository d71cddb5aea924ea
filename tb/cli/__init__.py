# SPDX-License-Identifier: Apache-2.0
"""Commands: one module for each sub-command of `edgedrnn` and each file in scripts/."""

import sys
from pathlib import Path

import golden

if Path(golden.__file__ or "").resolve().parents[1] != Path(__file__).resolve().parents[2]:
    print(
        f"edgedrnn: found a package golden in {golden.__path__[0]}, expected the one beside tb; "
        "take its folder off PYTHONPATH, or run a file of scripts/",
        file=sys.stderr,
    )
    sys.exit(2)

from golden.command import quiet_interrupt

quiet_interrupt(Path(sys.argv[0]).name or "edgedrnn")  # the modules below take seconds to import
