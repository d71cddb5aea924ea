#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Entry point of `edgedrnn attach`; the command is tb/cli/attach.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tb.cli.attach import main

if __name__ == "__main__":
    sys.exit(main())
