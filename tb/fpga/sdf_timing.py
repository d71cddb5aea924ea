# SPDX-License-Identifier: Apache-2.0
"""Static timing analysis of what nextpnr placed and routed, out of the SDF file that it wrote.

nextpnr reports one critical path. To see where else time is lost, this reads every delay of the
netlist, finds the latest arrival at each end point, and keeps the worst path of each pair of
register groups. A group is what the RTL calls one register or memory, whatever its index.

In the SDF of nextpnr, an IOPATH from a clock pin is a clock-to-output delay and starts a path, any
other IOPATH leads through a combinational cell, an INTERCONNECT is a routed net, and a SETUPHOLD
names an end point. All delays are the slowest of those given.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

CLOCK_PINS = frozenset({"CLK", "CLKA", "CLKB", "WCK"})
CARRY_IN = "FCI"  # of a CCU2C; a carry chain passes through hundreds

_TOKEN = re.compile(r'"[^"]*"|[()]|(?:\\.|[^\s()"\\])+')
_USED = frozenset({"TIMESCALE", "CELLTYPE", "INSTANCE", "INTERCONNECT", "IOPATH", "SETUPHOLD"})
_UNITS_NS = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0, "ps": 1e-3, "fs": 1e-6}

# What synthesis and packing append to the name of a register: the cell and the pin it was found
# at, an index, a slice of a memory.
_SUFFIX = re.compile(
    r"_(?:TRELLIS_FF|TRELLIS_DPR16X4|LUT4|PFUMX|L6MUX21|CCU2C|DP16KD|MULT18X18D|ALU54B)_.*|\$.*"
)
_INDEX = re.compile(r"\[\d+\]|(?:\.\d+)+$")
_PORT = re.compile(r"(?:\.\d+){2}_[A-Z]+\d*$")  # mem.0.2_DOA7: a register that synthesis put there
_MEMORIES = {"DP16KD": "block RAM", "TRELLIS_RAMW": "LUT RAM", "TRELLIS_COMB": "LUT RAM"}


class TimingError(ValueError):
    """The text is not an SDF file as nextpnr writes it; one line."""


@dataclass
class Delays:
    """The timing graph. Nodes are pins, ``instance/pin``; all times in ns."""

    nets: dict[str, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    cells: dict[str, list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    clock_to_output: dict[str, float] = field(default_factory=dict)
    setup: dict[str, float] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # of cells, by instance


@dataclass(frozen=True)
class TimingPath:
    """A path from a clock edge at one register to the next edge at another."""

    source: str  # groups
    sink: str
    delay_ns: float  # clock-to-output, logic, routing and setup
    routing_ns: float  # of that
    levels: int  # combinational cells passed; a carry chain is one
    start: str  # pins
    end: str


def _forms(text: str) -> Iterator[list[Any]]:
    """The lists of an S-expression whose head is one we use, innermost first, in the order met."""
    stack: list[list[Any]] = []
    ended = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "(":
            if ended:
                raise TimingError("SDF: text after its end")
            stack.append([])
        elif not stack:
            raise TimingError("SDF: expected an opening parenthesis")
        elif token == ")":
            form = stack.pop()
            if form and isinstance(form[0], str) and form[0] in _USED:
                yield form
            elif stack:
                stack[-1].append(form)
            ended = not stack
        else:
            stack[-1].append(token)
    if not ended:
        raise TimingError("SDF: ends in the middle")


def _slowest(delays: list[Any], ns: float) -> float:
    """The largest number in lists such as [['1:2:3'], ['1:2:4']], in ns."""
    numbers = [float(n) for one in delays for word in one for n in word.split(":") if n]
    return max(numbers, default=0.0) * ns


def _plain(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def read_sdf(text: str) -> Delays:
    """Read an SDF file; TimingError when it is not whole or has nothing to time."""
    delays = Delays()
    ns, kind, instance = 1e-3, "", ""
    try:
        for head, *rest in _forms(text):
            if head == "TIMESCALE":
                scale = re.fullmatch(r"([\d.]+)\s*([munpf]?s)", "".join(rest))
                if scale is None:
                    raise ValueError("no time scale")
                ns = float(scale[1]) * _UNITS_NS[scale[2]]
            elif head == "CELLTYPE":
                kind = rest[0].strip('"')
            elif head == "INSTANCE":
                instance = _plain(rest[0]) if rest else ""
                delays.types[instance] = kind
            elif head == "INTERCONNECT":
                source, sink, *times = rest
                delays.nets[_plain(source)].append((_plain(sink), _slowest(times, ns)))
            elif head == "IOPATH":
                source, sink, *times = rest
                pin, output = source if isinstance(source, str) else source[1], f"{instance}/{sink}"
                if pin in CLOCK_PINS:
                    late = max(_slowest(times, ns), delays.clock_to_output.get(output, 0.0))
                    delays.clock_to_output[output] = late
                else:
                    delays.cells[f"{instance}/{pin}"].append((output, _slowest(times, ns)))
            else:
                (_, pin), _, setup, *_ = rest
                end = f"{instance}/{pin}"
                late = max(_slowest([setup], ns), delays.setup.get(end, 0.0))
                delays.setup[end] = late
    except TimingError:
        raise
    except (ValueError, KeyError, AttributeError, IndexError, TypeError):
        raise TimingError(
            f"SDF: cannot read {head} of {instance or 'the header'}: {rest}"
        ) from None
    if not delays.clock_to_output or not delays.setup:
        raise TimingError("SDF: no register in it")
    return delays


def group_of(instance: str, kind: str) -> str:
    """What the RTL calls a register or memory: without its index and what the tools appended."""
    name = _INDEX.sub("", _SUFFIX.sub("", instance))
    if _PORT.search(name):
        return f"{_PORT.sub('', name)} (register at its port)"
    name = _INDEX.sub("", name)
    return f"{name} ({_MEMORIES[kind]})" if kind in _MEMORIES else name


def worst_paths(delays: Delays) -> list[TimingPath]:
    """The worst path of each pair of register groups, the slowest first.

    Of each end point only its latest arrival is looked at, so a pair that is nowhere the slowest
    way into an end point is not listed. Paths from or to a port of the core have no delay in the
    SDF and are not there. TimingError for a combinational loop.
    """
    edges: dict[str, list[tuple[str, float, bool]]] = defaultdict(list)
    for pin, nets in delays.nets.items():
        edges[pin] += [(end, late, True) for end, late in nets]
    for pin, cells in delays.cells.items():
        edges[pin] += [(end, late, False) for end, late in cells]
    waits: dict[str, int] = defaultdict(int)
    for leads in edges.values():
        for end, _, _ in leads:
            waits[end] += 1
    arrival = dict(delays.clock_to_output)
    came: dict[str, tuple[str, float, bool]] = {}
    ready = deque(pin for pin in dict.fromkeys([*edges, *arrival]) if not waits[pin])
    done = 0
    while ready:
        pin = ready.popleft()
        done += 1
        for end, late, routed in edges.get(pin, ()):
            if pin in arrival and arrival[pin] + late > arrival.get(end, -1.0):
                arrival[end] = arrival[pin] + late
                came[end] = (pin, late, routed)
            waits[end] -= 1
            if not waits[end]:
                ready.append(end)
    if done < len(waits):
        stuck = min(pin for pin, number in waits.items() if number)
        raise TimingError(f"SDF: a combinational loop through or before {stuck}")

    worst: dict[tuple[str, str], tuple[float, str]] = {}
    for end, setup in delays.setup.items():
        if end in arrival:
            pin = end
            while pin in came:
                pin = came[pin][0]
            pair = (_group(pin, delays), _group(end, delays))
            worst[pair] = max(worst.get(pair, (0.0, "")), (arrival[end] + setup, end))
    paths = [_path(pair, late, end, came) for pair, (late, end) in worst.items()]
    return sorted(paths, key=lambda path: (-path.delay_ns, path.source, path.sink))


def _group(pin: str, delays: Delays) -> str:
    instance = pin.rpartition("/")[0]
    return group_of(instance, delays.types.get(instance, ""))


def _path(
    pair: tuple[str, str], delay: float, end: str, came: dict[str, tuple[str, float, bool]]
) -> TimingPath:
    pin, routing, levels = end, 0.0, 0
    while pin in came:
        before, late, routed = came[pin]
        routing += late if routed else 0.0
        levels += not routed and not before.endswith(f"/{CARRY_IN}")
        pin = before
    return TimingPath(*pair, delay, routing, levels, pin, end)
