# SPDX-License-Identifier: Apache-2.0
"""Mistakes in TOML files are told in one line: file, key, what was found, what is expected."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from golden.toml_file import Count, Positive, Text, TomlError, read_toml


class Row(Struct, frozen=True, forbid_unknown_fields=True):
    names: Annotated[tuple[Text, ...], Meta(min_length=1)]
    number: Count = 1
    share: Positive = 0.5
    on: bool = True

    def __post_init__(self) -> None:
        if self.number > 9 and not self.on:
            raise ValueError("number: found more than 9, expected fewer while off")


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    rows: tuple[Row, ...] = ()
    kind: Literal["slow", "fast"] = "slow"
    most: Annotated[int, Meta(le=7)] | None = None


class Round(Struct, frozen=True, forbid_unknown_fields=True, tag_field="shape", tag="round"):
    radius: float


class Square(Struct, frozen=True, forbid_unknown_fields=True, tag_field="shape", tag="square"):
    side: float


GOOD = "[good]\nrows = [{names = ['a']}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bad = 3", "bad: found 3, expected a table"),
        ("[bad]\nrow = []", "bad.row: found an unknown key, expected only kind, most, rows"),
        ("[bad]\nrows = [{}]", "bad.rows[0].names: found nothing, expected a value"),
        ("[bad]\nrows = 'a'", "bad.rows: found 'a', expected a list"),
        ("[bad]\nrows = [{names = []}]", "bad.rows[0].names: found [], expected a list of a length"
         " from 1 up"),
        ("[bad]\nrows = [{names = ['a', ' ']}]", "bad.rows[0].names[1]: found ' ', expected text"
         " that says something"),
        ("[bad]\nrows = [{names = ['a'], number = 0}]", "bad.rows[0].number: found 0, expected an"
         " integer from 1 up"),
        ("[bad]\nrows = [{names = ['a'], number = true}]", "bad.rows[0].number: found True,"
         " expected an integer"),
        ("[bad]\nrows = [{names = ['a'], share = 0}]", "bad.rows[0].share: found 0, expected a"
         " number above 0"),
        ("[bad]\nrows = [{names = ['a'], on = 1}]", "bad.rows[0].on: found 1, expected true or"
         " false"),
        ("[bad]\nrows = [{names = ['a'], on = false, number = 10}]", "bad.rows[0].number: found"
         " more than 9, expected fewer while off"),
        ("[bad]\nkind = 'fats'", "bad.kind: found 'fats', expected one of 'fast', 'slow'"),
        ("[bad]\nmost = 8", "bad.most: found 8, expected an integer up to 7"),
        ("[bad]\nmost = 'x'", "bad.most: found 'x', expected an integer"),
    ],
)  # fmt: skip
def test_mistake_in_a_file(tmp_path: Path, text: str, message: str) -> None:
    """Could break: a message that names another table of the file, or none at all."""
    path = tmp_path / "tables.toml"
    path.write_text(f"{GOOD}\n{text}\n" if text.startswith("[") else f"{text}\n{GOOD}")
    with pytest.raises(TomlError) as caught:
        read_toml(path, dict[str, Table])
    assert str(caught.value) == f"tables.toml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("radius = 1", "shape: found nothing, expected a value"),
        ("shape = 'flat'", "shape: found 'flat', expected one of 'round', 'square'"),
        ("shape = 'round'\nside = 1", "side: found an unknown key, expected only radius"),
    ],
)
def test_mistake_in_a_file_of_several_kinds(tmp_path: Path, text: str, message: str) -> None:
    """Could break: keys of the other kind are taken for known ones."""
    path = tmp_path / "shape.toml"
    path.write_text(text)
    with pytest.raises(TomlError) as caught:
        read_toml(path, Round | Square)  # type: ignore[arg-type]  # a union is no class
    assert str(caught.value) == f"shape.toml: {message}"


@pytest.mark.parametrize(
    ("content", "found"), [(None, "no such file"), (b"\xff", "UTF-8"), (b"a = ", "a mistake")]
)
def test_file_that_is_not_toml(tmp_path: Path, content: bytes | None, found: str) -> None:
    """Could break: a traceback instead of a line that names the file."""
    path = tmp_path / "some.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        TomlError, match=rf"some\.toml: file: found .*{found}.*, expected"
    ) as caught:
        read_toml(path, dict[str, Table])
    assert "\n" not in str(caught.value)


def test_good_file(tmp_path: Path) -> None:
    """Could break: defaults, or an integer where a number is asked for."""
    path = tmp_path / "tables.toml"
    path.write_text(GOOD + "[more]\nrows = [{names = ['b', 'c'], share = 2}]\nmost = 7\n")
    tables = read_toml(path, dict[str, Table])
    assert tables["good"] == Table(rows=(Row(("a",)),))
    assert tables["more"] == Table(rows=(Row(("b", "c"), share=2.0),), most=7)
