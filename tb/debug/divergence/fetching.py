# SPDX-License-Identifier: Apache-2.0
"""The middle: column_fetch, work_queue, burst_reader, the bus, and the sums of the PE array."""

from __future__ import annotations

import numpy as np

from golden import fixed
from tb.checks.compare import ACCUMULATOR
from tb.debug.divergence.deep import Event, Handler
from tb.debug.divergence.finding import ACTIVATION, INTEGER, Format, Value
from tb.debug.divergence.flow import (
    BIAS_ENTRY,
    COLUMN,
    END,
    Burst,
    Entry,
    Flow,
    LaneInputs,
    Where,
    pack,
)
from tb.debug.divergence.sequence import H
from tb.device.image import WH, WX
from tb.device.registers import Cause

PAGE_BYTES, MOST_BEATS = 4096, 256
GATE_NAMES = ("r", "z", "nx", "nh")
WEIGHT = Format(8, 7)
TOLD_WITHIN = 3
"""Cycles from a beat out of place to the stop that it causes."""
OUT_OF_PLACE = {Cause.R_SHORT: "r_short", Cause.R_LONG: "r_long", Cause.R_UNOWED: "r_unowed"}
FETCH, QUEUE, READER, PES = "column_fetch", "work_queue", "burst_reader", "pe_array"


