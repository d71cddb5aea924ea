# SPDX-License-Identifier: Apache-2.0
"""Places and routes the core on a Lattice ECP5 with nextpnr and says which clock it closes.

An open tool chain has no timing model of the Zynq, so the ECP5 stands in for it: a cheap FPGA of
the same class, in its slowest speed grade. Prints the clock, what the core takes of the part, and
the worst path of each pair of registers. The full build takes five to ten minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from golden.files import write_text
from tb.command_line import FAILED, OK, Parser, guarded
from tb.fpga.sdf_timing import TimingError, TimingPath, read_sdf, worst_paths
from tb.fpga.tools import (
    EXIT_STATUS,
    NEXTPNR,
    TOP,
    YOSYS,
    Parameters,
    ToolError,
    add_options,
    attempted,
    check_outputs,
    copy_rtl,
    document_of,
    parameters_of,
    read_rtl,
    revision,
    run_tool,
    shown,
    table,
    work_folder,
    write_json,
)

DOCUMENT = "docs/timing.md"
NETLIST, SDF, REPORT = "netlist.json", "routed.sdf", "report.json"

# Parts, each in a package that it comes in. Without I/O cells the package makes no difference.
DEVICES = {"25k": "CABGA381", "45k": "CABGA554", "85k": "CABGA554"}
SPEEDS = (6, 7, 8)  # grades; 6 is the slowest and cheapest
CELLS = {
    "TRELLIS_COMB": "LUT4s, carry and LUT RAM included",
    "TRELLIS_FF": "flip-flops",
    "DP16KD": "block RAMs of 18 Kbit",
    "MULT18X18D": "multipliers, 18 x 18 bit",
}
AGREEMENT = 0.01  # our analysis and nextpnr's may differ by no more than this fraction

EXAMPLES = """
examples
  pnr.py                                     the full build; docs/timing.md
  pnr.py --units 64 --layers 1 --paths 40    a small one; build/pnr/timing.md
  pnr.py --seed 2                            another placement of the full build
"""


@dataclasses.dataclass(frozen=True)
class Part:
    """What is placed on, and how hard nextpnr is asked to try."""

    device: str = "45k"
    speed: int = 6
    freq_mhz: float = 100.0
    seed: int = 1

    def __str__(self) -> str:
        return f"ECP5 LFE5U-{self.device.removesuffix('k')}F, speed grade {self.speed}"


@dataclasses.dataclass(frozen=True)
class Routed:
    """What came out."""

    fmax_mhz: float
    utilisation: dict[str, tuple[int, int]]  # used and available, by type of cell
    paths: list[TimingPath]


def read_report(text: str) -> tuple[float, dict[str, tuple[int, int]]]:
    """Highest clock in MHz and utilisation out of nextpnr's report; ToolError if not in it."""
    try:
        report = json.loads(text)
        fmax = min(clock["achieved"] for clock in report["fmax"].values())
        use = {k: (u["used"], u["available"]) for k, u in report["utilization"].items()}
        return float(fmax), {kind: use[kind] for kind in CELLS}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ToolError(f"{REPORT}: not a report of nextpnr: {error!r}") from None


def check_agreement(fmax_mhz: float, paths: Sequence[TimingPath]) -> None:
    """ToolError when the analysis of the SDF and nextpnr's own find different critical paths."""
    if not paths:
        raise ToolError(f"{SDF}: no path between registers")
    ours, theirs = paths[0].delay_ns, 1e3 / fmax_mhz
    if abs(ours - theirs) > AGREEMENT * theirs:
        raise ToolError(f"critical path: {ours:.2f} ns out of the SDF, {theirs:.2f} by nextpnr")


def place_and_route(parameters: Parameters, part: Part, folder: Path) -> Routed:
    """Synthesise, place and route in a folder; ToolError when a tool fails."""
    sources = copy_rtl(folder)
    script = f"{read_rtl(parameters, sources)}; synth_ecp5 -top {TOP} -json {NETLIST}"
    run_tool(YOSYS, ["-p", script], folder, [NETLIST])
    options = [
        *("--json", NETLIST, "--sdf", SDF, "--report", REPORT),
        *(f"--{part.device}", "--package", DEVICES[part.device], "--speed", str(part.speed)),
        *("--freq", f"{part.freq_mhz:g}", "--seed", str(part.seed)),
        *("--out-of-context", "--timing-allow-fail"),
    ]
    run_tool(NEXTPNR, options, folder, [SDF, REPORT])
    fmax, utilisation = read_report((folder / REPORT).read_text(encoding="utf-8"))
    try:
        paths = worst_paths(read_sdf((folder / SDF).read_text(encoding="utf-8")))
    except TimingError as error:
        raise ToolError(f"{shown(folder / SDF)}: {error}") from None
    check_agreement(fmax, paths)
    return Routed(fmax, utilisation, paths)


def verdict(routed: Routed, part: Part) -> str:
    """The clock in one line."""
    met = "met" if routed.fmax_mhz >= part.freq_mhz else "not met"
    return (
        f"{routed.fmax_mhz:.1f} MHz, a period of {1e3 / routed.fmax_mhz:.2f} ns;"
        f" {part.freq_mhz:g} MHz wanted: {met}"
    )


