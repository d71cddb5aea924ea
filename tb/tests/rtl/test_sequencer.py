# SPDX-License-Identifier: Apache-2.0
"""The sequencer: the order of passes, thresholds, new sequences, faults and soft resets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import RisingEdge

from tb.bench.module_bench import ModuleBench, module_test
from tb.bench.testbench import rng_for
from tb.device.constants import PassType
from tb.device.registers import Cause, State
from tb.device.streams import PASS
from tb.paths import SIMULATORS

MAX_LAYERS = 4
MAX_UNITS = 128
PES = 8
IDLE, CHECK, INIT, WAIT, STEP, ERROR, DRAIN = State
X, H, PASS_INIT, UNDO = PassType
SLVERR, DECERR, CFG_SIZE, CFG_ALIGN, START_BUSY, X_SHORT, X_LONG, TIMEOUT, SEQ_IDLE = (
    *(1, 2, 4, 5, 7, 8, 9, 10, 11),
)
R_SHORT, R_LONG, R_UNOWED, RESET_TIMEOUT = 12, 13, 14, 15
TESTS = (
    *("random_life", "order_of_passes", "threshold_changes", "new_sequences"),
    *("first_fault", "soft_reset_from_each_state", "soft_reset_at_the_end_of_initialisation"),
    *("soft_reset_at_the_end_of_the_check", "commands_of_one_write", "reads_given_up"),
)
# Faults that come as pulses, the first of those that come together first.
PULSES = {"slverr": SLVERR, "decerr": DECERR, "r_unowed": R_UNOWED, "r_long": R_LONG}
PULSES |= {"r_short": R_SHORT, "timeout": TIMEOUT, "x_short": X_SHORT, "x_long": X_LONG}

Pass = tuple[int, int, int]  # type, layer, last
Pick = tuple[bool, Pass, str]  # urgent, pass, which threshold


@pytest.mark.parametrize("sim", SIMULATORS)
def test_sequencer(sim: str, tmp_path: Path) -> None:
    """Four layers, of which the tests use one to four."""
    parameters = {"AxiDataWidth": 8 * PES, "MaxLayers": MAX_LAYERS, "MaxUnits": MAX_UNITS}
    result = module_test(__name__, "sequencer", sim, parameters, work_dir=tmp_path)
    assert len(result.passed) == len(TESTS)


class Life(ModuleBench):
    """Stands in for encoder and gates, and says in each cycle what the sequencer must do."""

    def __init__(self, dut: Any) -> None:
        super().__init__(dut)
        self.rng = rng_for("life")
        self.state, self.pending = IDLE, False
        self.init = self.x_next = self.started = self.done = 0
        self.given: list[int | None] = [None] * MAX_LAYERS  # the threshold a layer's H ran with
        self.step_x = self.step_h = [0] * MAX_LAYERS
        self.was_pending, self.was_done = False, 0  # as the cycle began
        self.known_x, self.known_h = [0] * MAX_LAYERS, [0] * MAX_LAYERS  # thresholds a cycle ago
        self.picked: Pick | None = None  # H pass that may run in the next cycle, and now
        self.chosen: tuple[bool, Pass, int | None, int] | None = None
        self.looked_up = False  # size of the next initialisation
        self.error = (0, 0, 0)
        self.bad_config: tuple[int, int, int] | None = None
        self.checking = 0
        self.encoder = 0  # cycles until it takes the next pass
        self.closed: set[int] = set()  # layers whose `last` has been handed out
        self.passes: list[Pass] = []
        self.thetas: list[int] = []
        # What the rest does; None: at random.
        self.work_low: bool | None = None
        self.bus_idle: bool | None = None
        self.gates = True
        self.encoder_delay = 6
        self.layers = 1
        self.theta_x, self.theta_h = [0] * MAX_LAYERS, [0] * MAX_LAYERS
        self.inputs, self.units = [8] * MAX_LAYERS, [8] * MAX_LAYERS
        self.seen: dict[str, int] = {}

    async def reset(self) -> None:
        """Reset with every input at 0."""
        await self.start()
        self.dut.lut_frac_i.value = 8

    def configure(self, layers: int) -> None:
        """Random sizes that fit each other."""
        rng, self.layers = self.rng, layers
        self.units = [8 * int(rng.integers(1, MAX_UNITS // 8 + 1)) for _ in range(MAX_LAYERS)]
        self.inputs = [int(rng.integers(1, MAX_UNITS + 1)), *self.units[:-1]]
        groups = [-(-units // PES) for units in self.units]
        self.dut.num_layers_i.value = layers
        for name, values in (
            *(("input_size", self.inputs), ("hidden_size", self.units)),
            ("groups", groups),
        ):
            getattr(self.dut, f"{name}_i").value = sum(v << (11 * i) for i, v in enumerate(values))

    def choose(self, x_first: bool, work_low: bool) -> tuple[Pass, int | None, int] | None:
        """(pass, threshold, size) that must be offered now, or None."""
        if self.state == INIT:
            if self.init == self.layers or not self.looked_up:
                return None
            layer = self.init
            return (PASS_INIT, layer, 0), None, max(self.inputs[layer], self.units[layer])
        if x_first:
            last = self.given[0] is not None and self.given[0] == self.known_h[0]
            return (X, 0, int(last)), self.known_x[0], self.inputs[0]
        stepping = self.state == STEP
        if stepping and self.x_next < self.layers and self.x_next <= self.started:
            layer = self.x_next
            last = self.given[layer] is not None and self.given[layer] == self.step_h[layer]
            return (X, layer, int(last)), self.step_x[layer], self.inputs[layer]
        if not stepping and (self.state != WAIT or self.pending):
            return None
        if self.chosen is None or not (self.chosen[0] or work_low):
            return None
        return self.chosen[1:]

    def choose_h(self) -> Pick | None:
        """(urgent, pass, whose threshold) of the H pass that may run in two cycles."""
        stepping = self.state == STEP
        if not stepping and self.state != WAIT:
            return None
        now, later = [], []
        for layer in range(self.layers):
            given = self.given[layer]
            if not stepping or layer < self.started:  # this step's gates have it: for the next one
                if given is None and (not stepping or self.x_next == self.layers):
                    later.append(layer)
            elif given is None or given != self.step_h[layer]:
                now.append(layer)
        urgent = [layer for layer in now if layer < self.x_next]
        if not (now or later):
            return None
        layer = (urgent or now or later)[0]
        if layer in later:
            return False, (H, layer, 0), "now"
        if self.given[layer] is not None:
            return layer in urgent, (UNDO, layer, 0), ""
        return layer in urgent, (H, layer, int(layer in urgent)), "step"

    def look_up(self, pick: Pick) -> tuple[bool, Pass, int | None, int]:
        """(urgent, pass, threshold, size) of a choice made a cycle ago."""
        urgent, taken, whose = pick
        thetas = {"now": self.known_h, "step": self.step_h}.get(whose)
        theta = None if thetas is None else thetas[taken[1]]
        return urgent, taken, theta, self.units[taken[1]]

    def fault(self, pulses: dict[str, int], beat: int) -> tuple[int, int, int] | None:
        """(cause, layer, info) of what goes wrong in this cycle."""
        if self.state in (INIT, WAIT, STEP):
            for name, cause in PULSES.items():
                if pulses.get(name):
                    return cause, 0, beat if cause in (X_SHORT, X_LONG) else 0
        if self.state == CHECK and self.dut.fault_o.value == 1 and not pulses.get("start"):
            assert self.bad_config is not None, "a good configuration is refused"
            return self.bad_config
        if pulses.get("gave_up") and self.state == DRAIN:
            return RESET_TIMEOUT, 0, 0
        if pulses.get("start") and self.state not in (IDLE, ERROR):
            return START_BUSY, 0, 0
        if pulses.get("new_sequence") and self.state in (IDLE, DRAIN):
            return SEQ_IDLE, 0, 0
        return None

    async def cycle(self, x: int = 0, **pulses: int) -> None:
        """One clock cycle; x: a first beat of x, if the sequencer is open for it."""
        dut, rng = self.dut, self.rng
        x_first = bool(x) and self.state == WAIT and not self.pending
        work_low = bool(rng.integers(2)) if self.work_low is None else self.work_low
        bus_idle = rng.random() < 0.3 if self.bus_idle is None else self.bus_idle
        ready, quiet, beat = self.encoder == 0, rng.random() < 0.3, int(rng.integers(128))
        stepping = self.state == STEP
        free = stepping and self.gates and self.started == self.done
        gate_started = free and self.started in self.closed and rng.random() < 0.3
        gate_done = stepping and self.done < self.started and rng.random() < 0.2
        for name in ("start", "soft_reset", "new_sequence", "gave_up", *PULSES):
            getattr(dut, f"{name}_i").value = pulses.get(name, 0)
        dut.x_first_i.value = int(x_first)
        dut.x_beat_i.value = beat
        dut.work_low_i.value = int(work_low)
        dut.bus_idle_i.value = int(bus_idle)
        dut.pass_ready_i.value = int(ready)
        dut.quiet_i.value = int(quiet)
        dut.gate_started_i.value = int(gate_started)
        dut.gate_done_i.value = int(gate_done)
        for name, values in (("theta_x", self.theta_x), ("theta_h", self.theta_h)):
            getattr(dut, f"{name}_i").value = sum(v << (15 * i) for i, v in enumerate(values))
        await RisingEdge(dut.clk_i)

        if self.state == CHECK:  # for as long as the check takes
            self.checking += 1
            assert self.checking < 20 * 3 * self.layers + 10, "the check does not end"
            if int(dut.state_o.value) == INIT:
                assert self.bad_config is None
                self.state = INIT
        assert int(dut.state_o.value) == self.state
        assert int(dut.busy_init_o.value) == (self.pending or self.state in (CHECK, INIT))
        assert int(dut.x_open_o.value) == (self.state == WAIT and not self.pending)
        for name in ("x_drop", "flush", "drain"):
            assert int(getattr(dut, f"{name}_o").value) == (self.state in (ERROR, DRAIN)), name
        counts = self.state == DRAIN and not pulses.get("soft_reset")
        assert int(dut.give_up_o.value) == counts
        error = tuple(int(getattr(dut, f"error_{n}_o").value) for n in ("cause", "layer", "info"))
        assert error == self.error

        want = self.choose(x_first, work_low)
        assert int(dut.pass_valid_o.value) == (want is not None), f"expected {want}"
        if want is not None:
            offered = dut.pass_o.value
            found = PASS.of(offered, ("op", "layer", "last"))
            if want[0][0] in (PASS_INIT, UNDO):  # without `last`, and without a threshold
                found = (*found[:2], found[2] if want[0][0] == UNDO else 0)
            assert found == want[0], f"{found}, expected {want[0]}"
            assert PASS.field(offered, "size") == want[2]
            if want[1] is not None:
                assert PASS.field(offered, "theta") == want[1]

        soft_reset = bool(pulses.get("soft_reset"))
        fault = None if soft_reset else self.fault(pulses, beat)
        ends_init = self.state == INIT and self.init == self.layers and ready and quiet
        undisturbed = fault is None and not soft_reset
        assert int(dut.fault_o.value) == (fault is not None)
        assert int(dut.ready_o.value) == (ends_init and undisturbed)
        assert int(dut.reset_done_o.value) == (self.state == DRAIN and bus_idle and undisturbed)

        # What the next cycle starts with.
        handed = want is not None and ready
        over = stepping and self.was_done == self.layers
        event = handed or x_first or gate_started or over
        still = self.picked is not None and not event and self.theta_h == self.known_h
        self.chosen = self.look_up(self.picked) if self.picked is not None and still else None
        self.picked = None if event else self.choose_h()
        self.looked_up = self.state == INIT and not handed
        self.encoder = max(0, self.encoder - 1)
        if want is not None and ready:
            self.encoder = int(rng.integers(self.encoder_delay + 1))
            self.hand_out(want[0], want[1])
        if x_first:
            self.step_x, self.step_h = list(self.known_x), list(self.known_h)
            undone = [
                g for g, t in zip(self.given, self.known_h, strict=True) if g not in (None, t)
            ]
            self.note("stale", len(undone))
        self.known_x, self.known_h = list(self.theta_x), list(self.theta_h)
        if gate_started:
            self.given[self.started] = None
            self.started += 1
        self.done += gate_done
        if pulses.get("new_sequence") and self.state != ERROR:
            self.pending = True
        if soft_reset or fault is not None:
            self.state, self.pending = (DRAIN if soft_reset else ERROR), False
            self.error = fault or (0, 0, 0)
            self.encoder = 0
            self.note("faults", fault is not None)
        elif self.state == IDLE and pulses.get("start"):
            self.state, self.checking = CHECK, 0
        elif ends_init:
            self.state = WAIT
        elif x_first:
            self.state = STEP
        elif self.state == WAIT and self.was_pending:
            self.state, self.pending = INIT, bool(pulses.get("new_sequence"))
        elif stepping and self.was_done == self.layers:
            assert self.closed == set(range(self.layers)), "a layer without `last`"
            self.state = WAIT
            self.note("steps", 1)
        elif self.state == DRAIN and bus_idle:
            self.state = IDLE
        if self.state in (INIT, ERROR, DRAIN):
            self.given = [None] * MAX_LAYERS
        if self.state != INIT:
            self.init = 0
        if self.state != STEP:
            self.x_next = self.started = self.done = 0
            self.closed = set()
        self.was_pending, self.was_done = self.pending, self.done

    def note(self, what: str, times: int) -> None:
        self.seen[what] = self.seen.get(what, 0) + int(times)

    def hand_out(self, taken: Pass, theta: int | None) -> None:
        """The encoder takes a pass."""
        kind, layer, last = taken
        self.passes.append(taken)
        self.thetas.append(-1 if theta is None else theta)
        if kind == PASS_INIT:
            self.init += 1
        elif kind == X:
            self.x_next = layer + 1
        elif kind == UNDO:
            self.given[layer] = None
            self.note("undone", 1)
        else:
            self.given[layer] = theta
        if last:
            assert layer not in self.closed, f"`last` of layer {layer} twice in a step"
            self.closed.add(layer)

    async def until(self, state: int, limit: int = 3000) -> None:
        """Run until the state is reached."""
        for _ in range(limit):
            if self.state == state:
                return
            await self.cycle()
        raise AssertionError(f"state {state} is not reached from {self.state}")

    async def open(self, layers: int) -> None:
        """From idle to waiting for x."""
        self.configure(layers)
        await self.cycle(start=1)
        await self.until(WAIT)

    async def close(self) -> None:
        """A soft reset from wherever it is."""
        await self.cycle(soft_reset=1)
        await self.until(IDLE)

    async def step(self) -> list[Pass]:
        """A whole step: the passes handed out from its first beat to its end."""
        before = len(self.passes)
        await self.cycle(x=1)
        await self.until(WAIT)
        return self.passes[before:]


@cocotb.test()
async def random_life(dut: Any) -> None:
    """Could break: any pass out of order, twice, with another layer's size or an old threshold;
    a command lost among others; a state that is left too early or never. Random encoder, gates,
    hunger, thresholds from a handful of values so that they are often set back, new sequences,
    faults and resets at one to four layers; all outputs compared in each cycle.
    """
    life = Life(dut)
    await life.reset()
    rng = life.rng
    for number in range(24):
        await life.open(number % MAX_LAYERS + 1)
        waits = (0.02, 0.3)[number // 4 % 2]
        for _ in range(400):
            if rng.random() < 0.05:
                layer = rng.integers(MAX_LAYERS)
                life.theta_h[layer] = int(rng.choice((0, 5, 32767)))
                life.theta_x[layer] = int(rng.integers(1 << 15))
            pulses = {name: int(rng.random() < 0.0005) for name in PULSES}
            pulses["start"] = int(rng.random() < 0.0005)
            pulses["gave_up"] = int(rng.random() < 0.05)
            pulses["new_sequence"] = int(rng.random() < 0.005)
            await life.cycle(x=int(rng.random() < waits), **pulses)
            if life.state == ERROR:
                break
        await life.close()
    for what, least in (("steps", 40), ("stale", 5), ("undone", 5), ("faults", 2)):
        assert life.seen.get(what, 0) >= least, f"{what}: {life.seen}"


@cocotb.test()
async def order_of_passes(dut: Any) -> None:
    """Could break: the order which keeps the port busy. One to four layers. Never low on work: X,
    then its H which closes, layer by layer. Always low on work, with time before x: every H goes
    ahead while x is awaited, then X closes each layer; and H of the next step follows the gates.
    """
    life = Life(dut)
    await life.reset()
    life.encoder_delay = 2
    for layers in range(1, MAX_LAYERS + 1):
        life.work_low = False
        first = len(life.passes)
        await life.open(layers)
        assert life.passes[first:] == [(PASS_INIT, layer, 0) for layer in range(layers)]
        plain = [p for layer in range(layers) for p in ((X, layer, 0), (H, layer, 1))]
        for _ in range(3):
            assert await life.step() == plain
        life.work_low = True
        first = len(life.passes)
        for _ in range(40):
            await life.cycle()
        assert life.passes[first:] == [(H, layer, 0) for layer in range(layers)]
        life.gates = False  # so that nothing but X of layer 0 may run
        first = len(life.passes)
        await life.cycle(x=1)
        for _ in range(20):
            await life.cycle()
        assert life.passes[first:] == [(X, 0, 1)]
        life.gates = True
        await life.until(WAIT)
        for _ in range(40):
            await life.cycle()
        rest = life.passes[first + 1 :]
        assert [p for p in rest if p[0] == X] == [(X, layer, 1) for layer in range(1, layers)]
        assert [p for p in rest if p[0] == H] == [(H, layer, 0) for layer in range(layers)]
        await life.close()


@cocotb.test()
async def threshold_changes(dut: Any) -> None:
    """Could break: a step that works with the threshold of the pass made ahead, an undo for nothing
    or for another layer, a threshold taken before or after the first beat. H made ahead; Θh is
    changed and set back, changed in the cycle before the first beat, and in that of the beat.
    """
    life = Life(dut)
    await life.reset()
    life.encoder_delay = 1
    for layers in (1, 2, 4):
        for changed in range(layers):
            life.theta_h = [int(v) for v in life.rng.integers(1, 30000, MAX_LAYERS)]
            life.work_low = True
            await life.open(layers)
            for _ in range(30):
                await life.cycle()
            assert life.given[:layers] == life.theta_h[:layers]

            # Changed and set back: nothing is taken back.
            old = life.theta_h[changed]
            life.theta_h[changed] = old + 1
            await life.cycle()
            life.theta_h[changed] = old
            await life.cycle()
            life.work_low = False
            assert await life.step() == [(X, layer, 1) for layer in range(layers)]

            # Changed: the pass is taken back and made again with the threshold of the first beat.
            life.work_low = True
            for _ in range(30):
                await life.cycle()
            life.work_low = False
            first = len(life.passes)
            life.theta_h[changed] = old + 1  # in the cycle before the first beat
            life.theta_x = [7] * MAX_LAYERS
            await life.cycle()
            life.theta_h[changed] = old + 2  # too late for this step
            life.theta_x = [8] * MAX_LAYERS
            await life.cycle(x=1)
            await life.until(WAIT)
            passes, thetas = life.passes[first:], life.thetas[first:]
            expected: list[Pass] = []
            for layer in range(layers):
                if layer == changed:
                    expected += [(X, layer, 0), (UNDO, layer, 0), (H, layer, 1)]
                else:
                    expected.append((X, layer, 1))
            assert passes == expected
            assert {t for p, t in zip(passes, thetas, strict=True) if p[0] == X} == {7}
            assert thetas[passes.index((H, changed, 1))] == old + 1
            await life.close()


@cocotb.test()
async def new_sequences(dut: Any) -> None:
    """Could break: a new sequence that is lost, cuts the step in progress or lets x in first; work
    made ahead that outlives it. Asked for while x is awaited, in the cycle of the first beat, in a
    step, in the initialisation, and twice.
    """
    life = Life(dut)
    await life.reset()
    for layers in (1, 3):
        clear = [(PASS_INIT, layer, 0) for layer in range(layers)]
        life.work_low = True
        await life.open(layers)
        for _ in range(40):
            await life.cycle()
        first = len(life.passes)
        life.work_low = False
        await life.cycle(new_sequence=1)
        await life.cycle(x=1)  # closed already
        assert life.state == INIT
        await life.until(WAIT)
        assert life.passes[first:] == clear
        plain = [p for layer in range(layers) for p in ((X, layer, 0), (H, layer, 1))]
        assert await life.step() == plain
        for when in ("first", "step", "twice"):
            first = len(life.passes)
            await life.cycle(x=1, new_sequence=int(when == "first"))
            assert life.state == STEP
            if when != "first":
                await life.cycle(new_sequence=1)
            if when == "twice":
                await life.cycle(new_sequence=1)
            await life.until(INIT)
            await life.until(WAIT)
            assert life.passes[first:] == plain + clear, when
        await life.cycle(new_sequence=1)
        await life.until(INIT)
        first = len(life.passes)
        await life.cycle(new_sequence=1)
        await life.until(WAIT)
        await life.until(INIT)
        await life.until(WAIT)
        assert life.passes[first:][-layers:] == clear
        await life.close()


async def go_to(life: Life, state: int) -> None:
    """From idle to any state, with a bus that owes reads."""
    life.work_low, life.bus_idle = None, False
    if state == IDLE:
        return
    life.configure(2)
    await life.cycle(start=1)
    if state in (INIT, WAIT, STEP):
        await life.until(INIT if state == INIT else WAIT)
    if state == STEP:
        await life.cycle(x=1)
    if state == ERROR:
        await life.until(WAIT)
        await life.cycle(decerr=1)
    if state == DRAIN:
        await life.cycle(soft_reset=1)
    assert life.state == state


@cocotb.test()
async def first_fault(dut: Any) -> None:
    """Could break: a later fault that covers the first, one that is seen where nothing is open,
    layer or info of a bad configuration, START while busy that starts, NEW_SEQUENCE in idle that
    does nothing. Each fault in each state, another one after it, and all of them at once.
    """
    life = Life(dut)
    await life.reset()
    for state in (IDLE, CHECK, INIT, WAIT, STEP, DRAIN):
        for name in (*PULSES, "start", "new_sequence"):
            if (state, name) in ((IDLE, "start"), (CHECK, "new_sequence")):
                continue
            await go_to(life, state)
            await life.cycle(**{name: 1})
            bus = name in PULSES
            fails = (
                state in (INIT, WAIT, STEP) if bus else name == "start" or state in (IDLE, DRAIN)
            )
            assert (life.state == ERROR) == fails
            error = life.error
            if fails:
                for later in (*PULSES, "start", "new_sequence"):
                    await life.cycle(**{later: 1})
                assert life.error == error and life.state == ERROR
            life.bus_idle = True
            await life.close()
            await life.cycle()
    await go_to(life, STEP)
    await life.cycle(**dict.fromkeys((*PULSES, "start", "new_sequence"), 1))
    assert life.error == (SLVERR, 0, 0)
    life.bus_idle = True
    await life.close()
    for cause, layer, info in ((CFG_SIZE, 2, 0), (CFG_ALIGN, 1, 2), (CFG_ALIGN, 2, 0)):
        life.configure(3)
        if cause == CFG_SIZE:
            dut.hidden_size_i.value = sum(u << (11 * i) for i, u in enumerate(life.units)) ^ 1 << 23
        else:
            handle = (dut.addr_wx_i, dut.addr_wh_i, dut.addr_bias_i)[info]
            handle.value = 4 << (32 * layer)
        life.bad_config = (cause, layer, info)
        await life.cycle(start=1)
        await life.until(ERROR)
        dut.addr_wx_i.value = dut.addr_wh_i.value = dut.addr_bias_i.value = 0
        life.bad_config = None
        await life.close()
    await life.open(1)


@cocotb.test()
async def soft_reset_from_each_state(dut: Any) -> None:
    """Could break: idle while the bus still owes reads, an error that stays, a check or a step that
    goes on after it. From each state, with START in the same write: drains for as long as the bus
    is not idle, then idle with one pulse, and the next sequence runs as any.
    """
    life = Life(dut)
    await life.reset()
    for state in (IDLE, CHECK, INIT, WAIT, STEP, ERROR, DRAIN):
        for start in (0, 1):
            await go_to(life, state)
            await life.cycle(soft_reset=1, start=start)
            for _ in range(25):
                await life.cycle()
                assert life.state == DRAIN and life.error == (0, 0, 0)
            life.bus_idle = True
            await life.cycle()
            assert life.state == IDLE
            for _ in range(3):
                await life.cycle()
            life.work_low = False
            await life.open(2)
            assert await life.step() == [(X, 0, 0), (H, 0, 1), (X, 1, 0), (H, 1, 1)]
            await life.close()


@cocotb.test()
async def soft_reset_at_the_end_of_initialisation(dut: Any) -> None:
    """Could break: `ready` told for a sequence that a soft reset takes away in the same cycle. Soft
    resets around the end of the initialisation, until some have met it.
    """
    life = Life(dut)
    await life.reset()
    met = 0
    for _ in range(40):
        life.configure(1)
        await life.cycle(start=1)
        await life.until(INIT)
        while life.init < life.layers or life.encoder > 0:
            await life.cycle()
        if life.state != INIT:
            await life.close()
            continue
        await life.cycle(soft_reset=1)  # ready_o is compared with the model in it
        met += int(dut.quiet_i.value)
        await life.until(IDLE)
    assert met > 3


@cocotb.test()
async def soft_reset_at_the_end_of_the_check(dut: Any) -> None:
    """Could break: a fault of the configuration that is told after a soft reset has taken the
    sequence away. A soft reset in each cycle of a check that is about to fail.
    """
    life = Life(dut)
    await life.reset()
    life.configure(1)
    dut.num_layers_i.value = 0
    life.bad_config = (int(Cause.CFG_LAYERS), 0, 0)
    resets = 0
    while True:
        await life.cycle(start=1)
        for _ in range(resets):
            await life.cycle()
        if life.state == ERROR:
            break
        await life.cycle(soft_reset=1)
        await life.until(IDLE)
        resets += 1
    assert resets >= 2


@cocotb.test()
async def commands_of_one_write(dut: Any) -> None:
    """Could break: a write of CTRL with several bits that does half of what it says, or what nobody
    wrote down. Each combination in each state: a soft reset comes before all others, and a start
    together with a new sequence is a fault in every state but that of an error.
    """
    life = Life(dut)
    await life.reset()
    for state in (IDLE, CHECK, INIT, WAIT, STEP, ERROR, DRAIN):
        for soft_reset in (0, 1):
            await go_to(life, state)
            error = life.error
            await life.cycle(start=1, new_sequence=1, soft_reset=soft_reset)
            await life.cycle()
            assert life.state == (DRAIN if soft_reset else ERROR)
            cause = SEQ_IDLE if state == IDLE else START_BUSY
            expected = error if state == ERROR else (cause, 0, 0)
            assert life.error == ((0, 0, 0) if soft_reset else expected)
            life.bus_idle = True
            await life.close()
            await go_to(life, state)
            await life.cycle(new_sequence=1, soft_reset=1)
            await life.cycle()
            assert life.state == DRAIN and not life.pending
            life.bus_idle = True
            await life.close()
            await life.cycle()


@cocotb.test()
async def reads_given_up(dut: Any) -> None:
    """Could break: a soft reset that ends as if all were well though reads were given up, or does
    not end; that fault in any other state. Given up with the bus idle in the same cycle, as it is:
    an error and no pulse of reset_done; the next soft reset goes to idle.
    """
    life = Life(dut)
    await life.reset()
    for state in (IDLE, CHECK, INIT, WAIT, STEP, ERROR):
        await go_to(life, state)
        await life.cycle(gave_up=1)
        await life.cycle()
        assert life.error[0] != RESET_TIMEOUT
        life.bus_idle = True
        await life.close()
    for others in ({}, {"start": 1}, {"new_sequence": 1}):
        await go_to(life, DRAIN)
        life.bus_idle = True
        await life.cycle(gave_up=1, **others)
        await life.cycle()
        assert life.state == ERROR and life.error == (RESET_TIMEOUT, 0, 0)
        await life.close()
        await go_to(life, DRAIN)
        await life.cycle(gave_up=1, soft_reset=1)  # asked again: it goes on
        await life.cycle()
        assert life.state == DRAIN and life.error == (0, 0, 0)
        life.bus_idle = True
        await life.close()
