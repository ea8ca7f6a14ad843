"""Preparation without Ray: reading, dealing out, packing, tokenizers, and what is refused."""

from __future__ import annotations

import bz2
import dataclasses
import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    end_of_document,
    load_tokenizer,
    prepare_corpus,
    tokenizer_fingerprint,
    train_tokenizer,
)
from raycl.data.prepare import run as run_module
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.pack import cut_rows, pack_bucket
from raycl.data.prepare.spec import prepared
from raycl.data.prepare.spool import Bucket, _cut
from raycl.data.shards import CorpusReader, Manifest, verify_corpus
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.random_text import texts, write_lines

END = 0  # the end of a document in the tests of packing


def read_all(source: TextSource, unit_bytes: int = 2**25) -> list[str]:
    """All documents of a source, unit by unit."""
    units, _ = plan_units(source, find_files(source), unit_bytes)
    return [text for unit in units for text in read_documents(source, unit)]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here one by one, last first, instead of on Ray."""

    def run_tasks(task: Any, items: list[Any]) -> Iterator[Any]:
        yield from (json.loads(json.dumps(task(item))) for item in reversed(items))

    monkeypatch.setattr(run_module, "run_tasks", run_tasks)


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Storage, CorpusSpec, str]:
    """A storage, a spec over 300 documents in three buckets or so, and a tokenizer."""
    write_lines(tmp_path / "a.jsonl", texts(300))
    source = TextSource((str(tmp_path / "*.jsonl"),))
    storage = Storage(tmp_path / "storage")
    reference, _ = train_tokenizer(storage, [source], 330, 50_000, 0)
    return storage, CorpusSpec("c", source, 16, 0.1, seed=3, shard_tokens=5_000), reference


# Packing

documents_strategy = st.lists(st.lists(st.integers(1, 50), max_size=12), max_size=15)


def bucket_of(documents: list[list[int]], keys: list[int]) -> Bucket:
    """A bucket whose documents carry these numbers as keys."""
    return Bucket(
        keys=np.frombuffer(
            b"".join(key.to_bytes(16, "big") for key in keys), dtype=np.uint8
        ).reshape(-1, 16),
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
    monkeypatch.setattr("raycl.data.prepare.spool._ENCODED_AT_ONCE", 10)
    text = "one two\nthree four five six seven\neight\n\nnine"
    pieces = list(_cut(text))
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= 10
    assert pieces[1].startswith("\nthree")


# Reading


@pytest.mark.parametrize("unit_bytes", [1, 7, 64, 1000, 10**6])
def test_json_lines_are_the_same_however_cut(tmp_path: Path, unit_bytes: int) -> None:
    documents = texts(20)
    path = write_lines(tmp_path / "a.jsonl", documents)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().rstrip(b"\n"))
    assert read_all(TextSource((str(path),)), unit_bytes) == documents


@pytest.mark.parametrize("unit_bytes", [1, 1000, 10**6])
def test_parquet_is_the_same_however_cut(tmp_path: Path, unit_bytes: int) -> None:
    documents = texts(50)
    table = pa.table({"n": range(50), "body": documents})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    source = TextSource((str(tmp_path / "a.parquet"),), text_field="body")
    assert read_all(source, unit_bytes) == documents


def test_compressed_files(tmp_path: Path) -> None:
    documents = texts(9)
    lines = [json.dumps({"text": text}).encode() + b"\n" for text in documents]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(gzip.compress(line) for line in lines[:3]))
    (tmp_path / "b.jsonl.bz2").write_bytes(bz2.compress(b"".join(lines[3:6])))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as stream:
        stream.write(b"".join(lines[6:]))
    assert read_all(TextSource((str(tmp_path),)), 10) == documents


def test_text_files_are_documents_or_hold_separated_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\n\ntwo")
    (tmp_path / "b.txt").write_text("\ufeffthree\n\n  \n\n")
    source = (str(tmp_path / "*.txt"),)
    assert read_all(TextSource(source)) == ["one\n\n\ntwo", "three\n\n  \n\n"]
    assert read_all(TextSource(source, document_separator="\n\n")) == ["one", "\ntwo", "three"]


def test_globs_and_folders(tmp_path: Path) -> None:
    for name in ("a.txt", "x/b.txt", "x/y/c.txt", "x/.hidden/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def names(pattern: str) -> list[str]:
        return read_all(TextSource((f"{tmp_path}/{pattern}",)))

    assert names("") == names("**/*.txt") == names("**") == ["a.txt", "x/b.txt", "x/y/c.txt"]
    assert names("*.txt") == ["a.txt"]
    assert names("x/*.txt") == ["x/b.txt"]
    assert names("[ab].txt") == ["a.txt"]
    assert read_all(TextSource((f"file://{tmp_path}/x/?.txt",))) == ["x/b.txt"]


GOOD = b'{"text": "fine"}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", GOOD * 2 + b"{nope\n", r"a\.jsonl line 3: not valid JSON"),
        ("a.jsonl", GOOD + b'{"body": ""}\n', r"line 2: there is no field 'text' \(it has body\)"),
        ("a.jsonl", GOOD + b'{"text": null}\n', r"line 2: field 'text' is null, not text"),
        ("a.jsonl", GOOD + b"[1]\n", r"line 2: not a JSON object"),
        ("a.jsonl", GOOD + b'{"text": "\\ud800"}', r"line 2: .* surrogate"),
        ("a.jsonl", GOOD + b'{"text": "\xff"}\n', r"line 2: not valid UTF-8 \(byte 0xff\)"),
        ("a.txt", b"one\ntwo\n\xfe", r"a\.txt line 3: not valid UTF-8 \(byte 0xfe\)"),
        ("a.doc", b"text", r"a\.doc: unknown suffix '\.doc'"),
        ("a.parquet", b"no parquet", r"a\.parquet: not a Parquet file"),
        ("a.txt.gz", gzip.compress(b"text" * 99, mtime=0)[:-9], r"a\.txt\.gz: it cannot be read"),
    ],
)
def test_bad_input_names_file_and_line(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for unit_bytes in (1, 2**25):
        with pytest.raises(InputError, match=message):
            read_all(TextSource((f"{tmp_path}/{name}",)), unit_bytes)


def test_bad_parquet_names_column_and_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b", None, "c"]}), path, row_group_size=2)
    with pytest.raises(InputError, match=r"a\.parquet row 2: field 'text' is null"):
        read_all(TextSource((str(path),)), 1)
    with pytest.raises(InputError, match=r"no column 'body'. Set `text_field` to one of text"):
        read_all(TextSource((str(path),), text_field="body"))


def test_no_files_match(tmp_path: Path) -> None:
    for pattern in (f"{tmp_path}/*.txt", f"{tmp_path}/missing.txt", f"{tmp_path}/no/**/*.txt"):
        with pytest.raises(InputError, match="no files match"):
            find_files(TextSource((pattern,)))


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
    assert tokenizer_fingerprint(tokenizer) == fingerprint
    assert tokenizer.get_vocab_size() == 330
    with pytest.raises(InputError, match=r"the sample gives only \d+ tokens"):
        train_tokenizer(storage, sources, 5000, 9000, 0)
    assert tokenizer.decode(tokenizer.encode("naïve 你好 <&>").ids) == "naïve 你好 <&>"


def test_an_end_token_in_the_text_stays_text(corpus: tuple[Storage, CorpusSpec, str]) -> None:
    storage, _, reference = corpus
    tokenizer = load_tokenizer(storage, reference)
    assert end_of_document(tokenizer) not in tokenizer.encode("a <|endoftext|> b").ids


def test_local_tokenizers_and_wrong_ones(
    tmp_path: Path, corpus: tuple[Storage, CorpusSpec, str]
) -> None:
    storage, _, reference = corpus
    expected = tokenizer_fingerprint(load_tokenizer(storage, reference))
    folder = Path(storage.full_path(reference)).parent
    for place in (str(folder), str(folder / "tokenizer.json"), reference.rpartition("/")[0]):
        assert tokenizer_fingerprint(load_tokenizer(storage, place)) == expected
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"bad\.json.*not a tokenizer\.json"):
        load_tokenizer(storage, str(tmp_path / "bad.json"))
    with pytest.raises(InputError, match="neither in storage, nor a local file"):
        load_tokenizer(storage, str(tmp_path / "missing"))
    record = json.loads((folder / "tokenizer.json").read_text())
    record["added_tokens"] = []
    record["model"]["vocab"]["ordinary"] = record["model"]["vocab"].pop("<|endoftext|>")
    (tmp_path / "endless.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="no token that ends a document"):
        end_of_document(load_tokenizer(storage, str(tmp_path / "endless.json")))


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
    assert storage.list("corpora/c") == ["manifest.json", "train", "validation"]
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
        decoded = tokenizer.decode_batch(rows, skip_special_tokens=False)
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
    fingerprint = tokenizer_fingerprint(load_tokenizer(storage, reference))
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
    with pytest.raises(InputError, match="the input files differ"):
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
