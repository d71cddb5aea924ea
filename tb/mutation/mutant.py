# SPDX-License-Identifier: Apache-2.0
"""One fault in the RTL: its place, the text that replaces it, and a stable name."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Characters ``start`` to ``end`` of a file become ``text``.

    ``held``: instead of that, the statement at this place is not executed.
    """

    start: int
    end: int
    operator: str
    text: str
    held: bool = False


@dataclass(frozen=True)
class Mutant:
    """An edit of a file with its name.

    ``id`` follows from the lines that change, not from their place, so that it survives edits
    elsewhere. ``number`` is what the simulation is given. ``before`` and ``after`` are the whole
    lines, with single blanks.
    """

    id: str
    number: int
    file: str
    line: int
    edit: Edit
    before: str
    after: str


def squeeze(text: str) -> str:
    """The words of a text with one blank between them."""
    return " ".join(text.split())


def name_edits(file: str, text: str, edits: Iterable[Edit]) -> list[Mutant]:
    """Mutants of ``file`` (its content: ``text``), in the order of the text; equal ones once."""
    found: list[Mutant] = []
    seen: Counter[tuple[str, str]] = Counter()
    known: set[tuple[int, int, str]] = set()
    stem = file.rsplit("/", 1)[-1].removesuffix(".sv")
    for edit in sorted(edits, key=lambda e: (e.start, e.end, e.operator, e.text)):
        if (edit.start, edit.end, edit.text) in known:
            continue
        known.add((edit.start, edit.end, edit.text))
        first = text.rfind("\n", 0, edit.start) + 1
        last = text.find("\n", edit.end)
        last = len(text) if last < 0 else last
        before = squeeze(text[first:last])
        after = squeeze(text[first : edit.start] + edit.text + text[edit.end : last])
        occurrence = seen[before, after]
        seen[before, after] += 1
        words = "\0".join([file, before, after, str(occurrence)])
        digest = hashlib.sha256(words.encode()).digest()
        found.append(
            Mutant(
                id=f"{stem}-{digest.hex()[:8]}",
                number=zlib.crc32(digest) & 0x7FFFFFFF or 1,
                file=file,
                line=text.count("\n", 0, edit.start) + 1,
                edit=edit,
                before=before,
                after=after,
            )
        )
    return found
