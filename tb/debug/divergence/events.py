# SPDX-License-Identifier: Apache-2.0
"""The deep trace's kinds of lines: what each says, which module says it, and its fields in order.

`tb/sv/monitors/deep_monitor.sv` writes them, `deep.read_events` reads them, and `search` hands each
to the method that `Encoding`, `Fetching` or `Gating` has for its name.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of line. `shown`: how a report names one that was right, where it may name it."""

    name: str
    module: str
    what: str
    fields: tuple[str, ...]
    shown: str = ""


def _kind(name: str, module: str, what: str, fields: str, shown: str = "") -> Kind:
    return Kind(name, module, what, tuple(fields.split()), shown)


REGISTERS, INGRESS, ENCODER = "control_registers", "x_ingress", "delta_encoder"
FETCH, READER, PES, GATES = "column_fetch", "burst_reader", "pe_array", "gate_pipeline"

KINDS = {
    "D": _kind("build", "the bench", "parameters of the build, once", "width layers units"),
    "G": _kind("configuration", REGISTERS, "registers at a START",
               "layers lut input hidden wx wh bias"),
    "V": _kind("thresholds", REGISTERS, "thresholds, when they change", "theta_x theta_h"),
    "B": _kind("x_bus_beat", "the x bus", "a beat is taken", "data last first taken"),
    "x": _kind("x_beat", INGRESS, "a beat goes to the encoder", "data",
               "a beat of x taken by the encoder"),
    "P": _kind("pass", "sequencer", "a pass goes to the encoder", "type layer last size theta"),
    "K": _kind("clear", ENCODER, "a vector of h is cleared", "layer vec"),
    "S": _kind("comparison", ENCODER, "what is compared", "type layer vec source reference"),
    "E": _kind("entry", ENCODER, "an entry goes to column_fetch",
               "type layer kind last index delta", "an entry of the encoder"),
    "F": _kind("reference_write", ENCODER, "references are written", "addr lanes data"),
    "Q": _kind("request", FETCH, "a request goes to burst_reader", "addr beats"),
    "W": _kind("work", FETCH, "work goes to work_queue", "type layer kind last delta groups"),
    "A": _kind("burst", READER, "a burst goes to the bus", "addr len"),
    "R": _kind("bus_beat", "the weight port", "a beat comes", "data resp last",
               "a beat from DRAM"),
    "g": _kind("gates_start", PES, "the gates start", "layer early"),
    "d": _kind("weights", PES, "a beat and its work meet",
               "type layer kind last delta groups data"),
    "w": _kind("pass_end", PES, "the end of a pass leaves the queue", "type layer kind last"),
    "M": _kind("sum_write", PES, "partial sums are written", "banks addr lanes data",
               "a partial sum written"),
    "0": _kind("quad_enters", GATES, "a quad enters, r is read",
               "layer quad group all_ready groups_ready to_output room"),
    "1": _kind("z_read", GATES, "z is read, the word of r is there", "layer quad group word_r"),
    "2": _kind("n_read", GATES, "nx, nh are read; r captured, the word of z is there",
               "layer quad group m_r word_z"),
    "3": _kind("r_argument", GATES, "q(M_r); z captured, the words of nx, nh are there",
               "layer quad m_z word_nx word_nh q_r place_r"),
    "4": _kind("z_argument", GATES, "q(M_z) and sigma's entry of r; nx, nh captured",
               "layer quad m_nx m_nh q_z place_z entry_r"),
    "5": _kind("r_known", GATES, "r, q(M_nh), and sigma's entry of z", "layer quad q_nh entry_z r"),
    "8": _kind("z_known", GATES, "z, and the argument of tanh", "layer quad z pre_n place_n"),
    "9": _kind("n_entry", GATES, "tanh's entry, and h of the step before",
               "layer quad entry_n h_vector"),
    "a": _kind("n_known", GATES, "n, and the four h of the step before", "layer quad n h_prev"),
    "c": _kind("h_write", GATES, "h is written", "layer quad data to_output last",
               "a quad of h written"),
    "h": _kind("h_bus_beat", "h_egress", "a beat of h is taken", "data last user",
               "a beat of h taken"),
    "Z": _kind("reset", "sequencer", "a fault, a soft reset (cause 0) or (1) a hard one",
               "hard cause"),
    "H": _kind("still", "the bench", "handshakes that have not changed for long",
               "streams gates quiet"),
}  # fmt: skip
"""By the code in the third column of a line."""
