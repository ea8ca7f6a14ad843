"""Checks of what preparation has stored: every byte of the shards, and the tokenizers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from raycl.data.binding import check_binding
from raycl.data.manifest import PREPARE_AGAIN, SPLITS, Manifest, Shard, SplitName, load_manifest
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.streams import PIECE_BYTES, pieces


def corpus_faults(storage: Storage, name: str) -> Iterator[InputError]:
    """Everything that is wrong with a prepared corpus, one fault for each of its shards."""
    folder = layout.corpus(name)
    try:
        manifest = load_manifest(storage, folder)
        check_binding(storage, name, manifest.fingerprint)
    except InputError as error:
        yield error
        return
    for split in SPLITS:
        first = 0
        for shard in manifest.split(split).shards:
            try:
                _verify_shard(storage, manifest, split, shard, first)
            except InputError as error:
                yield error
            first += shard.rows
    if manifest.source:  # shards from elsewhere may come without their tokenizer
        yield from tokenizer_faults(storage, manifest.tokenizer)


def tokenizer_faults(storage: Storage, fingerprint: str) -> Iterator[InputError]:
    """What is wrong with a stored tokenizer."""
    try:
        read_tokenizer(storage, fingerprint)
    except InputError as error:
        yield error


def _verify_shard(
    storage: Storage, manifest: Manifest, split: SplitName, shard: Shard, first: int
) -> None:
    """Compare the checksums of a shard's rows, and its SHA-256. `first` is its first row."""
    folder = layout.corpus(manifest.name)
    reader = CorpusReader(storage, folder, manifest, split)
    rows = max(1, PIECE_BYTES // (manifest.row_length * 4))
    for begin in range(0, shard.rows, rows):  # its error names the row, which a SHA-256 cannot
        reader.read(first + begin, min(rows, shard.rows - begin))
    digest = hashlib.sha256()
    for piece in pieces(storage, f"{folder}/{shard.file}"):
        digest.update(piece)
    if digest.hexdigest() != shard.sha256:
        where = storage.full_path(f"{folder}/{shard.file}")
        raise InputError(where, "its SHA-256 is not the manifest's", PREPARE_AGAIN)
