"""Tokens that Megatron-LM or GPT-NeoX wrote: read as they lie, and refused where damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import struct
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raycl.data.manifest import Manifest
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpora, prepare_corpus, sentences
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.origin import prepared
from raycl.data.prepare.source import TokenDocument
from raycl.data.prepare.token_documents import TokenDocuments, read_tokens
from raycl.data.prepare.token_sample import check_token_sample
from raycl.data.shards import CorpusReader, verify_corpus
from raycl.data.tokenizer import TextTokenizer, load_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import read_all, texts, write_lines
from tests.helpers.megatron_files import CODES, write_megatron
from tests.helpers.tokenizers import byte_level, prose, unigram, write_tokenizer

Prepared = tuple[Storage, CorpusSpec, str]


def megatron(*prefixes: object) -> TextSource:
    return TextSource(tuple(map(str, prefixes)), format="megatron")


def read_ids(source: TextSource, unit_bytes: int = 2**25) -> list[list[int]]:
    units, _ = plan_units(source, find_files(source), unit_bytes)
    return [document.ids.tolist() for unit in units for document in read_tokens(unit)]


def rows(storage: Storage, manifest: Manifest) -> list[np.ndarray]:
    readers = [
        CorpusReader(storage, f"corpora/{manifest.name}", manifest, split)
        for split in ("train", "validation")
    ]
    return [reader.read(0, reader.rows) for reader in readers]


# The format


@pytest.mark.parametrize("unit_bytes", [1, 7, 64, 10**6])
@pytest.mark.parametrize("merged", [False, True])
@given(
    documents=st.lists(
        st.lists(st.lists(st.integers(0, 127), max_size=5), max_size=3), min_size=1, max_size=9
    ),
    dtype=st.sampled_from(sorted(CODES)),
)
@settings(deadline=None, max_examples=25)
def test_documents_are_the_same_however_cut(
    tmp_path_factory: pytest.TempPathFactory,
    unit_bytes: int,
    merged: bool,
    documents: list[list[list[int]]],
    dtype: str,
) -> None:
    path = write_megatron(tmp_path_factory.mktemp("m") / "a", documents, dtype, merged)
    sequences = [sequence for document in documents for sequence in document]
    whole = [[i for sequence in document for i in sequence] for document in documents]
    expected = sequences if merged else whole
    assert read_ids(megatron(path), unit_bytes) == expected


def test_large_ids_and_sums_need_their_bytes(tmp_path: Path) -> None:
    for dtype, top in (("uint16", 65535), ("int32", 2**31 - 1), ("int64", 2**62)):
        path = write_megatron(tmp_path / dtype, [[[top, 1]], [[2]]], dtype)
        assert read_ids(megatron(path)) == [[top, 1], [2]]


def test_places_beyond_four_gigabytes(tmp_path: Path) -> None:
    """A sparse file: the last sequence of three lies behind byte 2**33."""
    lengths = [2**31 - 1, 2**31 - 1, 3]
    path = write_megatron(tmp_path / "a", [[[0]] * 3], "uint16")
    places = [0, 2 * lengths[0], 4 * lengths[0]]
    head = Path(f"{path}.idx").read_bytes()[:34]
    Path(f"{path}.idx").write_bytes(
        head + struct.pack("<3i", *lengths) + struct.pack("<3q", *places) + struct.pack("<2q", 0, 3)
    )
    assert places[2] > 2**32
    with open(f"{path}.bin", "wb") as file:
        file.seek(places[2])
        file.write(np.array([7, 8, 9], "<u2").tobytes())
    merged = write_megatron(tmp_path / "b", [[[0]] * 3], "uint16", merged=True)
    Path(f"{merged}.idx").write_bytes(
        head[:26] + struct.pack("<Q", 1) + Path(f"{path}.idx").read_bytes()[34:70] + bytes(8)
    )
    Path(f"{merged}.bin").unlink()
    Path(f"{merged}.bin").symlink_to(f"{path}.bin")
    source = megatron(merged)
    units, _ = plan_units(source, find_files(source), 2**33)
    (piece,) = units[-1]
    last = dataclasses.replace(piece, start=2, stop=3)
    assert [document.ids.tolist() for document in read_tokens((last,))] == [[7, 8, 9]]


def test_a_name_stands_for_both_files_and_a_pattern_for_all(tmp_path: Path) -> None:
    for name in "ab":
        write_megatron(tmp_path / f"{name}_document", [[[ord(name)]]])
    for word in ("a_document", "a_document.idx", "a_document.bin"):
        assert read_ids(megatron(tmp_path / word)) == [[97]]
        assert len(find_files(megatron(tmp_path / word))) == 2
    assert read_ids(megatron(tmp_path / "*_document")) == [[97], [98]]
    with pytest.raises(InputError, match=r"a_document.idx.*tokens of Megatron.*`tokens`"):
        find_files(TextSource((f"{tmp_path}/a_document.idx",)))
    (tmp_path / "a_document.bin").unlink()
    with pytest.raises(InputError, match=r"a_document\.bin"):
        find_files(megatron(tmp_path / "a_document"))
    with pytest.raises(InputError, match="it holds tokens, where text is needed"):
        read_all(megatron(tmp_path / "b_document"))


# What is damaged


def damaged(tmp_path: Path) -> tuple[Path, Path]:
    write_megatron(tmp_path / "a", [[[1, 2], [3]], [[4]], [[5, 6, 7]]])
    return tmp_path / "a.idx", tmp_path / "a.bin"


def test_what_is_said_of_damaged_files(tmp_path: Path) -> None:
    index, data = damaged(tmp_path)
    whole, tokens = index.read_bytes(), data.read_bytes()

    def refused(new: bytes, match: str) -> None:
        index.write_bytes(new)
        with pytest.raises(InputError, match=match) as error:
            read_ids(megatron(tmp_path / "a"))
        assert str(tmp_path / "a") in error.value.where

    def changed(place: int, new: bytes) -> bytes:
        return whole[:place] + new + whole[place + len(new) :]

    refused(b"", "does not begin with MMIDIDX")
    refused(whole[:20], "does not begin with MMIDIDX")
    refused(b"TNTIDX\x00\x00" + whole[8:], "TNTIDX.*dataset-impl")
    refused(changed(9, b"\x02"), "version 2; known is 1")
    refused(changed(17, b"\x06"), "floats")
    refused(changed(17, b"\x07"), "floats")
    refused(changed(17, b"\x09"), "type 9 of its tokens is not known")
    refused(changed(17, b"\x04"), "its 1 does not|sequence 1 does not begin")
    refused(changed(18, struct.pack("<Q", 2**63)), "cut or damaged")
    refused(changed(26, struct.pack("<Q", 2**60)), "cut or damaged")
    refused(whole[:-1], "cut or damaged")
    refused(whole + bytes(4), "mode for each sequence")
    refused(changed(34, struct.pack("<i", -2)), "sequence 0 has fewer than 0 tokens")
    refused(changed(34 + 12, struct.pack("<i", 2**31 - 1)), "its sequences have 4,29.*.bin file 14")
    refused(changed(50 + 8, struct.pack("<q", 2)), "sequence 1 does not begin where")
    refused(changed(50 + 8, struct.pack("<q", -2)), "sequence 1 does not begin where")
    refused(changed(82, struct.pack("<q", 1)), "its first document begins later than 0")
    refused(changed(82 + 8, struct.pack("<q", 2**40)), "document 1 begins with a sequence")
    refused(changed(82 + 16, struct.pack("<q", 1)), "document 2 begins with a sequence")
    refused(changed(82 + 24, struct.pack("<q", 3)), "documents end with sequence 3 of 4")
    index.write_bytes(whole)
    data.write_bytes(tokens[:-1])
    with pytest.raises(InputError, match=r"have 14 bytes, and the .bin file 13"):
        read_ids(megatron(tmp_path / "a"))
    data.write_bytes(tokens)
    assert read_ids(megatron(tmp_path / "a")) == [[1, 2, 3], [4], [5, 6, 7]]


@given(data=st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_changed_bytes_never_end_in_a_traceback(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is changed or cut, the answer is an InputError or documents of these tokens."""
    index, tokens = damaged(tmp_path)
    whole = bytearray(index.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    index.write_bytes(whole[: data.draw(st.integers(len(whole) - 2, len(whole)))])
    tokens.write_bytes(tokens.read_bytes()[: data.draw(st.integers(12, 14))])
    with contextlib.suppress(InputError):
        found = read_ids(megatron(tmp_path / "a"))
        assert sum(map(len, found)) in (7, 14)  # of 2 or 1 bytes


# Corpora


@pytest.fixture
def twins(tmp_path: Path, corpus: Prepared) -> tuple[CorpusSpec, CorpusSpec, TextTokenizer]:
    """The same documents as text and as tokens of a tokenizer."""
    storage, spec, reference = corpus
    tokenizer = load_tokenizer(storage, reference)
    ids = [[tokenizer.encode(text)] for text in texts(300)]
    path = write_megatron(tmp_path / "tokens", ids, "int32")
    # One bucket of each split: with several, their number is estimated from the bytes of the files.
    of_text = dataclasses.replace(spec, name="text", shard_tokens=2**25)
    return of_text, dataclasses.replace(of_text, name="ids", source=megatron(path)), tokenizer


@pytest.mark.parametrize("form", ["plain", "ended", "packed", "split"])
@pytest.mark.usefixtures("in_process")
def test_tokens_make_the_rows_of_their_text(
    tmp_path: Path, corpus: Prepared, twins: tuple[CorpusSpec, CorpusSpec, TextTokenizer], form: str
) -> None:
    storage, _, reference = corpus
    of_text, of_ids, tokenizer = twins
    ids = [tokenizer.encode(text) for text in texts(300)]
    ended = [[*document, tokenizer.end] for document in ids]
    documents = {
        "plain": [[document] for document in ids],
        "ended": [[document] for document in ended],
        "packed": [[list(chain(*ended[n : n + 20]))] for n in range(0, 300, 20)],
        "split": [[document[:3], [], document[3:]] for document in ids] + [[]],
    }[form]
    write_megatron(tmp_path / "tokens", documents, "int32")
    text = prepare_corpus(storage, of_text, reference)
    made = prepare_corpus(storage, of_ids, reference, unit_bytes=3000)
    for one, other in zip(rows(storage, text), rows(storage, made), strict=True):
        np.testing.assert_array_equal(one, other)
    assert made.fingerprint == text.fingerprint
    assert dataclasses.asdict(made.train) | {"shards": ()} == dataclasses.asdict(text.train) | {
        "shards": ()
    }
    verify_corpus(storage, "corpora/ids")
    told = " ".join(sentences(made))
    words = {"plain": "300 documents none had", "ended": "300 documents each had"}
    words |= {"packed": "15 of them had end tokens inside", "split": "1 documents without text"}
    assert words[form] in told


@pytest.mark.usefixtures("in_process")
def test_text_and_tokens_share_documents(
    tmp_path: Path, corpus: Prepared, twins: tuple[CorpusSpec, CorpusSpec, TextTokenizer]
) -> None:
    storage, _, reference = corpus
    of_text, of_ids, tokenizer = twins
    write_lines(tmp_path / "b.jsonl", texts(300)[:100] + texts(100, seed=5))
    source = TextSource((f"{tmp_path}/b.jsonl",))
    of_text = dataclasses.replace(of_text, source=source, seed=8, sequence_length=300)
    of_ids = dataclasses.replace(of_ids, validation=of_text.validation * 3, sequence_length=300)
    made = prepare_corpora(storage, [of_text, of_ids], reference)
    assert made["ids"].source["shared"] == {"text": 100}
    assert made["ids"].source["held_out_with_another"] > 0
    held = [
        set(map(tuple, split_documents(part, tokenizer.end)))
        for part in rows(storage, made["text"])
    ]
    also = [
        set(map(tuple, split_documents(part, tokenizer.end))) for part in rows(storage, made["ids"])
    ]
    assert len(held[0] & also[0]) > 40
    assert not held[0] & also[1]
    assert not held[1] & also[0]


def split_documents(part: np.ndarray, end: int) -> list[list[int]]:
    """The documents that lie whole in rows."""
    found = []
    for row in part:
        ends = np.flatnonzero(row == end)
        found += [row[a + 1 : b].tolist() for a, b in pairwise(ends)]
    return found


@pytest.mark.usefixtures("in_process")
def test_a_corpus_of_tokens_knows_both_its_files(
    tmp_path: Path, corpus: Prepared, twins: tuple[CorpusSpec, CorpusSpec, TextTokenizer]
) -> None:
    storage, _, reference = corpus
    _, of_ids, tokenizer = twins
    made = prepare_corpus(storage, of_ids, reference)
    assert prepared(storage, of_ids, tokenizer.fingerprint) == made
    moved = dataclasses.replace(of_ids, source=megatron(tmp_path / "moved"))
    for suffix in ("idx", "bin"):
        shutil.copy(tmp_path / f"tokens.{suffix}", tmp_path / f"moved.{suffix}")
    assert prepared(storage, moved, tokenizer.fingerprint) == made
    data = bytearray((tmp_path / "moved.bin").read_bytes())
    data[0] ^= 1
    (tmp_path / "moved.bin").write_bytes(data)
    with pytest.raises(InputError, match=r"prepared from other input.*moved\.bin"):
        prepared(storage, moved, tokenizer.fingerprint)


def test_ids_of_no_token_are_refused(tmp_path: Path, corpus: Prepared) -> None:
    tokenizer = load_tokenizer(corpus[0], corpus[2])
    for wrong in (tokenizer.vocabulary, -1):
        path = write_megatron(tmp_path / "a", [[[5]], [[6, wrong]]], "int32")
        with pytest.raises(InputError, match=f"token {wrong} is none of the tokenizer's") as error:
            check_token_sample(megatron(path), find_files(megatron(path)), tokenizer)
        assert error.value.where == f"{path}.bin document 1"


def test_tokens_of_another_tokenizer_are_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "s")
    own = load_tokenizer(storage, write_tokenizer(tmp_path / "own", byte_level()))
    other = load_tokenizer(
        storage,
        write_tokenizer(
            tmp_path / "other",
            byte_level(("<s>", "</s>", "<|endoftext|>")),
            tokenizer_config={"eos_token": "</s>"},
        ),
    )
    path = write_megatron(tmp_path / "a", [[[*other.encode(text), other.end]] for text in prose()])
    source = megatron(path)
    assert check_token_sample(source, find_files(source), other) == prose()[0][:100]
    with pytest.raises(InputError, match="its tokens are not of this tokenizer"):
        check_token_sample(source, find_files(source), own)
    foreign = write_megatron(
        tmp_path / "c", [[[*other.encode(text), other.end - 1]] for text in prose()]
    )
    with pytest.raises(InputError, match=r"end with '<s>', and the tokenizer ends .* '</s>'"):
        check_token_sample(megatron(foreign), find_files(megatron(foreign)), other)
    empty = megatron(write_megatron(tmp_path / "b", [[[]]]))
    with pytest.raises(InputError, match="there is no document in it"):
        check_token_sample(empty, find_files(empty), own)


