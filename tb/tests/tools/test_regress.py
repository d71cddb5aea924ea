# SPDX-License-Identifier: Apache-2.0
"""The regression runner: every job is accounted for, whatever happens to budgets and workers.

Each test runs it on a small folder of tests of its own, without a simulator.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import junitparser
import pytest

from tb.debug.divergence import Divergence
from tb.debug.divergence.deep import DEEP_FILE
from tb.debug.divergence.replay import Localised, LocaliseError, UnknownTestError
from tb.failure import Design, Failure, Kind, Run
from tb.paths import REPO
from tb.records import from_plain
from tb.regress import diagnosis
from tb.regress import workers as pools
from tb.regress.cuts import CutError, load_cut, matches
from tb.regress.jobs import Job, chunks_of, jobs_of
from tb.regress.regression import Request, RunReport, regress
from tb.regress.results import OWN, history_line
from tb.regress.session import ATTEMPTS, Done
from tb.regress.tree import tree_hash
from tb.regress.workers import DaskPool, PoolError
from tb.settings import child_env, settings

CUT = """
[cut.toy]
functional = "off"
[[cut.toy.tests]]
nodes = ["test_toy.py"]
seeds = {seeds}
guess_s = 0.1
"""

PASSING = """
import os, pathlib
def _note(name):
    with (pathlib.Path("build") / "ran").open("a") as file:
        file.write(name + os.environ["SEED"] + "\\n")
def test_a(): _note("a")
def test_b(): _note("b")
"""

COVERING = """
import os, pathlib
def _cover(name):
    assert os.environ["COVERAGE"] == "1"
    (pathlib.Path(os.environ["COVER_DIR"]) / f"functional-{name}.json").write_text("{}")
def test_a(): _cover("a")
def test_b(): _cover("b")
"""

# A simulation that hangs, and waves that it leaves with WAVES=1.
FAILING = """
import pathlib
from tb.failure import Design, Failure, Kind, Run, SimulationError
from tb.settings import settings
def test_bad():
    dump = pathlib.Path("build/dump.fst").resolve()
    if settings().waves:
        dump.touch()
    design = Design("icarus", "top", {"A": 1}, dump.with_name("top"))
    run = Run(design, "m", None, 1, "n", dump.with_name("sim.log"), "again", waves=dump)
    failure = Failure(Kind.HANG, "hung at step 3", run)
    raise SimulationError("hung at step 3, in words that nothing reads", failure)
"""

# Stands for scripts/coverage.py: says what it was asked and given, and leaves a report.
JUDGE = """
import pathlib, sys
print(*sys.argv[1:])
print(*sorted(p.name for p in pathlib.Path(sys.argv[sys.argv.index("--cover-dir") + 1]).iterdir()))
pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(
    '{{"groups": [{{"covered": 1, "total": 2}}, {{"covered": 2, "total": 2}}]}}')
sys.exit({status})
"""

# Holds on while `build/hold` exists, so that a test can kill what runs it.
HOLDING = """
import os, pathlib, time
def test_quick(): pass
def test_holds():
    pathlib.Path("build/pid").write_text(str(os.getppid()))
    while pathlib.Path("build/hold").exists():
        time.sleep(0.05)
def test_after(): pass
"""


@pytest.fixture(autouse=True)
def bare_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small tests need no plugins, which take most of pytest's start."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout with one cut and two tests that pass."""
    return make_toy(tmp_path / "toy", PASSING)


def make_toy(root: Path, tests: str, seeds: int = 1) -> Path:
    (root / "tb" / "tables").mkdir(parents=True)
    (root / "build").mkdir()
    (root / "tb" / "tables" / "regress.toml").write_text(CUT.format(seeds=seeds))
    (root / "pytest.ini").write_text("[pytest]\n")
    (root / "test_toy.py").write_text(tests)
    return root


def go(root: Path, **asked: Any) -> RunReport:
    return regress(Request(root, "toy", root / "reports", workers=2, **asked))


def by_test(ran: RunReport) -> dict[str, str]:
    return {job["test"]: job["status"] for job in ran.report["jobs"]}


