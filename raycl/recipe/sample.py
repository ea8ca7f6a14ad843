"""A part of a corpus: how many of its training rows are read.

Rows are shuffled when a corpus is prepared, so that its first ones are a random sample. A step's
name depends on the rows that it reads, so steps before the end of a sample have the names that they
have with the whole corpus.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from raycl.errors import InputError
from raycl.units import Length


def sampled_rows(sample: Length, rows: int, row_tokens: int, where: str) -> int:
    """How many of `rows` rows, each of so many tokens, a sample has; at least one of them.

    Raises InputError where it asks for more tokens than there are.
    """
    if sample.unit == "fraction":
        return ceil(sample.value * rows)
    wanted = ceil(sample.value / row_tokens)
    if wanted > rows:
        raise InputError(
            f"{where} {sample}",
            f"the corpus has {rows * row_tokens} training tokens",
            "Give fewer, leave it out, or give the corpus more text",
        )
    return wanted


def part_of(sample: Length, factor: Fraction) -> Length:
    """The sample that is `factor` times as large."""
    return Length(sample.value * factor, sample.unit)
