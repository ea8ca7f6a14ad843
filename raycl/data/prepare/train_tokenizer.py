"""Trains the byte-level BPE of a recipe on a sample of its corpora, once for each request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from raycl.data.prepare.digests import digests
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.origin import read_files
from raycl.data.prepare.source import InputFile, TextSource, Unit
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import END_OF_DOCUMENT
from raycl.data.tokenizer.store import store_tokenizer
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record

_SAMPLED_UNITS = 64
_SAMPLE_UNIT_BYTES = 2**20


class TokenizerRequest(Record):
    """The input of a tokenizer's training, and the fingerprint of the tokenizer that it made."""

    WHAT: ClassVar[str] = "the record of a trained tokenizer"
    REMEDY: ClassVar[str] = "Remove the file: the tokenizer is then trained again"

    sources: list[dict[str, Any]]
    """The settings of each corpus, and `files`: the content of each of its files.

    An older raycl recorded places, sizes and times of files instead.
    """
    vocabulary: int
    sample_bytes_per_corpus: int
    seed: int
    fingerprint: str


def train_tokenizer(
    storage: Storage,
    sources: Sequence[TextSource],
    vocabulary: int,
    sample_bytes_per_corpus: int,
    seed: int,
) -> tuple[str, str]:
    """Train a byte-level BPE on a sample of each corpus; its path in storage and its fingerprint.

    Every corpus gives `sample_bytes_per_corpus` bytes, or all that it has. The same request returns
    the tokenizer that it made before. Raises InputError where the text is too little.
    """
    if vocabulary < 257:
        raise InputError(
            f"vocabulary {vocabulary}", "too few", "Give at least 257: 256 bytes and one end"
        )
    found = [find_files(source) for source in sources]
    read = [read_files(files, digests(files)) for files in found]
    settings = {
        "vocabulary": vocabulary,
        "sample_bytes_per_corpus": sample_bytes_per_corpus,
        "seed": seed,
    }
    contents = [[file.content for file in files] for files in read]
    request = {"sources": _described(sources, contents), **settings}
    times = [[[file.url, file.size, file.modified] for file in files] for files in found]
    for known in (request, {"sources": _described(sources, times), **settings}):
        made = find_record(storage, layout.tokenizer_request(_request_key(known)), TokenizerRequest)
        if made is not None and storage.exists(layout.tokenizer(made.fingerprint)):
            return layout.tokenizer(made.fingerprint), made.fingerprint
    texts = (
        text
        for source, files in zip(sources, read, strict=True)
        for text in sample_texts(source, [r.file for r in files], sample_bytes_per_corpus, seed)
    )
    trained = _train(texts, vocabulary)
    if trained.get_vocab_size() < vocabulary:
        raise InputError(
            f"vocabulary {vocabulary}",
            f"the sample gives only {trained.get_vocab_size()} tokens",
            "Give more text, a larger sample_bytes_per_corpus or a smaller vocabulary",
        )
    made_here = TokenizerFiles("of the recipe", trained.to_str())
    fingerprint = store_tokenizer(storage, make_tokenizer(made_here))
    record = TokenizerRequest.model_validate({**request, "fingerprint": fingerprint})
    write_record(storage, layout.tokenizer_request(_request_key(request)), record)
    return layout.tokenizer(fingerprint), fingerprint


def _described(sources: Sequence[TextSource], files: list[Any]) -> list[dict[str, Any]]:
    return [
        {**asdict(source), "files": found} for source, found in zip(sources, files, strict=True)
    ]


def _request_key(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def _train(texts: Iterator[str], vocabulary: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_DOCUMENT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    return tokenizer


def sample_texts(
    source: TextSource, files: list[InputFile], wanted: int, seed: int
) -> Iterator[str]:
    """About `wanted` bytes of text, an equal share from each of many places in the corpus."""
    units, _ = plan_units(source, files, _SAMPLE_UNIT_BYTES)
    order: list[Any] = list(np.random.default_rng(seed).permutation(len(units)))
    chosen = min(len(units), _SAMPLED_UNITS)
    # Where the chosen units have too little text, the others follow, each as a whole.
    share = -(-wanted // max(chosen, 1))
    left = wanted
    for place, index in enumerate(order):
        allowance = min(left, share if place < chosen else left)
        for text in _beginning(source, units[index], allowance):
            left -= len(text.encode())
            yield text
        if left <= 0:
            return


def _beginning(source: TextSource, unit: Unit, wanted: int) -> Iterator[str]:
    for text in read_documents(source, unit):
        if wanted <= 0:
            return
        data = text.encode()
        yield data[:wanted].decode(errors="ignore")
        wanted -= len(data)
