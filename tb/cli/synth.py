# SPDX-License-Identifier: Apache-2.0
"""Synthesises the core for the Zynq 7000 family with Yosys and counts what it takes.

Prints LUTs, flip-flops, DSP48E1 and block RAM beside the authors' public RTL, our limits and the
smallest Zynq, then the same by module. A synthesis takes about a minute.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from golden.files import write_text
from tb.command_line import FAILED, OK, Parser, guarded
from tb.fpga.tools import (
    EXIT_STATUS,
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

DOCUMENT = "docs/area.md"
NETLIST, STATISTICS = "netlist.json", "statistics.json"

# LUTs that a cell takes. A 7-series slice makes a RAM32M or RAM64M of its four LUTs; an inverter
# is a LUT with one input.
LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    **{"INV": 1, "SRL16E": 1, "SRLC32E": 1, "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2},
    **{"RAM256X1S": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4},
}
FLIP_FLOPS = {"FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1"}
RAMB18 = {"RAMB18E1": 1, "RAMB36E1": 2}
FREE = {"MUXF7", "MUXF8", "BUFG", "IBUF", "OBUF"}  # beside the LUTs, or not of the core

EXAMPLES = """
examples
  synth.py                               the full build; docs/area.md
  synth.py --width 32 --layers 2         a smaller one; build/synth/area.md
  synth.py --width 256 --no-limits       a larger one, whatever it takes
"""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a netlist, or one module of it, takes."""

    logic: int = 0  # LUTs, inverters among them
    distributed_ram: int = 0  # LUTs
    shift_register: int = 0  # LUTs
    carry4: int = 0
    flip_flops: int = 0
    dsp48e1: int = 0
    ramb18e1: int = 0  # a RAMB36E1 is two
    inverters: int = 0  # those of ``logic`` that are no more than that

    @property
    def luts(self) -> int:
        """All LUTs, whatever they are used as."""
        return self.logic + self.distributed_ram + self.shift_register

    def figures(self) -> dict[str, int]:
        """What has a limit, by the vendor's name."""
        return {
            "LUT": self.luts,
            "FF": self.flip_flops,
            "DSP48E1": self.dsp48e1,
            "RAMB18E1": self.ramb18e1,
        }


# The authors' public RTL, 2^10 units and 4 layers, through the same Yosys and synth_xilinx.
AUTHORS = {"LUT": 5102, "FF": 2752, "DSP48E1": 11, "RAMB18E1": 40}
LIMITS = {"LUT": 8000, "FF": 7000, "DSP48E1": 40, "RAMB18E1": 60}
ZYNQ_7007S = {"LUT": 14400, "FF": 28800, "DSP48E1": 66, "RAMB18E1": 100}


def usage_of(cells: Mapping[str, int]) -> Usage:
    """Sum up cells counted by type; ToolError for a type whose size nobody has told us."""
    count: Counter[str] = Counter()
    unknown = []
    for kind, number in cells.items():
        if kind in LUTS:
            use = {"RAM": "distributed_ram", "SRL": "shift_register"}.get(kind[:3], "logic")
            count[use] += LUTS[kind] * number
            if kind == "INV":
                count["inverters"] += number
        elif kind in FLIP_FLOPS:
            count["flip_flops"] += number
        elif kind in RAMB18:
            count["ramb18e1"] += RAMB18[kind] * number
        elif kind in ("CARRY4", "DSP48E1"):
            count[kind.lower()] += number
        elif kind not in FREE:
            unknown.append(kind)
    if unknown:
        raise ToolError(f"netlist: cells of unknown size: {', '.join(sorted(unknown))}")
    return Usage(**count)


def read_statistics(text: str) -> Usage:
    """Totals out of what `stat -json` wrote of the flat design."""
    try:
        return usage_of(json.loads(text)["design"]["num_cells_by_type"])
    except (ValueError, KeyError, TypeError) as error:
        raise ToolError(f"{STATISTICS}: not statistics of Yosys: {error!r}") from None


# ---------------------------------------------------------------------------------- by module


def instances_of_files(sources: Mapping[str, str], top: str = TOP) -> dict[str, set[str]]:
    """Which instances right under the top are made from a file, themselves or something in them.

    ``sources`` are SystemVerilog texts by file name, one module each.
    """
    home = {}
    for name, text in sources.items():
        if match := re.search(r"(?m)^\s*module\s+(\w+)", text):
            home[match[1]] = name
    children = {module: list(_instances(sources[file], home)) for module, file in home.items()}
    users: dict[str, set[str]] = defaultdict(set)

    def visit(module: str, instance: str) -> None:
        users[home[module]].add(instance)
        for child, _ in children[module]:
            visit(child, instance)

    for module, instance in children.get(top, ()):
        visit(module, instance)
    return dict(users)


