"""A document as the set of its n-grams of tokens, and how alike two such sets are."""

from __future__ import annotations

import numpy as np

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def shingles(ids: np.ndarray, length: int) -> np.ndarray:
    """Hashes (uint64, sorted, distinct) of all runs of `length` tokens in ids [tokens].

    A document that is shorter has one, of all its tokens.
    """
    length = min(length, len(ids))
    count = len(ids) - length + 1
    hashes = np.zeros(count, np.uint64)
    for place in range(length):
        hashes = (hashes + ids[place : place + count].astype(np.uint64) + np.uint64(1)) * _FACTOR
    return np.unique(mixed(hashes))


def mixed(numbers: np.ndarray) -> np.ndarray:
    """A bijection of uint64 whose every bit depends on all bits (the finalizer of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * _MIX
    spread: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return spread


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Common members of two sets as a share of all their members."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)
