# SPDX-License-Identifier: Apache-2.0
"""Where a core that hangs has stopped: what the golden side holds, and handshakes, name the module.

No simulation: each test says which module has been given what, and who waits for whom.
`make localise` does the same with real faults in the RTL.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

from golden.stimulus import random_model
from tb.debug.divergence.deep import Event, History, Placed
from tb.debug.divergence.flow import (
    BIAS_ENTRY,
    COLUMN,
    END,
    PASS_H,
    PASS_X,
    Burst,
    Entry,
    Flow,
    Gates,
    Pass,
)
from tb.debug.divergence.hanging import GATES, QUIET, STREAMS, Handshakes, awaited
from tb.debug.divergence.search import Search
from tb.debug.divergence.sequence import Sequence
from tb.debug.taps import is_tap

MEMORY, SINK, SOURCE = (
    "memory outside the core",
    "h sink outside the core",
    "x source outside the core",
)
LAYERS = 2
COLUMN_3 = Entry(COLUMN, 0, 0, 1, 3, 5, 0)
LAST_END = Entry(END, 1, 1, 1, 0, 0, 0)


def flow_with(**held: Any) -> Flow:
    """The golden side in the first step of a sequence, holding this and nothing else."""
    model = random_model(np.random.default_rng(5), 9, [16, 8], 6, 0.5)
    flow = Flow(History())
    addresses = [(0x1000 * (i + 1), 0x1000 * (i + 4)) for i in range(3)]
    flow.begin(Sequence(Placed(0, model, *addresses), flow.width))
    thetas = model.theta_x.tolist(), model.theta_h.tolist()
    assert flow.sequence is not None
    flow.all_steps.append(flow.sequence.begin_step(0, np.zeros(9, np.int16), *thetas, 100))
    for layer in flow.layers:
        layer.step_x = layer.step_h = layer.gates = 1
        layer.theta_h = thetas[1][flow.layers.index(layer)]
    for name, value in held.items():
        assert hasattr(flow, name)
        setattr(flow, name, value)
    return flow


def line(**levels: str) -> Event:
    """A line H: nobody offers, everybody would take, all are idle, but for what is given.

    Streams are given as two digits, {valid, ready}; `_` stands for a blank in a name.
    """
    usual = dict.fromkeys(STREAMS, "01") | dict.fromkeys(GATES, "1") | dict.fromkeys(QUIET, "1")
    usual["gate_busy"] = "0"
    given = {name if name in usual else name.replace("_", " "): v for name, v in levels.items()}
    assert set(given) <= set(usual)
    values = usual | given
    words = ["".join(values[name] for name in names) for names in (STREAMS, GATES, QUIET)]
    return Event(900, 9000, "H", words)


def named(flow: Flow) -> tuple[str, str]:
    """(module, tap)"""
    found = awaited(Search(None, flow=flow), "hang")
    assert is_tap(found.signal)
    return found.module, found.signal


def pass_of(kind: int, layer: int) -> Pass:
    return Pass(kind, layer, 0, 9, 0, entries=deque([COLUMN_3, LAST_END]))


def out_of(flow: Flow) -> deque[Any]:
    return deque([(flow.all_steps[0], 0, np.zeros(8), 1, 1)])


HOLDS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "gates on the way": {"gates": Gates(1, 0, 2, entered=1, left=0)},
    "gates to go": {"gates": Gates(1, 0, 2, entered=1, left=1)},
    "gates of layer 0 to go": {"gates": Gates(0, 0, 4, entered=1, left=1)},
    "sum": {"writes": deque([()])},
    "column": {"work": deque([COLUMN_3])},
    "end": {"work": deque([LAST_END])},
    "column and beat": {"work": deque([COLUMN_3]), "beats": deque([np.zeros(8)])},
    "column on the bus": {"work": deque([COLUMN_3]), "on_bus": deque([Burst(0x40, 4)])},
    "column to ask for": {"work": deque([COLUMN_3]), "requests": deque([Burst(0x40, 4)])},
    "column to fetch": {"to_fetch": deque([COLUMN_3])},
    "biases to fetch": {"to_fetch": deque([Entry(BIAS_ENTRY, 0, 0, 0, 0, 0, 0)])},
    "end to fetch": {"to_fetch": deque([LAST_END])},
    "pass over h": {"current": pass_of(PASS_H, 1)},
    "pass over x": {"current": pass_of(PASS_X, 0)},
    "pass over x, x waiting": {"current": pass_of(PASS_X, 0), "x_open": True},
    "pass over x, x in": {"current": pass_of(PASS_X, 0), "x_beats": deque([np.zeros(8)])},
    "reset": {"alive": False},
    "reset, a beat owed": {"alive": False, "on_bus": deque([Burst(0x40, 4, void=True)])},
}


@pytest.mark.parametrize(
    ("held", "levels", "module", "signal"),
    [
        ("nothing", {}, SOURCE, "s_axis_x_tvalid"),
        ("nothing", {"x_bus": "10"}, "x_ingress", "s_axis_x_tready"),
        ("nothing", {"x_bus": "10", "open": "0"}, "sequencer", "x_open"),
        ("nothing", {"gate_busy": "1"}, "gate_pipeline", "gate_busy"),
        ("gates on the way", {"gate_busy": "1"}, "gate_pipeline", "h_we"),
        ("gates to go", {"bank": "11"}, "gate_pipeline", "gates_go"),
        ("gates to go", {"bank": "10"}, "pe_array", "bank_grant"),
        ("gates to go", {"final_units": "0"}, "pe_array", "groups_ready"),
        ("gates to go", {"out_room": "0"}, "h_egress", "out_room"),
        ("gates of layer 0 to go", {"out_room": "0"}, "gate_pipeline", "gates_go"),
        ("sum", {}, "pe_array", "pe_write"),
        ("end", {"work": "10", "start": "10"}, "gate_pipeline", "gate_ready"),
        ("end", {"work": "10"}, "pe_array", "work_ready"),
        ("end", {}, "work_queue", "work_valid"),
        ("column and beat", {"work": "10", "beat": "10"}, "pe_array", "beat_ready"),
        ("column and beat", {"work": "10"}, "burst_reader", "beat_valid"),
        ("column and beat", {"beat": "11"}, "work_queue", "work_valid"),
        ("column on the bus", {"work": "10"}, MEMORY, "m_axi_rvalid"),
        ("column on the bus", {"work": "10", "r": "10"}, "burst_reader", "m_axi_rready"),
        ("column to ask for", {"work": "10"}, "burst_reader", "m_axi_arvalid"),
        ("column to ask for", {"work": "10", "ar": "10"}, MEMORY, "m_axi_arready"),
        ("column to fetch", {}, "column_fetch", "push_valid"),
        ("column to fetch", {"push": "00"}, "work_queue", "push_ready"),
        ("column to fetch", {"burst": "00"}, "burst_reader", "burst_ready"),
        ("biases to fetch", {"burst": "10"}, "burst_reader", "burst_ready"),
        ("end to fetch", {"burst": "00"}, "column_fetch", "push_valid"),
        ("end to fetch", {"push": "10"}, "work_queue", "push_ready"),
        ("pass over h", {}, "delta_encoder", "entry_valid"),
        ("pass over h", {"entry": "10"}, "column_fetch", "entry_ready"),
        ("pass over x", {}, "delta_encoder", "entry_valid"),
        ("pass over x, x waiting", {}, SOURCE, "s_axis_x_tvalid"),
        ("pass over x, x waiting", {"x_bus": "10"}, "x_ingress", "s_axis_x_tready"),
        ("pass over x, x in", {}, "x_ingress", "x_valid"),
        ("pass over x, x in", {"x": "10"}, "delta_encoder", "entry_valid"),
        ("reset", {}, "sequencer", "state"),
        ("reset", {"burst_reader": "0"}, "burst_reader", "reader_idle"),
        ("reset, a beat owed", {}, MEMORY, "m_axi_rvalid"),
        ("reset, a beat owed", {"r": "10"}, "burst_reader", "m_axi_rready"),
    ],
)
def test_module_where_work_stopped(
    held: str, levels: dict[str, str], module: str, signal: str
) -> None:
    """Could break: a module blamed that has nothing to give, or that is only kept waiting."""
    holds = {name: deque(v) if isinstance(v, deque) else v for name, v in HOLDS[held].items()}
    assert named(flow_with(**holds, still=line(**levels))) == (module, signal)


@pytest.mark.parametrize(
    ("levels", "module"),
    [
        ({"h": "01"}, "h_egress"),
        ({"h": "10"}, SINK),
    ],
)
def test_stalled_h_before_upstream_modules(levels: dict[str, str], module: str) -> None:
    """Could break: the core blamed for a sink that takes nothing."""
    flow = flow_with(work=deque([COLUMN_3]), still=line(**levels))
    flow.out = out_of(flow)
    assert named(flow)[0] == module


@pytest.mark.parametrize(
    ("levels", "module", "signal"),
    [
        ({}, "sequencer", "pass_valid"),
        ({"pass": "10"}, "delta_encoder", "pass_ready"),
        ({"pe_array": "0"}, "pe_array", "pe_idle"),
    ],
)
def test_missing_pass(levels: dict[str, str], module: str, signal: str) -> None:
    """Could break: the sequencer blamed for waiting on a module that never says it is done."""
    flow = flow_with(still=line(**levels))
    flow.layers[1].step_x = 0
    assert named(flow) == (module, signal)
    assert awaited(Search(None, flow=flow), "hang").layer == 1


def test_last_holder_without_handshakes() -> None:
    """Could break: a trace that ended too early for handshakes finds nobody, or an outsider."""
    assert named(flow_with(to_fetch=deque([COLUMN_3])))[0] == "column_fetch"
    assert named(flow_with(**HOLDS["column and beat"]))[0] == "pe_array"
    assert Handshakes.of(None).levels == {}


def test_unknown_levels() -> None:
    """Could break: x or z in a four-state simulator read as 0, and somebody blamed for it."""
    event = line()
    unknown = event._replace(words=["x" * len(word) for word in event.words])
    hands = Handshakes.of(unknown)
    assert hands.levels == {} and not hands.is_low("h ready") and not hands.is_high("h valid")
