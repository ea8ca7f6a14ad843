"""The bytes of prepared corpora, as they were when the first of them were prepared.

A corpus that is prepared again has to be the one that states were trained on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from raycl.data.manifest import Manifest
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpora
from raycl.data.prepare.unwritten import UNWRITTEN
from raycl.data.tokenizer import Choice, load_tokenizer, store_tokenizer
from raycl.storage import Storage, layout
from tests.helpers.corpus_text import texts, write_lines
from tests.helpers.tokenizers import gemma_like, unigram, word_piece, write_tokenizer

ODD = [
    " ",
    "x",
    "the <|endoftext|> </s> <eos> [SEP]",
    "ÄÖÜ é 你好 🙂",
    "the river\n" * 90,
    "\n\nThe.",
]


def byte_level() -> Tokenizer:
    """A byte-level BPE that is the same in every version of Python and of the library."""
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("r", "i"), ("v", "e"), ("Ġ", "ri")]
    tokens = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {t: n for n, t in enumerate([*tokens, *map("".join, merges)])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


CASES: dict[str, tuple[Callable[[], Tokenizer], Choice]] = {
    "byte level": (byte_level, Choice()),
    "begins": (gemma_like, Choice("<eos>", "<bos>")),
    "unknown words": (word_piece, Choice("[SEP]", "[CLS]")),
    "unknown pieces": (unigram, Choice("</s>")),
}
EXPECTED: dict[str, dict[str, str]] = {
    "byte level": {"a": "e32d44540557d4c4", "b": "7b639ef60f1ac633"},
    "begins": {"a": "de42d2b4f795ccb9", "b": "d260ae918529382c"},
    "unknown words": {"a": "5c2ea31d83af42d9", "b": "b13ae1d10743a7a8"},
    "unknown pieces": {"a": "1f77967c103dcc6c", "b": "45d110a05a15f8fe"},
}


def digest(storage: Storage, manifest: Manifest) -> str:
    """A digest of a corpus' shards, hashes and counts, without the names of its files."""
    folder, whole = layout.corpus(manifest.name), hashlib.sha256()
    for split in (manifest.train, manifest.validation):
        for shard in split.shards:
            whole.update(storage.read_bytes(f"{folder}/{shard.file}"))
        whole.update(repr((split.rows, split.documents, split.tokens, split.bytes)).encode())
    for hashes in manifest.source["documents"]:
        whole.update(storage.read_bytes(f"{folder}/{hashes['file']}"))
    counts = [manifest.source[key] for key in (UNWRITTEN, "duplicates", "unused_tokens")]
    whole.update(json.dumps(counts, sort_keys=True).encode())
    return whole.hexdigest()[:16]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("unit_bytes", [4_000, 2**25])
@pytest.mark.parametrize("case", CASES)
def test_they_stay(
    tmp_path: Path, case: str, unit_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.data.prepare.encode._ENCODED_AT_ONCE", 300)
    monkeypatch.setattr("raycl.data.prepare.encode._BATCH_BYTES", 1_000)
    make, choice = CASES[case]
    shared, other = texts(150), texts(60, seed=5)
    write_lines(tmp_path / "a.jsonl", shared + ODD)
    write_lines(tmp_path / "b.jsonl", shared[100:] + other + other[:7])
    storage = Storage(tmp_path / "storage")
    folder = write_tokenizer(tmp_path / "tokenizer", make())
    fingerprint = store_tokenizer(storage, load_tokenizer(storage, folder, choice))
    source = TextSource((f"{tmp_path}/a.jsonl",))
    a = CorpusSpec("a", source, 16, 0.1, seed=3, shard_tokens=2_000, unknown=Fraction(1))
    b = dataclasses.replace(a, name="b", source=TextSource((f"{tmp_path}/b.jsonl",)), seed=8)
    made = prepare_corpora(storage, [a, b], layout.tokenizer(fingerprint), unit_bytes=unit_bytes)
    assert made["a"].source["held_out_with_another"] > 0
    assert {name: digest(storage, m) for name, m in made.items()} == EXPECTED[case]
