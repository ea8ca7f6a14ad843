"""Near-duplicates in prepared corpora: all that are reported are, and those that were planted."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.data.manifest import Manifest
from raycl.data.overlap import OverlapOptions, OverlapReport, find_overlaps
from raycl.data.overlap.bands import Bands, probability
from raycl.data.overlap.candidates import candidate_pairs
from raycl.data.overlap.documents import StoredDocuments
from raycl.data.overlap.record import sentences
from raycl.data.overlap.shingles import jaccard, shingles
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpora
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines

Prepared = tuple[Storage, CorpusSpec, str]
Made = tuple[Storage, dict[str, Manifest]]
ids_strategy = st.lists(st.integers(0, 3), min_size=1, max_size=40)


def grams(ids: list[int], length: int) -> set[tuple[int, ...]]:
    length = min(length, len(ids))
    return {tuple(ids[n : n + length]) for n in range(len(ids) - length + 1)}


@given(one=ids_strategy, other=ids_strategy, length=st.integers(1, 6))
def test_similarity_is_that_of_the_sets_of_ngrams(
    one: list[int], other: list[int], length: int
) -> None:
    first, second = grams(one, length), grams(other, length)
    found = jaccard(*(shingles(np.array(ids, np.uint16), length) for ids in (one, other)))
    assert found == len(first & second) / len(first | second)


def test_bands_find_99_of_100_documents_at_the_threshold() -> None:
    assert Bands.finding(0.8) == Bands(21, 6)
    for threshold in (0.3, 0.5, 0.8, 0.95):
        bands = Bands.finding(threshold)
        assert probability(threshold, bands.bands, bands.rows) >= 0.99
        assert bands.bands * bands.rows <= 128
    generator = np.random.default_rng(0)
    found = 0
    for _ in range(100):
        common = generator.integers(0, 2**63, 80).astype(np.uint64)
        rest = generator.integers(0, 2**63, 20).astype(np.uint64)
        keys = [
            Bands(21, 6).keys(np.concatenate([common, part])) for part in (rest[:10], rest[10:])
        ]
        found += bool((keys[0] == keys[1]).any())
    assert found >= 97


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_documents_that_share_a_band_are_candidates(keys: list[tuple[int, int]]) -> None:
    array = np.array(keys, np.uint64).reshape(-1, 2)
    parts = np.arange(len(keys), dtype=np.int32)  # each its own, so that none is left out
    expected = [
        [one, other]
        for one in range(len(keys))
        for other in range(one + 1, len(keys))
        if any(a == b for a, b in zip(keys[one], keys[other], strict=True))
    ]
    assert candidate_pairs(array, parts).tolist() == expected


def test_a_text_that_occurs_often_has_few_pairs() -> None:
    pairs = candidate_pairs(np.zeros((500, 3), np.uint64), np.zeros(500, np.int32))
    assert len(pairs) < 4 * 500
    assert set(pairs.ravel().tolist()) == set(range(500))


def changed(text: str, words: int) -> str:
    """The text with its last words replaced."""
    kept = text.split()
    return " ".join([*kept[: len(kept) - words], *["other"] * words])


@pytest.fixture
def made(tmp_path: Path, corpus: Prepared, in_process: None) -> Made:
    """B repeats documents of a, of which the last 0, 1, 3 or 20 words are others."""
    del in_process
    storage, spec, reference = corpus
    old = texts(120)
    new = [changed(text, (0, 1, 3, 20)[n % 4]) for n, text in enumerate(old[:60])]
    write_lines(tmp_path / "old.jsonl", old)
    write_lines(tmp_path / "new.jsonl", [*new, *texts(60, seed=9)])
    specs = [
        dataclasses.replace(
            spec, name=name, source=TextSource((f"{tmp_path}/{name}.jsonl",)), validation=share
        )
        for name, share in (("old", Fraction(1, 5)), ("new", Fraction(1, 10)))
    ]
    return storage, prepare_corpora(storage, specs, reference)


def overlaps(made: Made, **options: float) -> OverlapReport:
    storage, manifests = made
    wanted = OverlapOptions(**options)  # type: ignore[arg-type]
    return find_overlaps(storage, manifests, "r", wanted, lambda *_: None)


def by_force(made: Made, threshold: float) -> dict[tuple[str, str, str], int]:
    """Documents of each part that are like training documents of each corpus."""
    storage, manifests = made
    tokenizer = read_tokenizer(storage, manifests["old"].tokenizer)
    documents = StoredDocuments(storage, manifests, tokenizer)
    parts = documents.parts
    found: dict[int, list[set[tuple[int, ...]]]] = {number: [] for number in range(len(parts))}
    for shard in documents.shards:
        found[shard[0]] += [grams(ids.tolist(), 5) for ids in documents.of_shard(shard)]

    def alike(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> bool:
        return len(one & other) / len(one | other) >= threshold

    def repeating(number: int, into: int) -> int:
        # Within a part, an earlier document.
        stop = [n if number == into else len(found[into]) for n in range(len(found[number]))]
        return sum(
            any(alike(one, other) for other in found[into][: stop[n]])
            for n, one in enumerate(found[number])
        )

    return {
        (part.corpus, part.split, other.corpus): repeating(number, into)
        for number, part in enumerate(parts)
        for into, other in enumerate(parts)
        if other.split == "train"
    }


@pytest.mark.parametrize("threshold", [0.5, 0.8, 1.0])
def test_planted_near_duplicates_are_those_that_brute_force_finds(
    made: Made, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = overlaps(made, threshold=threshold)
    found = {(one.corpus, one.split, one.other): one.documents for one in report.overlaps}
    assert found == by_force(made, threshold)
    assert found["new", "train", "old"] > 5
    if threshold == 0.8:
        assert found["old", "validation", "new"] > 0
    monkeypatch.setattr("raycl.data.overlap.find._COMPARED_TOKENS", 100)
    assert overlaps(made, threshold=threshold) == report


def test_what_is_told(made: Made) -> None:
    report = overlaps(made)
    told = " ".join(sentences(report))
    assert "new: " in told
    assert "they replay old whatever `replay` says" in told
    assert "losses on old are too low where that is read" in told
    wanted = ("new", "train", "old")
    (found,) = [o for o in report.overlaps if (o.corpus, o.split, o.other) == wanted]
    assert 90 < found.of_documents < 120
    assert 0 < found.bytes < found.of_bytes
    assert len(found.examples) == 3
    assert all(example.similarity >= 0.8 for example in found.examples)
    assert found.examples[0].text.split()[:3] == found.examples[0].other.split()[:3]


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": 1.1}, {"ngram": 0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=r"--threshold|--ngram"):
        OverlapOptions(**options)  # type: ignore[arg-type]


def test_corpora_of_two_tokenizers_are_not_compared(made: Made) -> None:
    storage, manifests = made
    other = manifests["old"].model_copy(update={"tokenizer": "f" * 64})
    with pytest.raises(InputError, match="different tokenizers"):
        overlaps((storage, {**manifests, "old": other}))
