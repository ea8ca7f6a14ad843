"""The CRC-32 of joined bytes from those of their parts, without reading a byte again.

The method is that of zlib's `crc32_combine` (https://zlib.net), which Python does not offer: the
first checksum is multiplied by x^(8 · length of the second part) modulo the CRC's polynomial.
"""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
"""Reflected, as zlib has it: the highest bit is the coefficient of x^0."""
_ONE, _X = 1 << 31, 1 << 30


def joined_crc32(first: int, second: int, second_bytes: int) -> int:
    """zlib.crc32 of a + b, given those of a and of b, and the length of b in bytes."""
    return _product(_power_of_x(8 * second_bytes), first) ^ second


@lru_cache(maxsize=1024)
def _power_of_x(exponent: int) -> int:
    """x^exponent modulo the polynomial, by squaring."""
    result, square = _ONE, _X
    while exponent:
        if exponent & 1:
            result = _product(square, result)
        square, exponent = _product(square, square), exponent >> 1
    return result


def _product(one: int, other: int) -> int:
    """The product of two polynomials over GF(2), modulo the CRC's."""
    product, bit = 0, _ONE
    while bit:
        if one & bit:
            product ^= other
        other = (other >> 1) ^ (_POLYNOMIAL if other & 1 else 0)
        bit >>= 1
    return product
