"""Counts similar documents by the corpora and splits that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raycl.data.overlap.documents import StoredDocuments
from raycl.data.overlap.record import Example, Overlap
from raycl.data.tokenizer.text_of_tokens import TextOfTokens

_EXAMPLES = 3
_SHOWN = 160
"""Bytes of text in an example."""
_SHOWN_TOKENS = 200


@dataclass(frozen=True)
class Sizes:
    """What is known of all documents, in their order."""

    begins: np.ndarray
    """[shards + 1]: the first document of each shard, and their number."""
    parts: np.ndarray
    """[documents]: the number of the part that each belongs to."""
    tokens: np.ndarray
    bytes: np.ndarray


Similar = Mapping[tuple[int, int], float]
"""Pairs of documents, the smaller number first, and their similarity."""


Place = tuple[int, int]
"""The numbers of a part and of that whose documents it repeats."""


def summarize(documents: StoredDocuments, sizes: Sizes, similar: Similar) -> list[Overlap]:
    """For each part, what it repeats of the training text of every corpus."""
    repeating, parts = _repeating(sizes, similar), documents.parts
    places = [
        (number, into)
        for number in range(len(parts))
        for into, other in enumerate(parts)
        if other.split == "train"
    ]
    first = {place: list(repeating.get(place, {}).items())[:_EXAMPLES] for place in places}
    texts = _beginnings(documents, sizes, {n for pairs in first.values() for p in pairs for n in p})
    found = []
    for place in places:
        own = sizes.parts == place[0]
        numbers = np.array(sorted(repeating.get(place, {})), np.int64)
        examples = [
            Example(
                similarity=round(similar[min(pair), max(pair)], 4),
                text=texts[pair[0]],
                other=texts[pair[1]],
            )
            for pair in first[place]
        ]
        found.append(
            Overlap(
                corpus=parts[place[0]].corpus,
                split=parts[place[0]].split,
                other=parts[place[1]].corpus,
                documents=len(numbers),
                bytes=int(sizes.bytes[numbers].sum()),
                of_documents=int(own.sum()),
                of_bytes=int(sizes.bytes[own].sum()),
                examples=examples,
            )
        )
    return found


def _repeating(sizes: Sizes, similar: Similar) -> dict[Place, dict[int, int]]:
    """For each place the documents that repeat others, each with the one that is most alike."""
    found: dict[Place, dict[int, int]] = {}
    for one, other in sorted(similar, key=lambda pair: (-similar[pair], pair)):
        first, second = int(sizes.parts[one]), int(sizes.parts[other])
        # Within a part the later document repeats the earlier one.
        found.setdefault((second, first), {}).setdefault(other, one)
        if first != second:
            found.setdefault((first, second), {}).setdefault(one, other)
    return found


def _beginnings(documents: StoredDocuments, sizes: Sizes, numbers: set[int]) -> dict[int, str]:
    text = TextOfTokens(documents.tokenizer)
    return {
        number: text.spelled(ids[:_SHOWN_TOKENS])[:_SHOWN].decode(errors="replace")
        for number, ids in documents.read(sizes.begins, sorted(numbers)).items()
    }
