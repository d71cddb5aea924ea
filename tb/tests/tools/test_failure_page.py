# SPDX-License-Identifier: Apache-2.0
"""A regression of a core with a fault: its page says where it went wrong, and draws it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tb.debug.divergence import planted
from tb.settings import child_env, settings

CUT = """
[cut.one]
functional = "off"
code = "off"
[[cut.one.tests]]
nodes = ["{node}"]
"""


def test_diagnosis_on_the_page_of_a_failure(tmp_path: Path) -> None:
    """Could break: a red regression that leaves finding the first wrong value to the reader.

    Every odd column is fetched from the address after its own: the page must name who asked for it.
    """
    case = next(case for case in planted.load() if case.name == "address of every odd column")
    planted.plant(case, tmp_path)
    for other in [*tmp_path.glob("golden/tests/test_*"), *tmp_path.glob("tb/tests/*/test_*.py")]:
        if other.name != Path(case.test.split("::")[0]).name:
            other.unlink()
    (tmp_path / "tb" / "tables" / "regress.toml").write_text(CUT.format(node=case.test))
    words = ["--cut", "one", "--workers", "1", "--no-waves-on-failure"]
    done = subprocess.run(
        [sys.executable, "scripts/regress.py", *words],
        cwd=tmp_path,
        env=child_env(settings().for_child()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (job,) = json.loads((tmp_path / "reports" / "jobs.json").read_text())["jobs"]
    text = job["diagnosis"]["text"]
    lines = text.splitlines()
    assert lines[0] == "first divergence: address of a request", text
    assert lines[1].split() == ["module", "column_fetch"], text
    assert text in done.stdout

    page = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert f'<pre class="diagnosis">{lines[0]}' in page
    (drawn,) = re.findall(r'<img [^>]*src="data:image/svg\+xml;base64,([^"]+)"', page)
    picture = base64.b64decode(drawn)
    assert picture == (tmp_path / job["diagnosis"]["picture"]).read_bytes()
    said = "".join(ElementTree.fromstring(picture).itertext())
    assert "expected (golden)" in said and "address of a request" in said
    assert (tmp_path / job["diagnosis"]["waves"]).stat().st_size > 0
