"""The report of near-duplicates, as it is stored and as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from raycl.storage.record import Part, Record
from raycl.units import format_bytes


class Example(Part):
    """Two documents that are alike, by the beginnings of their text."""

    similarity: float
    text: str
    other: str


class Overlap(Part):
    """The documents of one part that nearly repeat some of another."""

    corpus: str
    split: Literal["train", "validation"]
    other: str
    """Corpus whose training documents they repeat; the same: earlier ones of the part itself."""
    documents: int
    bytes: int
    of_documents: int
    of_bytes: int
    examples: list[Example]

    @property
    def share(self) -> float:
        """The bytes as a share of those of the part."""
        return self.bytes / max(self.of_bytes, 1)

    @property
    def is_contamination(self) -> bool:
        """Whether held-out documents are repeated by training documents."""
        return self.split == "validation"


class OverlapReport(Record):
    """What the corpora of a recipe repeat of each other."""

    WHAT: ClassVar[str] = "the report of near-duplicates"
    REMEDY: ClassVar[str] = "Run `raycl overlap` again"

    recipe: str
    threshold: float
    """Jaccard similarity from which documents count as near-duplicates."""
    ngram: int
    """Tokens of an n-gram."""
    corpora: dict[str, str]
    """Fingerprint of each corpus that was read."""
    overlaps: list[Overlap]


def sentences(report: OverlapReport) -> Iterator[str]:
    """What the report means for a training, one sentence for each pair that overlaps."""
    for found in report.overlaps:
        if not found.documents:
            continue
        kind = "held-out" if found.is_contamination else "training"
        size = (
            f"{found.corpus}: {found.documents:,} of {found.of_documents:,} {kind} documents "
            f"({format_bytes(found.bytes)}, {found.share:.2%} of their text)"
        )
        if found.is_contamination:
            yield (
                f"{size} are nearly in the training text of {found.other}: losses on "
                f"{found.corpus} are too low where that is read"
            )
        elif found.other == found.corpus:
            yield f"{size} nearly repeat others of them"
        else:
            yield (
                f"{size} nearly repeat {found.other}: where {found.corpus} comes later, they "
                f"replay {found.other} whatever `replay` says"
            )
