"""The held-out documents of a prepared corpus, made again from its validation shards.

A shard is one stream of documents, each followed by the end token, cut into rows that overlap by
one token and shuffled by a known seed (raycl/data/prepare/pack.py). All of this can be undone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from tokenizers import Tokenizer

from raycl.data.manifest import Manifest, Shard, load_manifest
from raycl.data.prepare.tokenizer import end_of_document, tokenizer_fingerprint
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.reading import read_whole

_MOST_EMPTY_BUCKETS = 64
"""The most training buckets without a row that are tried.

Such a bucket has no shard, but it counts in the seeds of the buckets that follow it.
"""


def stored_tokenizer(storage: Storage, fingerprint: str) -> Tokenizer:
    """The tokenizer that a corpus was prepared with.

    Raises InputError where it is gone, cannot be read, or is not the one of this fingerprint.
    """
    path = layout.tokenizer(fingerprint)
    where, remedy = storage.full_path(path), "Restore it: shards cannot be read as text without it"
    if not storage.exists(path):
        raise InputError(where, "the tokenizer is not in storage", remedy)
    try:
        data = read_whole(storage, path, "a tokenizer", remedy)
        tokenizer = Tokenizer.from_str(data.decode())
    except InputError:
        raise
    except Exception as error:  # tokenizers raises bare Exception
        raise InputError(where, f"not a tokenizer ({error})", remedy) from error
    if tokenizer_fingerprint(tokenizer) != fingerprint:
        raise InputError(where, "its content has not the fingerprint of its folder", remedy)
    return tokenizer


def held_out_documents(storage: Storage, corpus: str) -> Iterator[str]:
    """Whole validation documents of a corpus, in the order of its shards.

    A document is left out if the tokenizer does not encode its text to the very tokens of the
    shard, since the text is then not exact, and if it is the last of a shard and its end did not
    fill a row. Raises InputError if the corpus is missing or damaged, or its rows cannot be put in
    order.
    """
    manifest = load_manifest(storage, layout.corpus(corpus))
    tokenizer = stored_tokenizer(storage, manifest.tokenizer)
    end, first = end_of_document(tokenizer), 0
    reader = CorpusReader(storage, layout.corpus(corpus), manifest, "validation")
    for shard in manifest.validation.shards:
        stream = _stream(manifest, shard, reader.read(first, shard.rows), storage)
        first += shard.rows
        for tokens in _documents(stream, end):
            text = tokenizer.decode(tokens, skip_special_tokens=False)
            if tokenizer.encode(text, add_special_tokens=False).ids == tokens:
                yield text


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


def _stream(manifest: Manifest, shard: Shard, rows: np.ndarray, storage: Storage) -> np.ndarray:
    number, least = int(PurePosixPath(shard.file).stem), len(manifest.train.shards)
    for train_buckets in range(least, least + _MOST_EMPTY_BUCKETS):
        stream = join_rows(rows, (manifest.seed, train_buckets + number))
        if stream is not None:
            return stream
    raise InputError(
        storage.full_path(f"{layout.corpus(manifest.name)}/{shard.file}"),
        "its rows were not shuffled by raycl, so that they cannot be put in order",
        "Prepare the corpus with raycl, or give tasks of your own",
    )


def _documents(stream: np.ndarray, end: int) -> Iterator[list[int]]:
    """Token ids between end tokens; the document after the last one is not whole."""
    places = np.flatnonzero(stream == end)
    for begin, stop in itertools.pairwise(places):
        if stop > begin + 1:
            yield stream[begin + 1 : stop].tolist()
