# SPDX-License-Identifier: Apache-2.0
"""What a campaign found: the numbers, the JSON file and the page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golden.files import write_text
from tb.mutation.campaign import Verdict

KILLED, SURVIVED, EQUIVALENT = "killed", "survived", "equivalent"


def summary(
    verdicts: Sequence[Verdict],
    reasons: Mapping[str, str],
    *,
    seed: int,
    possible: int,
    goal: float,
    quick: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Contents of ``reports/mutants.json``.

    ``quick``: the tests, or files of them, that `make quick` gives a change of each source file.
    """
    rows = []
    for verdict in sorted(verdicts, key=lambda v: (v.mutant.file, v.mutant.edit.start)):
        mutant = verdict.mutant
        reason = reasons.get(mutant.id)
        status = KILLED if verdict.by else EQUIVALENT if reason else SURVIVED
        rows.append(
            {
                "id": mutant.id,
                "file": mutant.file,
                "line": mutant.line,
                "operator": mutant.edit.operator,
                "before": mutant.before,
                "after": mutant.after,
                "status": status,
                "by": verdict.by,
                "quick": _by_one_of(verdict.by, quick.get(mutant.file, ())),
                "reason": reason,
            }
        )
    count = Counter(row["status"] for row in rows)
    judged = count[KILLED] + count[SURVIVED]
    return {
        "schema": 1,
        "seed": seed,
        "possible": possible,
        "goal": goal,
        "score": count[KILLED] / judged if judged else 0.0,
        "quick": sum(bool(row["quick"]) for row in rows) / judged if judged else 0.0,
        "counts": {status: count[status] for status in (KILLED, SURVIVED, EQUIVALENT)},
        "mutants": rows,
    }


def _by_one_of(by: str | None, nodes: Sequence[str]) -> bool:
    """Whether a verdict's text, ``node: message``, names one of these tests or files.

    pytest names a file outside the repository from another root: the end of its path counts.
    """
    if by is None:
        return False
    node = by.partition(": ")[0]
    names = (node, node.partition("::")[0])
    return any(one == name or one.endswith(f"/{name}") for one in nodes for name in names)


def complaints(found: Mapping[str, Any]) -> list[str]:
    """What makes a result red, a line each: score, survivors, equivalents that a test kills."""
    lines = []
    for row in found["mutants"]:
        where = f"{row['id']} {row['file']}:{row['line']}"
        if row["status"] == SURVIVED:
            lines.append(f"{where}: survived: {row['before']}  ->  {row['after']}")
        elif row["status"] == KILLED and row["reason"]:
            lines.append(f"{where}: said to be equivalent, killed by {row['by']}")
    if found["score"] < found["goal"]:
        lines.append(f"score {found['score']:.1%}, goal {found['goal']:.0%}")
    if found["quick"] < found["goal"]:
        lines.append(f"score of make quick {found['quick']:.1%}, goal {found['goal']:.0%}")
    return lines


def by_file(found: Mapping[str, Any]) -> list[tuple[str, Counter[str]]]:
    """Counts of each status by file, in the order of the files."""
    counts: dict[str, Counter[str]] = {}
    for row in found["mutants"]:
        counts.setdefault(row["file"], Counter())[row["status"]] += 1
    return sorted(counts.items())


def table(found: Mapping[str, Any]) -> str:
    """Markdown: a row a file."""
    lines = [
        "| file | mutants | killed | equivalent | survived |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    total: Counter[str] = Counter()
    for file, count in by_file(found):
        total += count
        lines.append(_row(f"`{file}`", count))
    return "\n".join([*lines, _row("**all**", total)])


def _row(name: str, count: Counter[str]) -> str:
    figures = (count.total(), count[KILLED], count[EQUIVALENT], count[SURVIVED])
    return f"| {name} | {' | '.join(map(str, figures))} |"


def page(found: Mapping[str, Any]) -> str:
    """``docs/mutants.md``."""
    count = found["counts"]
    text = [
        "# Mutants",
        "",
        "<!-- written by scripts/mutants.py --markdown -->",
        "",
        "Would the tests detect it if the RTL were wrong? `make mutants` changes the RTL in one",
        "place at a time (an operator, condition, constant, index, assignment or reset value) and",
        "runs the tests until one fails. If all tests pass, the mutant either has no visible",
        "effect, and `tb/tables/mutants.toml` says why, or it shows that a test is missing.",
        "",
        f"Of {found['possible']:,} possible mutants {len(found['mutants'])} were drawn (seed "
        f"{found['seed']}): {count[KILLED]} killed, {count[SURVIVED]} survived, "
        f"{count[EQUIVALENT]} equivalent.",
        f"Score: **{found['score']:.1%}** (goal {found['goal']:.0%}), which is killed / "
        "(killed + survived).",
        f"`make quick` after a change of the file alone kills **{found['quick']:.1%}**.",
        "The tests were improved for the survivors of this sample, so the score is optimistic for",
        "it. Another `--seed` draws mutants that nobody has looked at.",
        "",
        table(found),
    ]
    for status, title in ((SURVIVED, "Survivors"), (EQUIVALENT, "Equivalent, and why")):
        rows = [row for row in found["mutants"] if row["status"] == status]
        if rows:
            text += ["", f"## {title}", ""]
        for row in rows:
            text.append(f"* `{row['file']}:{row['line']}` {row['operator']}<br>")
            text.append(f"  `{row['before']}`<br>`{row['after']}`<br>")
            text.append(f"  {row['reason'] or 'no test notices'}")
    return "\n".join(text) + "\n"


def write(found: Mapping[str, Any], path: Path) -> None:
    """The JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
