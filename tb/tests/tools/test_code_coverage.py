# SPDX-License-Identifier: Apache-2.0
"""Code coverage counts what was reached and what was not, and lets no hole go without a reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tb.coverage import code as code_coverage
from tb.coverage.code import Exclusion, HolesFileError, load_exclusions, measure
from tb.failure import BuildError
from tb.paths import REPO
from tb.sim import coverage_dat
from tb.sim.build import build
from tb.sim.coverage_dat import CoverageFileError, Point, keep, read, rtl_digest

SOURCE = """module thing (input logic clk_i);
  always @(posedge clk_i) begin
    if (go) a <= b;
    else if (never) $error("x");
  end
endmodule
"""


def record(type_: str, line: int, what: str, count: int, lines: str = "", at: str = "u_a") -> str:
    """A line of a coverage file, as Verilator writes it."""
    fields = {"f": "/elsewhere/rtl/thing.sv", "l": line, "n": 5, "t": type_}
    fields |= {"page": f"v_{type_}/thing__W8", "o": what, "S": lines, "h": f"tb.{at}"}
    return f"C '{''.join(f'{chr(1)}{k}{chr(2)}{v}' for k, v in fields.items())}' {count}"


RECORDS = (
    record("line", 2, "block", 9, "2-3"),
    record("branch", 3, "if", 9, "3"),
    record("branch", 3, "else", 0),
    record("line", 4, "elsif", 0, "4"),
    record("toggle", 1, "clk_i:0->1", 9),
    *(
        record("toggle", 1, f"wide[{b}]:{way}", int(b < 2))
        for b in range(5)
        for way in ("0->1", "1->0")
    ),
    record("expr", 4, "(never==1) => 1", 0),
)


def written(folder: Path, *records: str) -> Path:
    """A coverage file as a simulator leaves it, kept in `folder`."""
    path = folder / "coverage.dat"
    folder.mkdir(exist_ok=True)
    path.write_text("\n".join(["# SystemC::Coverage-3", *records, ""]))
    return keep(path, folder)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository of one module."""
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "thing.sv").write_text(SOURCE)
    return tmp_path


def counts(report: code_coverage.Report, metric: str) -> tuple[int, int, int]:
    count = report.total[metric]
    return count.covered, count.total, count.excluded


def test_every_metric(repo: Path, tmp_path: Path) -> None:
    """Could break: points counted twice, or in another metric; lines that no block lists."""
    report = measure(read([written(tmp_path / "c", *RECORDS)]), repo=repo)
    assert counts(report, "line") == (2, 3, 0)
    assert counts(report, "branch") == (1, 2, 0)
    assert counts(report, "toggle") == (5, 11, 0)
    assert counts(report, "expression") == (0, 1, 0)
    holes = {(h.line, h.metric, h.what, h.points) for h in report.files[0].holes}
    assert (1, "toggle", "wide [2:4] 0->1 and 1->0", 6) in holes
    assert (4, "line", 'else if (never) $error("x");', 1) in holes and len(holes) == 4


def test_merge_by_content(tmp_path: Path) -> None:
    """Could break: a run counted twice, which hides nothing but is wrong; a run that is lost."""
    folder = tmp_path / "c"
    same = {written(folder, *RECORDS), written(folder, *RECORDS)}
    other = written(folder, record("branch", 3, "else", 1))
    assert len(same) == 1 and other not in same and not list(folder.glob("*.dat"))
    points = read(sorted({*same, other}))
    by_what = {p.what: n for p, n in points.items() if p.metric == "branch"}
    assert by_what == {"if": 9, "else": 1}


def test_union_of_instances_and_builds(tmp_path: Path) -> None:
    """Could break: a point that one instance reached counts as missed for another one, or for a
    build of another width, whose expressions Verilator spells with other numbers.
    """
    here = record("expr", 3, "(q[3:0] == p[Bits[3:0]+:1])==0 => 1", 0, at="u_a")
    there = record("expr", 3, "(q[1:0] == p[Bits[1:0]+:1])==0 => 1", 4, at="u_b")
    points = read([written(tmp_path / "c", here, there, record("line", 2, "block", 0))])
    assert {p.what: n for p, n in points.items()} == {"(q == p[Bits+:1])==0 => 1": 4, "block": 0}


