# SPDX-License-Identifier: Apache-2.0
"""The page of a regression: red whenever something is, damaged files refused, text escaped.

How it looks in a browser is asked by `make page-check`.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import pytest
from ucis.cover_type_t import CoverTypeT
from ucis.scope_type_t import ScopeTypeT
from ucis.xml.xml_factory import XmlFactory

from tb.cli import report
from tb.failure import Failure, Kind
from tb.records import to_plain
from tb.report import sample, trends
from tb.report.heatmap import heat_map, short
from tb.report.load import PARTS
from tb.report.page import clock
from tb.report.verdict import percent

TREE = "0123456789abcdef"  # what stands for the hash of this checkout
GOOD = sample.good()


def run(folder: Path, *options: str) -> tuple[int, str, str]:
    """Exit status, page and stderr of the command; the page is "" if none was written."""
    errors = io.StringIO()
    with (
        mock.patch.object(report, "tree_hash", return_value=TREE),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        status = report.main(["--reports", str(folder), *options])
    page = folder / "index.html"
    return status, page.read_text(encoding="utf-8") if page.exists() else "", errors.getvalue()


def made(folder: Path, change: Callable[[sample.Sample], object] = lambda _: None) -> Path:
    """A folder with the green sample after a change."""
    content = copy.deepcopy(GOOD)
    change(content)
    for part in PARTS:
        if isinstance(content.get(part), dict):
            content[part].setdefault("tree", TREE)
    return sample.write(content, folder)


class Elements(HTMLParser):
    """All elements of a page with their attributes; text by element is not kept."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def state(self, part: str | None = None) -> str | None:
        """State of a part, or the colour of the page."""
        key, value = ("id", "verdict") if part is None else ("data-part", part)
        return next(a["data-state"] for _, a in self.found if a.get(key) == value)


# ------------------------------------------------------------------------------------- the verdict


def test_all_green(tmp_path: Path) -> None:
    """Could break: a page that is always red, or an export that is not written."""
    status, page, said = run(made(tmp_path), "--require")
    elements = Elements(page)
    assert (status, said) == (0, "")
    assert elements.state() == "green"
    assert [elements.state(part) for part in PARTS] == ["holds"] * len(PARTS)
    assert "What is wrong" not in page


@pytest.mark.parametrize("part", PARTS)
def test_broken_part(tmp_path: Path, part: str) -> None:
    """Could break: a lost job, a failing intent, a missed bin, an unexplained hole or a surviving
    mutant under a green verdict."""
    status, page, _ = run(made(tmp_path, sample.BREAKS[part]), "--require")
    elements = Elements(page)
    assert status == 1
    assert elements.state() == "red"
    assert {p for p in PARTS if elements.state(p) == "broken"} == {part}
    assert "What is wrong" in page
    assert run(tmp_path)[0] == 0  # without --require the page alone says so


@pytest.mark.parametrize("part", PARTS)
def test_missing_part(tmp_path: Path, part: str) -> None:
    """Could break: what was never measured taken for good."""
    status, page, _ = run(made(tmp_path, lambda content: content.pop(part)), "--require")
    elements = Elements(page)
    assert (status, elements.state(), elements.state(part)) == (1, "red", "not measured")
    assert f"Not measured: reports/{part}.json is not there" in page
    others = [name for name in PARTS if name != part]
    status, page, _ = run(tmp_path, "--require", *others)
    assert (status, Elements(page).state()) == (0, "green")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("tree", ["f" * 16, None])
def test_results_of_other_files(tmp_path: Path, part: str, tree: str | None) -> None:
    """Could break: a page that is green by what an earlier run found in other files."""

    def change(content: sample.Sample) -> None:
        content[part]["tree"] = tree

    folder = made(tmp_path, change if tree else lambda _: None)
    if tree is None:  # of a version that did not say whose results they are
        path = folder / f"{part}.json"
        path.write_text(json.dumps({k: v for k, v in GOOD[part].items() if k != "tree"}))
    for name in ("junit.xml", "code.info"):
        (folder / name).touch()
    status, page, _ = run(folder, "--require")
    elements = Elements(page)
    assert (status, elements.state(), elements.state(part)) == (1, "red", "not measured")
    assert f"reports/{part}.json was measured on other files" in page
    assert {p for p in PARTS if elements.state(p) == "holds"} == set(PARTS) - {part}
    assert ("code.info" in page) == (part != "code")
    assert ("junit.xml" in page) == (part != "jobs")
    assert (folder / "coverage.ucis.xml").exists() == (part != "functional")