def ran_notes(root: Path) -> list[str]:
    path = root / "build" / "ran"
    return sorted(path.read_text().split()) if path.exists() else []


# -------------------------------------------------------------------------------- outcomes


def test_rerun_line_of_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Could break: a failure that drowns, a rerun line that does not rerun it, JUnit without it."""
    root = make_toy(tmp_path / "toy", PASSING + "def test_bad():\n    assert 1 == 2, 'one'\n")
    ran = go(root)
    assert not ran.green
    assert by_test(ran) == {"test_a": "passed", "test_b": "passed", "test_bad": "failed"}
    bad = next(job for job in ran.report["jobs"] if job["test"] == "test_bad")
    assert "one" in bad["message"] and "assert 1 == 2" in (root / bad["log"]).read_text()
    assert bad["rerun"] == "SEED=1 python -m pytest test_toy.py::test_bad"
    assert f"rerun: {bad['rerun']}" in capsys.readouterr().out
    again = subprocess.run(
        bad["rerun"].replace("python", sys.executable), shell=True, cwd=root, capture_output=True
    )
    assert again.returncode == 1 and b"1 failed" in again.stdout
    xml = junitparser.JUnitXml.fromfile(str(root / "reports" / "junit.xml"))
    assert (xml.tests, xml.failures) == (3, 1)


def test_test_that_kills_its_pytest(tmp_path: Path) -> None:
    """Could break: the jobs bundled with it vanish, or it is tried for ever."""
    dies = "def test_dies():\n    _note('dies')\n    os.kill(os.getpid(), 9)\n"
    tests = PASSING + dies + "def test_z(): _note('z')\n"
    root = make_toy(tmp_path / "toy", tests)
    ran = go(root)
    expected = {"test_a": "passed", "test_b": "passed", "test_dies": "lost", "test_z": "passed"}
    assert not ran.green and by_test(ran) == expected
    assert ran_notes(root) == ["a1", "b1", *["dies1"] * ATTEMPTS, "z1"]


def test_hanging_test(tmp_path: Path) -> None:
    """Could break: one hang stops the run, or the jobs behind it are not run."""
    tests = "import time\ndef test_a(): time.sleep(600)\ndef test_b(): pass\n"
    root = make_toy(tmp_path / "toy", tests)
    cut = root / "tb" / "tables" / "regress.toml"
    cut.write_text(cut.read_text().replace("[cut.toy]", "[cut.toy]\ntimeout_s = 3"))
    ran = go(root)
    assert not ran.green and by_test(ran) == {"test_a": "timeout", "test_b": "passed"}


def test_files_changed_during_the_run(tmp_path: Path) -> None:
    """Could break: results of two versions, reported as one."""
    tests = "def test_a(): open('new.txt', 'w').close()\n"
    assert not go(make_toy(tmp_path / "toy", tests)).green


@pytest.mark.parametrize("status", [0, 1])
def test_missed_goal(tmp_path: Path, status: int) -> None:
    """Could break: green with an open bin; coverage of jobs that is not handed on."""
    root = make_toy(tmp_path / "toy", COVERING)
    cut = root / "tb" / "tables" / "regress.toml"
    cut.write_text(cut.read_text().replace('"off"', '"key"'))
    (root / "scripts").mkdir()
    (root / "scripts" / "coverage.py").write_text(JUDGE.format(status=status))
    done = command(root, "--cut", "toy")
    assert done.returncode == status, done.stderr
    assert "--require key" in done.stdout and "skipped: scripts/report.py" in done.stdout
    assert "functional-a.json functional-b.json" in done.stdout
    line = json.loads((root / "reports" / "history.jsonl").read_text())
    assert line["passed"] == 2 and line["functional"] == 0.75 and line["code"] is None


def test_no_leftovers_of_an_earlier_run(toy: Path) -> None:
    """Could break: coverage that an earlier run reached shown for this one's, by page or trend."""
    reports = toy / "reports"
    reports.mkdir()
    for name in OWN:
        (reports / name).write_text("of an earlier run")
    mutants = {"tree": tree_hash(toy), "score": 0.5}
    (reports / "mutants.json").write_text(json.dumps(mutants))
    go(toy, only="*test_a")  # a part of a cut judges no coverage
    assert (reports / "code.json").read_text() == "of an earlier run"
    assert json.loads((reports / "jobs.json").read_text())["part"] == "*test_a"
    ran = go(toy)
    assert ran.report["part"] is None
    assert {p.name for p in reports.iterdir()} == {"jobs.json", "junit.xml", "mutants.json"}
    assert ran.report["tree"] == tree_hash(toy)
    assert history_line(ran.report, reports, set())["mutants"] == 0.5
    (reports / "mutants.json").write_text(json.dumps(mutants | {"tree": "f" * 16}))
    assert history_line(ran.report, reports, set())["mutants"] is None


