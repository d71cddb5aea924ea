# SPDX-License-Identifier: Apache-2.0
"""Where the console command `edgedrnn` begins: a name of its own, so that packages called `tb` or
`golden` of somebody else, on PYTHONPATH or beside the user, hide nothing.
"""

import sys
from pathlib import Path

HERE = str(Path(__file__).resolve().parent)


def main() -> int:
    """Run the command with the packages beside this file; its exit status."""
    sys.path.insert(0, HERE)
    from tb.cli.main import main as command

    return command()
