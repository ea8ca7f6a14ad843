"""Which documents several corpora of a recipe share, and which split they belong to in all of them.

A document that one corpus holds out must not be trained on through another one. It is held out of
both; but where a corpus that is prepared already trains on it, it is trained on everywhere, since
nothing that is prepared changes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from raycl.data.document_hashes import HashedCorpus, Range, SplitHashes

_AT_ONCE = 2**25
"""Hashes of all corpora that are compared at a time: 256 MB, and some times that while sorting."""


@dataclass
class Agreement:
    """What comparing the corpora of a recipe gave."""

    moves: dict[str, SplitHashes]
    """For each new corpus, the documents that change the split: to training, to held out."""
    shared: dict[tuple[str, str], int]
    """Pairs of corpora -> documents that both hold."""
    conflicts: dict[tuple[str, str], int] = field(default_factory=dict)
    """(held out of, trained on in) -> documents, among corpora that were prepared before."""


def agree(new: Mapping[str, HashedCorpus], kept: Mapping[str, HashedCorpus]) -> Agreement:
    """Compare corpora that are being prepared with each other and with those prepared before.

    Raises FileNotFoundError and InputError where hashes are missing or damaged.
    """
    corpora = {**new, **kept}
    names = sorted(corpora)
    moved: dict[str, list[SplitHashes]] = {name: [] for name in new}
    agreement = Agreement({}, dict.fromkeys(itertools.combinations(names, 2), 0))
    for span in _spans(sum(corpus.documents for corpus in corpora.values())):
        parts = {name: corpora[name].within(span) for name in names}
        trained = _union([parts[name].train for name in kept])
        held_out = _union([parts[name].held_out for name in names])
        held_out = held_out[~np.isin(held_out, trained, assume_unique=True)]
        for name in new:
            part = parts[name]
            moved[name].append(
                SplitHashes(
                    np.intersect1d(part.held_out, trained, assume_unique=True),
                    np.intersect1d(part.train, held_out, assume_unique=True),
                )
            )
        _count(parts, kept, agreement)
    agreement.moves = {name: _joined(found) for name, found in moved.items()}
    return agreement


def moves_key(moves: SplitHashes) -> str:
    """A name for the moves; empty where there are none."""
    if not len(moves.train) and not len(moves.held_out):
        return ""
    return hashlib.sha256(moves.to_bytes()).hexdigest()[:16]


def _count(
    parts: Mapping[str, SplitHashes], kept: Mapping[str, HashedCorpus], agreement: Agreement
) -> None:
    everything = {name: np.union1d(part.train, part.held_out) for name, part in parts.items()}
    for one, other in agreement.shared:
        agreement.shared[one, other] += _common(everything[one], everything[other])
    for one, other in itertools.permutations(sorted(kept), 2):
        found = _common(parts[one].held_out, parts[other].train)
        if found:
            agreement.conflicts[one, other] = agreement.conflicts.get((one, other), 0) + found


def _common(one: np.ndarray, other: np.ndarray) -> int:
    return len(np.intersect1d(one, other, assume_unique=True))


def _union(parts: list[np.ndarray]) -> np.ndarray:
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def _joined(parts: list[SplitHashes]) -> SplitHashes:
    return SplitHashes(
        _union([part.train for part in parts]), _union([part.held_out for part in parts])
    )


def _spans(documents: int) -> Iterator[Range]:
    """The range of all hashes in so many equal parts that each fits into memory."""
    count = max(1, -(-documents // _AT_ONCE))
    for number in range(count):
        yield number * 2**64 // count, (number + 1) * 2**64 // count
