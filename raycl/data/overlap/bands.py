"""MinHash signatures in bands: documents that are alike share a band (locality-sensitive hashing).

After Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3: of two documents with
Jaccard similarity s, a signature of b bands of r numbers shares a band with probability
1 - (1 - s^r)^b.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from raycl.data.overlap.shingles import mixed
from raycl.errors import InputError
from raycl.libraries import how_to_install

_NUMBERS = 128
"""Of a signature, at most."""
_LEAST_FOUND = 0.99
_AT_ONCE = 2**14
"""N-grams that are hashed at a time: they take 128 times four bytes each."""


def probability(similarity: float, bands: int, rows: int) -> float:
    """That two documents of this similarity share a band."""
    return float(1 - (1 - similarity**rows) ** bands)


@dataclass(frozen=True)
class Bands:
    """How signatures are cut."""

    bands: int
    rows: int
    """Numbers in a band."""

    @classmethod
    def finding(cls, threshold: float) -> Bands:
        """The longest bands by which documents at the threshold are found, 99 of 100."""
        fitting = [
            cls(_NUMBERS // rows, rows)
            for rows in range(1, _NUMBERS + 1)
            if probability(threshold, _NUMBERS // rows, rows) >= _LEAST_FOUND
        ]
        return fitting[-1] if fitting else cls(_NUMBERS, 1)

    @cached_property
    def _empty(self) -> Any:
        try:
            from datasketch import MinHash
        except ImportError as error:
            raise InputError(
                "raycl overlap",
                "datasketch is not installed",
                f"Run {how_to_install('datasketch')}",
            ) from error
        return MinHash(num_perm=self.bands * self.rows, hashfunc=int, scheme="affine32")

    def keys(self, members: np.ndarray) -> np.ndarray:
        """A number (uint64) for each band of a set's signature: equal where the bands are."""
        signature = self._empty.copy()
        for first in range(0, len(members), _AT_ONCE):
            high = members[first : first + _AT_ONCE] >> np.uint64(32)
            signature.update_batch(high.tolist())
        numbers = signature.hashvalues.reshape(self.bands, self.rows).astype(np.uint64)
        keys = np.zeros(self.bands, np.uint64)
        for row in range(self.rows):
            keys = mixed(keys + numbers[:, row] + np.uint64(1))
        return keys
