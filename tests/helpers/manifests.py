"""Manifests of corpora that no preparation made."""

from __future__ import annotations

from raycl.data.manifest import Manifest, Split, fingerprinted


def small_manifest(
    name: str,
    vocabulary: int,
    row_length: int,
    train: Split,
    validation: Split,
    *,
    tokenizer: str = "t",
) -> Manifest:
    """The manifest of shards of 16-bit tokens from elsewhere."""
    manifest = Manifest(
        name=name,
        tokenizer=tokenizer,
        vocabulary=vocabulary,
        dtype="uint16",
        row_length=row_length,
        seed=0,
        source={},
        train=train,
        validation=validation,
        fingerprint="",
    )
    return fingerprinted(manifest)
