"""Trainings whose rows have borders of documents, which the tokenizer of their corpora names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raycl.data.manifest import Split, write_manifest
from raycl.data.shards import write_shard
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import Choice
from raycl.data.tokenizer.store import store_tokenizer
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.storage import Storage
from tests.helpers.manifests import small_manifest
from tests.helpers.tokenizers import unigram
from tests.helpers.training_runs import LENGTH, VOCABULARY

END = 1
"""The token that ends a document, `</s>` of the tokenizer."""


def make_document_storage(folder: Path) -> Storage:
    """As `make_storage`, with the end of a document at each seventh place on average."""
    storage = Storage(folder)
    files = TokenizerFiles("of the tests", unigram().to_str())
    tokenizer = make_tokenizer(files, Choice("</s>"))
    assert tokenizer.end == END
    fingerprint = store_tokenizer(storage, tokenizer)
    for name in ("new", "older"):
        _make_corpus(storage, name, fingerprint)
    return storage


def _make_corpus(storage: Storage, name: str, tokenizer: str) -> None:
    generator, folder = np.random.default_rng(len(name)), f"corpora/{name}"
    rows = generator.integers(2, VOCABULARY, (205, LENGTH + 1), dtype=np.uint16)
    rows[generator.random(rows.shape) < 1 / 7] = END
    train = Split((write_shard(storage, folder, "train", 0, rows[:200]),), 200, 1, 1, 1)
    held = Split((write_shard(storage, folder, "validation", 0, rows[200:]),), 5, 1, 1, 1)
    manifest = small_manifest(name, VOCABULARY, LENGTH + 1, train, held, tokenizer=tokenizer)
    write_manifest(storage, folder, manifest)