def _instances(text: str, modules: Iterable[str]) -> Iterable[tuple[str, str]]:
    """(module, instance name) of every instantiation in a SystemVerilog text."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.S)
    for match in re.finditer(rf"\b({'|'.join(map(re.escape, modules))})\b\s*", text):
        at = match.end()
        if text[at : at + 1] == "#":
            at, depth = text.index("(", at) + 1, 1
            while depth:
                depth += {"(": 1, ")": -1}.get(text[at], 0)
                at += 1
        if name := re.match(r"\s*(\w+)\s*\(", text[at:]):
            yield match[1], name[1]


def usage_by_module(netlist: Mapping[str, Any], users: Mapping[str, set[str]]) -> dict[str, Usage]:
    """Usage of each instance right under the top, out of the flat netlist that Yosys wrote.

    A cell belongs to the instance that its own name begins with; else to the only one that uses
    the file it was made from (``users``, by file); else, if it stores something, to the one that
    its output is named after. What is left, most LUTs, has neither name nor file after ABC: such a
    cell belongs to whom it drives, by majority, found backwards from the cells whose owner is
    known; or else to whom it is driven by.
    So the sum over the instances is the flat netlist, cell by cell.
    """
    cells = {
        n: c for n, c in netlist["cells"].items() if c["type"] not in FREE - {"MUXF7", "MUXF8"}
    }
    instances = set().union(*users.values())

    def first(name: str) -> str | None:
        head, _, tail = name.partition(".")
        return head if tail and head in instances else None

    names = defaultdict(list)
    for name, net in netlist["netnames"].items():
        if not net.get("hide_name"):
            for bit in net["bits"]:
                names[bit].append(name)

    drives, driven_by = defaultdict(list), defaultdict(list)
    driver, readers, outputs = {}, defaultdict(list), {}
    for name, cell in cells.items():
        ports, direction = cell["connections"], cell["port_directions"]
        outputs[name] = [b for p, bits in ports.items() if direction[p] == "output" for b in bits]
        for bit in outputs[name]:
            driver[bit] = name
        for port, bits in ports.items():
            if direction[port] == "input":
                for bit in bits:
                    readers[bit].append(name)
    for bit, name in driver.items():
        for reader in readers[bit]:
            drives[name].append(reader)
            driven_by[reader].append(name)

    def known(name: str, cell: Mapping[str, Any]) -> str | None:
        if owner := first(name):
            return owner
        places = cell.get("attributes", {}).get("src", "").split("|")
        files = {Path(place.split(":")[0]).name for place in places}
        made_from = set().union(*(users.get(file, ()) for file in files))
        if len(made_from) == 1:
            return made_from.pop()
        if cell["type"] in FLIP_FLOPS or cell["type"].startswith(("SRL", "RAM", "DSP")):
            called = [n for bit in outputs[name] for n in names[bit]]
            for some in ([n for n in called if n.endswith("_q")], called):
                found = {first(n) for n in some} - {None}
                if len(found) == 1:
                    return found.pop()
        return None

    owner = {name: found for name, cell in cells.items() if (found := known(name, cell))}
    for neighbours in (drives, driven_by):
        while True:
            near = {}
            for name in cells.keys() - owner.keys():
                votes = Counter(owner[n] for n in neighbours[name] if n in owner)
                if votes:
                    near[name] = min(votes, key=lambda one: (-votes[one], one))
            if not near:
                break
            owner.update(near)

    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for name, cell in cells.items():
        kinds[owner.get(name, TOP)][cell["type"]] += 1
    usages = {module: usage_of(count) for module, count in kinds.items()}
    return dict(sorted(usages.items(), key=lambda item: (-item[1].luts, item[0])))


# ---------------------------------------------------------------------------------- synthesis


def synthesise(parameters: Parameters, folder: Path) -> tuple[Usage, dict[str, Usage]]:
    """Synthesise the core in a folder; what it takes, in total and by module.

    The flow is plain `synth_xilinx -family xc7`, abc9 included: what everybody gets, and what the
    authors' figures were measured with. ToolError when the tool fails or its results do not agree.
    """
    sources = copy_rtl(folder)
    script = (
        f"{read_rtl(parameters, sources)}; synth_xilinx -family xc7 -top {TOP};"
        f" tee -q -o {STATISTICS} stat -json; write_json {NETLIST}"
    )
    run_tool(YOSYS, ["-p", script], folder, [STATISTICS, NETLIST])
    total = read_statistics((folder / STATISTICS).read_text(encoding="utf-8"))
    try:
        netlist = json.loads((folder / NETLIST).read_text(encoding="utf-8"))["modules"][TOP]
    except (ValueError, KeyError):
        raise ToolError(f"{shown(folder / NETLIST)}: no whole netlist of {TOP}") from None
    users = instances_of_files({s.name: s.read_text(encoding="utf-8") for s in sources})
    modules = usage_by_module(netlist, users)
    if total != sum_of(modules.values()):
        raise ToolError(f"{shown(folder)}: {NETLIST} and {STATISTICS} do not agree")
    return total, modules


def sum_of(usages: Iterable[Usage]) -> Usage:
    """All of them together."""
    rows = [dataclasses.astuple(usage) for usage in usages]
    return Usage(*(sum(column) for column in zip(*rows, strict=True)))


def exceeded(total: Usage) -> list[str]:
    """Which limits a build breaks, each in words."""
    return [
        f"{figure:,} {name}, limit {LIMITS[name]:,}"
        for name, figure in total.figures().items()
        if figure > LIMITS[name]
    ]


def verdict(total: Usage) -> str:
    """Whether a build keeps to the limits, in one line."""
    broken = exceeded(total)
    return f"above the limit: {'; '.join(broken)}" if broken else "within the limits"


def totals_table(total: Usage) -> str:
    """The build beside the authors' RTL, our limits and the smallest Zynq."""
    rows = [
        (name, *(f"{n:,}" for n in (figure, AUTHORS[name], LIMITS[name], ZYNQ_7007S[name])),
         f"{100 * figure / ZYNQ_7007S[name]:.0f} %")
        for name, figure in total.figures().items()
    ]  # fmt: skip
    header = ("", "this build", "authors' RTL", "our limit", "Zynq 7007S", "of the 7007S")
    return table(header, rows)


