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


def summarize(documents: StoredDocuments, sizes: Sizes, similar: Similar) -> list[Overlap]:
    """For each part, what it repeats of the training text of every corpus."""
    repeating: dict[tuple[int, int], dict[int, int]] = {}
    for (one, other), _ in sorted(similar.items(), key=lambda item: (-item[1], item[0])):
        first, second = int(sizes.parts[one]), int(sizes.parts[other])
        # Within a part the later document repeats the earlier one.
        repeating.setdefault((second, first), {}).setdefault(other, one)
        if first != second:
            repeating.setdefault((first, second), {}).setdefault(one, other)
    parts = documents.parts
    compared = [
        (number, into)
        for number in range(len(parts))
        for into, other in enumerate(parts)
        if other.split == "train"
    ]
    shown = [
        pair for place in compared for pair in list(repeating.get(place, {}).items())[:_EXAMPLES]
    ]
    read = documents.read(sizes.begins, [number for pair in shown for number in pair])
    text = TextOfTokens(documents.tokenizer)

    def beginning(number: int) -> str:
        return text.spelled(read[number][:_SHOWN_TOKENS])[:_SHOWN].decode(errors="replace")

    def example(one: int, other: int) -> Example:
        similarity = similar[min(one, other), max(one, other)]
        return Example(similarity=round(similarity, 4), text=beginning(one), other=beginning(other))

    found = []
    for place in compared:
        pairs = repeating.get(place, {})
        own, numbers = sizes.parts == place[0], np.array(sorted(pairs), np.int64)
        found.append(
            Overlap(
                corpus=parts[place[0]].corpus,
                split=parts[place[0]].split,
                other=parts[place[1]].corpus,
                documents=len(pairs),
                bytes=int(sizes.bytes[numbers].sum()),
                of_documents=int(own.sum()),
                of_bytes=int(sizes.bytes[own].sum()),
                examples=[example(*pair) for pair in list(pairs.items())[:_EXAMPLES]],
            )
        )
    return found
