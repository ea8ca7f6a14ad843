"""Counts the text that a tokenizer could not write, and refuses a corpus with too much of it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import ClassVar

from raycl.data.manifest import Manifest
from raycl.errors import InputError
from raycl.storage.record import Record

UNWRITTEN = "unwritten"
"""The name of the counts in the source of a manifest."""


class Unwritten(Record):
    """Text that was read, and what no token stands for; documents that repeat count each time."""

    WHAT: ClassVar[str] = "the counts of a part of a preparation"
    REMEDY: ClassVar[str] = "Remove the folder that the file is in, and prepare the corpus again"

    documents: int = 0
    """Documents that are not whole."""
    bytes: int = 0
    """UTF-8 bytes that no token stands for."""
    of_bytes: int = 0
    """All UTF-8 bytes."""
    example: str = ""
    """Text around such a place."""

    @property
    def share(self) -> Fraction:
        """The bytes as a share of all bytes."""
        return Fraction(self.bytes, max(self.of_bytes, 1))


def total(parts: Iterable[Unwritten]) -> Unwritten:
    """The sum of several counts."""
    counted = list(parts)
    return Unwritten(
        documents=sum(part.documents for part in counted),
        bytes=sum(part.bytes for part in counted),
        of_bytes=sum(part.of_bytes for part in counted),
        example=next((part.example for part in counted if part.example), ""),
    )


def recorded(manifest: Manifest) -> Unwritten:
    """The counts in a manifest; zero where an older version made it, or it is from elsewhere."""
    return Unwritten.model_validate(manifest.source.get(UNWRITTEN, {}))


def check_unwritten(corpus: str, counted: Unwritten, allowed: Fraction) -> None:
    """Raise InputError where more than the share `allowed` of a corpus could not be written."""
    if counted.share > allowed:
        raise InputError(
            f"corpus {corpus!r}",
            f"{described(counted)}, more than tokenizer.unknown allows "
            f"({_percent(allowed)}), as in {counted.example!r}",
            "Give a tokenizer that can write this text (raycl's own can write every text: "
            "tokenizer: {train: {vocabulary: 32k}}), or set tokenizer.unknown in the recipe to a "
            "larger share",
        )


def described(counted: Unwritten) -> str:
    """The counts as the beginning of a sentence."""
    return (
        f"the tokenizer cannot write {counted.bytes:,} bytes of text "
        f"({_percent(counted.share)}) in {counted.documents:,} documents"
    )


def _percent(share: Fraction) -> str:
    return f"{float(share) * 100:.3g} %"