# ------------------------------------------------------------- where failures went wrong


def failed_in(folder: Path, node: str, seed: int = 1, *, simulated: bool = True) -> Done:
    design = Design("icarus", "top", {}, folder / "top")
    run = Run(design, "m", None, seed, node, folder / "sim.log", "again") if simulated else None
    failure = Failure(Kind.TEST_FAILED, "no", run)
    return Done(Job(node, seed), "failed", 1.0, "no", folder / "log.txt", failure=failure)


def test_localised_first_failures(tmp_path: Path) -> None:
    """Could break: one test with five seeds keeps others out; a test without a simulation replayed;
    time without a bound."""
    asked = []

    def by(node: str, seed: int, folder: Path, *, root: Path, timeout_s: float) -> Localised:
        asked.append((node, seed, folder, root))
        assert 0 < timeout_s <= diagnosis.EACH_S
        found = Divergence("gate z", "gate_lane", "edgedrnn_tb.z8", 3545, 349)
        return Localised(found, folder, {"rerun": "again!", "dump": None}, "no")

    failed = [failed_in(tmp_path, "a", simulated=False), failed_in(tmp_path, "b")]
    failed += [failed_in(tmp_path, "b", 2), *(failed_in(tmp_path, node) for node in "cde")]
    out = diagnosis.with_diagnoses(failed, tmp_path, tmp_path / "reports", 2, by=by)
    assert [replace(one, diagnosis=None) for one in out] == failed
    assert sorted(a[:2] for a in asked) == [("b", 1), ("c", 1), ("d", 1)]
    assert all(root == tmp_path and tmp_path / "reports" in f.parents for _, _, f, root in asked)
    told: list[Any] = [one.diagnosis for one in out]
    assert [bool(one) for one in told] == [False, True, False, True, True, False]
    assert "module    gate_lane" in told[1].text and "again!" in told[1].text
    assert told[1].picture is None and "picture   none: " in told[1].text


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            LocaliseError("deep.txt: the test left\nno deep trace"),
            "deep.txt: the test left no deep",
        ),
        (UnknownTestError("x: expected a test node"), "x: expected a test node"),
        (ZeroDivisionError("oh"), "localise.py failed: ZeroDivisionError('oh')"),
    ],
)
def test_failure_that_cannot_be_localised(tmp_path: Path, raised: Exception, said: str) -> None:
    """Could break: the page of a regression that is not made, or says nothing."""

    def by(*_: object, **__: object) -> Localised:
        raise raised

    one = failed_in(tmp_path, "a")
    text = diagnosis.diagnose(one, tmp_path, tmp_path, 1.0, by).text
    assert text.startswith("not localised") and said in text and "\n" not in text
    assert "no time" in diagnosis.diagnose(one, tmp_path, tmp_path, 0.0, by).text


def test_diagnosis_in_the_report(tmp_path: Path) -> None:
    """Could break: a regression that localises, and keeps it to itself."""
    root = make_toy(tmp_path / "toy", FAILING)
    (job,) = go(root).report["jobs"]
    failure = from_plain(job["failure"], Failure)
    assert (failure.kind, failure.message) == (Kind.HANG, "hung at step 3")
    assert failure.run and failure.run.seed == 1
    assert job["diagnosis"] == {
        "text": f"not localised: {DEEP_FILE}: the test left no deep trace; only simulations of "
        "the whole core make one",
        "picture": None,
        "waves": None,
    }
    (job,) = go(root, localise=False).report["jobs"]
    assert job["diagnosis"] is None


