# SPDX-License-Identifier: Apache-2.0
"""Where the first failures went wrong: each localised, its first wrong value drawn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tb.debug.divergence.replay import Localised, LocaliseError, UnknownTestError, localise
from tb.debug.wave_query import WaveError
from tb.debug.waves.outputs import open_scene, save_picture
from tb.regress.session import Diagnosis, Done

LIMIT = 3
"""Failures that are localised, each another test: one fault tends to break many."""
EACH_S, ALL_S = 600.0, 900.0
PICTURE = "divergence.svg"


Localise = Callable[..., Localised]


def with_diagnoses(
    failed: Sequence[Done], root: Path, reports: Path, workers: int, *, by: Localise = localise
) -> list[Done]:
    """The same failures, the first LIMIT tests that came from a simulation with their diagnoses.

    Each takes EACH_S at most, all of them ALL_S; files go to ``reports``/localise.
    """
    chosen: dict[str, Done] = {}
    for one in failed:
        if len(chosen) < LIMIT and one.simulated:
            chosen.setdefault(one.job.node, one)
    deadline = time.monotonic() + ALL_S

    def diagnosed(one: Done) -> Done:
        left = min(EACH_S, deadline - time.monotonic())
        folder = reports / "localise" / one.job.id
        return replace(one, diagnosis=diagnose(one, root, folder, left, by))

    with ThreadPoolExecutor(max_workers=max(1, min(workers, LIMIT))) as pool:
        found = {one.job.id: one for one in pool.map(diagnosed, chosen.values())}
    return [found.get(one.job.id, one) for one in failed]


def diagnose(
    one: Done, root: Path, folder: Path, timeout_s: float, by: Localise = localise
) -> Diagnosis:
    """Localise a failure within ``timeout_s`` and draw what was found; never raises."""
    if timeout_s <= 0:
        return Diagnosis("not localised: no time was left")
    try:
        found = by(one.job.node, one.job.seed, folder, root=root, timeout_s=timeout_s)
    except (LocaliseError, UnknownTestError, OSError) as error:
        return Diagnosis(_line(f"not localised: {error}"))
    except Exception as error:  # a regression must end with its page, whatever this ran into
        return Diagnosis(_line(f"not localised, localise.py failed: {error!r}"))
    text = f"{found.divergence.text()}\n  again     {found.report['rerun']}"
    dump = found.report["dump"]
    waves = found.folder / dump if dump else None
    picture = found.folder / PICTURE
    try:
        save_picture(open_scene(None, found.folder / "divergence.json").diagram(), picture)
    except (WaveError, OSError) as error:
        return Diagnosis(f"{text}\n  picture   none: {_line(str(error))}", None, waves)
    return Diagnosis(text, picture, waves)


def _line(text: str) -> str:
    return " ".join(text.split())
