"""A warning where a corpus holds out so few documents that no loss on it is sure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from raycl.data.manifest import Manifest

FEWEST = 30
"""Held-out documents below which neither a standard error nor an interval can be trusted much: with
30, a standard error is itself known to 13 % (1 / √(2 · 29)) where losses are normal."""
AIM = 36
"""Documents to aim for: each is drawn by itself, and then six times in seven 30 or more are."""
_LARGEST = Fraction(1, 2)


def few_held_out(manifests: Iterable[Manifest]) -> list[str]:
    """A sentence for each corpus with fewer than 30 held-out documents, with what to do.

    Nothing is said of shards that raycl has not prepared: they do not tell their documents.
    """
    return [_sentence(m) for m in manifests if m.source and m.validation.documents < FEWEST]


def _sentence(manifest: Manifest) -> str:
    held = manifest.validation.documents
    there = held + manifest.train.documents
    count = "1 document is" if held == 1 else f"{held} documents are"
    return (
        f"corpus {manifest.name}: {count} held out, fewer than {FEWEST}, so that small differences "
        f"on it are not sure. {_remedy(there)}"
    )


def _remedy(documents: int) -> str:
    share = Fraction(AIM, documents)
    if share > _LARGEST:
        return (
            f"Give it more than {documents:,} documents; a text file is one document unless "
            "`document_separator` is set."
        )
    return (
        f"`validation: {share_text(share)}` holds out about {AIM}; it makes another corpus of the "
        "text, whose states are others."
    )


def share_text(share: Fraction) -> str:
    """A share in percent, rounded up: to whole ones from 1 % on, else to two digits."""
    percent = share * 100
    if percent >= 1:
        return f"{math.ceil(percent)}%"
    digits = 1 - math.floor(math.log10(percent))
    return f"{math.ceil(percent * 10**digits) / 10**digits:g}%"
