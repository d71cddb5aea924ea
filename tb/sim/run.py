# SPDX-License-Identifier: Apache-2.0
"""Run cocotb tests on a build, and believe only the results file.

``run`` starts what `tb.sim.build` made under a wall-clock watchdog. It passes only when the results
file says that at least one test ran and none failed; an exit code alone proves nothing.

From the shell::

    python -m tb.sim.run --sim verilator --top edgedrnn --module tb.tests.rtl.test_x --seed 7
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tb.failure import (
    KIND_OF_ERROR,
    BuildError,
    Failure,
    Kind,
    ReportedError,
    Run,
    SimulationError,
    first_line,
    forget,
    read_difference,
)
from tb.handover import Handover, MutantBatch, Simulation, handover
from tb.paths import REPO, SIMULATORS, harmless, python_executable
from tb.settings import SettingError, running_test, settings, simulator_env
from tb.sim import coverage_dat
from tb.sim.build import Build, build, run_top_sources
from tb.sim.checker_log import complaints
from tb.sim.folders import log_tail, run_folder
from tb.sim.process import supervise
from tb.sim.toolchain import cocotb_libraries, icarus_library, python_entry
from tb.sim.window import window_plusargs

COMPLAINTS = 5
"""Lines of checkers that a record of a failure holds."""


@dataclass(frozen=True)
class FailedTest:
    """A cocotb test that failed: its name, the class of what it raised, the first line of that."""

    name: str
    error: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


@dataclass(frozen=True)
class RunResult:
    """What a run of cocotb tests left behind."""

    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    seed: int
    seconds: float  # wall clock of the simulator process
    results_xml: Path
    log: Path
    record: Run


def run(
    built: Build,
    test_module: str,
    test_filter: str | None = None,
    *,
    plusargs: Sequence[str] = (),
    case: Mapping[str, Any] | None = None,
    agents: str | None = None,
    job: Path | None = None,
    seed: int | None = None,
    results_xml: Path | None = None,
    log: Path | None = None,
    work_dir: Path | None = None,
    waves_file: Path | None = None,
    timeout_s: float | None = None,
    poll: Callable[[], None] | None = None,
    reproduce: str | None = None,
) -> RunResult:
    """Run the cocotb tests of ``test_module`` whose names match the regex ``test_filter``.

    ``plusargs`` are given without the plus sign, as ``NAME=value``. ``case``, ``agents``, ``job``:
    what the test is told, see `tb.handover.Simulation`.
    ``seed`` (default: ``SEED``, else a fresh one) is printed, reaches cocotb and Verilator's random
    initial values.
    ``work_dir`` (default: a new folder under ``build/run``) is where the simulator runs and where
    ``results.xml`` and ``sim.log`` go unless ``results_xml`` and ``log`` say otherwise.
    ``waves_file`` (default: in ``work_dir``) is where a build with waves puts them.
    ``timeout_s`` (default: ``SIM_TIMEOUT_S``) bounds the wall clock.
    Coverage reaches the folder that ``COVER_DIR`` names when the test has passed.
    ``poll`` is called some times a second while the simulation runs; what it raises ends the
    simulation and is passed on.

    run.json and, after a failure, failure.json go beside ``results.xml``, see `tb.failure`.
    Raises SimulationError with the end of the log and one REPRODUCE line on a failed test, a run
    that tested nothing, a missing results file or after ``timeout_s`` seconds of wall clock.
    """
    __tracebackhide__ = True  # pytest: the message says it all
    wanted = settings()
    if seed is None:
        seed = wanted.seed_or_fresh()
    timeout_s = timeout_s or wanted.sim_timeout_s
    work_dir = work_dir or run_folder(built.top)
    work_dir.mkdir(parents=True, exist_ok=True)
    results_xml = (results_xml or work_dir / "results.xml").absolute()
    log = (log or work_dir / "sim.log").absolute()
    results_xml.unlink(missing_ok=True)
    forget(results_xml.parent)
    if waves_file is None and built.waves:
        waves_file = _waves_file_of_test(built) or work_dir / f"{built.top}{built.wave_suffix}"
        print(f"waves: {waves_file}")

    cut_file, difference_file = work_dir / "waves_cut", work_dir / "difference.json"
    for stale in (cut_file, difference_file):
        stale.unlink(missing_ok=True)
    command = simulation_command(built, plusargs, seed, waves_file, cut_file)
    coverage_file = work_dir / "coverage.dat"
    if built.coverage:
        coverage_file.unlink(missing_ok=True)
        command.append(f"+verilator+coverage+file+{coverage_file.absolute()}")
    cover_dir = wanted.cover_dir
    told = Simulation(
        seed=seed,
        module=test_module,
        test_filter=test_filter,
        parameters=dict(built.parameters),
        case=dict(case or {}),
        agents=agents,
        coverage=wanted.coverage,
        cover_dir=(work_dir / "cover").absolute() if cover_dir else None,
        job=job,
        difference_file=difference_file.absolute(),
    )
    env = simulation_env(built, told, results_xml)
    shutil.rmtree(work_dir / "cover", ignore_errors=True)
    again = reproduce or _reproduce_line(built, test_module, test_filter, plusargs, seed)

    def record() -> Run:
        waves = waves_file.absolute() if built.waves and waves_file else None
        cut = cut_file.exists()
        return Run(
            design=built.design,
            module=test_module,
            test_filter=test_filter,
            seed=seed,
            node=running_test(),
            log=log,
            reproduce=again,
            waves=waves,
            waves_truncated=cut,
        )

    def fail(kind: Kind, why: str) -> SimulationError:
        failure = Failure(
            kind,
            first_line(why),
            record(),
            difference=read_difference(difference_file) if kind is Kind.MISMATCH else None,
            complaints=complaints(log, COMPLAINTS),
        )
        failure.write(results_xml.parent)
        text = f"{why}\n--- end of {log}\n{log_tail(log)}\n---\nREPRODUCE: {again}"
        return SimulationError(text, failure)

    started = time.monotonic()
    log.write_text(f"seed {seed}\n{shlex.join(command)}\n")
    try:
        status = supervise(
            command, env=env, work_dir=work_dir, log=log, timeout_s=timeout_s, poll=poll
        )
    except ReportedError as error:  # of `poll`
        error.attach(record(), results_xml.parent)
        raise
    finally:
        record().write(results_xml.parent)
    seconds = time.monotonic() - started
    if cut_file.exists():
        print(
            f"note: {waves_file} is truncated: only the first 50 MB of the requested steps. "
            "WAVES_MOST_NS=N for N ns of them, WAVES_MOST_NS=0 for all",
            file=sys.stderr,
        )
    if status is None:
        why = f"{test_module}: no end after {timeout_s:.0f} s of wall clock, killed"
        raise fail(Kind.TIMED_OUT, why)
    passed, skipped, failed = read_results(results_xml)
    where = f"{test_module} on {built.top} ({built.sim}, seed {seed})"
    if passed is None:
        raise fail(Kind.NO_RESULTS, f"{where}: no results file, exit status {status}")
    if failed:
        why = f"{where}: {len(failed)} failed: {'; '.join(map(str, failed))}"
        raise fail(KIND_OF_ERROR.get(failed[0].error, Kind.TEST_FAILED), why)
    if not passed:
        raise fail(Kind.NOTHING_RAN, f"{where}: no test ran (filter: {test_filter or 'none'})")
    if status != 0:
        why = f"{where}: tests passed but the simulator's exit status is {status}"
        raise fail(Kind.BAD_EXIT, why)
    if cover_dir:  # what a failed run reached proves nothing
        for path in (work_dir / "cover").glob("functional-*.json"):
            cover_dir.mkdir(parents=True, exist_ok=True)
            shutil.move(path, cover_dir / path.name)
    if built.coverage:
        if not coverage_file.is_file():
            why = f"{where}: tests passed but there is no {coverage_file}"
            raise fail(Kind.NO_RESULTS, why)
        if cover_dir:
            coverage_dat.keep(coverage_file, cover_dir)
    return RunResult(tuple(passed), tuple(skipped), seed, seconds, results_xml, log, record())


def _waves_file_of_test(built: Build) -> Path | None:
    """Where the waves of the pytest case under way go if WAVES=1 asked for them: reports/waves."""
    case = running_test()
    if case is None or not settings().wants_waves:
        return None
    folder = REPO / "reports" / "waves"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{re.sub(r'[^A-Za-z0-9_]+', '-', case).strip('-')}{built.wave_suffix}"


def simulation_command(
    built: Build,
    plusargs: Sequence[str],
    seed: int,
    waves_file: Path | None = None,
    cut_file: Path | None = None,
) -> list[str]:
    """The words that start a build, with its seed, its plusargs and where its waves go.

    `waves_file` and `cut_file` (see `tb.sim.window`) are those of a build with waves.
    """
    plus = [f"+{arg.removeprefix('+')}" for arg in plusargs]
    if built.waves:
        window = window_plusargs(settings(), built.wave_suffix, (cut_file or Path()).absolute())
        plus += [f"+{arg}" for arg in (*window, f"WAVES_TOP={built.top}")]
    if built.sim == "verilator":
        waves = ["--trace", "--trace-file", str(waves_file)] if built.waves else []
        random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        return [str(built.executable), *waves, *random, *plus]
    library = icarus_library()
    # vvp takes the wave format after the image: -none keeps $dumpvars from costing anything
    waves = ["-fst", f"+WAVES={waves_file}"] if built.waves else ["-none"]
    return ["vvp", "-n", "-m", library, str(built.executable), *waves, *plus]


def simulation_env(
    built: Build,
    told: Simulation,
    results_xml: Path,
    *,
    mutants: MutantBatch | None = None,
    python_path: Sequence[str] | None = None,
) -> dict[str, str]:
    """The environment in which cocotb finds Python, the tests, and where their results go.

    `python_path` (default: that of this process) is searched after the repository.
    """
    import find_libpython

    handed = Handover(replay=handover().replay, simulation=told, mutants=mutants)
    given = python_path if python_path is not None else [p for p in sys.path if p]
    places = [harmless(Path(place)) for place in given]
    libraries = [cocotb_libraries()]
    env = simulator_env(handed.text(), python_path=[REPO, *places], path_last=libraries)
    env["PYGPI_PYTHON_BIN"] = python_executable()
    env["GPI_USERS"] = f"{find_libpython.find_libpython()};{python_entry()}"
    env["COCOTB_TOPLEVEL"] = built.top
    env["TOPLEVEL_LANG"] = "verilog"
    env["COCOTB_TEST_MODULES"] = told.module
    env["COCOTB_RESULTS_FILE"] = str(results_xml)
    env["COCOTB_RANDOM_SEED"] = str(told.seed)
    env["COCOTB_ANSI_OUTPUT"] = "0"
    # pytest's readable assertions in tests alone: rewriting all that they import, numpy included,
    # takes a second of each run.
    env.setdefault("COCOTB_REWRITE_ASSERTION_FILES", "test_*.py")
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # all that cocotb wants of pytest is those
    if built.sim == "verilator":
        env["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
    if told.test_filter:
        env["COCOTB_TEST_FILTER"] = told.test_filter
    return env


def read_results(path: Path) -> tuple[list[str] | None, list[str], list[FailedTest]]:
    """(passed, skipped, failed) of an xUnit file; passed is None without a file."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None, [], []
    passed: list[str] = []
    skipped: list[str] = []
    failed: list[FailedTest] = []
    for case in root.iter("testcase"):
        name = case.get("name", "?")
        bad = next((c for tag in ("failure", "error") for c in case.iter(tag)), None)
        if bad is not None:
            reason = (bad.get("message") or "").strip().splitlines()
            failed.append(FailedTest(name, bad.get("type", ""), reason[0] if reason else ""))
        elif case.find("skipped") is not None:
            skipped.append(name)
        else:
            passed.append(name)
    return passed, skipped, failed


