"""Checksums of joined bytes from those of the parts."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from raycl.storage.crc32 import joined_crc32


@given(st.binary(max_size=100), st.binary(max_size=5000))
def test_the_joined_checksum_is_that_of_the_joined_bytes(one: bytes, other: bytes) -> None:
    joined = joined_crc32(zlib.crc32(one), zlib.crc32(other), len(other))
    assert joined == zlib.crc32(one + other)


def test_lengths_above_four_gigabytes() -> None:
    """2^33 zeros, doubled from one of them."""
    value, length = zlib.crc32(b"\0"), 1
    while length < 1 << 33:
        value, length = joined_crc32(value, value, length), 2 * length
    block, expected = zlib.crc32(bytes(1 << 24)), 0
    for _ in range(1 << 9):
        expected = joined_crc32(expected, block, 1 << 24)
    assert value == expected
