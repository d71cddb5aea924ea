# SPDX-License-Identifier: Apache-2.0
"""Functional coverage: samples a known step right, merges by content, and goes red on open bins."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from golden.integer import IntegerGru
from golden.stimulus import random_model
from tb.coverage.functional import bins, probe
from tb.coverage.functional.collector import write_hits
from tb.coverage.functional.groups import GROUPS, Group, Hits
from tb.coverage.functional.merge import (
    CoverageError,
    Exclusion,
    Merged,
    merge,
    read_exclusions,
)
from tb.coverage.functional.network import Context, NetworkSampler, state_of
from tb.coverage.functional.port import PortSampler
from tb.device.registers import State
from tb.paths import REPO

SCRIPT = REPO / "scripts" / "coverage.py"


def run_steps(rows: list[list[int]], thetas: list[int]) -> Hits:
    """Hits of a one-layer network of 4 inputs, a row and a threshold of x for each step."""
    hits = Hits()
    sampler = NetworkSampler(hits, 64)
    gru = IntegerGru(random_model(np.random.default_rng(1), 4, [8], lut_frac=5, weight_scale=0.5))
    for row, theta in zip(rows, thetas, strict=True):
        context = Context(state_of(gru), ([theta], [32767]), 5)
        step = gru.step(np.array(row), [theta], [32767])
        columns = [(layer.columns_x, layer.columns_h) for layer in step.layers]
        sampler.step(context, step, np.array(row, np.int16), columns, [True])
    return hits


def test_samples_of_a_known_step() -> None:
    """Could break: an edge of the threshold, a sign or the share of what fired put into another
    bin. One vector of which every Δ is known.
    """
    counts = run_steps([[9, -10, 11, 0]], [10]).counts
    assert dict(counts["theta"]) == {("2–15", "x", "0"): 1, ("32767", "h", "0"): 1}
    of_x = {at[:2]: n for at, n in counts["delta"].items() if at[2] == "x"}
    assert of_x == {("Θ-1", "+"): 1, ("Θ", "-"): 1, ("Θ+1", "+"): 1, ("0", "+"): 1}
    assert counts["firing"]["half", "x", "0"] == 1
    assert counts["firing"]["none", "h", "0"] == 1
    assert counts["shape"]["x", "0", "1–8"] == 1
    assert dict(counts["delta_lane"]) == {
        ("Θ-1", "+", "0"): 1, ("Θ", "-", "1"): 1, ("Θ+1", "+", "2"): 1
    }  # fmt: skip
    of_gates = sum(n for at, n in counts["precision"].items() if at[0] == "5")
    assert of_gates == sum(counts["precision"].values()) and 0 < of_gates <= 24
    assert sum(counts["sigma_r"].values()) == sum(counts["tanh_n"].values()) == 8


def test_samples_of_silence_and_changes() -> None:
    """Could break: a run of silence counted one short, a change of Θ in another direction."""
    rows = [[50, 0, 0, 0], [50, 0, 0, 0], [50, 0, 0, 0], [-32768, 0, 0, 0], [32767, 0, 0, 0]]
    counts = run_steps(rows, [10, 10, 20, 0, 32767]).counts
    silences = {at[0]: n for at, n in counts["silence"].items() if at[1] == "x"}
    assert silences == {"0": 2, "2–3": 1}
    assert dict(counts["theta_change"]) == {
        ("up", "x", "not done"): 1,
        ("to 0", "x", "not done"): 1,
        ("to max", "x", "not done"): 1,
    }
    assert counts["delta"]["saturated", "+", "x", "0"] == 1
    assert counts["delta"]["saturated", "-", "x", "0"] == 1


@pytest.mark.parametrize(
    ("fired", "size", "name"),
    [(0, 8, "none"), (1, 8, "single"), (2, 8, "sparse"), (3, 8, "half"), (6, 8, "half"),
     (7, 8, "all but"), (8, 8, "all"), (1, 1, "all"), (257, 1024, "half")],
)  # fmt: skip
def test_firing_share_of_a_vector(fired: int, size: int, name: str) -> None:
    """Could break: a class of firing rate at its edge."""
    assert bins.rate(fired, size) == name


def image_of(data: int, column: int) -> SimpleNamespace:
    """An image with one region of `data` bytes at 4096 - 64 whose columns take `column`."""
    start = 4096 - 64
    region = SimpleNamespace(layer=0, kind="wx", address=start, end=start + data,
                             data=bytes(data))  # fmt: skip
    return SimpleNamespace(regions=[region], column_bytes=lambda layer: column)


def test_samples_of_the_port() -> None:
    """Could break: places of an error response, stalls, splits at 4 KiB, states of a reset."""
    hits, addresses = Hits(), [(4096 - 64, 8), (4096, 4)]
    image = image_of(1024, 96)
    port = PortSampler(hits, 64, 2, lambda: addresses.pop(0), lambda: cast(Any, image))
    ar, ready, r = probe.ARVALID, probe.ARREADY, probe.RVALID
    take, last, slverr = probe.RREADY, probe.RLAST, 2 << probe.RRESP_LSB
    step = State.STEP << probe.STATE_LSB
    port.cycle(step | ar)
    port.cycle(step | ar)
    port.cycle(step | ar | ready)
    port.cycle(step | ar | ready)
    for beat in range(8):
        port.cycle(step | r | take | (slverr if beat == 0 else 0) | (last if beat == 7 else 0))
    port.cycle(step | r)
    port.cycle(step | r | take)
    port.cycle(step)
    port.cycle(step | r | take | slverr)
    port.cycle(step | r | take)
    port.cycle(step | r | take | last | slverr)
    port.cycle(step | probe.SOFT_RESET)
    port.reset()
    found = hits.counts
    assert dict(found["page"]) == {("wx", "split by one"): 2}
    assert dict(found["outstanding"]) == {("1",): 1, ("the limit",): 1}
    assert dict(found["read_error"]) == {
        ("SLVERR", place, "columns"): 1 for place in ("first", "middle", "last")
    }
    assert found["stall"]["AR held by memory", "2–3"] == 1
    assert found["stall"]["R late in a burst", "1"] == 1
    assert found["stall"]["R held by the core", "1"] == 1
    assert dict(found["reset"]) == {("soft", "Step"): 1, ("hard", "Step"): 1}
    assert port.latency_profiles() == {"stalls", "outstanding"} and port.latency_profiles() == {
        "ideal"
    }


def test_samples_of_wrong_reads() -> None:
    """Could break: bursts of a wrong length, and beats of no burst, by state; what never came is
    forgotten when a soft reset ends.
    """
    hits, addresses = Hits(), [(4096 - 64, 4)] * 3
    image = image_of(1024, 96)
    port = PortSampler(hits, 64, 2, lambda: addresses.pop(0), lambda: cast(Any, image))
    address, beat = probe.ARVALID | probe.ARREADY, probe.RVALID | probe.RREADY
    step, idle, drain = (s << probe.STATE_LSB for s in (State.STEP, State.IDLE, State.DRAIN))
    port.cycle(step | address)
    port.cycle(step | beat)
    port.cycle(step | beat | probe.RLAST)
    port.cycle(step | beat)
    port.cycle(step | address)
    for _ in range(5):
        port.cycle(step | beat)
    port.cycle(drain | beat)
    port.cycle(idle | beat)
    port.cycle(idle | probe.RVALID)
    assert dict(hits.counts["read_length"]) == {("short", "columns"): 1, ("long", "columns"): 1}
    assert dict(hits.counts["unowed_beat"]) == {("Step",): 1, ("Idle",): 1}


def test_idempotent_commutative_merge(tmp_path: Path) -> None:
    """Could break: a file counted twice because it lies in two folders, or hits lost."""
    a, b = tmp_path / "a", tmp_path / "b"
    for seed, folder in ((1, a), (2, a), (3, b)):
        hits = Hits()
        hits.add("outstanding", "1", count=seed)
        write_hits(folder, hits, {"seed": seed})
    once = merge([a, b], [])
    shutil.copytree(a, b / "again")
    again = merge([b, a, a], [])
    assert once.runs == again.runs == 3
    assert once.hits.counts == again.hits.counts
    assert once.hits.counts["outstanding"]["1",] == 6


def test_undefined_bin(tmp_path: Path) -> None:
    """Could break: hits of an older version, or of a typo, that vanish without a word."""
    with pytest.raises(KeyError, match="no bin"):
        Hits().add("outstanding", "1000")
    (tmp_path / "functional-0.json").write_text(
        json.dumps({"schema": 1, "run": {}, "hits": {"outstanding": [[["1000"], 1]]}})
    )
    with pytest.raises(CoverageError, match="expected groups and bins of this version"):
        merge([tmp_path], [])


def test_stale_exclusions(tmp_path: Path) -> None:
    """Could break: an exclusion that is hit, without reason, or that matches nothing any more."""
    group = Group("g", "G", {"a": ("1", "2"), "b": ("x", "y")})
    hits = Hits({"g": group})
    hits.add("g", "1", "x")
    merged = Merged(hits, 1, [Exclusion("g", ("*", "y"), "because")])
    assert merged.open("g") == [("2", "x")] and not merged.refuted()
    assert merged.report()["groups"][0]["total"] == 2
    hits.add("g", "1", "y")
    assert "hit 1 times, but excluded: because" in merged.refuted()[0]
    path = tmp_path / "excluded.toml"
    for at, reason, message in (
        (["1", "z"], "so", "matches no bin"),
        (["1"], "so", "matches no bin"),
        (["1", "x"], " ", r"excluded\[0\].reason: found ' ', expected text that says something"),
    ):
        path.write_text(f"[[excluded]]\ngroup = 'g'\nat = {at}\nreason = '{reason}'\n")
        with pytest.raises(CoverageError, match=message):
            read_exclusions(path, {"g": group})
    assert read_exclusions()


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/coverage.py."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )


def test_exit_status_with_an_open_bin(tmp_path: Path) -> None:
    """Could break: the judgement. All bins hit but one of a key group; then that one as well."""
    cover = tmp_path / "cover"
    excluded = read_exclusions()
    everything = Hits()
    for name, group in GROUPS.items():
        for at in group.bins:
            if at != ("soft", "Drain") and not any(
                e.group == name and e.matches(at) for e in excluded
            ):
                everything.add(name, *at)
    write_hits(cover, everything, {"seed": 1})
    out, plan = tmp_path / "functional.json", tmp_path / "plan.json"
    arguments = ("--cover-dir", str(cover), "--json", str(out), "--plan", str(plan))
    red = call(*arguments, "--require", "key")
    assert red.returncode == 1 and red.stderr.count("\n") == 1
    assert "open bins in reset, required: key" in red.stderr
    assert "open: reset soft, state Drain" in red.stdout
    written = json.loads(out.read_text())
    assert [g["name"] for g in written["groups"] if g["covered"] < g["total"]] == ["reset"]
    assert {i["status"] for i in json.loads(plan.read_text())["intents"]} == {"not run"}
    last = Hits()
    last.add("reset", "soft", "Drain")
    write_hits(cover, last, {"seed": 2})
    green = call(*arguments, "--require", "all")
    assert green.returncode == 0, green.stderr


def test_bad_input_message(tmp_path: Path) -> None:
    """Could break: a trace back, or half a report, for a folder or file that is not there."""
    for arguments, message in (
        (["--cover-dir", str(tmp_path / "none")], "found no folder"),
        (["--cover-dir", str(tmp_path)], "found no functional-*.json"),
        (["--cover-dir", str(tmp_path), "--jobs", str(tmp_path / "j")], "--jobs"),
    ):
        done = call(*arguments)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