def _reproduce_line(
    built: Build, module: str, test_filter: str | None, plusargs: Sequence[str], seed: int
) -> str:
    node = running_test()
    if node:
        return f"SEED={seed} python -m pytest {shlex.quote(node)}"
    words = ["python", "-m", "tb.sim.run", "--sim", built.sim, "--top", built.top]
    words += [w for k, v in built.parameters.items() for w in ("--parameter", f"{k}={v}")]
    words += ["--module", module, "--seed", str(seed)]
    words += ["--filter", test_filter] if test_filter else []
    words += [w for p in plusargs for w in ("--plusarg", p.removeprefix("+"))]
    return shlex.join(words)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tb.sim.run", description="Build a top and run one cocotb module on it."
    )
    parser.add_argument("--sim", choices=SIMULATORS, default="verilator")
    parser.add_argument("--top", required=True)
    parser.add_argument("--module", help="cocotb test module; without it, only build")
    parser.add_argument("--filter", help="regex of test names")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--plusarg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--source", action="append", default=[], type=Path)
    parser.add_argument("--waves", action="store_true")
    args = parser.parse_args(argv)
    try:
        settings()
    except SettingError as error:
        print(f"tb.sim.run: {error}", file=sys.stderr)
        return 2
    parameters = {k: int(v, 0) for k, v in (p.split("=", 1) for p in args.parameter)}
    sources = args.source or (run_top_sources() if args.top == "run_top" else [])
    try:
        built = build(args.sim, args.top, parameters, sources=sources, waves=args.waves)
        print(f"{built.executable} ({built.seconds:.1f} s to compile)")
        if args.module:
            result = run(built, args.module, args.filter, plusargs=args.plusarg, seed=args.seed)
            print(f"{len(result.passed)} passed in {result.seconds:.1f} s, log {result.log}")
    except (BuildError, SimulationError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
