"""Finds near-duplicates among the documents of prepared corpora.

The shards are read once for signatures. Documents that share a band of them are read again, and
their similarity is computed from their n-grams themselves: what is reported is exact, and what is
missed is at most about one in a hundred pairs at the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import Manifest
from raycl.data.overlap.bands import Bands
from raycl.data.overlap.candidates import candidate_pairs
from raycl.data.overlap.documents import StoredDocuments
from raycl.data.overlap.record import OverlapReport
from raycl.data.overlap.shingles import jaccard, shingles
from raycl.data.overlap.summary import Sizes, summarize
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.data.tokenizer.text_of_tokens import TextOfTokens
from raycl.errors import InputError
from raycl.storage import Storage

Progress = Callable[[str, int, int], None]
_COMPARED_TOKENS = 2**25
"""Tokens of documents that are compared at a time; each takes some sixteen bytes."""


@dataclass(frozen=True)
class OverlapOptions:
    """From which Jaccard similarity of n-grams of how many tokens documents are near-duplicates."""

    threshold: float = 0.8
    ngram: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise InputError(
                f"--threshold {self.threshold:g}", "not a similarity", "Give one in (0, 1]"
            )
        if self.ngram < 1:
            raise InputError(f"--ngram {self.ngram}", "too small", "Give 1 or more")


def find_overlaps(
    storage: Storage,
    manifests: Mapping[str, Manifest],
    recipe: str,
    options: OverlapOptions,
    report: Progress,
) -> OverlapReport:
    """Compare all documents of prepared corpora of one tokenizer, and the splits of each.

    Raises InputError where corpora are damaged, or were prepared with different tokenizers.
    """
    tokenizer = _tokenizer(storage, manifests)
    documents = StoredDocuments(storage, manifests, tokenizer)
    sizes, keys = _signatures(documents, options, report)
    pairs = candidate_pairs(keys, sizes.parts)
    similar = _similar(documents, sizes, pairs, options, report)
    return OverlapReport(
        recipe=recipe,
        threshold=options.threshold,
        ngram=options.ngram,
        corpora={name: manifest.fingerprint for name, manifest in manifests.items()},
        overlaps=summarize(documents, sizes, similar),
    )


def _tokenizer(storage: Storage, manifests: Mapping[str, Manifest]) -> TextTokenizer:
    fingerprints = {manifest.tokenizer for manifest in manifests.values()}
    if len(fingerprints) != 1:
        raise InputError(
            "corpora", "they were prepared with different tokenizers", "Compare those of one"
        )
    return read_tokenizer(storage, *fingerprints)


def _signatures(
    documents: StoredDocuments, options: OverlapOptions, report: Progress
) -> tuple[Sizes, np.ndarray]:
    """Sizes of all documents, and the keys of their bands [documents, bands]."""
    bands, text = Bands.finding(options.threshold), TextOfTokens(documents.tokenizer)
    keys: list[np.ndarray] = []
    parts: list[int] = []
    tokens: list[int] = []
    sizes: list[int] = []
    begins = [0]
    for done, shard in enumerate(documents.shards):
        report("read", done, len(documents.shards))
        of_shard = []
        for ids in documents.of_shard(shard):
            of_shard.append(bands.keys(shingles(ids, options.ngram)))
            tokens.append(len(ids))
            sizes.append(len(text.spelled(ids)))
        keys += [np.array(of_shard, np.uint64).reshape(len(of_shard), bands.bands)]
        parts += [shard[0]] * len(of_shard)
        begins.append(begins[-1] + len(of_shard))
    return (
        Sizes(np.array(begins), np.array(parts, np.int32), np.array(tokens), np.array(sizes)),
        np.concatenate(keys),
    )


def _similar(
    documents: StoredDocuments,
    sizes: Sizes,
    pairs: np.ndarray,
    options: OverlapOptions,
    report: Progress,
) -> dict[tuple[int, int], float]:
    """The pairs whose similarity is at least the threshold."""
    found: dict[tuple[int, int], float] = {}
    done = 0
    for batch in _batches(pairs, sizes.tokens):
        report("compare", done, len(pairs))
        read = documents.read(sizes.begins, batch.ravel().tolist())
        members = {number: shingles(ids, options.ngram) for number, ids in read.items()}
        for one, other in batch.tolist():
            similarity = jaccard(members[one], members[other])
            if similarity >= options.threshold:
                found[one, other] = similarity
        done += len(batch)
    return found


def _batches(pairs: np.ndarray, tokens: np.ndarray) -> Iterator[np.ndarray]:
    """The pairs in parts whose documents have about `_COMPARED_TOKENS` tokens together."""
    first, size = 0, 0
    known: set[int] = set()
    for place, pair in enumerate(pairs.tolist()):
        size += sum(int(tokens[number]) for number in pair if number not in known)
        known.update(pair)
        if size >= _COMPARED_TOKENS:
            yield pairs[first : place + 1]
            first, size = place + 1, 0
            known = set()
    if first < len(pairs):
        yield pairs[first:]
