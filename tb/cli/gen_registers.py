# SPDX-License-Identifier: Apache-2.0
"""Generate every file that comes from `rtl/registers.toml` and from the RTL's packages.

Without options: write the generated files. With `--check`: exit 1, naming each stale file.
"""

from __future__ import annotations

import sys

from tb.codegen.generate import generate, stale
from tb.codegen.regmap import MapError
from tb.command_line import Parser, guarded


@guarded("gen_registers.py")
def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = Parser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if stale")
    args = parser.parse_args(argv)
    try:
        if not args.check:
            generate()
            return 0
        old = stale()
    except MapError as error:
        print(f"gen_registers.py: {error}", file=sys.stderr)
        return 1
    for name in old:
        print(f"{name} is stale: run python scripts/gen_registers.py", file=sys.stderr)
    return 1 if old else 0
