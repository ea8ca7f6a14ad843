"""Which documents the rows of a split are made of.

A row is a piece of a stream of documents, so that it may hold parts of several, and a document may
lie in many rows. Losses of one document's rows resemble each other; see docs/validation.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import Manifest, Shard, SplitName
from raycl.data.shard_documents import places_of_rows
from raycl.data.shards import CorpusReader
from raycl.storage import Storage, layout

_MOST_TOKENS = 2**28
"""The most tokens of shards that are read to find the documents of some of their rows."""


@dataclass(frozen=True)
class DocumentBorders:
    """The tokens by which a stream shows where a document ends and the next one begins."""

    end: int
    begin: int | None = None

    def in_rows(self, rows: np.ndarray) -> np.ndarray:
        """Whether a document begins behind each token but a row's last: bool [count, length].

        Where documents begin with a token of their own, an end alone is none.
        """
        ends: np.ndarray = rows[:, :-1] == self.end
        if self.begin is not None:
            ends &= rows[:, 1:] == self.begin
        return ends


def first_documents(
    storage: Storage, manifest: Manifest, split: SplitName, rows: int, borders: DocumentBorders
) -> np.ndarray | None:
    """The number of the document with which each of the first `rows` rows begins: int64 [rows].

    A number counts within the whole split. Each border in a row leads on to the next number. None
    where it cannot be told: the rows were not shuffled by raycl, or their shards are too large to
    be read for this. Reads the shards in which the rows lie; raises InputError where one is
    damaged.
    """
    shards = _shards_of(manifest.split(split).shards, rows)
    if sum(shard.rows for shard in shards) * manifest.row_length > _MOST_TOKENS:
        return None
    reader = CorpusReader(storage, layout.corpus(manifest.name), manifest, split)
    parts: list[np.ndarray] = []
    begin = number = 0
    for shard in shards:
        read = reader.read(begin, shard.rows)
        places = places_of_rows(manifest, split, shard, read)
        if places is None:
            return None
        counts = borders.in_rows(read).sum(axis=1)
        in_order = np.empty_like(counts)
        in_order[places] = counts
        before = np.cumsum(in_order) - in_order
        parts.append(number + before[places])
        number += int(counts.sum()) + 1
        begin += shard.rows
    return np.concatenate(parts)[:rows] if parts else np.zeros(0, dtype=np.int64)


def _shards_of(shards: tuple[Shard, ...], rows: int) -> list[Shard]:
    """The shards in which the first `rows` rows lie."""
    found: list[Shard] = []
    for shard in shards:
        if sum(before.rows for before in found) >= rows:
            break
        found.append(shard)
    return found