def utilisation_table(utilisation: Mapping[str, tuple[int, int]]) -> str:
    """What the core takes beside what the part has."""
    rows = [
        (kind, CELLS[kind], f"{used:,}", f"{available:,}", f"{100 * used / available:.0f} %")
        for kind, (used, available) in utilisation.items()
    ]
    return table(("cell", "what it is", "used", "of", ""), rows, left=2)


def paths_table(paths: Sequence[TimingPath], count: int) -> str:
    """The worst paths, the slowest first."""
    rows = [
        (f"`{p.source}`", f"`{p.sink}`", f"{p.delay_ns:.2f}", f"{p.routing_ns:.2f}", p.levels)
        for p in paths[:count]
    ]
    return table(("from", "to", "ns", "of it routing", "levels"), rows, left=2)


def document(
    parameters: Parameters, part: Part, measured_on: str, routed: Routed, count: int
) -> str:
    """The page in Markdown."""
    listed = min(count, len(routed.paths))
    return f"""\
# Clock

The clock that the core closes after place and route. `make pnr` writes this page; do not edit it.

| measured | |
| --- | --- |
| commit | {measured_on} |
| build | {parameters} |
| part | {part} |
| synthesis | {YOSYS.version()}, `synth_ecp5` |
| place and route | {NEXTPNR.version()}, `--out-of-context`, seed {part.seed} |
| clock | **{verdict(routed, part)}** |

The part replaces the Zynq, for which the open tools have no timing model. It is of the same class,
and this is its slowest speed grade. Another seed gives another placement and changes the clock by
some per cent.

## Utilisation

{utilisation_table(routed.utilisation)}

## Worst paths

{listed} of {len(routed.paths)} pairs of registers, each with its slowest path. A name stands for
all bits and instances of a register or memory. The time is measured from clock edge to clock edge:
clock to output, logic, routing, setup. A level is a LUT, a multiplier or a whole carry chain. For
each end point only the latest arrival counts. Paths from and to the ports of the core are not
included.

{paths_table(routed.paths, count)}
"""


def parse_arguments(argv: Sequence[str] | None) -> tuple[argparse.Namespace, Path]:
    """The command line, and where the document goes."""
    parser = Parser(
        prog="pnr.py",
        description=__doc__,
        epilog=EXIT_STATUS.format(met="the clock is met") + EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Part()
    parser.add_argument("--freq", type=float, default=default.freq_mhz, metavar="MHZ",
                        help="clock to reach, 1 to 1000 (default: %(default)g)")  # fmt: skip
    parser.add_argument("--paths", type=int, default=20, metavar="N",
                        help="pairs of registers to list (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=default.seed, metavar="N",
                        help="seed of the placement (default: %(default)s)")  # fmt: skip
    parser.add_argument("--device", choices=DEVICES, default=default.device,
                        help="size of the ECP5 (default: %(default)s; the full build needs more "
                        "block RAM than 25k has)")  # fmt: skip
    parser.add_argument("--speed", type=int, choices=SPEEDS, default=default.speed, metavar="GRADE",
                        help="6, 7 or 8; 6 is the slowest (default: %(default)s)")  # fmt: skip
    add_options(parser, "build/pnr", DOCUMENT)
    args = parser.parse_args(argv)
    if not 1 <= args.freq <= 1000:
        parser.error(f"argument --freq: found {args.freq:g}, expected 1 to 1000 MHz")
    if args.paths < 1:
        parser.error(f"argument --paths: found {args.paths}, expected at least 1")
    if not 0 <= args.seed < 2**31:
        parser.error(f"argument --seed: found {args.seed}, expected 0 to {2**31 - 1}")
    page = document_of(args, parser, DOCUMENT)
    check_outputs(args, parser, page)
    return args, page


def measure(args: argparse.Namespace, page: Path) -> int:
    """Measure, print, and write what was asked for; the exit status."""
    parameters, part = parameters_of(args), Part(args.device, args.speed, args.freq, args.seed)
    measured_on = revision()
    with work_folder(args.work) as folder:
        routed = place_and_route(parameters, part, folder)
    write_text(page, document(parameters, part, measured_on, routed, args.paths))
    write_json(
        args.json,
        {
            "commit": measured_on,
            "tools": [YOSYS.version(), NEXTPNR.version()],
            "parameters": parameters.rtl(),
            "part": dataclasses.asdict(part),
            "fmax_mhz": routed.fmax_mhz,
            "utilisation": routed.utilisation,
            "paths": [dataclasses.asdict(path) for path in routed.paths[: args.paths]],
        },
    )
    print(f"{parameters}; commit {measured_on}\n{part}, seed {part.seed}\n")
    print(f"clock: {verdict(routed, part)}\n\n{utilisation_table(routed.utilisation)}\n")
    print(f"{paths_table(routed.paths, args.paths)}\n\n{shown(page)} written")
    if routed.fmax_mhz < part.freq_mhz:
        print(
            f"error: clock not met: {routed.fmax_mhz:.1f} MHz, wanted {part.freq_mhz:g}",
            file=sys.stderr,
        )
        return FAILED
    return OK


@guarded("pnr.py")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    args, page = parse_arguments(argv)
    return attempted(lambda: measure(args, page))
