"""The held-out documents of a prepared corpus, made again from its validation shards."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.data.manifest import load_manifest
from raycl.data.shard_documents import shard_documents
from raycl.data.tokenizer import read_tokenizer
from raycl.storage import Storage, layout


def held_out_documents(storage: Storage, corpus: str) -> Iterator[str]:
    """Whole validation documents of a corpus, in the order of its shards.

    A document is left out if the tokenizer does not encode its text to the very tokens of the
    shard, since the text is then not exact, and if it is the last of a shard and its end did not
    fill a row. Raises InputError if the corpus is missing or damaged, or its rows cannot be put in
    order.
    """
    manifest = load_manifest(storage, layout.corpus(corpus))
    tokenizer = read_tokenizer(storage, manifest.tokenizer)
    for place in range(len(manifest.validation.shards)):
        for ids in shard_documents(storage, manifest, "validation", place, tokenizer):
            tokens = ids.tolist()
            text = tokenizer.decode(tokens)
            if tokenizer.encode(text) == tokens:
                yield text
