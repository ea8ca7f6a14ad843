"""Documents are dealt out by an exact rule, many at a time as one by one."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.document_hashes import SplitHashes
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.plan import unit_size


@given(
    texts=st.lists(st.binary(max_size=20)),
    seed=st.integers(0, 2**40),
    validation=st.fractions(Fraction(1, 10**20), Fraction(10**20 - 1, 10**20)),
    counts=st.tuples(st.integers(1, 2000), st.integers(1, 50)),
)
def test_a_document_goes_where_its_hash_says(
    texts: list[bytes], seed: int, validation: Fraction, counts: tuple[int, int]
) -> None:
    train, held_out = counts
    numbers, keys = Buckets(seed, validation, train, held_out).places(texts)
    assert len(numbers) == len(keys) == len(texts)
    for text, number, key in zip(texts, numbers, keys, strict=True):
        digest = hashlib.sha256(f"{seed}:".encode() + text).digest()
        share, rest = (int.from_bytes(digest[i : i + 8], "big") for i in (0, 8))
        held = Fraction(share, 2**64) < validation
        assert number == (train + rest % held_out if held else rest % train)
        assert key.tobytes() == digest[16:]


def test_a_seed_of_its_own_for_what_is_held_out_changes_nothing_but_the_split() -> None:
    texts = [b"%d" % number for number in range(400)]
    both, split, order = (
        Buckets(*seeds[:1], Fraction(1, 4), 3, 1, held_out_seed=seeds[1]).places(texts)
        for seeds in ((5, 5), (5, 6), (6, 5))
    )
    alone = Buckets(5, Fraction(1, 4), 3, 1).places(texts)
    assert (both[0] == alone[0]).all()
    assert (split[1] == alone[1]).all()  # the order within buckets is that of the seed
    assert ((split[0] == 3) != (alone[0] == 3)).any()
    trained = (split[0] < 3) & (alone[0] < 3)
    assert (split[0] == alone[0])[trained].all()
    assert ((order[0] == 3) == (alone[0] == 3)).all()
    assert not (order[1] == alone[1]).all()


def test_documents_change_their_split_by_their_hashes() -> None:
    buckets = Buckets(0, Fraction(1, 2), train=3, held_out=2)
    large = 2**64 - 1
    moves = SplitHashes(train=np.array([7, large], np.uint64), held_out=np.array([8, 9], np.uint64))
    # Of each pair the first is in training, the second held out.
    documents = np.array([8, 8, 7, 7, 5, 5, large, large], np.uint64)
    before = np.array([1, 3, 2, 4, 0, 3, 0, 4])
    after = buckets.moved(before, documents, moves)
    assert after.tolist() == [3 + 8 % 2, 3, 2, 7 % 3, 0, 3, 0, large % 3]
    assert before.tolist() == [1, 3, 2, 4, 0, 3, 0, 4]


@pytest.mark.parametrize(
    ("text_bytes", "unit"), [(0, 2**20), (10**7, 2**20), (2**30, 2**24), (10**13, 2**25)]
)
def test_a_small_corpus_has_work_for_many_cpus_too(text_bytes: int, unit: int) -> None:
    assert unit_size(text_bytes) == unit
