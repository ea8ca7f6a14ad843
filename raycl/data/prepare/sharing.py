"""Documents that several corpora of a recipe hold, as manifests record them and people read it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from raycl.data.document_hashes import HashedCorpus
from raycl.data.manifest import Manifest
from raycl.data.prepare.agreement import Agreement, agree
from raycl.data.prepare.token_facts import token_sentences
from raycl.errors import InputError
from raycl.storage import Storage, layout


def hashes_of(storage: Storage, manifest: Manifest) -> HashedCorpus | None:
    """The hashes of a prepared corpus; None where an older raycl prepared it, or none did."""
    files = manifest.source.get("documents")
    if not files:
        return None
    folder = layout.corpus(manifest.name)
    return HashedCorpus(
        storage,
        [f"{folder}/{file['file']}" for file in files],
        [file["sha256"] for file in files],
    )


def sharing_of(agreement: Agreement, corpus: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """What the manifest of a new corpus says of the documents that it shares.

    `keys` name the text and settings of each corpus that took part.
    """
    moves = agreement.moves[corpus]
    return {
        "key": keys[corpus],
        "compared_with": {name: key for name, key in sorted(keys.items()) if name != corpus},
        "shared": dict(_shared_with(agreement, corpus)),
        "held_out_with_another": len(moves.held_out),
        "trained_with_another": len(moves.train),
    }


def _shared_with(agreement: Agreement, corpus: str) -> Iterator[tuple[str, int]]:
    for pair, count in agreement.shared.items():
        if corpus in pair and count:
            yield pair[1] if pair[0] == corpus else pair[0], count


def conflicts(storage: Storage, manifests: Mapping[str, Manifest]) -> Iterator[str]:
    """A sentence for each prepared corpus that trains on what another one holds out.

    Raises InputError where the hashes of a corpus are damaged or missing.
    """
    known = {name: m for name, m in manifests.items() if m.source.get("documents")}
    pairs = itertools.combinations(sorted(known), 2)
    apart = [pair for pair in pairs if not _were_compared(known[pair[0]], known[pair[1]])]
    if not apart:
        return
    hashes = {name: hashes_of(storage, known[name]) for pair in apart for name in pair}
    met = {name: found for name, found in hashes.items() if found is not None}
    try:
        found = agree({}, met).conflicts
    except FileNotFoundError as error:
        raise InputError(
            str(error), "the hashes of a corpus' documents are missing", "Restore the file"
        ) from error
    for (held, trained), count in sorted(found.items()):
        yield (
            f"corpus {trained} trains on {count:,} documents that corpus {held} holds out: losses "
            f"on {held} are too low. Prepare one of them under another name in this recipe: they "
            "are then held out of both"
        )


def _were_compared(one: Manifest, other: Manifest) -> bool:
    """Whether one of two corpora was prepared in view of the other, as it is now."""
    return any(
        later.source.get("compared_with", {}).get(earlier.name) == earlier.source.get("key")
        for later, earlier in ((one, other), (other, one))
    )


def without_hashes(manifests: Mapping[str, Manifest]) -> list[str]:
    """The corpora that an older raycl prepared: what they share with others is not known."""
    return [name for name, m in manifests.items() if m.source and not m.source.get("documents")]


def sentences(manifest: Manifest) -> Iterator[str]:
    """What to tell about documents: of tokens, repeated and shared ones."""
    source, name = manifest.source, manifest.name
    yield from token_sentences(manifest)
    if source.get("duplicates"):
        yield (
            f"corpus {name}: {source['duplicates']:,} documents are repetitions, which were left "
            "out"
        )
    for other, count in sorted(source.get("shared", {}).items()):
        yield f"corpus {name}: {count:,} documents are in corpus {other} too"
    if source.get("held_out_with_another"):
        yield (
            f"corpus {name}: {source['held_out_with_another']:,} documents are held out because "
            "another corpus holds them out"
        )
    if source.get("trained_with_another"):
        yield (
            f"corpus {name}: {source['trained_with_another']:,} documents are not held out because "
            "a corpus that was prepared before trains on them"
        )
