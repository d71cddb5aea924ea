# SPDX-License-Identifier: Apache-2.0
"""The build runner: it caches, survives company, and believes nothing but the results file."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import Timer

from tb.debug.wave_query import Wave
from tb.failure import BuildError, Kind, SimulationError, read_failure, read_run
from tb.handover import simulation
from tb.paths import REPO, SIMULATORS
from tb.settings import child_env, settings, tool_env
from tb.sim.build import Build, build, read_filelist
from tb.sim.run import run

COUNTER = """
module counter #(parameter int Width = 4) (output logic [Width-1:0] count_o);
  logic clk;
  logic [7:0] inner;
  initial begin clk = 0; count_o = 0; inner = 3; end
  always #5 clk = ~clk;
  always @(posedge clk) count_o <= count_o + 1;
  initial begin
    int code;
    if ($value$plusargs("STOP=%d", code)) begin #52 $finish; end
  end
endmodule
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "counter.sv"
    path.write_text(COUNTER)
    return path


def make(sim: str, source: Path, *, width: int = 4, **options: Any) -> Build:
    parameters = {"Width": width}
    return build(sim, "counter", parameters, sources=[source], filelist=None, **options)


def test_rebuild_on_any_change(source: Path, tmp_path: Path) -> None:
    own: dict[str, Any] = {"build_root": tmp_path / "build"}
    first = make("icarus", source, **own)
    assert first.seconds > 0
    again = make("icarus", source, **own)
    assert again.directory == first.directory and again.seconds == 0
    assert make("icarus", source, width=5, **own).directory != first.directory
    source.write_text(COUNTER + "// changed\n")
    assert make("icarus", source, **own).directory != first.directory
    (tmp_path / "new.svh").write_text("// an include file beside it\n")
    assert make("icarus", source, **own).seconds > 0


@pytest.mark.parametrize("sim", SIMULATORS)
def test_contents_of_a_build_folder(sim: str, source: Path) -> None:
    built = make(sim, source)
    left = {p.name for p in built.directory.iterdir()}
    assert left == {built.executable.name, "build.log", "plan.json", "done"}


@pytest.mark.parametrize("sim", SIMULATORS)
def test_results_of_a_run(sim: str, source: Path, tmp_path: Path) -> None:
    result = run(make(sim, source), __name__, "counts$", seed=77, work_dir=tmp_path / "w")
    assert result.seed == 77 and len(result.passed) == 1 and "counts" in result.passed[0]
    assert "seed 77" in result.log.read_text() and result.results_xml.exists()


def test_single_compile_for_concurrent_requests(source: Path, tmp_path: Path) -> None:
    own: dict[str, Any] = {"build_root": tmp_path / "build"}
    with ThreadPoolExecutor(4) as pool:
        builds = list(pool.map(lambda _: make("icarus", source, **own), range(4)))
    assert len({b.directory for b in builds}) == 1
    assert sum(b.seconds > 0 for b in builds) == 1


def test_shared_library_objects(source: Path) -> None:
    """Catches: Verilator's library or its header, most of a small build, compiled for each one."""
    make("verilator", source)
    later = make("verilator", source, width=6)
    log = (later.directory / "build.log").read_text()
    assert "verilated.o" not in log and "header.gch" not in log
    assert "-include" in log and "library.h" in log


@pytest.mark.parametrize("sim", SIMULATORS)
def test_line_of_a_compile_error(sim: str, source: Path) -> None:
    source.write_text(COUNTER.replace("count_o + 1", "nonsense + 1"))
    with pytest.raises(BuildError, match="nonsense") as caught:
        make(sim, source, build_root=source.parent / "build")
    failure = caught.value.failure
    assert failure is not None and failure.build_log is not None
    assert failure.kind is Kind.BUILD_FAILED and failure.run is None
    assert "nonsense" in failure.build_log.read_text()
    assert not [p for p in (source.parent / "build" / "sim").iterdir() if p.is_dir()]


