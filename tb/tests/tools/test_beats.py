# SPDX-License-Identifier: Apache-2.0
"""The codec of stream beats, the layout of columns, and the clocks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from golden.layout import column_beats, column_bytes, padded_units
from golden.timing import CLOCK_MHZ
from tb.device.beats import (
    BEAT_BYTES,
    LANES,
    beats_of,
    fields_of,
    lanes_of,
    pack,
    pack_bytes,
    signed_value,
    unpack,
    unpack_bytes,
    unpack_hex,
)
from tb.device.clock import BENCH_CLOCK_NS, RUN_CLOCK_NS
from tb.device.constants import EntryType
from tb.device.streams import ENTRY, PASS, WORK, Packed
from tb.paths import CPP_DIR, TOPS


def test_bits_of_each_element() -> None:
    """Could break: lanes or bytes in the other order. One element at a time, as docs/interfaces.md
    places it, through every form of a beat.
    """
    for lane in range(LANES):
        elements = np.zeros(LANES, np.int16)
        elements[lane] = -2
        word = 0xFFFE << 16 * lane
        assert pack(elements) == [word]
        assert pack_bytes(elements) == word.to_bytes(BEAT_BYTES, "big")
        for found in (unpack([word]), unpack_hex([f"{word:032x}"])):
            assert found.dtype == np.int16 and found.tolist() == elements.tolist()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 64])
def test_all_forms_agree(count: int) -> None:
    """Could break: a spare lane that is not 0, a beat too many, an empty packet."""
    rng = np.random.default_rng(count)
    elements = rng.integers(-(2**15), 2**15, count, np.int16)
    padded = np.concatenate([elements, np.zeros(-count % LANES, np.int16)])
    beats = pack(elements)
    assert len(beats) == beats_of(count)
    assert unpack(beats).tolist() == padded.tolist()
    assert unpack_hex([f"{beat:032x}" for beat in beats]).tolist() == padded.tolist()
    assert unpack_bytes(pack_bytes(padded)).tolist() == padded.tolist()


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("signed", [False, True])
def test_lanes_equal_fields(bits: int, signed: bool) -> None:
    """Could break: the quick reader of whole bytes and that of any width part ways."""
    rng = np.random.default_rng(bits)
    words = [int.from_bytes(rng.bytes(16), "big") for _ in range(5)]
    data = b"".join(word.to_bytes(16, "big") for word in words)
    found = lanes_of(data, 16, bits, signed=signed).tolist()
    each = (fields_of(word, bits, 128 // bits, signed=signed) for word in words)
    assert found == [value for values in each for value in values]


def test_signed_values() -> None:
    """Could break: the sign bit of a field narrower than a byte."""
    assert [signed_value(v, 3) for v in range(8)] == [0, 1, 2, 3, -4, -3, -2, -1]
    assert fields_of(0b101_011, 3, 2, signed=True) == [3, -3]
    assert fields_of(0b101_011, 3, 2) == [3, 5]


def test_padded_columns() -> None:
    """Could break: a size that is no multiple of the lanes; numbers and arrays differ."""
    assert [padded_units(units, 16) for units in (8, 16, 24)] == [16, 16, 32]
    assert column_bytes(24, 16) == 96 and column_beats(24, 16) == 6 and column_bytes(24) == 72
    units = np.array([8, 24, 40])
    for lanes in (1, 4, 8, 16, 32):
        assert column_bytes(units, lanes).tolist() == [column_bytes(int(u), lanes) for u in units]
        assert (column_beats(units, lanes) * lanes == column_bytes(units, lanes)).all()


def test_clocks_of_the_bench_tops() -> None:
    """Could break: a period that is changed in SystemVerilog or C++ alone. `run_top` and `loop_top`
    run at the clock of the published core.
    """
    assert CLOCK_MHZ * RUN_CLOCK_NS == 1000 and BENCH_CLOCK_NS > 0
    halves = re.findall(r"^ +#(\d+) clk = 1'b1", (TOPS / "run_top.sv").read_text(), re.M)
    assert halves and {2 * int(half) for half in halves} == {RUN_CLOCK_NS}
    main = (CPP_DIR / "loop_main.cpp").read_text()
    (half_ps,) = re.findall(r"HalfPeriodPs = (\d+)", main)
    assert 2 * int(half_ps) == 1000 * RUN_CLOCK_NS


@pytest.mark.parametrize("packed", [PASS, ENTRY, WORK])
def test_fields_of_a_packed_struct(packed: Packed) -> None:
    """Could break: a field in another's bits, a gap, or an unknown bit read as a number."""
    bits = sum(width for _, width in packed.fields.values())
    ones = {name: (1 << width) - 1 for name, (_, width) in packed.fields.items()}
    assert packed.word(**ones) == (1 << bits) - 1
    for name in packed.fields:
        word = packed.word(**{name: -1})
        for text in (word, f"{word:0{bits}b}"):
            assert packed.of(text, packed.fields) == tuple(
                value if other == name else 0 for other, value in ones.items()
            )


def test_unknown_field_of_a_struct() -> None:
    """Could break: the type of an entry unreadable since its delta, which it has not, is x."""
    word = f"{ENTRY.word(op=EntryType.END, layer=5):034b}"[:-16] + 16 * "x"
    assert ENTRY.of(word, ("op", "layer")) == (EntryType.END, 5)
    with pytest.raises(ValueError, match="x"):
        ENTRY.field(word, "delta")
    with pytest.raises(KeyError, match="nothing"):
        ENTRY.word(nothing=1)
