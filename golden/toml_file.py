# SPDX-License-Identifier: Apache-2.0
"""TOML files read into typed records (`msgspec.Struct`), every mistake told in one line.

A record is declared with ``frozen=True, forbid_unknown_fields=True``; its types say what is
allowed, with `msgspec.Meta` for bounds and `Literal` for words. What depends on two keys is checked
in its ``__post_init__``, which raises ``ValueError("key: found ..., expected ...")``.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import msgspec
from msgspec import inspect

Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
"""Text that says something."""
Positive = Annotated[float, msgspec.Meta(gt=0)]
"""A number above 0."""
Count = Annotated[int, msgspec.Meta(ge=1)]
"""An integer from 1 up."""

_T = TypeVar("_T")
_NOUNS = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS = {">=": "from {} up", ">": "above {}", "<=": "up to {}", "<": "below {}"}


class TomlError(ValueError):
    """A TOML file that cannot be used: ``file: key: found ..., expected ...``, one line."""

    @classmethod
    def of(cls, source: object, key: str, found: object, expected: object) -> Self:
        """The error for `key` of `source`."""
        return cls(f"{source}: {key}: found {found}, expected {expected}")


def read_toml(
    path: Path, kind: type[_T], error: type[TomlError] = TomlError, source: str = ""
) -> _T:
    """The content of the file `path` as a `kind`: a record, or ``dict[str, record]``. `source` is
    its name in messages, the file's own where it is empty.

    Raises `error`, of one line, for a file that is missing, is not TOML, or is not such a `kind`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as reason:
        raise error.of(
            source or path, "file", str(reason.strerror).lower(), "a TOML file"
        ) from None
    except UnicodeDecodeError:
        raise error.of(source or path, "file", "bytes that are not UTF-8", "a TOML file") from None
    return parse_toml(text, kind, source or path.name, error)


def parse_toml(text: str, kind: type[_T], source: str, error: type[TomlError] = TomlError) -> _T:
    """TOML text as a `kind`; `source` is its name in messages. Raises `error` of one line."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        raise error.of(source, "file", f"a mistake ({reason})", "TOML") from None
    return typed(content, kind, source, error)


def typed(
    content: Mapping[str, Any], kind: type[_T], source: str, error: type[TomlError] = TomlError
) -> _T:
    """What TOML text was parsed to as a `kind`. Raises `error` of one line, as `parse_toml`."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as reason:
        raise error.of(source, *_explained(content, kind, str(reason))) from None


def _explained(content: Any, kind: Any, message: str) -> tuple[str, str, str]:
    """(key, found, expected) of a message of msgspec's, such as "Expected `int`, got `str` - at
    `$.a[0].b`".
    """
    what, _, place = message.rpartition(" - at ")
    if not what:
        what, place = message, "`$`"
    path = _path(content, kind, message, place.strip("`"))
    value, found_kind = content, _chosen(inspect.type_info(kind), content)
    for step in path:
        below = _below(found_kind, step)
        value = value[step]
        found_kind = _chosen(below, value)
    if told := re.fullmatch(r"(?:([\w.\[\]]+): )?found (.+), expected (.+)", what):
        return _name([*path, *filter(None, [told[1]])]), told[2], told[3]
    if lacking := re.fullmatch(r"Object missing required field `(.+)`", what):
        return _name([*path, lacking[1]]), "nothing", "a value"
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        fields = getattr(found_kind, "fields", ())
        known = ", ".join(sorted(field.encode_name for field in fields))
        return _name([*path, unknown[1]]), "an unknown key", f"only {known}"
    return _name(path), repr(value), _expected(what, found_kind)


def _expected(what: str, kind: inspect.Type) -> str:
    """The part of a message that tells what is allowed, in words."""
    if isinstance(kind, inspect.LiteralType):
        return f"one of {', '.join(map(repr, kind.values))}"
    wanted = what.removeprefix("Expected ").partition(", got ")[0]
    if "matching regex" in wanted:
        return "text that says something" if r"'\\S'" in wanted else wanted.replace("`", "")
    bound = re.fullmatch(r"`(\w+)` (of length )?([<>]=?) (\S+)", wanted)
    if bound:
        limit = _BOUNDS[bound[3]].format(bound[4].removesuffix(".0"))
        length = "of a length " if bound[2] else ""
        return f"{_NOUNS.get(bound[1], bound[1])} {length}{limit}"
    return " or ".join(
        _NOUNS.get(noun, noun) for noun in re.findall(r"[\w]+", wanted) if noun != "null"
    )


def _path(content: Any, kind: Any, message: str, place: str) -> list[str | int]:
    """The keys and indices of ``$.a[0][...].b``. ``[...]`` is some key of a mapping: the first
    that still makes the mistake when the mapping holds nothing else.
    """
    path: list[str | int] = []
    for name, index in re.findall(r"\.([^.\[\]]+)|\[([^\]]+)\]", place):
        if index == "...":
            path.append(_culprit(content, kind, message, path))
        else:
            path.append(name or int(index))
    return path


def _culprit(content: Any, kind: Any, message: str, path: list[str | int]) -> str:
    mapping = content
    for step in path:
        mapping = mapping[step]
    for key, value in mapping.items():
        try:
            msgspec.convert(_with(content, path, {key: value}), kind)
        except msgspec.ValidationError as reason:
            if str(reason) == message:
                return str(key)
    raise AssertionError(f"{message}: no key of {list(mapping)} makes it")


def _with(content: Any, path: list[str | int], value: Any) -> Any:
    """`content` with the part at `path` replaced by `value`."""
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = _with(content[path[0]], path[1:], value)
    return copy


def _below(kind: inspect.Type, step: str | int) -> inspect.Type:
    """The type at a key or index of a value of type `kind`."""
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            if field.encode_name == step:
                return field.type
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return kind.item_type
    if isinstance(kind, inspect.UnionType):
        tags = [one.tag for one in kind.types if isinstance(one, inspect.StructType)]
        return inspect.LiteralType(tuple(tag for tag in tags if isinstance(tag, str)))
    return inspect.AnyType()


def _chosen(kind: inspect.Type, value: Any) -> inspect.Type:
    """The type in a union that a value is meant to have: the record of its tag, or all but None."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    some = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    given = value if isinstance(value, Mapping) else {}
    for one in some:
        tag_field = one.tag_field if isinstance(one, inspect.StructType) else None
        if tag_field and given.get(tag_field) == getattr(one, "tag", None):
            return one
    return some[0] if len(some) == 1 else kind


def _name(path: list[str | int]) -> str:
    """``cut.quick.tests[0].seeds``."""
    return "".join(_parts(path)) or "file"


def _parts(path: list[str | int]) -> Iterator[str]:
    for place, step in enumerate(path):
        yield f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