def modules_table(total: Usage, modules: Mapping[str, Usage]) -> str:
    """The build by module, the largest first."""
    header = ("instance", "LUT", "of these RAM", "of these shift", "CARRY4", "FF", "DSP48E1",
              "RAMB18E1")  # fmt: skip
    rows = [
        (f"`{name}`" if name != "total" else name,
         *(f"{n:,}" for n in (u.luts, u.distributed_ram, u.shift_register, u.carry4, u.flip_flops,
                              u.dsp48e1, u.ramb18e1)))
        for name, u in [*modules.items(), ("total", total)]
    ]  # fmt: skip
    return table(header, rows)


def composition(total: Usage) -> str:
    """What the LUTs are used as, in one sentence."""
    return (
        f"{total.luts:,} LUTs: {total.logic - total.inverters:,} logic, {total.inverters:,}"
        f" inverters, {total.distributed_ram:,} distributed RAM, {total.shift_register:,} shift"
        " registers."
    )


def document(
    parameters: Parameters, measured_on: str, total: Usage, modules: Mapping[str, Usage]
) -> str:
    """The page in Markdown."""
    return f"""\
# Area

The resources that the core uses in a Xilinx FPGA of the 7 series. `make synth` writes this page; do
not edit it.

| measured | |
| --- | --- |
| commit | {measured_on} |
| build | {parameters} |
| tool | {YOSYS.version()}, `synth_xilinx -family xc7` |
| result | **{verdict(total)}** |

## In total

{totals_table(total)}

{composition(total)}

Every cell made of LUTs counts as the LUTs that it takes: a RAM32M or RAM64M as four, a RAM32X1D as
two, a shift register or an inverter as one. MUXF7 and MUXF8 are not LUTs and are not counted. A
RAMB36E1 counts as two RAMB18E1. The authors' figures are those of their public RTL for 1024 units
and 4 layers, measured with the same Yosys and command. The vendor's place and route merges two
small LUTs into one where it can, so it reports fewer.

## By module

{modules_table(total, modules)}

The netlist is flat. Each of its cells is assigned to exactly one of the instances directly below
`edgedrnn`, so the total is exact. A cell is assigned by its name, by the file that it was made
from, or by the register that it is. A LUT has none of these and is assigned to the instance whose
registers it drives. So logic between two instances counts where its result is used.
"""


def parse_arguments(argv: Sequence[str] | None) -> tuple[argparse.Namespace, Path]:
    """The command line, and where the document goes."""
    parser = Parser(
        prog="synth.py",
        description=__doc__,
        epilog=EXIT_STATUS.format(met="within the limits") + EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    limits = ", ".join(f"{limit:,} {name}" for name, limit in LIMITS.items())
    parser.add_argument("--no-limits", action="store_true",
                        help=f"do not fail a build that takes more than {limits}")  # fmt: skip
    add_options(parser, "build/synth", DOCUMENT)
    args = parser.parse_args(argv)
    page = document_of(args, parser, DOCUMENT)
    check_outputs(args, parser, page)
    return args, page


def measure(args: argparse.Namespace, page: Path) -> int:
    """Measure, print, and write what was asked for; the exit status."""
    parameters = parameters_of(args)
    measured_on = revision()
    with work_folder(args.work) as folder:
        total, modules = synthesise(parameters, folder)
    write_text(page, document(parameters, measured_on, total, modules))
    write_json(
        args.json,
        {
            "commit": measured_on,
            "tool": YOSYS.version(),
            "parameters": parameters.rtl(),
            "total": total.figures(),
            "limits": LIMITS,
            "exceeded": exceeded(total),
            "modules": {m: {**dataclasses.asdict(u), "luts": u.luts} for m, u in modules.items()},
        },
    )
    print(f"{parameters}; commit {measured_on}\n\n{totals_table(total)}\n\n{composition(total)}\n")
    print(f"{modules_table(total, modules)}\n\n{shown(page)} written")
    if exceeded(total) and not args.no_limits:
        print(f"error: {verdict(total)}", file=sys.stderr)
        return FAILED
    return OK


@guarded("synth.py")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    args, page = parse_arguments(argv)
    return attempted(lambda: measure(args, page))