class Fetching:
    """Follows entries to requests, bursts, beats and partial sums."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def handlers(self) -> dict[str, Handler]:
        """Which method looks at which kind of line, by the kind's name."""
        return {
            "request": self.on_request,
            "work": self.on_work,
            "burst": self.on_burst,
            "bus_beat": self.on_bus_beat,
            "weights": self.on_weights,
            "pass_end": self.on_pass_end,
            "sum_write": self.on_sum_write,
        }

    # ------------------------------------------------------------ requests

    def _place(self, entry: Entry) -> tuple[int, int]:
        """Byte address and beats of a column or of biases."""
        image, pes = self.flow.sequence.image, self.flow.pes
        if entry.type == BIAS_ENTRY:
            return image.addr_bias[entry.layer], image.bias_bytes(entry.layer) // pes
        kind = WH if entry.kind == H else WX
        address = image.column_address(entry.layer, kind, entry.index)
        return address, image.column_bytes(entry.layer) // pes

    def on_request(self, event: Event) -> None:
        flow = self.flow
        if not flow.alive:
            return
        if not flow.to_fetch or flow.to_fetch[0].type == END:
            flow.fail("a request that no entry asked for", (FETCH, "burst_valid"))
            return
        if flow.asked:
            flow.fail("a request made twice", (FETCH, "burst_valid"))
            return
        flow.asked = True
        entry = flow.to_fetch[0]
        address, beats = self._place(entry)
        where = _where(entry)
        inputs = (("entry", entry),)
        flow.same(
            "address of a request",
            (FETCH, "burst_addr"),
            address,
            event.number(0),
            INTEGER,
            inputs,
            **where,
        )
        flow.same(
            "beats of a request",
            (FETCH, "burst_beats"),
            beats,
            event.number(1),
            INTEGER,
            inputs,
            **where,
        )
        flow.requests.append(Burst(address, beats))

    def on_work(self, event: Event) -> None:
        flow = self.flow
        if not flow.alive:
            return
        if not flow.to_fetch:
            flow.fail("work that no entry asked for", (FETCH, "push_valid"))
            return
        entry = flow.to_fetch.popleft()
        asks = entry.type != END
        if flow.asked != asks:
            at = FETCH, "burst_valid"
            names = ("no request", "a request")
            sides = names[asks], names[flow.asked]
            flow.fail(
                "request for what is queued", at, *sides, (("entry", entry),), **_where(entry)
            )
        flow.asked = False
        self._check_work(FETCH, "push_", entry, event)
        if entry.type == COLUMN:
            word = entry.layer << 27 | entry.kind << 26 | entry.index << 16 | entry.delta & 0xFFFF
            flow.expect("C", word)
        elif entry.type == END:
            flow.expect("E", entry.layer << 27 | entry.kind << 26)
        flow.work.append(entry)

    def _check_work(self, module: str, prefix: str, entry: Entry, event: Event) -> None:
        flow, where = self.flow, _where(entry)
        names = ("type", "layer", "kind", "last")
        for index, name in enumerate(names):
            flow.same(
                f"{name} of work",
                (module, f"{prefix}{name}"),
                getattr(entry, name),
                event.number(index),
                INTEGER,
                (("entry", entry),),
                **where,
            )
        if entry.type == END:
            return
        flow.same(
            "delta of work",
            (module, f"{prefix}delta"),
            entry.delta,
            event.signed(4, 16),
            ACTIVATION,
            (("entry", entry),),
            **where,
        )
        groups = flow.groups(flow.sequence.model.hidden_sizes[entry.layer]) - 1
        flow.same(
            "last group of work",
            (module, f"{prefix}last_group"),
            groups,
            event.number(5),
            INTEGER,
            (("entry", entry),),
            **where,
        )

    # ------------------------------------------------------------ the bus

    def on_burst(self, event: Event) -> None:
        flow = self.flow
        address, beats = event.number(0), event.number(1) + 1
        if not flow.alive:
            flow.on_bus.append(Burst(address, beats, void=True))
            return
        if not flow.requests:
            flow.fail("a burst that nobody asked for", (READER, "m_axi_araddr"))
            return
        request, pes = flow.requests[0], flow.pes
        inputs = (("request", f"{request.beats} beats at {request.address:#x}"),)
        flow.same(
            "address of a burst",
            (READER, "m_axi_araddr"),
            request.address,
            address,
            INTEGER,
            inputs,
        )
        chunk = min(PAGE_BYTES // pes, MOST_BEATS)
        most = min(request.beats, chunk - request.address // pes % chunk)
        flow.same(
            "beats of a burst",
            (READER, "m_axi_arlen"),
            most - 1,
            beats - 1,
            INTEGER,
            inputs,
        )
        flow.on_bus.append(Burst(request.address, most))
        request.address += most * pes
        request.beats -= most
        if not request.beats:
            flow.requests.popleft()

    def before(self, event: Event) -> None:
        """Ahead of each line: what was out of place on the bus must have stopped the core."""
        flow = self.flow
        if flow.misfit is not None and flow.alive and event.cycle > flow.misfit + TOLD_WITHIN:
            at = READER, "r_unowed" if not flow.on_bus else "r_short"
            flow.fail(f"a beat out of place in cycle {flow.misfit} that is not told", at)

    def on_stop(self, event: Event) -> None:
        """A fault, or a soft reset: was there a reason to complain of the bus?"""
        flow, cause = self.flow, event.number(1)
        if flow.alive and flow.misfit is None and cause in OUT_OF_PLACE:
            what = f"a fault {Cause(cause).name}, though the bus is right"
            flow.fail(what, (READER, OUT_OF_PLACE[Cause(cause)]))
        flow.misfit = None

    def on_bus_beat(self, event: Event) -> None:
        flow = self.flow
        if not flow.on_bus:
            flow.misfit = event.cycle if flow.alive else None
            return
        burst = flow.on_bus[0]
        response = event.number(1)
        if not burst.void:
            data = event.lanes(0, 8, signed=False)
            wanted = flow.sequence.image.read(burst.address, flow.pes)
            if wanted is not None and response == 0:
                self._check_bus(burst.address, np.frombuffer(wanted, np.uint8), data)
            flow.beats.append(data)
        if bool(event.number(2)) != (burst.beats == 1) and flow.alive and flow.misfit is None:
            flow.misfit = event.cycle
        burst.address += flow.pes
        burst.beats -= 1
        if not burst.beats:
            flow.on_bus.popleft()

    def _check_bus(self, address: int, wanted: np.ndarray, data: np.ndarray) -> None:
        at = "memory outside the core", "m_axi_rdata"
        inputs = (("address", hex(address), None),)
        self.flow.same_lanes("bytes from DRAM", at, wanted, data, WEIGHT, inputs=inputs)

    # ------------------------------------------------------------ the PE array

    def on_weights(self, event: Event) -> None:
        """A beat and its work meet."""
        flow = self.flow
        if not flow.alive:
            return
        if not flow.work or flow.work[0].type == END:
            flow.fail("a beat taken without work", (PES, "beat_ready"))
            return
        entry = flow.work[0]
        self._check_work(QUEUE, "work_", entry, event)
        where = _where(entry)
        if not flow.beats:
            flow.fail("a beat that was not on the bus", (READER, "beat_valid"))
            return
        sent, got = flow.beats.popleft(), event.lanes(6, 8, signed=False)
        parts = 16 if entry.type == BIAS_ENTRY else 3
        group, part = divmod(flow.taken, parts)
        flow.same_lanes(
            "weights handed to the PEs",
            (READER, "beat_data"),
            sent,
            got,
            WEIGHT,
            group * flow.pes,
            (("request", entry, None), ("beat on the bus", sent, WEIGHT)),
            **where,
        )
        self._not_too_early(entry, group)
        self._sum(entry, group, part, sent)
        flow.taken += 1
        groups = flow.groups(flow.sequence.model.hidden_sizes[entry.layer])
        if flow.taken == parts * groups:
            flow.work.popleft()
            flow.taken = 0

    def _not_too_early(self, entry: Entry, group: int) -> None:
        """A column of the next step must not overwrite what the gates have yet to read."""
        flow, gates = self.flow, self.flow.gates
        if gates is None or gates.layer != entry.layer or entry.step <= gates.step:
            return
        passed = gates.quads if gates.entered == gates.quads else gates.entered
        if 4 * passed < min((group + 1) * flow.pes, 4 * gates.quads):
            flow.fail(
                "sums changed before the gates have read them",
                (PES, "beat_ready"),
                f"group {group} waits",
                f"gates have read {4 * passed} units",
                step=entry.step,
                layer=entry.layer,
                kind=entry.kind,
                column=entry.index,
                unit=group * flow.pes,
            )

    def _sum(self, entry: Entry, group: int, part: int, data: np.ndarray) -> None:
        flow, pes = self.flow, self.flow.pes
        raw = data.astype(np.uint8)
        if entry.type == BIAS_ENTRY:
            bank, quarter = divmod(part, 4)
            first = quarter * pes // 4
            lanes = np.arange(first, first + pes // 4)
            values = raw.view("<i4").astype(np.int64)
        else:
            bank = part if part < 2 else 2 + entry.kind
            lanes = np.arange(pes)
            product = entry.delta * raw.view(np.int8).astype(np.int64)
            before = flow.sums[entry.layer][bank, group * pes + lanes]
            values = fixed.wrap32(before + product).astype(np.int64)
        before = flow.sums[entry.layer][bank, group * pes + lanes].copy()
        flow.sums[entry.layer][bank, group * pes + lanes] = values
        weights = raw.view(np.int8).astype(np.int64)
        flow.writes.append((entry, bank, group, lanes, values, before, weights))

    def on_pass_end(self, event: Event) -> None:
        """The end of a pass leaves the queue."""
        flow = self.flow
        if not flow.alive:
            return
        if not flow.work or flow.work[0].type != END:
            want = str(flow.work[0]) if flow.work else "nothing"
            flow.fail(
                "an end of a pass at the head of the queue",
                (QUEUE, "work_type"),
                want,
                "an end",
                layer=event.number(1),
                kind=event.number(2),
            )
            return
        entry = flow.work.popleft()
        self._check_work(QUEUE, "work_", entry, event)
        if entry.closes and flow.layers[entry.layer].gates == entry.step:
            at = PES, "gate_start"
            sides = "a start", "none"
            flow.fail("start of the gates at the end of a pass", at, *sides, **_where(entry))

    def on_sum_write(self, event: Event) -> None:
        """A partial sum is written."""
        flow = self.flow
        if not flow.writes:
            if flow.alive:
                flow.fail("a sum written without a beat", (PES, "pe_write"))
            return
        entry, bank, group, lanes, values, before, weights = flow.writes.popleft()
        where = _where(entry)
        where["gate"] = GATE_NAMES[bank]
        groups = max(1, flow.max_units // flow.pes)
        address = entry.layer << (groups - 1).bit_length() | group
        got = event.number(0)
        names = [name for i, name in enumerate(GATE_NAMES) if got >> i & 1]
        if got != 1 << bank:
            flow.fail(
                "delta memory that is written",
                (PES, "pe_write_bank"),
                GATE_NAMES[bank],
                ", ".join(names) or "none",
                unit=group * flow.pes,
                inputs=(("work", entry),),
                **where,
            )
        flow.same(
            "address of a sum",
            (PES, "pe_write_addr"),
            address,
            event.number(1),
            INTEGER,
            **where,
        )
        mask = sum(1 << int(i) for i in lanes)
        flow.same(
            "lanes of a sum",
            (PES, "pe_write_lanes"),
            mask,
            event.number(2),
            INTEGER,
            **where,
        )
        word = event.lanes(3, 32)
        inputs: LaneInputs = (("sum before", before, ACCUMULATOR),)
        if entry.type == COLUMN:
            delta = Value(entry.delta, ACTIVATION)
            inputs += (("delta", delta, None), ("weight", weights, WEIGHT))
        flow.same_lanes(
            "partial sum",
            (PES, "pe_sum"),
            values,
            word[lanes],
            ACCUMULATOR,
            group * flow.pes + int(lanes[0]),
            inputs,
            **where,
        )
        whole = word.copy()
        whole[lanes] = values
        flow.expect("S", pack(whole, 32))


def _where(entry: Entry) -> Where:
    where: Where = {"step": entry.step, "layer": entry.layer, "kind": entry.kind}
    if entry.type == COLUMN:
        where["column"] = entry.index
    elif entry.type == BIAS_ENTRY:
        return {"layer": entry.layer}
    return where
