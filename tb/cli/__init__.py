# SPDX-License-Identifier: Apache-2.0
"""Commands: one module for each sub-command of `edgedrnn` and each file in scripts/."""

import sys
from pathlib import Path

from golden.command import quiet_interrupt

quiet_interrupt(Path(sys.argv[0]).name or "edgedrnn")  # the modules below take seconds to import
