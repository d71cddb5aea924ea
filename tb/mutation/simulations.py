# SPDX-License-Identifier: Apache-2.0
"""Simulations of the tests, built with mutants in them and run in batches."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tb.handover import Handover, MutantBatch, Simulation
from tb.mutation.mutant import Mutant
from tb.mutation.schemata import PACKAGE, PACKAGE_TEXT, mutated_text
from tb.paths import BUILD_ROOT, REPO, RTL_DIR
from tb.settings import child_env, settings
from tb.sim.build import Build, build
from tb.sim.folders import log_tail
from tb.sim.run import simulation_command, simulation_env

HERE = "tb.mutation"
WORK = BUILD_ROOT / "mutation"


class BenchError(RuntimeError):
    """A test cannot be used: not found, not a simulation, or red without any mutant."""


@dataclass(frozen=True)
class Bench:
    """One simulation of a pytest node, as written down by record.py."""

    node: str
    build: Mapping[str, Any]
    module: str
    filter: str | None
    plusargs: Sequence[str]
    case: Mapping[str, Any]
    agents: str | None
    job: str | None
    path: Sequence[str]  # where Python looks for modules

    def holds(self, file: str) -> bool:
        """Whether a source file is part of it."""
        return str(REPO / file) in self.build["sources"]

    def identity(self, seed: int) -> str:
        """Hash of all that decides what a run finds, mutants apart."""
        what = [seed, self.build["top"], self.build["parameters"], self.module, self.filter,
                self.plusargs, self.case, self.agents, self.job]  # fmt: skip
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode())
        for path in (*self.build["sources"], *sorted(RTL_DIR.glob("*.svh"))):
            digest.update(_content(Path(path)).encode())
        for path in imported(self.module, tuple(self.path)):
            digest.update(_content(path).encode())
        return digest.hexdigest()


@cache
def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def imported(module: str, roots: tuple[str, ...]) -> tuple[Path, ...]:
    """Files of the repository that a module imports, itself and theirs included."""
    found: dict[str, Path] = {}

    places = [REPO, *(Path(r) for r in roots if "site-packages" not in r and "lib/python" not in r)]

    def look(name: str) -> None:
        files = [place / f"{name.replace('.', '/')}.py" for place in places]
        path = next((file for file in files if file.is_file()), None)
        if name in found or path is None:
            return
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    look(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                look(node.module)
                for alias in node.names:
                    look(f"{node.module}.{alias.name}")

    look(module)
    return tuple(found[name] for name in sorted(found))


def record(nodes: Sequence[str]) -> dict[str, list[Bench]]:
    """What pytest nodes simulate; of a node that is a whole file: its Verilator simulations.

    Raises BenchError for one that is not a Verilator simulation.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        path = Path(folder) / "record.json"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-p", f"{HERE}.recorder", *nodes),
        ]
        told = Handover(recording=path)
        env = child_env(settings().for_child(), told.text(), python_path=[REPO])
        done = subprocess.run(
            command, cwd=REPO, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode != 0 or not path.is_file():
            said = [line for line in done.stdout.splitlines() if "rror" in line]
            lines = [line for line in said if line.startswith("E  ")] or said or ["pytest"]
            raise BenchError(
                f"tests of tb/tables/mutants.toml: {lines[0]}: {done.stderr.strip()[-300:]}"
            )
        entries = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, list[Bench]] = {node: [] for node in nodes}
    for entry in entries:
        # of a file outside the repository pytest names the last part
        names = (entry["node"], entry["node"].partition("::")[0])
        for node in found:
            if any(node == name or node.endswith(f"/{name}") for name in names):
                found[node].append(Bench(**entry))
    for node, benches in found.items():
        if not benches:
            raise BenchError(f"{node}: simulates nothing that could be written down")
        if any(bench.build["sim"] != "verilator" for bench in benches):
            raise BenchError(f"{node}: mutants need a Verilator simulation")
    return found


def planted_sources(mutants: Iterable[Mutant], folder: Path) -> dict[str, Path]:
    """Write the sources with all mutants in them below ``folder``: original path -> new path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PACKAGE).write_text(PACKAGE_TEXT, encoding="utf-8")
    by_file: dict[str, list[Mutant]] = {}
    for mutant in mutants:
        by_file.setdefault(mutant.file, []).append(mutant)
    planted = {}
    for file, some in by_file.items():
        text = (REPO / file).read_text(encoding="utf-8")
        path = folder / Path(file).name
        path.write_text(mutated_text(text, some), encoding="utf-8")
        planted[str(REPO / file)] = path
    return planted


def build_bench(bench: Bench, planted: Mapping[str, Path], folder: Path) -> Build:
    """Compile a bench with the mutants of its files."""
    sources = [folder / PACKAGE, *(planted.get(s, Path(s)) for s in bench.build["sources"])]
    options = dict(bench.build["options"])
    options["include_dirs"] = [Path(d) for d in options.get("include_dirs", ())]
    options["extra_args"] = [*options.get("extra_args", ()), "-Wno-ENUMVALUE"]
    return build(
        "verilator",
        bench.build["top"],
        bench.build["parameters"],
        sources=sources,
        filelist=None,
        **options,
    )


def run_batch(
    bench: Bench,
    built: Build,
    numbers: Sequence[int],
    *,
    seed: int,
    cpu_s: float,
    wall_s: float,
    found: Callable[[dict[str, Any]], None],
) -> None:
    """Run mutants on a bench, one after the other; ``found`` is called with each report of fork.py.

    Raises BenchError when the simulation itself dies before all are reported.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="batch-", dir=WORK))
    report, log = folder / "report.jsonl", folder / "sim.log"
    told = Simulation(
        seed=seed,
        module=f"{bench.module},{HERE}.fork",
        test_filter=bench.filter,
        parameters=dict(built.parameters),
        case=dict(bench.case),
        agents=bench.agents,
        job=Path(bench.job) if bench.job else None,
    )
    batch = MutantBatch(list(numbers), cpu_s, wall_s, report)
    results = folder / "results.xml"
    env = simulation_env(built, told, results, mutants=batch, python_path=bench.path)
    env["COCOTB_MAX_FAILURES"] = "1"
    command = simulation_command(built, bench.plusargs, seed)
    seen = 0

    def look() -> None:
        nonlocal seen
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
        for line in lines[seen:]:
            found(json.loads(line))
        seen = len(lines)

    with log.open("w") as out:
        print(shlex.join(command), file=out, flush=True)
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=env, cwd=folder, start_new_session=True
        )
    try:
        while process.poll() is None:
            time.sleep(0.1)
            look()
        look()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if seen < len(numbers):
        raise BenchError(f"{bench.node}: the simulation died: {log_tail(log, 5)}")
    shutil.rmtree(folder, ignore_errors=True)
