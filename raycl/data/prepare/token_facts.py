"""What was found in the documents of a corpus that were tokens already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from raycl.data.manifest import Manifest
from raycl.storage.record import Record

FOUND_IN_TOKENS = "found_in_tokens"
"""The name of the counts in the source of a manifest."""


class TokenFacts(Record):
    """What was found in documents that are tokens; all are numbers of documents."""

    WHAT: ClassVar[str] = "the counts of a part of a preparation"
    REMEDY: ClassVar[str] = "Remove the folder that the file is in, and prepare the corpus again"

    documents: int = 0
    """As the index of their files has them."""
    ended: int = 0
    """Those whose last token is the end of a document."""
    divided: int = 0
    """Those with an end inside."""
    begun: int = 0
    """Those whose first token is the beginning of a document."""
    empty: int = 0
    """Those, or parts of them, that hold no text."""
    by_tokens: int = 0
    """Those that are known by their tokens, since their text is not sure."""


def total_facts(parts: Iterable[TokenFacts]) -> TokenFacts:
    """The sum of several counts."""
    counted = [part.model_dump() for part in parts]
    names = TokenFacts.model_fields
    return TokenFacts(**{name: sum(part[name] for part in counted) for name in names})


def token_sentences(manifest: Manifest) -> Iterator[str]:
    """What to tell about a corpus that was tokens; nothing where it was text."""
    found = manifest.source.get(FOUND_IN_TOKENS)
    if found is None:
        return
    facts, name = TokenFacts.model_validate(found), manifest.name
    ended = "none" if not facts.ended else f"{facts.ended:,}"
    if facts.ended == facts.documents:
        ended = "each"
    yield (
        f"corpus {name}: of {facts.documents:,} documents {ended} had its end token already; each "
        "has one now"
    )
    if facts.divided:
        yield (
            f"corpus {name}: {facts.divided:,} of them had end tokens inside, as packed rows have: "
            "what stood between two is a document"
        )
    if facts.empty:
        yield f"corpus {name}: {facts.empty:,} documents without text were left out"
    if facts.by_tokens:
        yield (
            f"corpus {name}: {facts.by_tokens:,} documents are known by their tokens, because text "
            "made of them becomes other tokens: repetitions of them in corpora of text are not seen"
        )
