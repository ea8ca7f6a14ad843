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
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    ordered = np.empty_like(rows)
    ordered[generator.permutation(len(rows))] = rows
    if not (ordered[:-1, -1] == ordered[1:, 0]).all():
        return None
    return np.concatenate([ordered[0, :1], ordered[:, 1:].ravel()])


def _stream(
    manifest: Manifest, split: SplitName, shard: Shard, rows: np.ndarray, storage: Storage
) -> np.ndarray:
    number, least = int(PurePosixPath(shard.file).stem), len(manifest.train.shards)
    # The buckets of the training split come first.
    before = [0] if split == "train" else range(least, least + _MOST_EMPTY_BUCKETS)
    for buckets in before:
        stream = join_rows(rows, (manifest.seed, buckets + number))
        if stream is not None:
            return stream
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
