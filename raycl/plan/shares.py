"""How the rows of a global batch are shared among the workers that read them."""

from __future__ import annotations


def share_of(rows: int, reader: int, readers: int) -> range:
    """The rows of one reader: [reader · rows // readers, (reader + 1) · rows // readers).

    Readers' shares are the global batch in order, and differ by at most one row.
    """
    return range(reader * rows // readers, (reader + 1) * rows // readers)


def largest_share(rows: int, readers: int) -> int:
    """The most rows that a reader has."""
    return -(-rows // readers)


def even_rows(rows: int, most: int) -> int:
    """The micro-batch of at most `most` rows that cuts `rows` into as few and equal pieces."""
    return -(-rows // -(-rows // most))
