"""The documents of a shard, taken back from its shuffled rows.

A shard is one stream of documents, each followed by the end token, cut into rows that overlap by
one token and shuffled by a known seed (raycl/data/prepare/pack.py). All of this can be undone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from raycl.data.manifest import Manifest, Shard, SplitName
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import TextTokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout

_MOST_EMPTY_BUCKETS = 64
"""The most training buckets without a row that are tried.

Such a bucket has no shard, but it counts in the seeds of the buckets that follow it.
"""


def shard_documents(
    storage: Storage, manifest: Manifest, split: SplitName, place: int, tokenizer: TextTokenizer
) -> Iterator[np.ndarray]:
    """The ids of each whole document of a split's shard, in the order in which they were packed.

    The last document is left out if its end did not fill a row. Raises InputError if the shard is
    damaged, or its rows cannot be put in order.
    """
    shards = manifest.split(split).shards
    first, shard = sum(before.rows for before in shards[:place]), shards[place]
    reader = CorpusReader(storage, layout.corpus(manifest.name), manifest, split)
    stream = _stream(manifest, split, shard, reader.read(first, shard.rows), storage)
    yield from _documents(stream, tokenizer)


def join_rows(rows: np.ndarray, seed: tuple[int, ...]) -> np.ndarray | None:
    """The stream that rows [count, length + 1] were cut from and shuffled with `seed`.

    None if neighbouring rows do not share a token: they were shuffled with another seed.
    """
    places = _places(rows, seed)
    return None if places is None else _joined(rows, places)


def places_of_rows(
    manifest: Manifest, split: SplitName, shard: Shard, rows: np.ndarray
) -> np.ndarray | None:
    """The place in the shard's stream of each of its rows, int64 [rows].

    `rows` are all rows of the shard. None where they were not shuffled by raycl.
    """
    number, least = PurePosixPath(shard.file).stem, len(manifest.train.shards)
    if not number.isdecimal():
        return None
    # The buckets of the training split come first.
    before = [0] if split == "train" else range(least, least + _MOST_EMPTY_BUCKETS)
    for buckets in before:
        places = _places(rows, (manifest.seed, buckets + int(number)))
        if places is not None:
            return places
    return None


def _places(rows: np.ndarray, seed: tuple[int, ...]) -> np.ndarray | None:
    """The places of rows that were shuffled with `seed`; None where they were not."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    places = generator.permutation(len(rows))
    ends = np.empty((2, len(rows)), dtype=rows.dtype)
    ends[:, places] = rows[:, [0, -1]].T
    return places if (ends[1, :-1] == ends[0, 1:]).all() else None


def _joined(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    ordered = np.empty_like(rows)
    ordered[places] = rows
    return np.concatenate([ordered[0, :1], ordered[:, 1:].ravel()])


def _stream(
    manifest: Manifest, split: SplitName, shard: Shard, rows: np.ndarray, storage: Storage
) -> np.ndarray:
    places = places_of_rows(manifest, split, shard, rows)
    if places is not None:
        return _joined(rows, places)
    raise InputError(
        storage.full_path(f"{layout.corpus(manifest.name)}/{shard.file}"),
        "its rows were not shuffled by raycl, so that they cannot be put in order",
        "Prepare the corpus with raycl, or give tasks of your own",
    )


def _documents(stream: np.ndarray, tokenizer: TextTokenizer) -> Iterator[np.ndarray]:
    """Token ids between end tokens, without the one that begins a document.

    The document after the last end is not whole.
    """
    places = np.flatnonzero(stream == tokenizer.end)
    for before, stop in itertools.pairwise(places):
        first = before + 1
        if first < stop and stream[first] == tokenizer.begin:
            first += 1
        if first < stop:
            yield stream[first:stop]
