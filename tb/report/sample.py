# SPDX-License-Identifier: Apache-2.0
"""Made-up results of a regression, to look at the page and to test it without running one.

`good()` is green in every part. Each other function breaks one thing in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

from tb.failure import Failure, Kind
from tb.records import to_plain

Sample = dict[str, Any]
"""Content of each JSON file by part, and `history`, a list."""
METRICS = ("line", "branch", "toggle", "expression")
LAYERS = ("1", "2", "3", "4")
KINDS = ("Δx", "Δh")


def good() -> Sample:
    """Results of a full cut in which everything holds."""
    return {
        "jobs": _jobs(),
        "functional": {"schema": 1, "runs": 212, "groups": _groups()},
        "plan": _plan(),
        "code": _code(),
        "mutants": _mutants(),
        "history": _history(),
    }


def red() -> Sample:
    """Results in which something of every kind is wrong, with text that must be escaped."""
    sample = good()
    for damage in BREAKS.values():
        damage(sample)
    sample["jobs"]["jobs"][3].update(
        status="failed",
        message="AssertionError: h[17] of step 4: RTL 0x01f3, golden <0x01f2> & more\n"
        "  firing (17, -12) of layer 2, Δh\n" + "  at a very long line " * 12,
        waves="build/regress/waves/a b#1.fst",
        failure=to_plain(Failure(Kind.MISMATCH, "h[17] of step 4: <0x01f2>")),
        diagnosis={
            "text": "first divergence: gate z\n  module    gate_lane\n  expected  <0.98828125>",
            "picture": "docs/waveforms_z.svg",
            "waves": "reports/localise/a b#1/replay.fst",
        },
    )
    sample["jobs"]["left_out"].append({"id": "long random networks, seed 9", "mandatory": False})
    return sample


def broken_bin(sample: Sample) -> None:
    """A bin of a key group that is no longer hit."""
    group = sample["functional"]["groups"][0]
    group["bins"][5]["hits"] = 0
    group["covered"] -= 1


def surviving_mutant(sample: Sample) -> None:
    """A mutant that no test noticed."""
    mutants = sample["mutants"]
    mutants["mutants"][0].update(status="survived", by=None)
    mutants["counts"]["killed"] -= 1
    mutants["counts"]["survived"] += 1
    mutants["score"] = mutants["counts"]["killed"] / (
        mutants["counts"]["killed"] + mutants["counts"]["survived"]
    )


def lost_job(sample: Sample) -> None:
    """A job whose worker was lost."""
    sample["jobs"]["jobs"][7].update(
        status="lost", message="worker ended by signal 9", log=None, simulator=None
    )


def failing_intent(sample: Sample) -> None:
    """An intent of which a test failed."""
    sample["plan"]["intents"][1]["status"] = "fails"


def unexplained_hole(sample: Sample) -> None:
    """A hole of code coverage without a reason."""
    sample["code"]["files"][0]["holes"][0]["reason"] = None


BREAKS: dict[str, Callable[[Sample], None]] = {
    "jobs": lost_job,
    "plan": failing_intent,
    "functional": broken_bin,
    "code": unexplained_hole,
    "mutants": surviving_mutant,
}
"""What breaks each part."""


def write(sample: Sample, folder: Path) -> Path:
    """Write the files of a sample, those that are in it, as a regression does; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in sample.items():
        if part == "history":
            text = "".join(f"{json.dumps(entry)}\n" for entry in content)
            (folder / "history.jsonl").write_text(text, encoding="utf-8")
        else:
            text = json.dumps(content, ensure_ascii=False)
            (folder / f"{part}.json").write_text(text, encoding="utf-8")
    return folder


def _jobs() -> dict[str, Any]:
    stories = ("random_networks", "every_kind_of_input", "long_sequence", "resets", "errors")
    jobs = []
    for number, (story, config, simulator) in enumerate(
        product(stories, ("w32", "w64", "w128"), ("verilator", "icarus"))
    ):
        node = f"tb/tests/system/test_networks.py::test_networks[{story}-{config}]"
        jobs.append(
            {
                "id": f"job{number:04}",
                "node": node,
                "test": "test_networks",
                "config": config,
                "simulator": simulator,
                "seed": 1 + number % 3,
                "status": "passed",
                "seconds": round(0.7 + (number * 37 % 101) ** 1.4, 3),
                "message": "",
                "rerun": f"SEED={1 + number % 3} COVERAGE=1 python -m pytest '{node}'",
                "log": f"build/regress/job{number:04}/log.txt",
                "waves": None,
            }
        )
    return {
        "schema": 1,
        "commit": "0dc8b9d564d7",
        "when": "2026-03-01T11:07:11+00:00",
        "seconds": 1421.7,
        "cut": "full",
        "workers": 2,
        "budget_s": 1800,
        "jobs": jobs,
        "left_out": [],
    }