def test_waves_of_a_failure(tmp_path: Path) -> None:
    """Could break: a failed simulation whose waves nobody keeps, or another test run again."""
    root = make_toy(tmp_path / "toy", FAILING + "def test_other():\n    assert 0\n")
    jobs = go(root, localise=False).report["jobs"]
    assert [job["waves"] for job in jobs] == ["build/dump-seed1.fst", None]
    assert (root / "build" / "dump-seed1.fst").exists()


# ------------------------------------------------------------------------- budget, resume


def test_mandatory_jobs_first(tmp_path: Path) -> None:
    """Could break: a second seed before everybody's first; jobs left out without a word."""
    root = make_toy(tmp_path / "toy", PASSING, seeds=5)
    ran = go(root, count=3)
    assert ran.green and len(ran_notes(root)) == 3
    assert {"a1", "b1"} < set(ran_notes(root))
    assert len(ran.report["left_out"]) == 7
    assert not any(job["mandatory"] for job in ran.report["left_out"])


def test_mandatory_job_left_out(toy: Path) -> None:
    """Could break: a green run that did not run everything that had to."""
    for budget in ({"count": 1}, {"time_s": 0.0, "resume": False}):
        ran = go(toy, **budget)
        assert not ran.green
        assert all(job["mandatory"] for job in ran.report["left_out"])


def test_reuse_of_passed_jobs(toy: Path) -> None:
    """Could break: old results for new files; a failed or half-written result taken for passed."""
    go(toy)
    ran = go(toy)
    assert ran.green and len(ran.report["jobs"]) == 2 and ran_notes(toy) == ["a1", "b1"]
    job = next(job for job in ran.report["jobs"] if job["test"] == "test_a")
    (toy / job["log"]).with_name("result.json").write_text('{"status": "pas')
    go(toy)
    assert ran_notes(toy) == ["a1", "a1", "b1"]
    go(toy, resume=False)
    assert ran_notes(toy) == ["a1"] * 3 + ["b1"] * 2
    (toy / "design.sv").write_text("// new\n")
    go(toy)
    assert ran_notes(toy) == ["a1"] * 4 + ["b1"] * 3


