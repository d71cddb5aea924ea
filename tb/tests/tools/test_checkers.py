# SPDX-License-Identifier: Apache-2.0
"""The protocol checkers: every rule fires on its violation, none on good traffic.

A scenario is a list of bus cycles (signals that differ from idle) and the rules it must trip, in
any order. The test logs what it expects; the run's log must then hold exactly those CHECKER lines.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb.types import LogicArray

from tb.handover import simulation
from tb.paths import CHECKERS, SIMULATORS
from tb.sim.build import build
from tb.sim.checker_log import complaints
from tb.sim.run import run

MESSAGES = 1000
FAMILIES = {
    "axi_checker": {"DataWidth": 64, "MaxOutstanding": 2, "MaxMessages": MESSAGES},
    "axi_checker_any": {"OnlyIncr": 0, "FullWidth": 0, "MaxMessages": MESSAGES},
    "axis_checker": {"DataWidth": 32, "MaxMessages": MESSAGES},
    "axil_checker": {"MaxOutstanding": 2, "MaxMessages": MESSAGES},
}


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("family", FAMILIES)
def test_checker(family: str, sim: str, tmp_path: Path) -> None:
    top = family.removesuffix("_any")
    sources = [CHECKERS / "channel_checker.sv", CHECKERS / f"{top}.sv"]
    built = build(sim, top, FAMILIES[family], sources=sources, filelist=None)
    result = run(
        built, __name__, "violation_of_every_rule", case={"family": family}, work_dir=tmp_path
    )
    expected = Counter(re.findall(r"EXPECT (\S+ \w+)", result.log.read_text()))
    found = Counter(
        f"{one.path.removeprefix(top).lstrip('.') or 'self'} {one.rule}"
        for one in complaints(result.log)
    )
    assert expected and found == expected


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("top", [f for f in FAMILIES if not f.endswith("_any")])
def test_checker_without_reset(top: str, sim: str, tmp_path: Path) -> None:
    sources = [CHECKERS / "channel_checker.sv", CHECKERS / f"{top}.sv"]
    built = build(sim, top, FAMILIES[top], sources=sources, filelist=None)
    # zeros, for the random values that signals begin with might look like a reset
    plusargs = ["verilator+rand+reset+0"]
    result = run(built, __name__, "no_reset", plusargs=plusargs, work_dir=tmp_path)
    assert result.log.read_text().count("NOT_RESET") == 1


@dataclass
class Scenario:
    """Bus cycles to play, and the rules (``where RULE``) that must fire, each once."""

    name: str
    cycles: list[dict[str, Any]]
    trips: list[str] = field(default_factory=list)
    four_state: bool = False  # needs X: nothing to see on a two-state simulator


DONE = {"done": 1}
X1 = LogicArray("X")
# An unknown value breaks further rules, which have to compare with it.
ALSO_X = {
    "arlen": "self R_LAST",
    "arburst": "self AR_BURST",
    "arlock": "self AR_LOCK",
    "arid": "self R_ID",
    "rlast": "self R_LAST",
    "rid": "self R_ID",
}


def channel(
    prefix: str,
    where: str,
    payload: dict[str, Any],
    answer: list[dict[str, Any]],
    lead: list[dict[str, Any]],
) -> list[Any]:
    """Violations of the channel rules on one channel.

    ``payload``: two different legal payloads per signal. ``lead``: cycles that make the beat legal,
    ``answer``: cycles that finish what the beat began.
    """
    valid, ready = f"{prefix}valid", f"{prefix}ready"
    first = {name: values[0] for name, values in payload.items()}
    scenarios = [
        Scenario(f"{where} waits", [*lead, {valid: 1, **first}, {valid: 1, ready: 1, **first},
                                    *answer]),
        Scenario(f"{where} ready first", [*lead, {ready: 1}, {}, {valid: 1, ready: 1, **first},
                                          *answer]),
        Scenario(f"{where} dropped", [*lead, {valid: 1, **first}, {}, {valid: 1, ready: 1, **first},
                                      *answer], [f"{where} VALID_DROPPED"]),
        Scenario(f"{where} valid X", [*lead, {valid: X1, **first}, {valid: 1, ready: 1, **first},
                                      *answer], [f"{where} X_CONTROL"], four_state=True),
        Scenario(f"{where} ready X", [*lead, {valid: 1, ready: X1, **first},
                                      {valid: 1, ready: 1, **first}, *answer],
                 [f"{where} X_CONTROL"], four_state=True),
        Scenario(f"{where} in reset", [{"rst_n": 0}, {"rst_n": 0, valid: 1, **first}],
                 [f"{where} VALID_IN_RESET"]),
    ]  # fmt: skip
    for name, (one, other) in payload.items():
        changed = {**first, name: other}
        scenarios += [
            Scenario(f"{where} {name} changes", [*lead, {valid: 1, **changed},
                                                 {valid: 1, ready: 1, **{**first, name: one}},
                                                 *answer], [f"{where} NOT_STABLE"]),
            Scenario(f"{where} {name} X", [*lead, {valid: 1, ready: 1, **first, name: X1}, *answer],
                     [f"{where} X_PAYLOAD", *([ALSO_X[name]] if name in ALSO_X else [])],
                     four_state=True),
        ]  # fmt: skip
    return scenarios


AR = {"arvalid": 1, "arready": 1, "araddr": 0x1000, "arlen": 0, "arsize": 3, "arburst": 1}
R = {"rvalid": 1, "rready": 1, "rdata": 0x1234, "rlast": 1}


def axi_scenarios() -> list[Scenario]:
    two = {**AR, "arlen": 1}
    mid = {**R, "rlast": 0}
    ar_payload = {
        "araddr": (0x1000, 0x2000),
        "arlen": (0, 0),
        "arsize": (3, 3),
        "arburst": (1, 1),
        "arcache": (3, 2),
        "arprot": (0, 2),
        "arqos": (0, 5),
        "arlock": (0, 0),
        "arid": (0, 0),
    }
    r_payload = {"rdata": (5, 7), "rresp": (0, 2), "rlast": (1, 1), "rid": (0, 0)}
    changing = channel("ar", "u_ar", ar_payload, [R], [])
    changing += channel("r", "u_r", r_payload, [], [AR])
    return [
        *[s for s in changing if not is_same_payload(s, {**ar_payload, **r_payload})],
        Scenario("arlen changes", [{**AR, "arready": 0}, two, mid, R], ["u_ar NOT_STABLE"]),
        Scenario("a burst of two and its drain", [two, mid, R, DONE]),
        Scenario("two bursts under way", [AR, two, R, mid, R, DONE]),
        Scenario("address while data comes", [AR, {**AR, **R}, {**AR, **R}, R, DONE]),
        Scenario("error responses are legal", [two, {**mid, "rresp": 2}, {**R, "rresp": 3}, DONE]),
        Scenario("up to the 4 KiB edge", [{**AR, "araddr": 0x1FF0, "arlen": 1}, mid, R]),
        Scenario("256 beats", [{**AR, "arlen": 255}, *[mid] * 255, R, DONE]),
        Scenario("over the 4 KiB edge", [{**AR, "araddr": 0x1FF8, "arlen": 1}, mid, R],
                 ["self AR_4K"]),
        Scenario("FIXED", [{**AR, "arburst": 0}, R], ["self AR_BURST"]),
        Scenario("WRAP", [{**AR, "arburst": 2, "arlen": 1}, mid, R], ["self AR_BURST"]),
        Scenario("narrow", [{**AR, "arsize": 2}, R], ["self AR_SIZE"]),
        Scenario("exclusive", [{**AR, "arlock": 1}, R], ["self AR_LOCK"]),
        Scenario("unaligned", [{**AR, "araddr": 0x1004}, R], ["self AR_ALIGN"]),
        Scenario("three bursts under way", [AR, AR, AR, R, R, R], ["self AR_OUTSTANDING"]),
        Scenario("data without address", [R], ["self R_WITHOUT_AR"]),
        Scenario("data with its address", [{**AR, **R}, R], ["self R_WITHOUT_AR"]),
        Scenario("a beat too many", [AR, R, R], ["self R_WITHOUT_AR"]),
        Scenario("wrong id", [AR, {**R, "rid": 1}], ["self R_ID"]),
        Scenario("last too early", [two, R, R], ["self R_LAST"]),
        Scenario("last missing", [AR, mid], ["self R_LAST"]),
        Scenario("EXOKAY", [AR, {**R, "rresp": 1}], ["self R_RESP"]),
        Scenario("not drained", [AR, DONE], ["self NOT_DRAINED"]),
        Scenario("address waits at the end", [{**AR, "arready": 0, "done": 1}, AR, R],
                 ["self NOT_DRAINED"]),
    ]  # fmt: skip


def is_same_payload(scenario: Scenario, payload: dict[str, Any]) -> bool:
    """A "changes" scenario whose two payloads are equal: no other value is legal there."""
    words = scenario.name.split()
    return words[-1] == "changes" and payload[words[1]][0] == payload[words[1]][1]


def axi_any_scenarios() -> list[Scenario]:
    mid = {**R, "rlast": 0}
    return [
        Scenario("FIXED", [{**AR, "arburst": 0, "arlen": 15}, *[mid] * 15, R, DONE]),
        Scenario("WRAP", [{**AR, "arburst": 2, "arlen": 3}, mid, mid, mid, R, DONE]),
        Scenario("narrow, unaligned", [{**AR, "arsize": 0, "araddr": 0x1FFF}, R, DONE]),
        Scenario("FIXED of 17", [{**AR, "arburst": 0, "arlen": 16}, *[mid] * 16, R],
                 ["self AR_LEN"]),
        Scenario("WRAP of 3", [{**AR, "arburst": 2, "arlen": 2}, mid, mid, R], ["self AR_LEN"]),
        Scenario("reserved burst", [{**AR, "arburst": 3}, R], ["self AR_BURST"]),
        Scenario("wider than the bus", [{**AR, "arsize": 4}, R], ["self AR_SIZE"]),
        Scenario("narrow over the edge", [{**AR, "arsize": 0, "araddr": 0x1FFF, "arlen": 1}, mid,
                                          R], ["self AR_4K"]),
    ]  # fmt: skip


def axis_scenarios() -> list[Scenario]:
    beat = {"tvalid": 1, "tready": 1, "tdata": 3}
    last = {**beat, "tlast": 1}
    three = {"expected_beats": 3}
    payload = {"tdata": (3, 4), "tuser": (0, 1), "tlast": (1, 1)}
    changing = channel("t", "u_t", payload, [], [])
    return [
        *[s for s in changing if not is_same_payload(s, payload)],
        Scenario("any length", [last, beat, last, beat, beat, beat, last, DONE]),
        Scenario("length three", [three | beat, three | beat, three | last, three | DONE]),
        Scenario("cut packet", [three | beat, three | last | {"tuser": 1}, three | DONE]),
        Scenario("short", [three | beat, three | last, DONE], ["self PACKET_SHORT"]),
        Scenario("long", [three | beat, three | beat, three | beat, three | last, DONE],
                 ["self PACKET_LONG"]),
        Scenario("open packet", [beat, DONE], ["self NOT_DRAINED"]),
        Scenario("beat waits at the end", [{**last, "tready": 0} | DONE, last],
                 ["self NOT_DRAINED"]),
    ]  # fmt: skip


def axil_scenarios() -> list[Scenario]:
    aw = {"awvalid": 1, "awready": 1, "awaddr": 8}
    w = {"wvalid": 1, "wready": 1, "wdata": 9, "wstrb": 15}
    b = {"bvalid": 1, "bready": 1}
    ar = {"arvalid": 1, "arready": 1, "araddr": 4}
    r = {"rvalid": 1, "rready": 1, "rdata": 7}
    return [
        *channel("aw", "u_aw", {"awaddr": (0, 4), "awprot": (0, 1)}, [w, b], []),
        *channel("w", "u_w", {"wdata": (1, 2), "wstrb": (15, 1)}, [aw, b], []),
        *channel("b", "u_b", {"bresp": (0, 2)}, [], [aw, w]),
        *channel("ar", "u_ar", {"araddr": (0, 4), "arprot": (0, 1)}, [r], []),
        *channel("r", "u_r", {"rdata": (1, 2), "rresp": (0, 2)}, [], [ar]),
        Scenario("address and data together", [aw | w, b, DONE]),
        Scenario("data first", [w, aw, b, DONE]),
        Scenario("write and read together", [aw | w | ar, b | r, DONE]),
        Scenario("two reads under way", [ar, ar, r, r | ar, r, DONE]),
        Scenario("B without AW", [w, b | aw], ["self B_WITHOUT_AW"]),
        Scenario("B without W", [aw, b | w], ["self B_WITHOUT_W"]),
        Scenario("B out of nowhere", [b], ["self B_WITHOUT_AW", "self B_WITHOUT_W"]),
        Scenario("R without AR", [r], ["self R_WITHOUT_AR"]),
        Scenario("R with its AR", [r | ar, r], ["self R_WITHOUT_AR"]),
        Scenario("B EXOKAY", [aw | w, b | {"bresp": 1}], ["self B_RESP"]),
        Scenario("R EXOKAY", [ar, r | {"rresp": 1}], ["self R_RESP"]),
        Scenario("three AW", [aw, aw, aw, w], ["self AW_OUTSTANDING"]),
        Scenario("three W", [w, w, w, aw], ["self W_OUTSTANDING"]),
        Scenario("three AR", [ar, ar, ar, r], ["self AR_OUTSTANDING"]),
        Scenario("write not answered", [aw | w, DONE], ["self NOT_DRAINED"]),
        Scenario("read not answered", [ar, DONE], ["self NOT_DRAINED"]),
    ]


SCENARIOS = {
    "axi_checker": axi_scenarios,
    "axi_checker_any": axi_any_scenarios,
    "axis_checker": axis_scenarios,
    "axil_checker": axil_scenarios,
}


@cocotb.test()
async def no_reset(dut: Any) -> None:
    for handle in dut:
        if handle._name.endswith("_i"):
            handle.value = 0
    dut.rst_ni.value = 1
    Clock(dut.clk_i, 8, "ns").start(start_high=False)
    await RisingEdge(dut.clk_i)
    await RisingEdge(dut.clk_i)
    assert int(dut.error_count_o.value) == 0
    dut.done_i.value = 1
    for _ in range(4):
        await RisingEdge(dut.clk_i)
    assert int(dut.error_count_o.value) == 1


@cocotb.test()
async def violation_of_every_rule(dut: Any) -> None:
    two_state = cocotb.SIM_NAME.lower().startswith("verilator")
    family = simulation().case["family"]
    scenarios = [s for s in SCENARIOS[family]() if not (s.four_state and two_state)]
    inputs = [
        handle
        for handle in dut
        if handle._name.endswith(("_i", "_ni")) and handle._name not in ("clk_i", "rst_ni")
    ]
    # The first edge comes later than these writes: until then inputs may be anything.
    Clock(dut.clk_i, 8, "ns").start(start_high=False)

    def idle() -> None:
        for handle in inputs:
            handle.value = 0
        dut.rst_ni.value = 1

    problems = []
    for scenario in scenarios:
        idle()
        dut.rst_ni.value = 0
        await RisingEdge(dut.clk_i)
        await RisingEdge(dut.clk_i)
        before = int(dut.error_count_o.value)
        for cycle in scenario.cycles:
            idle()
            for name, value in cycle.items():
                if name == "rst_n":
                    dut.rst_ni.value = value
                    continue
                handle = getattr(dut, f"{name}_i")
                unknown = isinstance(value, LogicArray)
                handle.value = LogicArray("X" * len(handle)) if unknown else value
            await RisingEdge(dut.clk_i)
        idle()
        await RisingEdge(dut.clk_i)
        found = int(dut.error_count_o.value) - before
        if found != len(scenario.trips):
            problems.append(f"{scenario.name}: {found} errors, expected {scenario.trips}")
        for rule in scenario.trips:
            dut._log.info("EXPECT %s", rule)
    assert not problems, "\n".join(problems)
    dut._log.info("%d scenarios", len(scenarios))
