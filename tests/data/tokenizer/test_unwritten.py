"""Text that a tokenizer cannot write is counted, told, and above a share refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from raycl.data.held_out import held_out_documents
from raycl.data.manifest import Manifest
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpus
from raycl.data.prepare.unwritten import recorded
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import Choice, load_tokenizer, store_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece, write_tokenizer

PLAIN = "the cat sat on the mat"


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here instead of on Ray."""

    def run_tasks(task: Any, items: list[Any]) -> Iterator[Any]:
        yield from (json.loads(json.dumps(task(item))) for item in items)

    monkeypatch.setattr("raycl.data.prepare.ray_tasks.run_tasks", run_tasks)


Prepare = Callable[..., tuple[Storage, Manifest]]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Prepares a corpus `c` of these documents with a tokenizer, half of it held out."""

    def prepare(
        tokenizer: Tokenizer, documents: list[str], choice: Choice | None = None, **settings: Any
    ) -> tuple[Storage, Manifest]:
        file = tmp_path / "text.jsonl"
        lines = "".join(json.dumps({"text": text}) + "\n" for text in documents)
        if not file.exists() or file.read_text() != lines:
            file.write_text(lines)
        storage = Storage(tmp_path / "storage")
        folder = write_tokenizer(tmp_path / "given", tokenizer)
        stored = store_tokenizer(storage, load_tokenizer(storage, folder, choice or Choice()))
        spec = CorpusSpec("c", TextSource((str(file),)), 8, Fraction(1, 2), **settings)
        return storage, prepare_corpus(storage, spec, layout.tokenizer(stored))

    return prepare


def documents(*odd: str) -> list[str]:
    """Many plain documents that differ, and these."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [f"{PLAIN} {a}{b}" for a in letters for b in letters[:10]] + list(odd)


@pytest.mark.parametrize(
    ("tokenizer", "odd", "lost"),
    [
        (byte_level(alphabet=False), "caf\u00e9 \u65e5", 5),
        (byte_level(), "caf\u00e9 \u65e5 </s> <|endoftext|>", 0),
        (unigram(), "caf\u00e9 \u65e5\u65e5", 8),
        (unigram(fallback=True), "caf\u00e9 \u65e5", 0),
        (word_piece(), "The caf\u00e9 is", 5),  # the whole word is unknown, and case is no loss
        (gemma_like(), "caf\u00e9 \u65e5 <h1>", 0),
    ],
    ids=["bytes", "all bytes", "unigram", "fallback", "word piece", "gemma"],
)
def test_it_is_counted(prepare: Prepare, tokenizer: Tokenizer, odd: str, lost: int) -> None:
    choice = Choice("<eos>") if tokenizer.token_to_id("<eos>") else Choice()
    _, manifest = prepare(tokenizer, documents(odd, f"{odd} {PLAIN}"), choice, unknown=Fraction(1))
    counted = recorded(manifest)
    assert (counted.bytes, counted.documents) == (2 * lost, 2 if lost else 0)
    assert counted.of_bytes == sum(len(d.encode()) for d in documents(odd, f"{odd} {PLAIN}"))
    assert counted.example == (odd[:24] if lost else "")[: len(counted.example)]
    assert bool(counted.example) == bool(lost)


def test_too_much_is_refused_with_an_example(prepare: Prepare, tmp_path: Path) -> None:
    odd = "caf\u00e9 " * 20
    with pytest.raises(InputError, match=r"cannot write 40 bytes .* in 1 documents") as caught:
        prepare(byte_level(alphabet=False), documents(odd))
    assert "caf\u00e9" in caught.value.problem
    assert "tokenizer.unknown" in caught.value.remedy
    assert not (tmp_path / "storage/corpora/c/manifest.json").exists()
    prepare(byte_level(alphabet=False), documents(odd), unknown=Fraction(1, 100))


def test_little_is_not_refused(prepare: Prepare) -> None:
    assert recorded(prepare(byte_level(alphabet=False), documents("caf\u00e9"))[1]).bytes == 2


def test_an_older_manifest_has_no_counts(prepare: Prepare) -> None:
    _, manifest = prepare(byte_level(), documents())
    assert recorded(manifest.model_copy(update={"source": {}})).bytes == 0


@pytest.mark.parametrize("begin", ["none", "<bos>", "<eos>"])
def test_every_document_begins_and_ends(prepare: Prepare, begin: str) -> None:
    texts = documents("a </s> <eos> <bos> b")
    storage, manifest = prepare(gemma_like(), texts, Choice("<eos>", begin))
    tokenizer = load_tokenizer(storage, layout.tokenizer(manifest.tokenizer))
    whole = sum(len(tokenizer.encode(text)) for text in texts)
    added = 1 if begin == "none" else 2
    assert manifest.train.tokens + manifest.validation.tokens == whole + added * len(texts)
    assert manifest.train.documents + manifest.validation.documents == len(texts)
    if begin == "<bos>":
        rows = CorpusReader(storage, "corpora/c", manifest, "train")
        found = rows.read(0, rows.rows)
        # In a row, what follows an end is a beginning, and nothing else is one.
        after_end = found[:, 1:][found[:, :-1] == tokenizer.end]
        assert (after_end == tokenizer.begin).all()
        assert np.sum(found[:, 1:] == tokenizer.begin) == len(after_end)
    held_out = list(held_out_documents(storage, "c"))
    assert len(held_out) >= manifest.validation.documents - len(manifest.validation.shards)
    assert set(held_out) <= set(texts)


def test_another_beginning_is_another_corpus(prepare: Prepare) -> None:
    prepare(gemma_like(), documents(), Choice("<eos>"))
    with pytest.raises(InputError, match="tokenizer"):
        prepare(gemma_like(), documents(), Choice("<eos>", "none"))


def test_settings_that_change_no_token_are_no_change(prepare: Prepare) -> None:
    _, one = prepare(byte_level(), documents())
    _, two = prepare(byte_level(), documents(), unknown=Fraction(1, 2))
    assert one == two
