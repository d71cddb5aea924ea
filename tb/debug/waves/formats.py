# SPDX-License-Identifier: Apache-2.0
"""How a value is written: bits, numbers, fixed point, names of enums, several lanes in one word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tb.debug.wave_query import WaveError

SYNTAX = re.compile(
    r"(?P<what>bit|bin|hex|dec|signed|enum|(?P<u>U?)Q(?P<m>\d+)\.(?P<n>\d+))(?P<many>\[\])?$"
)


@dataclass(frozen=True)
class Format:
    """``what``: bit, bin, hex, dec, signed, enum or fixed; ``fraction`` bits of fixed point.

    ``bits``: of one element where several share a word, the first in the lowest bits; 0: the word
    is one element. ``name``: of the format or, with its ``names``, of the enum.
    """

    what: str
    fraction: int = 0
    signed: bool = False
    bits: int = 0
    name: str = ""
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, enum: tuple[str, Mapping[int, str]] | None = None) -> Format:
        """From ``bit``, ``bin``, ``hex``, ``dec``, ``signed``, ``enum``, ``Q8.8``, ``UQ1.8[]``"""
        match = SYNTAX.match(text)
        if not match or (match["many"] and match["m"] is None):
            raise WaveError(
                f"format: found {text!r}, expected bit, bin, hex, dec, signed, enum, Qm.n or UQm.n,"
                " with [] behind it if a word holds several"
            )
        if match["m"] is None:
            name, names = enum or (text, {})
            return cls(text, signed=text == "signed", name=name, names=names)
        whole, fraction = int(match["m"]), int(match["n"])
        bits = whole + fraction if match["many"] else 0
        return cls("fixed", fraction, not match["u"], bits, text.removesuffix("[]"))

    def lanes(self, width: int) -> int:
        """Elements in a word of ``width`` bits."""
        return width // self.bits if self.bits else 1

    def one(self, value: int, width: int) -> str:
        """Text of one element of ``width`` bits."""
        if self.signed and value >> (width - 1):
            value -= 1 << width
        if self.what == "fixed":
            return fixed_point(value, self.fraction)
        if self.what == "enum":
            return self.names.get(value, f"?{value}")
        if self.what == "hex":
            return f"{value:0{-(-width // 4)}x}"
        return f"{value:0{width}b}" if self.what == "bin" else str(value)

    def text(self, value: int | None, width: int) -> str:
        """Text of a value; ``x`` for None, an unknown one."""
        if value is None:
            return "x"
        each = self.bits or width
        parts = [(value >> (lane * each)) & ((1 << each) - 1) for lane in range(self.lanes(width))]
        return " ".join(self.one(part, each) for part in parts)


def fixed_point(value: int, fraction: int) -> str:
    """A fixed-point number, rounded to 4 digits or, of more than 8 fraction bits, to 5."""
    text = f"{value / (1 << fraction):.{4 if fraction <= 8 else 5}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
