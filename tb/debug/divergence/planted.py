# SPDX-License-Identifier: Apache-2.0
"""Proves that localising works: plants known faults, each in a copy of the repository, and expects
the module that holds the fault to be named.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tb.debug.divergence.replay import Localised, LocaliseError, localise
from tb.fault_file import CASES, Planted, read_cases
from tb.paths import REPO

COPIED = ("rtl", "tb", "golden", "scripts", "pyproject.toml", "docs")
ROW = "{:<5} {:<42} {:<16} {:<24} {:>4} {:>8}  {}"


def load(only: Sequence[str] = ()) -> list[Planted]:
    """The faults of tb/tables/localise.toml, or those named; ValueError for an unknown name."""
    cases = read_cases()
    unknown = set(only) - {case.name for case in cases}
    if unknown:
        raise ValueError(f"--only: {sorted(unknown)[0]!r} is not in {CASES.name}")
    return [case for case in cases if not only or case.name in only]


def plant(case: Planted, copy: Path) -> None:
    """Put a copy of the repository with the fault into the empty folder `copy`.

    Raises ValueError if the RTL does not hold the text of the fault exactly once.
    """
    for name in COPIED:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    path = copy / "rtl" / case.file
    text = path.read_text(encoding="utf-8")
    if text.count(case.old) != 1:
        raise ValueError(
            f"{case.name}: found {case.old!r} {text.count(case.old)} times, expected it once in "
            f"rtl/{case.file}"
        )
    path.write_text(text.replace(case.old, case.new), encoding="utf-8")


def localise_planted(case: Planted, *, waves: bool = True) -> Localised:
    """Plant and localise one fault; files go to reports/localise/ of this repository."""
    folder = REPO / "reports" / "localise" / "".join(c if c.isalnum() else "-" for c in case.name)
    with tempfile.TemporaryDirectory(prefix="edgedrnn-localise-") as name:
        plant(case, Path(name))
        return localise(case.test, case.seed, folder, root=Path(name), waves=waves)


def run(cases: Sequence[Planted], *, waves: bool = True) -> bool:
    """Localise each and print a table; whether all were named right."""
    from tqdm import tqdm

    rows, right = [], 0
    for case in tqdm(cases, unit="fault", desc="localising"):
        try:
            found = localise_planted(case, waves=waves).divergence
            good = found.module == case.module
            step = "-" if found.step is None else found.step
            row = (found.module, str(step), str(found.cycle), found.signal)
        except LocaliseError as error:
            good, row = False, (f"none: {error}", "-", "-", "-")
        right += good
        named, *rest = row
        rows.append(ROW.format("right" if good else "WRONG", case.name, case.module, named, *rest))
    print(ROW.format("", "fault", "planted in", "named", "step", "cycle", "signal"))
    print("\n".join(rows))
    print(f"{right} of {len(cases)} faults localised to the module that holds them")
    return right == len(cases)
