# SPDX-License-Identifier: Apache-2.0
"""The causes for which the port moves or rests: names, words, colours; the one list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """`code` in the file; `name` for tables; `why` and `remedy`: one line each; `colour`: hex."""

    code: str
    name: str
    why: str
    remedy: str
    colour: str
    moves: bool = False  # the port carries a beat


ALL = (
    Cause("x", "beats of Δx", "weight columns of inputs that fired", "", "#2c6fbb", moves=True),
    Cause("h", "beats of Δh", "weight columns of units that fired", "", "#7fb2e5", moves=True),
    Cause(
        "u",
        "beats to undo",
        "columns that take back work done ahead with another Θh",
        "fewer changes of THETA_H",
        "#9467bd",
        moves=True,
    ),
    Cause("b", "beats of biases", "initial delta memories", "", "#5f6b7a", moves=True),
    Cause("d", "beats dropped", "came after a fault or a soft reset", "", "#444444", moves=True),
    Cause(
        "m",
        "memory",
        "reads under way, none came, the PEs waited (STALL_MEM)",
        "a faster memory, or more bursts under way,",
        "#d62728",
    ),
    Cause(
        "l",
        "memory latency, hidden",
        "reads under way, none came, but the PEs had none to wait for",
        "a memory with fewer gaps",
        "#f4a3a3",
    ),
    Cause(
        "g",
        "gates",
        "h is being computed, nothing else can be asked for",
        "work of other layers, to hide the gates' pipeline,",
        "#ff9f1c",
    ),
    Cause(
        "o",
        "output",
        "h is offered and stalled",
        "a sink that takes h faster",
        "#8c564b",
    ),
    Cause(
        "e",
        "encoder",
        "the next columns are being found: sequencer, encoder, column fetch",
        "fewer inputs and units to walk",
        "#2ca02c",
    ),
    Cause(
        "w",
        "x",
        "all that can be done ahead is done, x has not come",
        "a source that offers x sooner",
        "#c9c9c9",
    ),
    Cause(
        "i",
        "initialisation",
        "configuration is checked, state is cleared",
        "fewer new sequences",
        "#b8a9c9",
    ),
    Cause("f", "stopped", "after a fault, or in a soft reset", "", "#000000"),
    Cause("n", "no sequence", "idle: not counted in CYCLES", "", "#f2f2f2"),
)
BY_CODE = {cause.code: cause for cause in ALL}
MOVES = "".join(cause.code for cause in ALL if cause.moves)
RESTS = "".join(cause.code for cause in ALL if not cause.moves)
