"""How often each token stands in a corpus, by a sample that is spread over its training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import Manifest
from raycl.data.shards import CorpusReader
from raycl.storage import Storage

_MOST_TOKENS = 2**22
_PLACES = 64


@dataclass(frozen=True)
class TokenCounts:
    """Counts by token id, and of how many tokens."""

    counts: np.ndarray
    tokens: int
    whole: bool
    """Whether all of the training rows were counted."""


def token_counts(storage: Storage, folder: str, manifest: Manifest) -> TokenCounts:
    """Counts of a prepared corpus: of all its training rows, or of up to 4 million tokens of them.

    The first token of a row is the last of the row before it, and is left out. Raises InputError
    where a shard is damaged.
    """
    reader = CorpusReader(storage, folder, manifest)
    counts = np.zeros(manifest.vocabulary, np.int64)
    most = max(_PLACES, _MOST_TOKENS // manifest.row_length)
    places = [(0, reader.rows)]
    if reader.rows > most:
        count = most // _PLACES
        places = [(n * (reader.rows - count) // (_PLACES - 1), count) for n in range(_PLACES)]
    for first, count in places:
        rows = reader.read(first, count)[:, 1:]
        counts += np.bincount(rows.ravel(), minlength=len(counts))[: len(counts)]
    return TokenCounts(counts, int(counts.sum()), reader.rows <= most)
