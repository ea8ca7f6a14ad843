"""From the documents of one bucket to the shuffled rows of one shard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raycl.data.prepare.columns import Documents, copy_runs


@dataclass(frozen=True)
class Packed:
    """The rows of one bucket, and what they were made of."""

    rows: np.ndarray
    documents: int
    duplicates: int
    tokens: int
    bytes: int
    unused_tokens: int


def pack_bucket(
    bucket: Documents,
    end_of_document: int,
    sequence_length: int,
    seed: tuple[int, ...],
    begin_of_document: int | None = None,
) -> Packed:
    """Sort documents by key, keep one of each, join them, cut the stream into rows and shuffle.

    Keys are hashes of the text, so that the result does not depend on the order of the documents.
    """
    order, duplicates = _distinct(bucket.keys)
    stream = join_documents(bucket, order, end_of_document, begin_of_document)
    rows = cut_rows(stream, sequence_length)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    shuffled = rows[generator.permutation(len(rows))]
    return Packed(
        rows=shuffled,
        documents=len(order),
        duplicates=duplicates,
        tokens=len(stream) - 1,
        bytes=int(bucket.text_bytes[order].sum()),
        unused_tokens=len(stream) - 1 - len(rows) * sequence_length,
    )


def _distinct(keys: np.ndarray) -> tuple[np.ndarray, int]:
    """Indices of distinct 16-byte keys in their order, and how many were repetitions."""
    halves = keys.view(">u8").reshape(-1, 2).astype(np.uint64)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    ordered = halves[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return order[first], int(len(order) - first.sum())


def join_documents(
    bucket: Documents, order: np.ndarray, end_of_document: int, begin_of_document: int | None = None
) -> np.ndarray:
    """The tokens of the documents in this order, with an end token after each document.

    A token before each document is written where there is one.

    One more end token begins the stream, so that the first token of the first document is predicted
    from an end token, as that of every other document is.
    """
    lengths = bucket.lengths[order].astype(np.int64)
    around = 1 if begin_of_document is None else 2
    stops = np.cumsum(lengths + around)
    stream = np.full(1 + int(stops[-1]) if len(order) else 1, end_of_document, bucket.tokens.dtype)
    places = stops - lengths
    if begin_of_document is not None:
        stream[places - 1] = begin_of_document
    copy_runs(bucket.tokens, bucket.begins()[order], lengths, stream, places)
    return stream


def cut_rows(stream: np.ndarray, sequence_length: int) -> np.ndarray:
    """A view of the stream as rows of sequence_length + 1 that overlap by one token.

    So every token but the first is predicted exactly once. What does not fill a last row is left
    out.
    """
    if len(stream) <= sequence_length:
        return np.empty((0, sequence_length + 1), dtype=stream.dtype)
    return np.lib.stride_tricks.sliding_window_view(stream, sequence_length + 1)[::sequence_length]
