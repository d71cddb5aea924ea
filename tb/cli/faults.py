# SPDX-License-Identifier: Apache-2.0
"""Proves that the tests can fail: breaks the RTL on purpose, one fault at a time, and expects the
test named in tb/tables/faults.toml to go red.

Each fault is planted in a copy of the repository, so the working tree is never touched. A fault
whose test stays green is an error, and so is a test that is red without any fault.

Exit status: 0 every fault was seen, 1 one was not, 2 tb/tables/faults.toml does not fit the RTL.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tb.command_line import Parser, guarded
from tb.fault_file import Fault, read_faults
from tb.paths import REPO
from tb.settings import child_env, settings

COPIED = ("rtl", "tb", "golden", "scripts", "pyproject.toml", "docs")
LIMIT_S = 600
FAILED, PASSED = 1, 0  # exit statuses of pytest


def outcome(tests: list[str], fault: Fault | None) -> tuple[int, str]:
    """Run tests on a copy of the repository with `fault` planted: exit status and output."""
    with tempfile.TemporaryDirectory(prefix="edgedrnn-fault-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = REPO / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)
        if fault is not None:
            path = copy / "rtl" / fault.file
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
            cwd=copy,
            env=child_env(settings(), PYTHONDONTWRITEBYTECODE="1"),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr


@guarded("faults.py")
def main() -> int:
    """Run all faults; the exit status."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="faults to plant (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    from tqdm import tqdm

    try:
        faults = [f for f in read_faults() if not args.names or f.name in args.names]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    status, text = outcome(sorted({fault.test for fault in faults}), None)
    if status != PASSED:
        print(f"{text}\nerror: the named tests must pass without a fault", file=sys.stderr)
        return 1
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        runs = pool.map(lambda fault: outcome([fault.test], fault), faults)
        results = list(tqdm(runs, total=len(faults), unit="fault", desc="planting"))
    missed = 0
    for fault, (status, text) in zip(faults, results, strict=True):
        seen = status == FAILED
        missed += not seen
        print(f"{'red  ' if seen else 'GREEN'}  {fault.name:<28} rtl/{fault.file:<22} {fault.test}")
        if not seen:
            print(text[-2000:], file=sys.stderr)
    print(f"{len(faults) - missed} of {len(faults)} faults turned their test red")
    return 1 if missed else 0