def test_reasons_by_name(repo: Path, tmp_path: Path) -> None:
    """Could break: an exclusion that takes more than it names, or one that survives its source."""
    points = read([written(tmp_path / "c", *RECORDS)])
    wide = Exclusion("rtl/thing.sv", "toggle", "narrow here", signal=r"wide\[[34]\]")
    line = Exclusion("rtl/thing.sv", "line", "cannot be", text="else if (never)")
    report = measure(points, [wide, line], repo=repo)
    assert counts(report, "toggle") == (5, 7, 4) and counts(report, "line") == (2, 2, 1)
    reasons = {(h.what, h.reason) for h in report.files[0].holes if h.metric == "toggle"}
    assert reasons == {
        ("wide [2] 0->1 and 1->0", None),
        ("wide [3:4] 0->1 and 1->0", "narrow here"),
    }
    absent = Exclusion("rtl/thing.sv", "toggle", "small", signal=r"clk_i\[\d\]", some_builds=True)
    report = measure(points, [absent], repo=repo)
    assert counts(report, "toggle") == counts(measure(points, repo=repo), "toggle")
    assert report.no_holes == []
    for name, some in (("clk_i", False), ("clock", True), ("clk", True)):
        one = replace(absent, signal=rf"{name}\[\d\]", some_builds=some)
        with pytest.raises(HolesFileError, match="matches nothing"):
            measure(points, [one], repo=repo)
    gone = Exclusion("rtl/thing.sv", "line", "cannot be", text="else if (gone)")
    with pytest.raises(HolesFileError, match=r"else if \(gone\)'?: matches nothing"):
        measure(points, [gone], repo=repo)
    reached = Exclusion("rtl/thing.sv", "branch", "thought so", text="if (go)", what="if")
    assert measure(points, [reached], repo=repo).no_holes == [reached]


def test_required_goals_and_reasons(repo: Path, tmp_path: Path) -> None:
    """Could break: green with a goal missed, with a hole unexplained, or with a module not run."""
    points = read([written(tmp_path / "c", *RECORDS)])
    said = measure(points, repo=repo).complaints()
    assert any(line.startswith("line coverage is 66.67%, expected at least 98%") for line in said)
    assert any("rtl/thing.sv:4: expression (never==1) => 1: not reached" in line for line in said)
    (repo / "rtl" / "other.sv").write_text("module other; endmodule\n")
    assert any(
        "rtl/other.sv: no simulation ran it" in s for s in measure(points, repo=repo).complaints()
    )
    full = [p for p, n in points.items() if n]
    whole = measure(dict.fromkeys(full, 1), repo=repo, whole=False)
    assert not whole.complaints()


def test_files_that_are_not_coverage(tmp_path: Path) -> None:
    """Could break: damage or another RTL's counts taken for none."""
    good = written(tmp_path / "c", *RECORDS)
    assert read([good], rtl_digest())
    with pytest.raises(CoverageFileError, match="made from other RTL"):
        read([good], "0" * 16)
    (tmp_path / "half").write_bytes(good.read_bytes()[:-20])
    (tmp_path / "text").write_text("nothing")
    for name in ("half", "text", "missing"):
        with pytest.raises(CoverageFileError, match=name):
            read([tmp_path / name])
    (tmp_path / "coverage.dat").write_text("nothing")
    with pytest.raises(CoverageFileError, match=r"coverage\.dat"):
        keep(tmp_path / "coverage.dat", tmp_path)
    bad = written(tmp_path / "d", "C 'no count'")
    with pytest.raises(CoverageFileError, match="line 3"):
        read([bad])


ENTRY = '[[hole]]\nfile="rtl/a.sv"\nmetric="{metric}"\n{key}="x"\nreason="{reason}"\n'


@pytest.mark.parametrize(
    "text",
    [
        ENTRY.format(metric="toggle", key="signal", reason=" "),
        ENTRY.format(metric="toggle", key="text", reason="r"),
        ENTRY.format(metric="line", key="signal", reason="r"),
        ENTRY.format(metric="lines", key="text", reason="r"),
        ENTRY.format(metric="line", key="txt", reason="r"),
        "[[hole]\n",
    ],
)
def test_bad_holes_file(text: str, tmp_path: Path) -> None:
    """Could break: an entry without a reason, or one that says nothing and so excludes all."""
    path = tmp_path / "holes.toml"
    path.write_text(text)
    with pytest.raises(HolesFileError, match=r"^holes\.toml"):
        load_exclusions(path)


