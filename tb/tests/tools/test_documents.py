# SPDX-License-Identifier: Apache-2.0
"""The pages for readers name files, make targets and commands that exist."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tb.checkout import git
from tb.cli.main import COMMANDS
from tb.paths import REPO
from tb.regress.intents import collect_tests

PAGES = sorted(
    path.relative_to(REPO).as_posix()
    for folder in (".", "docs", "golden/models", "golden/clips")
    for path in (REPO / folder).glob("*.md")
)
PATH = re.compile(r"(?:rtl|tb|golden|scripts|docs)/[\w./*-]*\w")
PYPROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))


def text_of(page: str) -> str:
    """A page."""
    return (REPO / page).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page: str, text: str) -> list[str]:
    """Relative links of a page to a file, or to a heading, that does not exist."""
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (REPO / page).parent / name if name else REPO / page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            dead.append(link)
    return dead


def missing_paths(text: str) -> list[str]:
    """Paths in code of a page that no file has. Names in capitals are placeholders."""
    found = {
        path for path in PATH.findall(" ".join(_code(text))) if not re.search(r"[A-Z]{3}", path)
    }
    return sorted(path for path in found if not any(REPO.glob(path)))


def _code(text: str) -> list[str]:
    spans = re.findall(r"`([^`\n]+)`", text)
    return [*spans, *re.findall(r"^    (.+)$", text, re.MULTILINE)]


def unknown_commands(text: str) -> list[str]:
    """Make targets and sub-commands of `edgedrnn` that a page names and that do not exist."""
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    unknown = []
    for code in _code(text):
        for first, second in re.findall(r"^(make|edgedrnn) ([a-z][a-z-]+)", code):
            if second not in (targets if first == "make" else COMMANDS):
                unknown.append(f"{first} {second}")
    return unknown


@pytest.mark.parametrize("page", PAGES)
def test_names_in_a_page(page: str) -> None:
    """Could break: a page that sends its reader to a file, a target or a command that was moved."""
    text = text_of(page)
    assert dead_links(page, text) == []
    assert missing_paths(text) == []
    assert unknown_commands(text) == []


def test_wrong_names() -> None:
    """Could break: the check above, by finding nothing whatever there is."""
    text = "# A b\n[x](nowhere.md) [y](README.md#no-such) [z](#a-b)\n`tb/nothing.py` `tb/cli/`\n"
    text += "`tb/tests/rtl/test_MODULE.py`\n    make nothing\n    edgedrnn simulat\n"
    assert dead_links("README.md", text) == ["nowhere.md", "README.md#no-such", "#a-b"]
    assert missing_paths(text) == ["tb/nothing.py"]
    assert unknown_commands(text) == ["make nothing", "edgedrnn simulat"]


def test_map_of_the_packages() -> None:
    """Could break: a package that the map of the architecture page does not have."""
    page = text_of("docs/architecture.md").split("## The Python packages")[1]
    rows = " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    for contract in PYPROJECT["tool"]["importlinter"]["contracts"]:
        for layer in contract["layers"] if "containers" in contract else ():
            for name in re.findall(r"\w+", layer):
                assert f"`{name}`" in rows or name == "clips", f"{name}: not in the map"


def test_one_version() -> None:
    """Could break: a release whose citation or core file has the number of another."""
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in text_of("CITATION.cff")
    assert f'name: "::edgedrnn:{version}"' in text_of("edgedrnn.core")
    assert f"\n## [{version}]" in text_of("CHANGELOG.md")


def test_length_of_prose_lines() -> None:
    """Could break: pages with lines that no diff and no terminal shows well."""
    generated = {"docs/mutants.md", "docs/simulation_speed.md"}
    long = [
        f"{page}:{number}"
        for page in set(PAGES) - generated
        for number, line in enumerate(text_of(page).splitlines(), 1)
        if len(line) > 105 and not line.startswith(("|", "    ", "!["))
    ]
    assert long == []


def test_tracked_pages() -> None:
    """Could break: a page in a folder that the checks above do not know."""
    done = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=REPO, capture_output=True, text=True, check=False
    )
    tracked = [name for name in done.stdout.split() if not name.startswith(".github/")]
    assert {Path(name).as_posix() for name in tracked} <= set(PAGES)


def test_licence_line_of_every_source() -> None:
    """Could break: a file of which nobody can tell under which licence it is."""
    listed = (git(REPO, "ls-files", "-co", "--exclude-standard") or "").splitlines()
    assert listed
    suffixes = {".py", ".sv", ".svh", ".cpp", ".vlt", ".h"}
    sources = [REPO / name for name in listed if Path(name).suffix in suffixes]
    texts = {path: path.read_text(encoding="utf-8")[:300] for path in sources if path.is_file()}
    line = "SPDX-License-Identifier: Apache-2.0"
    assert [path.name for path, text in texts.items() if text and line not in text] == []


def test_tests_named_by_the_page_on_robustness() -> None:
    """Could break: a kind of fault whose test was renamed or dropped."""
    text = (REPO / "docs" / "robustness.md").read_text(encoding="utf-8")
    known = set(collect_tests())
    files = {test.partition("::")[0] for test in known}
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 25
    for row in rows:
        named = re.findall(r"`([\w/]*test_\w+\.py(?:::\w+)?)`", row)
        assert named, row
        for name in named:
            full = name if "/" in name else f"golden/tests/{name}"
            assert full in known or full in files, f"{name}: {row}"
