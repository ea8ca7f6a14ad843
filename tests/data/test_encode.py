"""Texts to columns: nothing is lost, whatever is encoded together, and long texts are bounded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.document_hashes import hash_document
from raycl.data.prepare import encode
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.columns import Documents
from raycl.data.prepare.encode import encode_documents
from raycl.data.tokenizer.text_tokenizer import Encoded

BUCKETS = Buckets(0, Fraction(1, 3), 2, 2)


class Letters:
    """Encodes a text as its code points, and cannot write the letter z."""

    def __init__(self) -> None:
        self.most = 0

    def encode_batch(self, texts: Sequence[str], dtype: str) -> Encoded:
        self.most = max(self.most, sum(map(len, texts)))
        return Encoded(
            np.array([ord(letter) for text in texts for letter in text], dtype),
            np.array([len(text) for text in texts], np.int64),
            np.array([text.count("z") for text in texts], np.int64),
            next((text for text in texts if "z" in text), ""),
        )


def encoded(texts: list[str], letters: Letters) -> tuple[Documents, list[Any]]:
    """The columns of all batches, and what could not be written of each."""
    tokenizer: Any = letters
    batches = list(encode_documents(iter(texts), tokenizer, "uint16", BUCKETS))
    return Documents.joined([batch.documents for batch in batches]), [b.unwritten for b in batches]


@given(
    texts=st.lists(st.text("abz\né", max_size=60), min_size=1, max_size=20),
    together=st.integers(1, 80),
    at_once=st.integers(1, 40),
)
def test_columns_hold_every_document(texts: list[str], together: int, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_BATCH_BYTES", together)
        patch.setattr(encode, "_ENCODED_AT_ONCE", at_once)
        letters = Letters()
        found, unwritten = encoded(texts, letters)
    assert letters.most < together + max(at_once, min(together, max(map(len, texts)) + 1))
    data = [text.encode() for text in texts]
    assert found.lengths.tolist() == [len(text) for text in texts]
    assert "".join(map(chr, found.tokens)) == "".join(texts)
    assert found.text_bytes.tolist() == [len(text) for text in data]
    assert found.hashes.astype("<u8").tobytes() == b"".join(map(hash_document, data))
    assert sum(part.documents for part in unwritten) == sum("z" in text for text in texts)
    assert sum(part.bytes for part in unwritten) == sum(text.count("z") for text in texts)
    assert sum(part.of_bytes for part in unwritten) == sum(map(len, data))


def test_a_very_long_text_is_never_encoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_BATCH_BYTES", 100)
    monkeypatch.setattr(encode, "_ENCODED_AT_ONCE", 400)
    letters = Letters()
    found, _ = encoded(["ab", "x" * 10_000, "ab"], letters)
    assert found.lengths.tolist() == [2, 10_000, 2]
    assert letters.most < 500


@given(lengths=st.lists(st.integers(0, 5), max_size=12), data=st.data())
def test_documents_are_taken_in_any_order(lengths: list[int], data: st.DataObject) -> None:
    numbers = np.arange(len(lengths))
    documents = Documents(
        np.repeat(numbers[:, None], 16, axis=1).astype(np.uint8),
        numbers.astype(np.uint64),
        np.array(lengths, np.uint32),
        np.array(lengths, np.uint32) * 3,
        np.repeat(numbers, lengths).astype(np.uint16),
    )
    order = data.draw(st.permutations(range(len(lengths))))
    taken = documents.take(np.array(order, np.int64))
    assert taken.hashes.tolist() == order
    assert taken.keys[:, 0].tolist() == order
    assert taken.tokens.tolist() == [number for number in order for _ in range(lengths[number])]
    assert taken.text_bytes.tolist() == [3 * lengths[number] for number in order]
