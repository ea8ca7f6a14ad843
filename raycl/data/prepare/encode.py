"""Texts to columns of tokenised documents, about a megabyte at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from raycl.data.document_hashes import hash_documents
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.columns import Documents
from raycl.data.prepare.unwritten import Unwritten
from raycl.data.tokenizer import TextTokenizer

_BATCH_BYTES = 2**20
_ENCODED_AT_ONCE = 4 * 2**20


@dataclass(frozen=True)
class EncodedBatch:
    """Some documents, the bucket of each, and the text that the tokenizer could not write."""

    documents: Documents
    buckets: np.ndarray  # int64
    unwritten: Unwritten


def encode_documents(
    texts: Iterable[str], tokenizer: TextTokenizer, dtype: str, buckets: Buckets
) -> Iterator[EncodedBatch]:
    """Tokenise documents in their order; `dtype` is that of their tokens."""
    for batch in _batches(texts):
        tokens, lengths, lost, example = _encode(batch, tokenizer, dtype)
        data = [text.encode() for text in batch]
        chosen, keys = buckets.places(data)
        sizes = np.array([len(text) for text in data], dtype="<u4")
        unwritten = Unwritten(
            documents=int(np.count_nonzero(lost)),
            bytes=int(lost.sum()),
            of_bytes=int(sizes.sum(dtype=np.int64)),
            example=example,
        )
        documents = Documents(keys, hash_documents(data), lengths.astype("<u4"), sizes, tokens)
        yield EncodedBatch(documents, chosen, unwritten)


def _encode(
    batch: list[str], tokenizer: TextTokenizer, dtype: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """All tokens; of each text their number and the bytes that are lost; an example of those."""
    firsts: list[int] = []
    parts = [tokenizer.encode_batch(some, dtype) for some in _batches(_pieces(batch, firsts))]
    return (
        np.concatenate([part.ids for part in parts]),
        np.add.reduceat(np.concatenate([part.lengths for part in parts]), firsts),
        np.add.reduceat(np.concatenate([part.lost for part in parts]), firsts),
        next((part.example for part in parts if part.example), ""),
    )


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists of about a megabyte, which the tokenizer encodes together."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _pieces(batch: list[str], firsts: list[int]) -> Iterator[str]:
    """The pieces of all texts; `firsts` gets the number of each text's first one."""
    number = 0
    for text in batch:
        firsts.append(number)
        for piece in _cut(text):
            yield piece
            number += 1


def _cut(text: str) -> Iterator[str]:
    """A very long text in pieces that end at line ends, where there are any.

    The tokenizer takes some fifty times the memory of the text that it encodes at once.
    """
    begin = 0
    while len(text) - begin > _ENCODED_AT_ONCE:
        line_end = text.rfind("\n", begin, begin + _ENCODED_AT_ONCE)
        stop = line_end if line_end > begin else begin + _ENCODED_AT_ONCE
        yield text[begin:stop]
        begin = stop
    yield text[begin:]
