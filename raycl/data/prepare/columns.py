"""Tokenised documents as columns, so that no step of preparation keeps an object for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

KEY_BYTES = 16
_RUNS_AT_ONCE = 2**16


@dataclass(frozen=True)
class Documents:
    """Documents one after another, in no particular order."""

    keys: np.ndarray  # uint8 [documents, 16], by which they are sorted within their bucket
    hashes: np.ndarray  # uint64, of the text alone
    lengths: np.ndarray  # uint32, tokens
    text_bytes: np.ndarray  # uint32
    tokens: np.ndarray  # of all documents

    @classmethod
    def joined(cls, parts: Sequence[Documents]) -> Documents:
        """The documents of all parts, of which there is at least one."""
        return cls(
            keys=np.concatenate([part.keys for part in parts]),
            hashes=np.concatenate([part.hashes for part in parts]),
            lengths=np.concatenate([part.lengths for part in parts]),
            text_bytes=np.concatenate([part.text_bytes for part in parts]),
            tokens=np.concatenate([part.tokens for part in parts]),
        )

    def take(self, order: np.ndarray) -> Documents:
        """The documents with these indices, in their order."""
        lengths = self.lengths[order]
        stops = np.cumsum(lengths, dtype=np.int64)
        tokens = np.empty(int(stops[-1]) if len(stops) else 0, self.tokens.dtype)
        copy_runs(self.tokens, self.begins()[order], lengths, tokens, stops - lengths)
        return Documents(
            self.keys[order], self.hashes[order], lengths, self.text_bytes[order], tokens
        )

    def begins(self) -> np.ndarray:
        """Where the tokens of each document begin."""
        begins: np.ndarray = np.cumsum(self.lengths, dtype=np.int64) - self.lengths
        return begins


def copy_runs(
    source: np.ndarray,
    begins: np.ndarray,
    lengths: np.ndarray,
    target: np.ndarray,
    places: np.ndarray,
) -> None:
    """Copy runs of `source`, each given by its begin and length, to their places in `target`."""
    # Python's numbers are faster to slice with than NumPy's, but take more memory.
    for first in range(0, len(begins), _RUNS_AT_ONCE):
        block = slice(first, first + _RUNS_AT_ONCE)
        runs = (column[block].tolist() for column in (begins, lengths, places))
        for begin, length, place in zip(*runs, strict=True):
            target[place : place + length] = source[begin : begin + length]