def group(name: str, title: str, key: bool, **axes: tuple[str, ...]) -> dict[str, Any]:
    """A covered group that crosses axes; the last label of each but the first axis is excluded
    together with the first bin of the first axis if it is called "none"."""
    bins = []
    for number, at in enumerate(product(*axes.values())):
        out = at[0] == "none" and len(at) > 1 and at[-1] == list(axes.values())[-1][-1]
        reason = "a silent vector has no size class that large at this layer" if out else None
        hits = 0 if out else 1 + (number * number * 7919) % 10 ** (number % 6)
        bins.append({"at": list(at), "hits": hits, "excluded": reason})
    wanted = sum(entry["excluded"] is None for entry in bins)
    return {
        "name": name,
        "title": title,
        "key": key,
        "axes": list(axes),
        "goal": 1.0,
        "bins": bins,
        "covered": wanted,
        "total": wanted,
    }


def _groups() -> list[dict[str, Any]]:
    theta = ("0", "1", "2–15", "16–255", "256–4095", "4096–32766", "32767")
    return [
        group("theta", "Thresholds in force", True, theta=theta, kind=KINDS, layer=LAYERS),
        group("firing", "Share of a vector that fired", True,
              fired=("none", "one", "up to 1/8", "up to 1/2", "most", "all"), layer=LAYERS),
        group("silence", "Silent vectors before one that fires", False,
              silent=("0", "1", "2–3", "4–15", "16 and more")),
        group("sigma_r", "Entries of the sigma table, for r", True,
              start=tuple(str(32 * i) for i in range(8)), plus=tuple(str(i) for i in range(32))),
    ]  # fmt: skip


def _plan() -> dict[str, Any]:
    def intent(name: str, title: str, coverage: list[str], tests: list[str]) -> dict[str, Any]:
        return {
            "id": name,
            "title": title,
            "breaks": "> for >=, one sign only, a saturated Δ that wraps",
            "stimulus": "each kind of input at small and large thresholds",
            "check": "exactly the elements of the integer model fire, by exactly its Δ",
            "coverage": coverage,
            "tests": tests,
            "status": "holds",
        }

    return {
        "schema": 1,
        "intents": [
            intent("arithmetic", "Any network, bit for bit", ["sigma_r"],
                   ["tb/tests/system/test_networks.py::random_networks",
                   "tb/tests/system/test_large.py"]),
            intent("threshold", "The delta threshold decides right", ["theta", "firing"],
                   ["tb/tests/system/test_networks.py::every_kind_of_input"]),
            intent("silence", "Runs of silence", ["silence"],
                   ["tb/tests/system/test_networks.py::long_sequence"]),
        ],
        "orphans": {"tests": [], "groups": [], "intents": []},
    }  # fmt: skip


def _code() -> dict[str, Any]:
    def counts(lines: int) -> dict[str, Any]:
        return {
            "line": {"covered": lines, "total": lines, "excluded": 1},
            "branch": {"covered": lines // 3, "total": lines // 3, "excluded": 0},
            "toggle": {"covered": 9 * lines, "total": 9 * lines + lines // 3, "excluded": 40},
            "expression": {"covered": lines // 2, "total": lines // 2 + 2, "excluded": 0},
        }

    hole = {
        "line": 88,
        "metric": "line",
        "what": "default: state_d = Idle;",
        "points": 1,
        "reason": "every state is named, so the default is for lint alone",
    }
    sizes = {"delta_encoder": 140, "column_fetch": 210, "pe_array": 120, "sequencer": 260}
    files = [
        {"file": f"rtl/{name}.sv", **counts(size), "holes": [dict(hole, line=size // 2)]}
        for name, size in sizes.items()
    ]
    total = {
        metric: {
            key: sum(file[metric][key] for file in files)
            for key in ("covered", "total", "excluded")
        }
        for metric in METRICS
    }
    goals = {"line": 0.98, "branch": 0.95, "toggle": 0.90}
    return {"schema": 1, "goals": goals, "files": files, "total": total}


def _mutants() -> dict[str, Any]:
    files = ("delta_encoder", "column_fetch", "pe_array", "sequencer")
    mutants = [
        {
            "id": f"m{number:04}",
            "file": f"rtl/{files[number % 4]}.sv",
            "line": 20 + number,
            "operator": "comparison",
            "before": "assign fires = magnitude >= theta_i;",
            "after": "assign fires = magnitude > theta_i;",
            "status": "killed",
            "by": "test_networks[random_networks-w64]",
            "reason": None,
        }
        for number in range(80)
    ]
    mutants[6].update(
        status="equivalent",
        by=None,
        reason="the counter is reset before this comparison can see the value",
    )
    return {
        "schema": 1,
        "seed": 1,
        "possible": 2140,
        "goal": 0.95,
        "score": 1.0,
        "counts": {"killed": 79, "survived": 0, "equivalent": 1},
        "mutants": mutants,
    }


def _history() -> list[dict[str, Any]]:
    runs = 12
    return [
        {
            "when": f"2026-02-{10 + number:02}T09:{number:02}:00+00:00",
            "commit": f"{0xABCDEF * (number + 3):012x}"[:12],
            "cut": "full",
            "seconds": 1700 - 25 * number,
            "passed": 160 + 4 * number,
            "failed": 2 if number == 4 else 0,
            "left_out": max(0, 6 - number),
            "functional": min(1.0, 0.82 + 0.02 * number),
            "code": None
            if number in (2, 3)
            else {"line": 0.96 + 0.003 * number, "branch": 0.93 + 0.005 * number, "toggle": 0.91},
            "mutants": None if number < 5 else 0.90 + 0.009 * number,
        }
        for number in range(runs)
    ]