def test_environment_of_a_make(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Could break: a make that only prints what it would do, and an empty build that counts."""
    for name in ("MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS"):
        monkeypatch.setenv(name, "n")
    built = make("verilator", source, build_root=tmp_path / "build")
    assert built.executable.is_file()
    assert not {"MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL"} & tool_env().keys()


def test_build_without_a_program(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Could break: a build marked as done though its tool made nothing and said nothing."""
    make(
        "icarus", source, build_root=tmp_path / "build"
    )  # the tool's version is known from here on
    tool = tmp_path / "bin" / "iverilog"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    path = tool_env()["PATH"]
    monkeypatch.setenv("PATH", f"{tool.parent}:{path}")
    with pytest.raises(BuildError, match=r"the build made no simulation\.vvp"):
        make("icarus", source, width=7, build_root=tmp_path / "build")
    monkeypatch.setenv("PATH", path)
    assert make("icarus", source, width=7, build_root=tmp_path / "build").executable.is_file()


def test_missing_source_message(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"none\.sv"):
        build("icarus", "counter", sources=[tmp_path / "none.sv"], filelist=None)
    with pytest.raises(BuildError, match=r"none\.f"):
        read_filelist(tmp_path / "none.f")
    with pytest.raises(ValueError, match="icarus"):
        build("questa", "counter")


def test_filelist(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.f").write_text("b.sv\n")
    (tmp_path / "a.f").write_text("// comment\n+incdir+inc\na.sv  # first\n-f sub/b.f\n")
    for name in ("a.sv", "sub/b.sv"):
        (tmp_path / name).touch()
    (tmp_path / "inc").mkdir()
    sources, folders = read_filelist(tmp_path / "a.f")
    assert sources == [tmp_path / "a.sv", tmp_path / "sub" / "b.sv"]
    assert folders == [tmp_path / "inc"]


REASONS = {
    "fails$": "assert 1 == 2",
    "no_such_test$": "no test ran",
    "dies$": "no results file",
    "counts|fails$": "1 failed",
}


KINDS = {
    "fails$": Kind.TEST_FAILED,
    "no_such_test$": Kind.NOTHING_RAN,
    "dies$": Kind.NO_RESULTS,
    "counts|fails$": Kind.TEST_FAILED,
}


@pytest.mark.parametrize("sim", SIMULATORS)
@pytest.mark.parametrize("test_filter", REASONS)
def test_bad_runs(sim: str, test_filter: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=REASONS[test_filter]) as caught:
        run(make(sim, source), __name__, test_filter, seed=5, work_dir=tmp_path / "w")
    text = str(caught.value)
    assert "--- end of " in text and "REPRODUCE: SEED=5 python -m pytest" in text
    failure = caught.value.failure
    assert failure is not None and failure.run is not None
    assert failure == read_failure(tmp_path / "w") and failure.kind is KINDS[test_filter]
    assert failure.run == read_run(tmp_path / "w")
    assert (failure.run.seed, failure.run.design.sim) == (5, sim)
    assert failure.run.reproduce in text and failure.run.log == tmp_path / "w" / "sim.log"


@pytest.mark.parametrize(("test_filter", "kept"), [("covers", 1), ("covers|fails", 0)])
def test_no_coverage_from_a_failed_run(
    test_filter: str, kept: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Could break: bins counted as reached by a run that was wrong."""
    monkeypatch.setenv("COVER_DIR", str(tmp_path / "cover"))
    with contextlib.nullcontext() if kept else pytest.raises(SimulationError):
        run(make("icarus", source), __name__, rf"\.({test_filter})$")
    assert len(list(tmp_path.glob("cover/functional-*.json"))) == kept


@pytest.mark.parametrize("sim", SIMULATORS)
def test_early_finish(sim: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(SimulationError):
        run(make(sim, source), __name__, "counts$", plusargs=["STOP=1"], work_dir=tmp_path / "w")
    with pytest.raises(SimulationError) as caught:
        run(make(sim, source), __name__, "hangs$", plusargs=["STOP=1"], work_dir=tmp_path / "w")
    assert caught.value.failure is not None
    assert caught.value.failure.kind is Kind.ENDED_EARLY


def test_stale_results(source: Path, tmp_path: Path) -> None:
    built = make("icarus", source)
    run(built, __name__, "counts$", work_dir=tmp_path / "w")
    with pytest.raises(SimulationError, match="no results file"):
        run(built, __name__, "dies$", work_dir=tmp_path / "w")


@pytest.mark.parametrize("sim", SIMULATORS)
def test_watchdog(sim: str, source: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(SimulationError, match="killed") as caught:
        run(make(sim, source), __name__, "hangs$", timeout_s=4, work_dir=tmp_path / "w")
    assert caught.value.failure is not None
    assert caught.value.failure.kind is Kind.TIMED_OUT
    assert time.monotonic() - started < 120


def test_run_ended_by_poll(source: Path, tmp_path: Path) -> None:
    def give_up() -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        run(make("icarus", source), __name__, "hangs$", poll=give_up, work_dir=tmp_path / "w")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child")
@pytest.mark.parametrize("sim", SIMULATORS)
def test_simulator_after_its_runner_died(sim: str, source: Path, tmp_path: Path) -> None:
    """Kill a runner so that it cannot clean up; the simulator says when it lived last."""
    make(sim, source)  # so that the runner below finds it compiled
    code = (
        "from pathlib import Path\n"
        f"from {__name__} import make, run\n"
        f"run(make({sim!r}, Path({str(source)!r})), {__name__!r}, 'beats$',"
        f" work_dir=Path({str(tmp_path / 'w')!r}))\n"
    )
    env = child_env(settings(), python_path=[Path(__file__).parent, REPO])
    runner = subprocess.Popen([sys.executable, "-c", code], env=env)
    pulse = tmp_path / "w" / "pulse"
    deadline = time.monotonic() + 60
    while not pulse.exists():
        assert time.monotonic() < deadline and runner.poll() is None
        time.sleep(0.1)
    runner.kill()
    runner.wait()
    time.sleep(1)
    last = pulse.read_text()
    time.sleep(1)
    assert pulse.read_text() == last


@pytest.mark.parametrize("sim", SIMULATORS)
def test_written_waves(sim: str, source: Path, tmp_path: Path) -> None:
    built = make(sim, source, waves=True)
    run(built, __name__, "counts$", work_dir=tmp_path / "w")
    assert (tmp_path / "w" / f"counter{built.wave_suffix}").stat().st_size > 0


STEPPING = """
module trace_monitor (input logic clk_i);
  logic [31:0] step_q = 0;
  logic [5:0]  cycle_q = 0;
  always @(posedge clk_i) begin
    cycle_q <= cycle_q + 1;
    if (cycle_q == 63) step_q <= step_q + 1;
  end
endmodule
module core (input logic clk_i, output logic [31:0] count_o);
  initial count_o = 0;
  always @(posedge clk_i) count_o <= count_o + 1;
endmodule
module stepping;
  logic clk;
  initial clk = 0;
  always #5 clk = ~clk;
  core u_dut (.clk_i(clk), .count_o());
  trace_monitor u_trace (.clk_i(clk));
endmodule
"""


@pytest.mark.parametrize("sim", SIMULATORS)
def test_bounded_waves_of_a_step(
    sim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Could break: gigabytes from a window of one long step; a dump that is cut without a word; a
    step that is cut although it is short.
    """
    source = tmp_path / "trace_monitor.sv"
    source.write_text(STEPPING)
    built = build(sim, "stepping", sources=[source], filelist=None, waves=True)
    monkeypatch.setenv("WAVES_STEPS", "1")

    def dumped(most: str) -> tuple[int, bool]:
        """Clock cycles in the dump that still counts, and whether its end was announced."""
        if most:
            monkeypatch.setenv("WAVES_MOST_NS", most)
        folder = tmp_path / f"most{most}"
        dump = folder / f"stepping{built.wave_suffix}"
        record = run(built, __name__, "waits$", work_dir=folder, waves_file=dump).record
        assert record == read_run(folder) and record.waves == dump
        said = "is truncated: only the first 50 MB" in capfd.readouterr().err
        assert record.waves_truncated == said
        return len(Wave(dump).edges), said

    whole = dumped("")
    assert whole[0] in range(64, 72) and not whole[1]
    assert dumped("0") == whole
    short = dumped("200")
    assert short[0] in range(19, 23) and short[1]
    monkeypatch.setenv("WAVES_MOST_NS", "soon")
    with pytest.raises(ValueError, match="WAVES_MOST_NS: found 'soon', expected a time in ns"):
        run(built, __name__, "waits$", work_dir=tmp_path / "bad")


# ------------------------------------------------------------------------------ cocotb side


@cocotb.test()
async def waits(_dut: Any) -> None:
    await Timer(2500, "ns")


@cocotb.test()
async def counts(dut: Any) -> None:
    await Timer(101, "ns")
    assert int(dut.count_o.value) == 10
    assert int(dut.inner.value) == 3


@cocotb.test()
async def covers(_dut: Any) -> None:
    folder = simulation().cover_dir
    assert folder is not None
    folder.mkdir(exist_ok=True)
    (folder / "functional-0.json").write_text("{}")


@cocotb.test()
async def fails(_dut: Any) -> None:
    await Timer(1, "ns")
    assert int("1") == 2


@cocotb.test()
async def dies(_dut: Any) -> None:
    await Timer(1, "ns")
    os._exit(0)


@cocotb.test()
async def hangs(_dut: Any) -> None:
    while True:
        await Timer(1, "us")


@cocotb.test()
async def beats(_dut: Any) -> None:
    for beat in itertools.count():
        await Timer(1, "us")
        if beat % 1000 == 0:
            Path("pulse").write_text(str(beat))
