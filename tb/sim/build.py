# SPDX-License-Identifier: Apache-2.0
"""Compile a top once for a simulator, and never again until something changes.

``build`` compiles for Verilator or Icarus into a folder named by a hash of all it depends on, so
that an unchanged design is never compiled twice and two processes may ask at the same time.
`tb.sim.run` runs cocotb tests on what it made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tb.failure import BuildError, Design, Failure, Kind
from tb.paths import (
    BUILD_ROOT,
    CHECKERS,
    MEMORIES,
    MONITORS,
    REPO,
    RTL_DIR,
    RTL_FILELIST,
    SIMULATORS,
    TOPS,
)
from tb.settings import settings
from tb.sim import recipes
from tb.sim.folders import exclusive, log_tail, prune
from tb.sim.recipes import IcarusRecipe, VerilatorRecipe
from tb.sim.toolchain import VERILATED_MK_FIXES

PROTOCOL_CHECKERS = tuple(
    CHECKERS / f"{name}_checker.sv" for name in ("channel", "axi", "axis", "axil")
)
"""Checkers of the four buses, in compile order."""

BUILD_KEPT_S = 7 * 24 * 3600  # builds under build/sim, since they were last used


@dataclass(frozen=True)
class Build:
    """A compiled simulation: what to start, and what it was made from."""

    sim: str
    top: str
    directory: Path
    executable: Path
    parameters: Mapping[str, int] = field(default_factory=dict)
    waves: bool = False
    coverage: bool = False
    wave_suffix: str = ".fst"
    seconds: float = 0.0  # compile time of this call; 0 when the build was found in the cache

    @property
    def design(self) -> Design:
        """As records of runs name it."""
        return Design(self.sim, self.top, dict(self.parameters), self.executable)


def read_filelist(filelist: Path) -> tuple[list[Path], list[Path]]:
    """Return (sources, include folders) of a ``.f`` file.

    Lines hold a path, ``+incdir+path`` or ``-f path``; ``//`` and ``#`` open a comment. Paths are
    relative to the folder of the file list or, failing that, to the repository.
    """
    if not filelist.is_file():
        raise BuildError(f"{filelist}: file list not found")

    def resolve(text: str) -> Path:
        beside = filelist.parent / text
        return beside if beside.exists() else REPO / text

    sources: list[Path] = []
    include_dirs: list[Path] = []
    for line in filelist.read_text().splitlines():
        for word in re.sub(r"(//|#).*", "", line).replace("-f ", "-f=").split():
            if word.startswith("+incdir+"):
                include_dirs.append(resolve(word.removeprefix("+incdir+")))
            elif word.startswith("-f="):
                more_sources, more_dirs = read_filelist(resolve(word.removeprefix("-f=")))
                sources += more_sources
                include_dirs += more_dirs
            else:
                sources.append(resolve(word))
    return sources, include_dirs


def build(
    sim: str,
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] = (),
    filelist: Path | None = RTL_FILELIST,
    include_dirs: Sequence[Path] = (),
    defines: Mapping[str, object] | None = None,
    waves: bool | None = None,
    coverage: bool | None = None,
    extra_args: Sequence[str] = (),
    build_root: Path | None = None,
) -> Build:
    """Compile ``top`` for ``sim`` (``verilator`` or ``icarus``), or find it already compiled.

    ``filelist`` (default: the RTL's) is read first, then ``sources``; pass ``filelist=None`` for a
    bench that needs no RTL. Headers (``.svh``) beside a source and in
    ``rtl/`` are found. ``parameters`` override
    the top's integer parameters. In Verilator every variable of the top itself can be read and
    written from Python, none below it, except that ``run_top``, whose speed counts, shows only what
    ``tb/sv/tops/public.vlt`` names, and ``loop_top``, which runs without cocotb, nothing.
    ``waves=True`` and ``coverage=True`` make builds of their own, so that the plain one stays fast;
    ``waves=None`` asks the settings (``WAVES=1``, or a window), ``coverage=None`` too
    (``COVER_CODE=1``): it is then on where it means something, see `_cover_wanted`. Only files in
    ``rtl/`` are covered.
    """
    if waves is None:
        waves = settings().wants_waves
    if sim not in SIMULATORS:
        raise ValueError(f"sim: {sim!r} is unknown, expected one of {', '.join(SIMULATORS)}")
    parameters = dict(parameters or {})
    all_sources: list[Path] = []
    all_dirs = [Path(d) for d in include_dirs]
    if filelist is not None:
        listed, listed_dirs = read_filelist(filelist)
        all_sources += listed
        all_dirs += listed_dirs
    all_sources += [Path(s) for s in sources if Path(s) not in all_sources]
    beside = {header.parent for source in all_sources for header in source.parent.glob("*.svh")}
    all_dirs += sorted((beside | {RTL_DIR}) - set(all_dirs))
    missing = [str(s) for s in all_sources if not s.is_file()]
    if missing:
        raise BuildError(f"{top}: source not found: {', '.join(missing)}")
    if coverage is None:
        coverage = _cover_wanted(sim, top, all_sources)

    plan = {
        "sim": sim,
        "top": top,
        "parameters": parameters,
        "defines": {k: str(v) for k, v in (defines or {}).items()},
        "waves": waves,
        "coverage": coverage,
        "extra_args": list(extra_args),
    }
    recipe = recipes.VerilatorRecipe() if sim == "verilator" else recipes.IcarusRecipe()
    key = _content_key(plan, all_sources, all_dirs, recipe)
    root = build_root or BUILD_ROOT
    directory = root / "sim" / f"{top}-{sim}{'-waves' if waves else ''}-{key}"
    started = time.monotonic()
    seconds = 0.0
    if (directory / "done").exists():
        (directory / "done").touch()  # in use: not to be pruned
    else:
        root.joinpath("sim").mkdir(parents=True, exist_ok=True)
        prune(root / "sim", BUILD_KEPT_S)
        with exclusive(root / "sim" / f".{directory.name}.lock"):
            if not (directory / "done").exists():
                _make(recipe, plan, all_sources, all_dirs, directory)
                seconds = time.monotonic() - started
    return Build(
        sim=sim,
        top=top,
        directory=directory,
        executable=directory / recipe.executable_name,
        parameters=parameters,
        waves=waves,
        coverage=coverage,
        wave_suffix=recipe.wave_suffix(),
        seconds=seconds,
    )


def _make(
    recipe: VerilatorRecipe | IcarusRecipe,
    plan: dict[str, Any],
    sources: list[Path],
    dirs: list[Path],
    directory: Path,
) -> None:
    """Compile in a scratch folder beside ``directory`` and rename it there when all went well."""
    scratch = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        log = scratch / "build.log"
        with contextlib.closing(recipe.commands(plan, sources, dirs, scratch)) as commands:
            for command, env in commands:
                with log.open("a") as out:
                    print(shlex.join(command), file=out, flush=True)
                    done = subprocess.run(
                        command, stdout=out, stderr=out, env=env, cwd=REPO, check=False
                    )
                if done.returncode != 0:
                    kept = directory.parent / f"{directory.name}.failed.log"
                    shutil.copy(log, kept)
                    why = (
                        f"{plan['top']}: {Path(command[0]).name} failed with exit status "
                        f"{done.returncode}; whole log: {kept}"
                    )
                    failure = Failure(Kind.BUILD_FAILED, why, build_log=kept)
                    raise BuildError(f"{why}\n{log_tail(kept)}", failure)
        if not (scratch / recipe.executable_name).is_file():
            why = f"{plan['top']}: the build made no {recipe.executable_name}"
            raise BuildError(f"{why}\n{log_tail(log)}", Failure(Kind.BUILD_FAILED, why))
        recipe.keep_only_results(scratch)
        (scratch / "plan.json").write_text(json.dumps(plan, indent=1))
        (scratch / "done").touch()
        if directory.exists():
            shutil.rmtree(directory)
        scratch.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _content_key(
    plan: dict[str, Any],
    sources: list[Path],
    dirs: list[Path],
    recipe: VerilatorRecipe | IcarusRecipe,
) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps(plan, sort_keys=True).encode())
    digest.update(recipe.identity().encode())
    digest.update("".join(VERILATED_MK_FIXES).encode())
    digest.update(Path(recipes.__file__).read_bytes())
    headers = sorted(p for d in dirs for p in d.glob("*.svh"))
    for path in [*sources, *headers, *recipe.extra_inputs(plan)]:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _cover_wanted(sim: str, top: str, sources: Iterable[Path]) -> bool:
    """Whether the settings ask for code coverage of this build.

    Only Verilator counts, only our RTL is counted, and not in the tops for long runs: their speed
    matters, and the bench of short ones holds the same core.
    """
    if not settings().cover_code or sim != "verilator":
        return False
    return top not in recipes.VerilatorRecipe.fast_tops and any(map(recipes.is_rtl, sources))


def first_error(log: Path) -> str:
    """The first line of a build's log in which a compiler complains; its last one if none does."""
    lines = log_tail(log, 10**6).splitlines()
    complaint = re.compile(r"^%Error|:\d+: (syntax |fatal )?error\b")
    said = [line for line in lines[1:] if complaint.search(line)]
    return " ".join((said or lines[-1:] or ["(empty log)"])[0].split())


def loop_top_sources() -> list[Path]:
    """The core and its DRAM alone, in compile order."""
    return [MEMORIES / "axi_dram.sv", TOPS / "loop_top.sv"]


def run_top_sources() -> list[Path]:
    """The bench of long runs, in compile order."""
    return [
        *PROTOCOL_CHECKERS,
        MEMORIES / "axi_dram.sv",
        MONITORS / "stream_fields.sv",
        MONITORS / "trace_monitor.sv",
        MONITORS / "timeline_monitor.sv",
        TOPS / "run_top.sv",
    ]