def test_nothing_measured(tmp_path: Path) -> None:
    """Could break: an empty folder taken for a regression without failures."""
    status, page, _ = run(tmp_path, "--require")
    assert (status, Elements(page).state()) == (1, "red")
    assert not (tmp_path / "coverage.ucis.xml").exists()


def test_red_outside_the_requirements(tmp_path: Path) -> None:
    """Could break: a red part below a plain green verdict because nobody asked for it."""
    made(tmp_path, sample.surviving_mutant)
    status, page, _ = run(tmp_path, "--require", "jobs")
    assert (status, Elements(page).state()) == (0, "amber")


def _status(state: str) -> Callable[[sample.Sample], None]:
    return lambda content: content["jobs"]["jobs"][0].update(status=state)


WRONG: dict[str, tuple[str, Callable[[sample.Sample], object]]] = {
    "test failed": ("jobs", _status("failed")),
    "test ran out of time": ("jobs", _status("timeout")),
    "no test": ("jobs", lambda c: c["jobs"]["jobs"].clear()),
    "a part of the cut": ("jobs", lambda c: c["jobs"].update(part="*test_networks*")),
    "mandatory job left out": (
        "jobs",
        lambda c: c["jobs"]["left_out"].append({"id": "resets", "mandatory": True}),
    ),
    "intent not run": ("plan", lambda c: c["plan"]["intents"][0].update(status="not run")),
    "intent open": ("plan", lambda c: c["plan"]["intents"][0].update(status="open")),
    "orphan": ("plan", lambda c: c["plan"]["orphans"]["groups"].append("firing")),
    "no intent": ("plan", lambda c: c["plan"]["intents"].clear()),
    "no group": ("functional", lambda c: c["functional"]["groups"].clear()),
    "excluded bin reached": (
        "functional",
        lambda c: c["functional"]["groups"][1]["bins"][3].update(hits=2),
    ),
    "code goal": ("code", lambda c: c["code"]["total"]["toggle"].update(covered=1)),
    "no file": ("code", lambda c: c["code"]["files"].clear()),
    "equivalent without reason": (
        "mutants",
        lambda c: c["mutants"]["mutants"][6].update(reason=None),
    ),
    "told score": ("mutants", lambda c: c["mutants"].update(score=0.5)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_other_ways_to_be_red(tmp_path: Path, wrong: str) -> None:
    """Could break: a rule of the verdict that nothing trips."""
    part, change = WRONG[wrong]
    status, page, _ = run(made(tmp_path, change), "--require")
    assert (status, Elements(page).state(part)) == (1, "broken")


def test_promises_of_the_quick_cut(tmp_path: Path) -> None:
    """Could break: a quick cut that can never be green, or one that hides an open key group."""

    def quick(content: sample.Sample) -> None:
        content["jobs"]["cut"] = "quick"
        content["plan"]["intents"][2]["status"] = "open"
        group = content["functional"]["groups"][2]
        assert not group["key"]
        group["bins"][0]["hits"] = 0
        group["covered"] -= 1

    status, page, _ = run(made(tmp_path, quick), "--require")
    assert (status, Elements(page).state()) == (0, "green")
    assert "silence: 1 bin missed" in page and "intents left open: silence" in page

    def open_key(content: sample.Sample) -> None:
        quick(content)
        sample.broken_bin(content)

    assert run(made(tmp_path, open_key), "--require")[0] == 1


# ----------------------------------------------------------------------------------- damaged files

DAMAGED: dict[str, tuple[str, Callable[[str], str], str]] = {
    "cut short": ("jobs.json", lambda text: text[:-40], "damaged JSON"),
    "empty": ("plan.json", lambda text: "", "damaged JSON"),
    "not a number": ("mutants.json", lambda text: text.replace("0.95", "NaN"), "NaN"),
    "other schema": ("code.json", lambda text: text.replace('"schema": 1', '"schema": 2'), "1"),
    "unknown status": (
        "jobs.json",
        lambda text: text.replace('"passed"', '"pased"', 1),
        "$.jobs[0].status",
    ),
    "sum of bins": (
        "functional.json",
        lambda text: text.replace('"covered": 56', '"covered": 57'),
        "group theta: says 57 of 56",
    ),
    "sum of mutants": (
        "mutants.json",
        lambda text: text.replace('"survived": 0', '"survived": 1'),
        "counts.survived",
    ),
    "labels": (
        "functional.json",
        lambda text: text.replace('["0", "Δx", "1"]', '["0", "Δx"]'),
        "has 2 labels, expected 3",
    ),
    "same bin twice": (
        "functional.json",
        lambda text: text.replace('["0", "Δx", "2"]', '["0", "Δx", "1"]'),
        "2 times, expected once",
    ),
    "line of history": ("history.jsonl", lambda text: text + '{"when": "20', "line 13"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_file_message(tmp_path: Path, damage: str) -> None:
    """Could break: a traceback, or a page made of what could be read, as if nothing was wrong."""
    name, change, expected = DAMAGED[damage]
    path = made(tmp_path) / name
    text = path.read_text(encoding="utf-8")
    path.write_text(change(text), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    status, page, said = run(tmp_path)
    assert (status, page) == (2, "")
    assert said.count("\n") == 1 and name in said and expected in said
    assert not (tmp_path / "coverage.ucis.xml").exists()


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = run(tmp_path / "none")
    assert status == 2 and "found no such folder" in said and said.count("\n") == 1
    (tmp_path / "taken").mkdir()
    status, _, said = run(made(tmp_path), "--output", str(tmp_path / "taken"))
    assert status == 2 and "found a folder" in said and said.count("\n") == 1
    with pytest.raises(SystemExit) as stop:
        report.main(["--require", "coffee"])
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


# -------------------------------------------------------------------------------------- the page


def test_escaped_text(tmp_path: Path) -> None:
    """Could break: a test's name or message that becomes markup."""
    evil = "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>"

    def change(content: sample.Sample) -> None:
        job = content["jobs"]["jobs"][0]
        job.update(status="failed", node=evil, message=evil, config=evil, log=evil, rerun=evil)
        job["diagnosis"] = {"text": evil, "picture": evil, "waves": evil}
        content["plan"]["intents"][0].update(title=evil, breaks=evil, tests=[evil])
        content["plan"]["orphans"]["tests"] = [evil]
        content["functional"]["groups"][1].update(title=evil, axes=[evil, "b"])
        content["functional"]["groups"][1]["bins"][3].update(excluded=evil)
        content["code"]["files"][0]["holes"][0].update(what=evil, reason=evil)
        content["mutants"]["mutants"][6].update(before=evil, after=evil, reason=evil)
        content["history"][-1]["commit"] = evil

    _, page, _ = run(made(tmp_path, change))
    elements = Elements(page).found
    assert [tag for tag, _ in elements].count("script") == 1  # the page's own
    assert "img" not in [tag for tag, _ in elements]
    assert not [a for _, a in elements if any(name.startswith("on") for name in a)]
    assert page.count("&lt;script&gt;alert(1)") >= 12


def test_kind_of_a_failure_on_the_page(tmp_path: Path) -> None:
    """Could break: a hang and a wrong value that look the same until one reads the message."""

    def change(content: sample.Sample) -> None:
        for job, kind in zip(content["jobs"]["jobs"], (Kind.HANG, Kind.MISMATCH), strict=False):
            failure = to_plain(Failure(kind, "no"))
            job.update(status="failed", message="no", simulator="icarus", failure=failure)

    _, page, _ = run(made(tmp_path, change))
    assert '<p class="facts">hang, icarus' in page and '<p class="facts">mismatch, icarus' in page


def test_self_contained_page(tmp_path: Path) -> None:
    """Could break: a font, script or style from elsewhere; a page that needs the network."""
    _, page, _ = run(made(tmp_path, lambda content: content.update(sample.red())))
    for tag, attributes in Elements(page).found:
        assert tag not in ("iframe", "object", "embed", "base")
        assert "srcset" not in attributes
        assert (attributes.get("src") or "data:").startswith("data:")
        href = attributes.get("href") or ""
        assert tag in ("a", "link") or not href
        if tag == "a":
            assert href.startswith(("#", "./")), href
        elif href:
            assert href == "data:,"
    assert "://" not in page and "@import" not in page and "url(" not in page


def test_rerun_log_and_waves_of_failures(tmp_path: Path) -> None:
    """Could break: links that do not lead from the page's folder to the file."""

    def change(content: sample.Sample) -> None:
        job = content["jobs"]["jobs"][0]
        job.update(status="failed", log="build/a b/100%#1.txt", waves="build/x.fst")

    reports = made(tmp_path / "reports", change)
    _, page, _ = run(reports, "--output", str(reports / "index.html"))
    assert "python -m pytest &#39;tb/tests/system/test_networks.py" in page
    hrefs = [attributes.get("href") or "" for _, attributes in Elements(page).found]
    assert any(href.endswith("/build/a%20b/100%25%231.txt") for href in hrefs)
    assert any(href.endswith("/build/x.fst") for href in hrefs)


def test_diagnosis_of_a_failure(tmp_path: Path) -> None:
    """Could break: a picture that is a link to a file that the reader lacks; text without it."""
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    (tmp_path / "drawn.svg").write_bytes(drawing)
    found = {"text": "first divergence: gate z\n  module    gate_lane", "waves": "reports/x.fst"}

    def change(content: sample.Sample) -> None:
        jobs = content["jobs"]["jobs"]
        drawn, lost, helpless = str(tmp_path / "drawn.svg"), str(tmp_path / "lost.svg"), None
        for job, picture in zip(jobs, (drawn, lost, helpless), strict=False):
            job.update(status="failed", diagnosis=found | {"picture": picture})
        jobs[2]["diagnosis"] = {"text": "not localised: no trace", "picture": None, "waves": None}

    _, page, _ = run(made(tmp_path / "reports", change))
    images = [attributes for tag, attributes in Elements(page).found if tag == "img"]
    assert [image["alt"] for image in images] == ["Timing diagram: first divergence: gate z"]
    kind, content = str(images[0]["src"]).split(",")
    assert (kind, base64.b64decode(content)) == ("data:image/svg+xml;base64", drawing)
    assert page.count(found["text"]) == 2 and "waves.py reports/x.fst" in page
    assert f"The timing diagram {tmp_path}/lost.svg is not there any more" in page
    assert '<pre class="diagnosis">not localised: no trace</pre>' in page


def test_targets_of_internal_links(tmp_path: Path) -> None:
    _, page, _ = run(made(tmp_path, lambda content: content.update(sample.red())))
    elements = Elements(page).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    hrefs = {attributes.get("href") or "" for tag, attributes in elements if tag == "a"}
    assert {href[1:] for href in hrefs if href.startswith("#")} <= set(ids)


def test_links_to_exports(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "junit.xml").write_text("<testsuites/>", encoding="utf-8")
    _, page, _ = run(tmp_path)
    hrefs = [attributes.get("href") for _, attributes in Elements(page).found]
    assert "./junit.xml" in hrefs and "./coverage.ucis.xml" in hrefs
    assert "./code.info" not in hrefs


# ------------------------------------------------------------------------------- its ingredients


def test_every_bin_in_the_heat_map() -> None:
    """Could break: a bin dropped or put elsewhere by the layout of a cross."""
    group = sample.group("g", "", True, a=("0", "1", "2"), b=tuple("stuvwxyz"), c=("p", "q"))
    for number, entry in enumerate(group["bins"]):
        entry["hits"] = number
    group["bins"][7]["excluded"] = "cannot be"
    del group["bins"][-1]
    laid = heat_map(group)
    assert (laid.row_axes, laid.column_axes) == (("a",), ("b", "c"))
    texts = {
        (*row, *column): cell
        for row, cells in laid.rows
        for column, cell in zip(laid.columns, cells, strict=True)
    }
    assert [texts[tuple(e["at"])].text for e in group["bins"]] == [
        "×7" if e["excluded"] else str(e["hits"]) for e in group["bins"]
    ]
    assert texts["0", "s", "p"].kind == "m" and texts["2", "z", "p"].kind == "h5"
    assert texts["2", "z", "q"].kind == "a" and len(texts) == 48


def test_strip_for_one_axis() -> None:
    laid = heat_map(sample.group("g", "", True, a=("0", "1")))
    assert laid.row_axes == () and [column for column in laid.columns] == [("0",), ("1",)]


def test_gaps_in_trends() -> None:
    """Could break: a gap drawn as if it had been measured, other cuts mixed in."""
    history = copy.deepcopy(GOOD["history"])
    history.append({**history[-1], "cut": "quick", "functional": 0.1})
    coverage, tests, minutes = trends.charts(history, "full")
    lines = {line.name: line for line in coverage.lines}
    assert [len(segment) for segment in lines["line"].segments] == [2, 8]
    assert [len(segment) for segment in lines["functional"].segments] == [12]
    for chart in (coverage, tests, minutes):
        for point in (p for line in chart.lines for s in line.segments for p in s):
            assert 0 <= point.x <= trends.WIDTH and 0 <= point.y <= trends.HEIGHT
    assert [len(chart.lines[0].segments[0]) for chart in trends.charts(history, "quick")] == [1] * 3
    assert trends.charts([], "full") == []


def test_figures_in_words() -> None:
    """Could break: 99.96 % shown as 100 %, five characters in a cell of a heat map."""
    assert [percent(s) for s in (1, 0.9996, 0.5, 0)] == ["100 %", "99.9 %", "50 %", "0 %"]
    assert [short(n) for n in (0, 999, 1000, 9949, 9950, 999_499, 999_500, 12_000_000)] == (
        ["0", "999", "1.0k", "9.9k", "10k", "999k", "1.0M", "12M"]
    )
    assert [clock(s) for s in (0.04, 42, 185, 3720)] == [
        "0.0 s",
        "42 s",
        "3 min 05 s",
        "1 h 02 min",
    ]


def test_ucis_round_trip(tmp_path: Path) -> None:
    """Could break: an export that tools refuse, with other bins or hits than the page's."""
    run(made(tmp_path))
    text = (tmp_path / "coverage.ucis.xml").read_text(encoding="utf-8")
    database = XmlFactory.read(str(tmp_path / "coverage.ucis.xml"))
    (instance,) = database.scopes(ScopeTypeT.INSTANCE)
    groups = {g.getScopeName(): g for g in instance.scopes(ScopeTypeT.COVERGROUP)}
    assert list(groups) == [group["name"] for group in GOOD["functional"]["groups"]]
    (inner,) = groups["firing"].scopes(ScopeTypeT.COVERINSTANCE)
    (cross,) = inner.scopes(ScopeTypeT.CROSS)
    bins = {b.getName(): b.getCoverData().data for b in cross.coverItems(CoverTypeT.CVGBIN)}
    assert bins == {
        ", ".join(entry["at"]): entry["hits"]
        for entry in GOOD["functional"]["groups"][1]["bins"]
        if entry["excluded"] is None
    }
    assert 'writtenBy="edgedrnn"' in text


def test_sample_as_json() -> None:
    """Could break: a sample that only Python could hold, so that tests prove nothing of files."""
    assert json.loads(json.dumps(GOOD)) == GOOD
