"""Pairs of documents that share a band."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_COMPARED = 4
"""Documents of each part, of those that share a band, with which every other one is compared.

A text that occurs a thousand times has half a million pairs; a few say that each is a repetition.
"""


def candidate_pairs(keys: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Pairs [count, 2] of documents, the smaller number first, each once and in order.

    `keys` [documents, bands] are those of `Bands.keys`, `parts` [documents] the part of the recipe
    that each document belongs to. Memory: some times that of one band, and of the pairs.
    """
    count, found = len(keys), np.empty(0, np.int64)
    for band in range(keys.shape[1]):
        pairs = (pair for group in _groups(keys[:, band]) for pair in _pairs(group, parts))
        found = np.union1d(found, np.fromiter((a * count + b for a, b in pairs), np.int64))
    return np.stack(np.divmod(found, max(count, 1)), axis=1)


def _groups(keys: np.ndarray) -> Iterator[np.ndarray]:
    """The documents that share a key, in their order, for each key that several have."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=~ordered[:1]) != 0)
    ends = np.append(begins[1:], len(order))
    several = ends - begins > 1
    for first, stop in zip(begins[several], ends[several], strict=True):
        yield order[first:stop]


def _pairs(group: np.ndarray, parts: np.ndarray) -> Iterator[tuple[int, int]]:
    of_group = parts[group]
    firsts = [group[of_group == part][:_COMPARED] for part in np.unique(of_group)]
    for other in group.tolist():
        for one in np.concatenate(firsts).tolist():
            if one != other:
                yield min(one, other), max(one, other)
