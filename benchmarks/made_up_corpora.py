"""Manifests of corpora whose rows a benchmark has made up."""

from __future__ import annotations

from raycl.data.manifest import Manifest, Shard, Split, fingerprinted, write_manifest
from raycl.storage import Storage, layout


def describe_rows(
    storage: Storage, name: str, shards: tuple[Shard, ...], row_length: int, vocabulary: int
) -> None:
    """Write the manifest of a corpus of these shards, uint16 and without validation rows."""
    rows = sum(shard.rows for shard in shards)
    manifest = Manifest(
        name=name,
        tokenizer="none",
        vocabulary=vocabulary,
        dtype="uint16",
        row_length=row_length,
        seed=0,
        source={},
        train=Split(shards, rows, 1, rows * row_length, rows * row_length),
        validation=Split((), 0, 0, 0, 0),
        fingerprint="",
    )
    write_manifest(storage, layout.corpus(name), fingerprinted(manifest))