def test_a_beginning_is_not_doubled_and_unsure_text_is_known_by_tokens(tmp_path: Path) -> None:
    folder = write_tokenizer(
        tmp_path / "t",
        unigram(),
        tokenizer_config={"eos_token": "</s>", "bos_token": "<pad>", "add_bos_token": True},
    )
    tokenizer = load_tokenizer(Storage(tmp_path / "s"), folder)
    begin, end, unknown = 0, 1, 2
    word = tokenizer.encode("the river")
    documents = [[begin, *word, end], word, [begin, end], [*word, unknown]]
    made = TokenDocuments(tokenizer)
    (batch,) = made.batches(
        [TokenDocument("a.bin", n, np.array(ids)) for n, ids in enumerate(documents)],
        "uint16",
        Buckets(0, Fraction(1, 2), 1, 1),
        lambda _: None,
    )
    found = batch.documents
    assert found.tokens.tolist() == [*word, *word, *word, unknown]
    assert found.lengths.tolist() == [len(word), len(word), len(word) + 1]
    first, second, third = (key.tobytes() for key in found.keys)
    assert first == second != third
    assert (batch.unwritten.documents, batch.unwritten.bytes) == (1, 1)
    facts = made.facts
    assert (facts.documents, facts.ended, facts.begun, facts.empty) == (4, 2, 2, 1)
    assert facts.by_tokens == 1
