"""Tokenizers: trained here, from a local file, or from the hub. A fingerprint identifies each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from raycl.data.prepare.digests import digests
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.origin import read_files
from raycl.data.prepare.source import InputFile, TextSource, Unit
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record

END_OF_DOCUMENT = "<|endoftext|>"
_ENDS = (END_OF_DOCUMENT, "</s>", "<eos>", "<|end_of_text|>", "<|im_end|>", "<|eos|>", "[EOS]")
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


def tokenizer_fingerprint(tokenizer: Tokenizer) -> str:
    """SHA-256 of the tokenizer's JSON, independent of how the file was laid out."""
    canonical = json.dumps(json.loads(tokenizer.to_str()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """One more than the largest token id: a vocabulary may have unused ids."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


def end_of_document(tokenizer: Tokenizer) -> int:
    """Id of the token that ends a document. Raises InputError where none is known."""
    for token in _ENDS:
        identifier = tokenizer.token_to_id(token)
        if identifier is not None:
            return int(identifier)
    raise InputError(
        "tokenizer", "it has no token that ends a document", f"Add one of {', '.join(_ENDS)}"
    )


def load_tokenizer(storage: Storage, reference: str) -> Tokenizer:
    """The tokenizer at a path in storage, in a local file or folder, or of a model on the hub.

    Raises InputError where there is none, or it cannot be used.
    """
    for data in _candidates(storage, reference):
        try:
            return _for_whole_documents(Tokenizer.from_str(data.decode()))
        except Exception as error:  # tokenizers raises bare Exception
            raise InputError(
                f"tokenizer {reference!r}",
                f"not a tokenizer.json ({error})",
                "Give one that Hugging Face tokenizers can load",
            ) from error
    return _from_hub(reference)


def _candidates(storage: Storage, reference: str) -> Iterator[bytes]:
    if not reference.startswith(("/", "~")) and ".." not in reference.split("/"):
        for path in (reference, f"{reference}/tokenizer.json"):
            try:
                yield storage.read_bytes(path)
            except (FileNotFoundError, IsADirectoryError, OSError):
                continue
    local = Path(reference).expanduser()
    for file in (local, local / "tokenizer.json"):
        if file.is_file():
            yield file.read_bytes()


def _from_hub(reference: str) -> Tokenizer:
    from transformers import AutoTokenizer

    problem = "it is neither in storage, nor a local file, nor a model that the hub gives"
    try:
        backend = getattr(AutoTokenizer.from_pretrained(reference), "backend_tokenizer", None)
    except Exception as error:  # the hub client raises many kinds
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"tokenizer {reference!r}", f"{problem} ({first_line})", "Correct the name"
        ) from error
    if not isinstance(backend, Tokenizer):
        raise InputError(
            f"tokenizer {reference!r}", "it has no fast version", "Give one with a tokenizer.json"
        )
    return _for_whole_documents(backend)


def _for_whole_documents(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer set to encode whole documents, and special tokens in them as plain text."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


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
        for text in _sample(source, [r.file for r in files], sample_bytes_per_corpus, seed)
    )
    tokenizer = _train(texts, vocabulary)
    if vocabulary_size(tokenizer) < vocabulary:
        raise InputError(
            f"vocabulary {vocabulary}",
            f"the sample gives only {vocabulary_size(tokenizer)} tokens",
            "Give more text, a larger sample_bytes_per_corpus or a smaller vocabulary",
        )
    fingerprint = store_tokenizer(storage, tokenizer)
    record = TokenizerRequest.model_validate({**request, "fingerprint": fingerprint})
    write_record(storage, layout.tokenizer_request(_request_key(request)), record)
    return layout.tokenizer(fingerprint), fingerprint


def _described(sources: Sequence[TextSource], files: list[Any]) -> list[dict[str, Any]]:
    return [
        {**asdict(source), "files": found} for source, found in zip(sources, files, strict=True)
    ]


def _request_key(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]


def store_tokenizer(storage: Storage, tokenizer: Tokenizer) -> str:
    """Put the tokenizer into storage, if it is not there yet; its fingerprint."""
    fingerprint = tokenizer_fingerprint(tokenizer)
    if not storage.exists(layout.tokenizer(fingerprint)):
        storage.write_bytes(layout.tokenizer(fingerprint), tokenizer.to_str(pretty=True).encode())
    return fingerprint


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
    return _for_whole_documents(tokenizer)


def _sample(source: TextSource, files: list[InputFile], wanted: int, seed: int) -> Iterator[str]:
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
