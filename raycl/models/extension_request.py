"""Which model a recipe's words about its vocabulary have made, so that it is made once.

The record lies under several names: that of the old model's content, and those of the places where
the model and another tokenizer were, which find the model again when they are gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from raycl.data.tokenizer import Choice
from raycl.models.hub import is_hub_name
from raycl.models.read import is_there, local_folder
from raycl.models.start import Start
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record


@dataclass(frozen=True)
class NewTokens:
    """The tokens that a model is to get."""

    learned: int
    """Tokens to learn from text."""
    words: tuple[str, ...]
    """Tokens that are given as they are."""
    corpora: tuple[str, ...]
    """The corpora of whose text they are learned."""
    initialize: str
    """How their rows are made: `mean` or `weighted-mean`."""
    sample_bytes: int
    """Bytes of text that are read of each corpus."""

    @property
    def count(self) -> int:
        """How many they are."""
        return self.learned + len(self.words)

    @property
    def described(self) -> str:
        """What the model gets, for messages."""
        return f"{self.count:,} new tokens"


@dataclass(frozen=True)
class OtherTokenizer:
    """The tokenizer that takes the place of a model's own."""

    reference: str
    """As the recipe names it."""
    choice: Choice
    """What the recipe says about its documents."""
    initialize: str
    """How rows are made: `mean` or `weighted-mean`."""

    @property
    def corpora(self) -> tuple[str, ...]:
        """It is made of no text."""
        return ()

    @property
    def described(self) -> str:
        """What the model gets, for messages."""
        return f"the tokenizer {self.reference!r}"

    def known_by(self, fingerprint: str) -> KnownTokenizer:
        """What names the request when the tokenizer was read."""
        return KnownTokenizer(fingerprint, self.initialize)

    def places(self, here: Path) -> list[TokenizerPlace]:
        """What may name it when the tokenizer is gone: its path, which begins at `here`, or hub."""
        places = possible_places(self.reference, here)
        return [TokenizerPlace(place, self.choice, self.initialize) for place in places]

    def place(self, here: Path) -> TokenizerPlace:
        """That of them where the tokenizer is."""
        path, *hub = self.places(here)
        return hub[0] if hub and not is_there(local_folder(self.reference, here)) else path


@dataclass(frozen=True)
class KnownTokenizer:
    """What names a request for another tokenizer."""

    fingerprint: str
    initialize: str


@dataclass(frozen=True)
class TokenizerPlace:
    """What names it when the tokenizer is gone."""

    tokenizer_at: str
    choice: Choice
    initialize: str


Wanted = NewTokens | KnownTokenizer | TokenizerPlace
"""What names a request beside the model."""


class ExtensionRequest(Record):
    """The extended model that was made, and what it was made of."""

    WHAT: ClassVar[str] = "the record of an extended model"
    REMEDY: ClassVar[str] = "Remove the file: the model is then extended again, to the same bytes"

    identifier: str
    """The extended model in the storage."""
    base: str
    """The identifier of the model before."""
    text: str
    """SHA-256 (hex) of the text that was read; empty where none was."""
    rows: int
    """Rows of its embedding."""


def content_key(base: Start, tokenizer: str, tokens: Wanted) -> str:
    """The name of a request by content; `tokenizer` is the fingerprint of the model's own."""
    return _key(["content", base.identifier, tokenizer], tokens)


def place_key(place: str, tokens: Wanted) -> str:
    """The name of a request by the absolute path of the model's folder, or by its hub name."""
    return _key(["place", place], tokens)


def place_of(base: Start, here: Path) -> str:
    """Where a model was found; a relative folder begins at `here`."""
    return base.reference if base.commit else str(local_folder(base.reference, here))


def possible_places(reference: str, here: Path) -> list[str]:
    """Where the model of a reference may have been, when it is not there now."""
    return [str(local_folder(reference, here)), *([reference] if is_hub_name(reference) else [])]


def find_request(storage: Storage, key: str) -> ExtensionRequest | None:
    """The record of a request; None without one. Raises InputError where it is damaged."""
    return find_record(storage, layout.extension_request(key), ExtensionRequest)


def write_request(storage: Storage, keys: Sequence[str], request: ExtensionRequest) -> None:
    """Write the record of a request under all its names."""
    for key in keys:
        if find_request(storage, key) != request:
            write_record(storage, layout.extension_request(key), request)


def _key(of: list[str], tokens: Wanted) -> str:
    return hashlib.sha256(json.dumps([of, asdict(tokens)]).encode()).hexdigest()[:32]
