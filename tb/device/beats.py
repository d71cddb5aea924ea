# SPDX-License-Identifier: Apache-2.0
"""Beats of the streams and words of several values: the one codec.

A beat of the x and h streams holds `LANES` int16 elements, element e in bits 16e + 15 : 16e. It
goes as an integer over a bus, as bytes with the most significant first into a file that a simulator
reads, and as a hex word, most significant digit first, into one that it writes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.device.constants import ACT_BITS, VEC_LANES

LANES = VEC_LANES
"""Elements in a beat."""
BEAT_BYTES = LANES * ACT_BITS // 8


def beats_of(elements: int) -> int:
    """Beats that this many elements take."""
    return -(-elements // LANES)


def pack(elements: np.ndarray) -> list[int]:
    """int16 elements as beats; the last beat's spare lanes are 0."""
    padded = np.zeros(beats_of(len(elements)) * LANES, np.int16)
    padded[: len(elements)] = elements
    raw = pack_bytes(padded)
    return [int.from_bytes(raw[i : i + BEAT_BYTES], "big") for i in range(0, len(raw), BEAT_BYTES)]


def unpack(beats: Sequence[int]) -> np.ndarray:
    """Beats as int16 elements, spare lanes included."""
    return unpack_bytes(b"".join(beat.to_bytes(BEAT_BYTES, "big") for beat in beats))


def pack_bytes(elements: np.ndarray) -> bytes:
    """int16 elements of whole beats as bytes, the most significant byte of a beat first."""
    return elements.reshape(-1, LANES)[:, ::-1].astype(">i2").tobytes()


def unpack_bytes(data: bytes) -> np.ndarray:
    """What `pack_bytes` made, as int16 elements."""
    return lanes_of(data, BEAT_BYTES, ACT_BITS).astype(np.int16)


def unpack_hex(words: Sequence[str]) -> np.ndarray:
    """Beats as hex words, as int16 elements."""
    return unpack_bytes(bytes.fromhex("".join(words)))


def lanes_of(data: bytes, word_bytes: int, bits: int, *, signed: bool = True) -> np.ndarray:
    """Values of `bits` (8, 16 or 32) bits in words of `word_bytes`, lowest of a word first.

    `data` has the most significant byte of each word first.
    """
    lanes = np.frombuffer(data, f">{'i' if signed else 'u'}{bits // 8}")
    return lanes.reshape(-1, 8 * word_bytes // bits)[:, ::-1].reshape(-1)


def fields_of(word: int, bits: int, count: int, *, signed: bool = False) -> list[int]:
    """`count` values of `bits` bits, of any width, out of a word, lowest first."""
    mask = (1 << bits) - 1
    values = [(word >> (bits * i)) & mask for i in range(count)]
    return [signed_value(v, bits) for v in values] if signed else values


def signed_value(value: int, bits: int) -> int:
    """The two's complement number in an unsigned value of `bits` bits."""
    return value - (1 << bits) if value >> (bits - 1) else value
