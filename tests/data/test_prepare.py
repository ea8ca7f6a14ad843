"""Preparation without Ray: dealing out, packing, tokenizers, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.data.manifest import Manifest
from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    prepare_corpus,
    train_tokenizer,
)
from raycl.data.prepare.columns import Documents
from raycl.data.prepare.encode import _cut
from raycl.data.prepare.origin import prepared
from raycl.data.prepare.pack import cut_rows, pack_bucket
from raycl.data.shards import CorpusReader, verify_corpus
from raycl.data.tokenizer import load_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines

END = 0  # the end of a document in the tests of packing


# Packing

documents_strategy = st.lists(st.lists(st.integers(1, 50), max_size=12), max_size=15)


def bucket_of(documents: list[list[int]], keys: list[int]) -> Documents:
    """A bucket whose documents carry these numbers as keys."""
    return Documents(
        keys=np.frombuffer(
            b"".join(key.to_bytes(16, "big") for key in keys), dtype=np.uint8
        ).reshape(-1, 16),
        hashes=np.array(keys, np.uint64),
        lengths=np.array([len(document) for document in documents], np.uint32),
        text_bytes=np.array([len(document) * 4 for document in documents], np.uint32),
        tokens=np.array([token for document in documents for token in document], np.uint16),
    )


@given(stream=st.lists(st.integers(0, 99), min_size=1, max_size=80), length=st.integers(1, 9))
def test_every_token_is_predicted_exactly_once(stream: list[int], length: int) -> None:
    places = np.arange(len(stream))
    rows = cut_rows(places, length)
    assert rows.shape == ((len(stream) - 1) // length, length + 1)
    predicted = rows[:, 1:].ravel()
    np.testing.assert_array_equal(predicted, 1 + np.arange(len(predicted)))
    np.testing.assert_array_equal(rows[:, :-1].ravel(), predicted - 1)
    assert len(stream) - 1 - len(predicted) < length


@given(documents=documents_strategy, data=st.data(), length=st.integers(1, 6))
@settings(deadline=None)
def test_packing_recovers_documents_in_any_order(
    documents: list[list[int]], data: st.DataObject, length: int
) -> None:
    keys = list(range(len(documents)))
    order = data.draw(st.permutations(keys))
    packed = pack_bucket(bucket_of(documents, keys), END, length, (1, 2))
    other = pack_bucket(bucket_of([documents[i] for i in order], order), END, length, (1, 2))
    np.testing.assert_array_equal(packed.rows, other.rows)
    assert packed.documents == len(documents)
    assert packed.tokens == sum(map(len, documents)) + len(documents)
    # With rows of one prediction each, and no shuffle to undo but the sort, all tokens are there.
    expected = Counter(token for document in documents for token in [*document, END])
    single = pack_bucket(bucket_of(documents, keys), END, 1, (1, 2))
    assert Counter(single.rows[:, 1].tolist()) == expected
    assert packed.unused_tokens == packed.tokens - packed.rows.shape[0] * length


def test_the_stream_is_the_documents_in_key_order() -> None:
    packed = pack_bucket(bucket_of([[7, 8], [5], [9]], [2, 1, 3]), END, 7, (0, 0))
    assert packed.rows.tolist() == [[END, 5, END, 7, 8, END, 9, END]]


def test_repetitions_are_dropped_and_counted() -> None:
    packed = pack_bucket(bucket_of([[7], [5], [7]], [2, 1, 2]), END, 4, (0, 0))
    assert packed.rows.tolist() == [[END, 5, END, 7, END]]
    assert (packed.documents, packed.duplicates, packed.bytes) == (2, 1, 8)


def test_a_long_text_is_cut_at_lines_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raycl.data.prepare.encode._ENCODED_AT_ONCE", 10)
    text = "one two\nthree four five six seven\neight\n\nnine"
    pieces = list(_cut(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 10
    assert pieces[1].startswith("\nthree")


# Tokenizers


def test_training_a_tokenizer_is_deterministic_and_done_once(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", texts(200))
    write_lines(tmp_path / "b.jsonl", texts(200, seed=1))
    code = (
        "import sys; from raycl.data.prepare import *; from raycl.storage import Storage\n"
        "s = [TextSource((f'{sys.argv[1]}/{n}.jsonl',)) for n in 'ab']\n"
        "print(train_tokenizer(Storage(f'{sys.argv[1]}/{sys.argv[2]}'), s, 330, 9000, 0)[1])"
    )
    fingerprints = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), folder],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for folder in ("one", "two")
    }
    assert len(fingerprints) == 1
    storage = Storage(tmp_path / "one")
    sources = [TextSource((f"{tmp_path}/{name}.jsonl",)) for name in "ab"]
    path, fingerprint = train_tokenizer(storage, sources, 330, 9000, 0)
    assert {fingerprint} == fingerprints
    assert storage.list("tokenizers") == sorted([fingerprint, "requests"])
    tokenizer = load_tokenizer(storage, path)
    assert tokenizer.fingerprint == fingerprint
    assert tokenizer.vocabulary == 330
    with pytest.raises(InputError, match=r"the sample gives only \d+ tokens"):
        train_tokenizer(storage, sources, 5000, 9000, 0)
    assert tokenizer.decode(tokenizer.encode("naïve 你好 <&>")) == "naïve 你好 <&>"


def test_an_end_token_in_the_text_stays_text(corpus: tuple[Storage, CorpusSpec, str]) -> None:
    storage, _, reference = corpus
    tokenizer = load_tokenizer(storage, reference)
    assert tokenizer.end not in tokenizer.encode("a <|endoftext|> b")


def test_local_tokenizers_and_wrong_ones(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    storage, _, reference = corpus
    expected = load_tokenizer(storage, reference).fingerprint
    folder = Path(storage.full_path(reference)).parent
    for place in (str(folder), str(folder / "tokenizer.json"), reference.rpartition("/")[0]):
        assert load_tokenizer(storage, place).fingerprint == expected
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"bad\.json.*not a tokenizer\.json"):
        load_tokenizer(storage, str(tmp_path / "bad.json"))
    with pytest.raises(InputError, match="there is no file or folder"):
        load_tokenizer(storage, str(tmp_path / "missing"))
    record = json.loads((folder / "tokenizer.json").read_text())
    record["added_tokens"] = []
    record["model"]["vocab"]["ordinary"] = record["model"]["vocab"].pop("<|endoftext|>")
    (tmp_path / "endless.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="no token that ends a document"):
        load_tokenizer(storage, str(tmp_path / "endless.json"))


# The whole, in this process


def rows_of(storage: Storage, manifest: Manifest, split: Any) -> np.ndarray:
    """All rows of a split."""
    reader = CorpusReader(storage, f"corpora/{manifest.name}", manifest, split)
    return reader.read(0, reader.rows)


@pytest.mark.usefixtures("in_process")
def test_the_result_does_not_depend_on_units_or_file_layout(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    storage, spec, reference = corpus
    manifest = prepare_corpus(storage, spec, reference)
    assert verify_corpus(storage, "corpora/c") == manifest
    assert len(manifest.train.shards) > 1
    assert manifest.train.documents + manifest.validation.documents == 300
    assert manifest.train.bytes + manifest.validation.bytes == sum(
        len(text.encode()) for text in texts(300)
    )
    assert storage.list("corpora/c") == ["documents", "manifest.json", "train", "validation"]
    other = Storage(tmp_path / "other")
    again = prepare_corpus(other, spec, str(storage.full_path(reference)), unit_bytes=500)
    assert again == manifest


@pytest.mark.usefixtures("in_process")
def test_no_document_is_in_both_splits_and_each_is_whole(
    corpus: tuple[Storage, CorpusSpec, str],
) -> None:
    storage, spec, reference = corpus
    manifest = prepare_corpus(storage, dataclasses.replace(spec, sequence_length=400), reference)
    tokenizer = load_tokenizer(storage, reference)
    found: dict[str, set[str]] = {}
    for split in ("train", "validation"):
        rows = rows_of(storage, manifest, split).tolist()
        decoded = [tokenizer.decode(row) for row in rows]
        # What stands between two ends within one row is a whole document.
        found[split] = {text for row in decoded for text in row.split("<|endoftext|>")[1:-1]}
    assert found["train"] | found["validation"] <= set(texts(300))
    assert not found["train"] & found["validation"]
    assert len(found["train"]) > 150
    assert 10 < len(found["validation"]) <= manifest.validation.documents < 60


@pytest.mark.usefixtures("in_process")
def test_repeated_documents_are_kept_once(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    storage, spec, reference = corpus
    manifest = prepare_corpus(storage, spec, reference)
    write_lines(tmp_path / "d.txt", texts(300)[:40])
    source = TextSource((*spec.source.files, f"{tmp_path}/d.txt"), format="jsonl")
    twice = CorpusSpec("twice", source, 16, 0.1, seed=3, shard_tokens=5_000)
    repeated = prepare_corpus(storage, twice, reference)
    assert repeated.source["duplicates"] == 40
    assert repeated.train.tokens == manifest.train.tokens


@pytest.mark.usefixtures("in_process")
def test_another_seed_gives_another_corpus(corpus: tuple[Storage, CorpusSpec, str]) -> None:
    storage, spec, reference = corpus
    first = prepare_corpus(storage, spec, reference)
    other = CorpusSpec("other", spec.source, 16, 0.1, seed=4, shard_tokens=5_000)
    assert prepare_corpus(storage, other, reference).fingerprint != first.fingerprint


@pytest.mark.usefixtures("in_process")
def test_prepared_knows_its_input(tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]) -> None:
    storage, spec, reference = corpus
    fingerprint = load_tokenizer(storage, reference).fingerprint
    assert prepared(storage, spec, fingerprint) is None
    manifest = prepare_corpus(storage, spec, reference)
    assert prepared(storage, spec, fingerprint) == manifest
    with pytest.raises(InputError, match=r"seed \(3, now 9\) differ.*or remove the folder"):
        prepared(storage, CorpusSpec("c", spec.source, 16, 0.1, 9, 5_000), fingerprint)
    with pytest.raises(InputError, match="tokenizer"):
        prepared(storage, spec, "another")
    (tmp_path / "a.jsonl").rename(tmp_path / "kept")
    assert prepared(storage, spec, fingerprint) == manifest
    write_lines(tmp_path / "a.jsonl", texts(301))
    with pytest.raises(InputError, match=r"the input files \(1 of .* then, 1 of .* now\) differ"):
        prepared(storage, spec, fingerprint)
    storage.write_json("bindings/c.json", {})
    with pytest.raises(InputError, match="nodes have been trained on it") as caught:
        prepared(storage, spec, fingerprint)
    assert "remove" not in caught.value.remedy


@pytest.mark.usefixtures("in_process")
def test_leftovers_of_other_input_are_removed(corpus: tuple[Storage, CorpusSpec, str]) -> None:
    storage, spec, reference = corpus
    storage.write_bytes("corpora/c/train/00099.npy", b"old")
    storage.write_bytes("corpora/c/.spool/other/000000.done", b"")
    prepare_corpus(storage, spec, reference)
    assert "00099.npy" not in storage.list("corpora/c/train")


@pytest.mark.usefixtures("in_process")
def test_too_little_text_is_refused(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    storage, _, reference = corpus
    empty, one, few = (write_lines(tmp_path / f"{n}.jsonl", texts(n)) for n in (0, 1, 30))
    write_lines(blank := tmp_path / "blank.jsonl", ["", " \n"])
    for path in (empty, blank):
        with pytest.raises(InputError, match="its files hold no text"):
            prepare_corpus(storage, CorpusSpec("e", TextSource((str(path),)), 16), reference)
    with pytest.raises(InputError, match="none of the 1 documents fell to it"):
        prepare_corpus(storage, CorpusSpec("o", TextSource((str(one),)), 16), reference)
    long = CorpusSpec("l", TextSource((str(few),)), 100_000, 0.5)
    with pytest.raises(InputError, match="tokens do not fill one row of 100001"):
        prepare_corpus(storage, long, reference)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "../x"}, "not a usable name"),
        ({"validation": 0}, "validation 0"),
        ({"validation": 1.0}, "validation 1"),
        ({"sequence_length": 0}, "sequence_length 0"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_a_wrong_spec_names_the_field(change: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"name": "c", "source": TextSource(("x",)), "sequence_length": 8}
    with pytest.raises(InputError, match=message):
        CorpusSpec(**{**good, **change})
