# SPDX-License-Identifier: Apache-2.0
"""The command `edgedrnn`: every script of the repository as a sub-command."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A sub-command: its name, the module whose ``main`` it runs, and one line of help."""

    name: str
    module: str
    summary: str


RUN, CHOOSE, VERIFY, DEBUG, HARDWARE = (
    "run a model",
    "make and choose models",
    "verify the core",
    "find out why",
    "hardware and repository",
)

GROUPS: dict[str, tuple[Command, ...]] = {
    RUN: (
        Command("simulate", "tb.cli.simulate", "run a model on the RTL, compared bit for bit"),
        Command("demo", "tb.cli.demo", "spoken digits through the RTL, with a picture"),
        Command("stimulus", "tb.cli.stimulus", "make input sequences, random or adversarial"),
    ),
    CHOOSE: (
        Command("convert", "tb.cli.convert", "a model file from PyTorch or ONNX"),
        Command("attach", "tb.cli.attach", "features and a read-out for a converted model"),
        Command("train", "golden.train.training", "train a delta-GRU from a data set"),
        Command("datasets", "golden.datasets.__main__", "what a data set holds; write a split"),
        Command("activity", "tb.cli.activity", "would a delta network help, before any training"),
        Command("sweep", "tb.cli.sweep", "accuracy, bytes and time over thresholds"),
        Command("tune", "tb.cli.tune", "search thresholds that keep a loss or a latency"),
        Command("ablate", "golden.tuning.ablate", "what each training trick brings"),
        Command("results", "tb.cli.results", "measure the committed models"),
    ),
    VERIFY: (
        Command("quick", "tb.cli.quick", "the tests that a change can break, in a minute"),
        Command("regress", "tb.cli.regress", "tests x builds x seeds within a time budget"),
        Command("coverage", "tb.cli.coverage", "functional coverage of a run"),
        Command("code-coverage", "tb.cli.code_coverage", "lines, branches, toggles, expressions"),
        Command("mutants", "tb.cli.mutants", "mutation score of the RTL"),
        Command("faults", "tb.cli.faults", "plant faults and expect the named test to fail"),
        Command("report", "tb.cli.report", "the page of the last regression"),
        Command("page-check", "tb.cli.page_check", "open that page in Chromium"),
        Command("bench", "tb.cli.bench", "clock cycles a step over the benchmark set"),
        Command("bench-sim", "tb.cli.bench_sim", "simulated clock cycles per second"),
    ),
    DEBUG: (
        Command("localise", "tb.cli.localise", "a failing test's first wrong value"),
        Command("waves", "tb.cli.waves", "timing diagrams and viewer layouts of a dump"),
        Command("timeline", "tb.cli.timeline", "why the weight port is idle, cycle by cycle"),
    ),
    HARDWARE: (
        Command("synth", "tb.cli.synth", "area on a Zynq, by module"),
        Command("pnr", "tb.cli.pnr", "clock closed on an ECP5 after place and route"),
        Command("gen-registers", "tb.cli.gen_registers", "regenerate files from registers.toml"),
        Command("lint", "tb.cli.lint", "Verilator -Wall and freshness of generated files"),
    ),
}
COMMANDS = {command.name: command for group in GROUPS.values() for command in group}


def usage() -> str:
    """The text of ``edgedrnn --help``."""
    lines = ["usage: edgedrnn COMMAND [options]      (edgedrnn COMMAND --help explains one)", ""]
    for title, group in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {command.name:14s} {command.summary}" for command in group]
        lines.append("")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command; its exit status. A command that does not exist is status 2."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(usage(), end="")
        return 0
    command = COMMANDS.get(words[0])
    if command is None:
        print(
            f"edgedrnn: found command {words[0]!r}, expected one of {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 2
    sys.argv = [f"edgedrnn {command.name}", *words[1:]]
    status: int = importlib.import_module(command.module).main()
    return status


if __name__ == "__main__":
    sys.exit(main())
