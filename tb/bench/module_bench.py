# SPDX-License-Identifier: Apache-2.0
"""What all tests of one RTL module share: its build, its run, its clock and its reset.

A test file of module `foo` is complete with

    @pytest.mark.parametrize("sim", SIMULATORS)
    def test_foo(sim: str, tmp_path: Path) -> None:
        module_test(__name__, "foo", sim, work_dir=tmp_path)

    @cocotb.test()
    async def something(dut: Any) -> None:
        await ModuleBench(dut).start()

and nothing else has to name the files that `foo` is made of. Lengths of time are clock cycles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge

from tb.bench.rtl_sources import inputs_of, sources_of
from tb.bench.stories import stories_of
from tb.device.clock import BENCH_CLOCK_NS
from tb.paths import RTL_DIR
from tb.sim.build import build
from tb.sim.run import RunResult, run

if TYPE_CHECKING:
    from cocotb.task import Task

CLOCK, RESET = "clk_i", "rst_ni"
RESET_CYCLES = 3

_running: Task[None] | None = None


def module_test(
    file: str,
    module: str,
    sim: str,
    parameters: Mapping[str, int] | None = None,
    *,
    only: str | None = None,
    work_dir: Path | None = None,
) -> RunResult:
    """Build an RTL module for `sim` and run the cocotb tests of `file` on it.

    `file`: the caller's `__name__`. `module`: one of rtl/, or a top of tb/sv/tops around one; its
    sources follow from what it instantiates. `only`: the one cocotb test to run, by default all.
    Raises SimulationError when a test fails or is not run, BuildError when the build fails,
    ValueError for an unknown module.
    """
    __tracebackhide__ = True  # pytest: the message says it all
    built = build(
        sim,
        module,
        parameters,
        sources=sources_of(module),
        filelist=None,
        include_dirs=[RTL_DIR],
    )
    pattern = None if only is None else rf"\.{only}$"
    result = run(built, file, pattern, work_dir=work_dir)
    wanted = set(stories_of(file)) if only is None else {only}
    ran = {name.rpartition(".")[2].partition("/")[0] for name in result.passed}
    assert ran == wanted, f"{file}: ran {sorted(ran)}, expected {sorted(wanted)}"
    return result


def start_clock(dut: Any) -> None:
    """Start the clock of a module, unless this cocotb test has done so before."""
    global _running
    if _running is None or _running.done():
        _running = Clock(getattr(dut, CLOCK), BENCH_CLOCK_NS, "ns").start()


@dataclass
class ModuleBench:
    """The module under test; a test's own bench is made from it."""

    dut: Any

    async def start(self, *, driven: tuple[str, ...] = ()) -> None:
        """Start the clock and reset with every input at 0; again in mid-test is a new reset.

        `driven`: how inputs begin that the test or an agent drives by now; they stay as they are.
        A module without a reset gets one cycle in place of it.
        """
        names = [name for name in inputs_of(self.dut._name) if name != CLOCK]
        for name in names:
            if not name.startswith(driven):
                getattr(self.dut, name).value = 0
        start_clock(self.dut)
        if RESET in names:
            await ClockCycles(self.dut.clk_i, RESET_CYCLES)
            self.dut.rst_ni.value = 1
        else:
            await self.clock_edge()

    async def clock_edge(self, **inputs: int) -> None:
        """Drive `inputs`, named without their `_i`, and wait for the next rising edge."""
        for name, value in inputs.items():
            getattr(self.dut, f"{name}_i").value = value
        await RisingEdge(self.dut.clk_i)