def test_resumed_run(tmp_path: Path) -> None:
    """Could break: a killed run leaves tests behind that go on, or loses what had passed."""
    root = make_toy(tmp_path / "toy", HOLDING)
    (root / "build" / "hold").touch()
    runner = subprocess.Popen(
        [sys.executable, str(REPO / "scripts" / "regress.py"), "--cut", "toy", "--root", str(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(root / "build" / "pid")
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    (root / "build" / "hold").unlink()
    ran = go(root)
    assert ran.green and len(ran.report["jobs"]) == 3


# ---------------------------------------------------------------------------- Dask cluster

Cluster = tuple[str, Callable[..., subprocess.Popen[bytes]]]
"""Address of a scheduler, and what starts a worker."""


def names(scheduler: Any) -> set[str]:
    return {worker.name for worker in scheduler.workers.values()}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Cluster]:
    """A scheduler on this machine without workers, and a way to start some."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as cluster:
        workers: list[subprocess.Popen[bytes]] = []

        def start(path: Path = REPO) -> subprocess.Popen[bytes]:
            name = f"worker-{len(workers)}"
            worker = subprocess.Popen(
                [sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address,
                 "--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", name],
                cwd=path, env=child_env(settings(), python_path=[path]),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            workers.append(worker)
            wait_until(lambda: name in names(cluster.scheduler), f"{name} did not come")
            return worker

        yield cluster.scheduler_address, start
        for worker in workers:
            worker.kill()
            worker.wait()


def wait_until(condition: Callable[[], object], otherwise: str, limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def wait_for(path: Path) -> str:
    wait_until(lambda: path.exists() and path.read_text(), f"{path} did not come")
    return path.read_text()


def test_killed_worker(tmp_path: Path, scheduler: Cluster) -> None:
    """Could break: the job under way is lost, a finished one run twice, one reported twice."""
    address, start = scheduler
    root = make_toy(tmp_path / "toy", HOLDING)
    (root / "build" / "hold").touch()
    workers = {worker.pid: worker for worker in (start(), start())}

    def kill_the_holder() -> None:
        victim = int(wait_for(root / "build" / "pid"))
        workers[victim].kill()
        (root / "build" / "hold").unlink()

    killer = Thread(target=kill_the_holder)
    killer.start()
    ran = go(root, dask=address)
    killer.join()
    assert sorted(w.poll() is None for w in workers.values()) == [False, True]
    assert ran.green and sorted(by_test(ran)) == ["test_after", "test_holds", "test_quick"]
    assert len(ran.report["jobs"]) == 3 and not ran.report["left_out"]
    for worker in workers.values():
        worker.kill()
        worker.wait()


def test_lost_workers(tmp_path: Path, scheduler: Cluster) -> None:
    """Could break: a run that waits for ever, or that is green without its lost job."""
    address, start = scheduler
    root = make_toy(tmp_path / "toy", HOLDING)
    (root / "build" / "hold").touch()
    worker = start()

    def kill_worker() -> None:
        wait_for(root / "build" / "pid")
        worker.kill()

    killer = Thread(target=kill_worker)
    killer.start()
    ran = go(root, dask=address, patience_s=1.0)
    killer.join()
    worker.wait()
    assert not ran.green
    assert by_test(ran)["test_holds"] == "lost"
    accounted = {job["id"] for job in ran.report["jobs"] + ran.report["left_out"]}
    assert len(accounted) == 3


def test_worker_with_other_files(
    tmp_path: Path, scheduler: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """Could break: green on files that nobody asked about."""
    address, start = scheduler
    root = make_toy(tmp_path / "toy", PASSING)
    worker = start()
    ran = regress_with_tree(root, "0123456789abcdef", address)
    worker.kill()
    worker.wait()
    assert ran == ({}, 2)
    assert "refuses: jobs are for tree 0123456789abcdef" in capsys.readouterr().out
    assert not ran_notes(root)


def regress_with_tree(root: Path, tree: str, address: str) -> tuple[dict[str, Any], int]:
    """Jobs for a tree that no worker has: (what was done, number of jobs left out)."""
    from tb.regress.session import Session
    from tb.regress.store import results_folder

    pool = DaskPool(address)
    session = Session(
        root, tree, results_folder(root, tree), pool, 60.0, patience_s=1.0, on_complaint=print
    )
    session.run([Job("test_toy.py::test_a", 1), Job("test_toy.py::test_b", 1)])
    pool.close()
    return session.done, len(session.left_out)


def test_results_from_a_separate_disk(
    toy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Could break: a worker on another machine, whose results nobody fetches."""
    from tb.regress import worker
    from tb.regress.store import results_folder, unpack

    job = Job("test_toy.py::test_a", 1)
    elsewhere, tree = tmp_path / "elsewhere", tree_hash(toy)
    order = worker.order_of(
        [job], root=elsewhere, tree=tree, token=elsewhere / "token", timeout_s=60, limit_s=None
    )
    monkeypatch.setattr(worker, "REPO", toy)
    outcome = worker.run_chunk(order)
    here = results_folder(tmp_path, "x")
    unpack(outcome["files"], here)
    assert json.loads((here / job.id / "result.json").read_text())["status"] == "passed"


# ------------------------------------------------------------------- what is asked for


def test_bad_arguments(toy: Path) -> None:
    """Could break: a traceback, or a run of nothing that is green."""
    cases = {
        "--cut none": "cut: found 'none', expected one of toy",
        "--cut toy --time soon": "--time: found 'soon'",
        "--cut toy --count 0": "--count: found '0'",
        "--cut toy --only nothing*": "found no such test",
    }
    for words, message in cases.items():
        done = command(toy, *words.split())
        assert done.returncode == 2 and message in done.stderr, (words, done.stderr)
        assert len(done.stderr.splitlines()) == 1 and not (toy / "reports").exists()


def test_unreachable_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "CONNECT_S", 0.5)
    with pytest.raises(PoolError, match=r"^--dask: no scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        DaskPool("tcp://127.0.0.1:9")
    with pytest.raises(PoolError, match="no scheduler answers at 'nonsense:x'"):
        DaskPool("nonsense:x")


def command(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = str(REPO / "scripts" / "regress.py")
    return subprocess.run(
        [sys.executable, script, "--root", str(root), *words], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test_toy.py", "test_typo.py", "'test_typo.py' matches no test"),
        ("seeds = 1", "seeds = 0", "seeds: found 0"),
        ("seeds = 1", "sedes = 1", "sedes: found an unknown key, expected only code, guess_s"),
        ('"off"', '"some"', "functional: found 'some'"),
    ],
)
def test_bad_cut_message(toy: Path, old: str, new: str, message: str) -> None:
    """Could break: a typo that silently drops tests."""
    path = toy / "tb" / "tables" / "regress.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(CutError, match=message):
        jobs_of(load_cut(path, "toy"), ["test_toy.py::test_a"], root=toy)


def test_literal_brackets_in_node_ids() -> None:
    assert matches("a.py::t[x-*]", "a.py::t[x-w64]") and not matches("a.py::t[x]", "a.py::tx")
    assert matches("a.py", "a.py::t[x]") and not matches("a.py", "b/a.py::t")


def test_order_and_contents_of_bundles() -> None:
    """Could break: seeds mixed in one pytest; a long job started last."""
    jobs = [
        Job("a.py::t", seed, config, round=seed - 1, expected_s=long)
        for seed in (1, 2)
        for config, long in (("w32", 1.0), ("w64", 20.0), ("w64", 20.0))
    ]
    chunks = chunks_of(jobs, 30.0)
    assert all(len({(j.seed, j.config) for j in chunk}) == 1 for chunk in chunks)
    assert [(c[0].seed, sum(j.expected_s for j in c)) for c in chunks] == [
        (1, 20.0), (1, 20.0), (1, 1.0), (2, 20.0), (2, 20.0), (2, 1.0)]  # fmt: skip


def test_code_coverage_jobs_first(toy: Path) -> None:
    """Could break: goals still open when the time is up; Icarus built and bundled as if it counted.

    A long test that counts nothing waits for a short one that does, but not for its second seed.
    """
    path = toy / "tb" / "tables" / "regress.toml"
    path.write_text("""
        [cut.toy]
        code = "goals"
        [[cut.toy.tests]]
        nodes = ["b.py"]
        code = false
        guess_s = 9
        [[cut.toy.tests]]
        nodes = ["a.py"]
        seeds = 2
    """)
    nodes = ["b.py::t", "a.py::t[icarus]", "a.py::t[verilator]"]
    jobs = jobs_of(load_cut(path, "toy"), nodes, root=toy)
    assert [job.node for job in jobs if job.code] == ["a.py::t[verilator]"] * 2
    order = [(job.node, job.seed) for chunk in chunks_of(jobs) for job in chunk]
    assert order == [
        *(("a.py::t[verilator]", 1), ("b.py::t", 1), ("a.py::t[icarus]", 1)),
        *(("a.py::t[verilator]", 2), ("a.py::t[icarus]", 2)),
    ]


def test_inputs_of_job_ids() -> None:
    job = Job("a.py::t", 1)
    assert job.id == replace(job, expected_s=9.0, round=3).id
    assert len({job.id, replace(job, seed=2).id, replace(job, code=True).id}) == 3


def test_every_test_in_each_cut() -> None:
    """Could break: a new test file that no cut runs."""
    files = [p.relative_to(REPO).as_posix() for f in ("tb", "golden") for p in
             (REPO / f).rglob("test_*.py")]  # fmt: skip
    for name in ("quick", "full"):
        cut = load_cut(REPO / "tb" / "tables" / "regress.toml", name)
        assert [f for f in files if not any(r.matches(f"{f}::t") for r in cut.rules)] == []
