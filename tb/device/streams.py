# SPDX-License-Identifier: Apache-2.0
"""What travels between modules of the core: words of the packed structs of `edgedrnn_pkg`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tb.device.constants import ENTRY_FIELDS, PASS_FIELDS, WORK_FIELDS


class Packed:
    """A packed struct: its fields to a word and back."""

    def __init__(self, fields: Mapping[str, tuple[int, int]]) -> None:
        self.fields = dict(fields)

    def word(self, **values: int) -> int:
        """The word with these fields, the others 0; a negative value is two's complement.

        Raises KeyError for a field that is not the struct's.
        """
        word = 0
        for name, value in values.items():
            low, bits = self.fields[name]
            word |= (value & ((1 << bits) - 1)) << low
        return word

    def field(self, word: object, name: str) -> int:
        """A field, unsigned, of a word: an integer, or a value of cocotb, of which other fields may
        be unknown. Raises ValueError if this one is, KeyError if the struct has none of the name.
        """
        low, bits = self.fields[name]
        if isinstance(word, int):
            return word >> low & ((1 << bits) - 1)
        digits = str(word)
        return int(digits[len(digits) - low - bits : len(digits) - low], 2)

    def of(self, word: object, names: Iterable[str]) -> tuple[int, ...]:
        """Several fields of a word; see `field`."""
        return tuple(self.field(word, name) for name in names)


PASS = Packed(PASS_FIELDS)
"""From the sequencer to the encoder."""
ENTRY = Packed(ENTRY_FIELDS)
"""From the encoder to column_fetch."""
WORK = Packed(WORK_FIELDS)
"""From column_fetch through the work queue to the PEs."""