def test_committed_holes_file() -> None:
    """Could break: it is only read after an hour of simulation."""
    exclusions = load_exclusions()
    assert exclusions
    for one in exclusions:
        source = (REPO / one.file).read_text()
        assert one.text in source, one.title


def test_lcov(repo: Path, tmp_path: Path) -> None:
    """Could break: a tracefile that other tools refuse, or read as something else."""
    text = code_coverage.as_lcov(measure(read([written(tmp_path / "c", *RECORDS)]), repo=repo))
    lines = text.splitlines()
    assert lines[:2] == ["TN:edgedrnn", "SF:rtl/thing.sv"] and lines[-1] == "end_of_record"
    assert {"DA:2,9", "DA:3,9", "DA:4,0", "LF:3", "LH:2", "BRF:2", "BRH:1"} <= set(lines)
    branches = sorted(line for line in lines if line.startswith("BRDA:"))
    assert [b.split(",")[0] for b in branches] == ["BRDA:3", "BRDA:3"]
    assert branches[0].split(",")[1] == branches[1].split(",")[1]  # two ways out of one block
    assert {b.split(",")[3] for b in branches} == {"9", "-"}


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/code_coverage.py", *map(str, words)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


def test_command_line(tmp_path: Path) -> None:
    """Could break: a missed goal that is exit status 0; half-written output of bad input."""
    out = ["--json", tmp_path / "r" / "code.json", "--lcov", tmp_path / "r" / "code.info"]
    for folder, said in ((tmp_path / "none", "found no folder"), (tmp_path, "found no code-")):
        done = typed("--cover-dir", folder, *out)
        assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "r").exists()
    fifo = record("line", 34, "block", 3, "34").replace("thing.sv", "stream_fifo.sv")
    missed = record("branch", 35, "else", 0).replace("thing.sv", "stream_fifo.sv")
    written(tmp_path / "c", fifo, missed)
    done = typed("--cover-dir", tmp_path / "c", *out)
    assert done.returncode == 0, done.stderr
    assert "rtl/stream_fifo.sv" in done.stdout and "rtl/sequencer.sv" not in done.stdout
    report = json.loads((tmp_path / "r" / "code.json").read_text())
    assert report["schema"] == 1 and report["total"]["line"] == {
        "covered": 1,
        "total": 1,
        "excluded": 0,
    }
    assert report["files"][0]["holes"] == [
        {"line": 35, "metric": "branch", "what": "else", "points": 1, "reason": None}
    ]
    done = typed("--cover-dir", tmp_path / "c", *out, "--require")
    assert done.returncode != 0 and done.stderr
    (tmp_path / "c" / "code-x.dat.gz").write_text("damaged")
    done = typed("--cover-dir", tmp_path / "c", *out)
    assert done.returncode == 2 and "code-x.dat.gz" in done.stderr


def test_only_rtl_under_verilator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Could break: Icarus, a bench without RTL, or the tops for long runs built for coverage, which
    only costs; the build that should count does not.
    """
    from tb.sim import build as runner

    asked = []

    def refuse(_recipe: object, plan: dict[str, Any], *_rest: Any) -> None:
        asked.append((plan["sim"], plan["top"], plan["coverage"]))
        raise BuildError("not now")

    monkeypatch.setenv("COVER_CODE", "1")
    monkeypatch.setattr(runner, "_make", refuse)
    fifo = [REPO / "rtl" / "stream_fifo.sv"]
    bench = [tmp_path / "bench.sv"]
    bench[0].touch()
    for sim, top, sources in (
        ("verilator", "stream_fifo", fifo),
        ("verilator", "bench", bench),
        ("verilator", "run_top", fifo),
        ("icarus", "stream_fifo", fifo),
    ):
        with pytest.raises(BuildError, match="not now"):
            build(sim, top, sources=sources, filelist=None, build_root=tmp_path / "b")
    assert [coverage for *_, coverage in asked] == [True, False, False, False]


def test_meaning_of_points() -> None:
    """Could break: a toggle's signal or bit misread, so that a reason takes another signal's."""
    point = Point("rtl/a.sv", 1, 1, "toggle", "gen[0].q[3]:0->1")
    assert code_coverage.signal_of(point) == "gen[0].q[3]"
    assert Exclusion("rtl/a.sv", "toggle", "r", signal=r"gen\[0\]\.q").covers(point, "")
    assert not Exclusion("rtl/a.sv", "toggle", "r", signal="q").covers(point, "")
    assert coverage_dat._lines("3,7-9") == (3, 7, 8, 9)
