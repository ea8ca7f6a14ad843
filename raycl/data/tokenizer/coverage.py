"""Finds text that a tokenizer cannot write: bytes that it drops, and what becomes "unknown".

What a normalizer or a pre-tokenizer changes on purpose, such as the case of letters or the width of
spaces, is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from raycl.data.tokenizer.definition import (
    LOADABLE,
    Definition,
    model_tokens,
    token_ids,
    unknown_token,
)
from raycl.data.tokenizer.spelling import byte_letters, is_byte_level
from raycl.errors import InputError

_NEVER_IN_UTF8 = frozenset((0xC0, 0xC1, *range(0xF5, 0x100)))
_SPACE = "▁"


class Coverage(Protocol):
    """Measures what is lost when a text is encoded."""

    def lost(self, text: str, ids: np.ndarray) -> int:
        """UTF-8 bytes of the text that its ids do not hold."""

    def places(self, text: str, ids: np.ndarray) -> Iterator[int]:
        """Indices in the text where something is lost."""


class Complete:
    """Every text can be written."""

    def lost(self, text: str, ids: np.ndarray) -> int:
        """Nothing."""
        del text, ids
        return 0

    def places(self, text: str, ids: np.ndarray) -> Iterator[int]:
        """None."""
        del text, ids
        yield from ()


class MissingBytes:
    """A byte-level tokenizer drops the bytes for which it has no token."""

    def __init__(self, written: bytes) -> None:
        self._written = written

    def lost(self, text: str, ids: np.ndarray) -> int:
        """The bytes that are missing in its vocabulary."""
        del ids
        return len(text.encode().translate(None, self._written))

    def places(self, text: str, ids: np.ndarray) -> Iterator[int]:
        """Characters with such a byte."""
        for index, character in enumerate(text):
            if self.lost(character, ids):
                yield index


class MissingCharacters:
    """A BPE over characters drops those that it does not have, or writes them as unknown."""

    def __init__(self, characters: frozenset[str], encoder: Tokenizer) -> None:
        self._characters = characters
        self._encoder = encoder
        self._known: dict[str, bool] = {}

    def lost(self, text: str, ids: np.ndarray) -> int:
        """The bytes of such characters."""
        del ids
        missing = [c for c in set(text) if not self._is_written(c)]
        return sum(text.count(character) * len(character.encode()) for character in missing)

    def places(self, text: str, ids: np.ndarray) -> Iterator[int]:
        """Such characters."""
        del ids
        return (index for index, c in enumerate(text) if not self._is_written(c))

    def _is_written(self, character: str) -> bool:
        if character not in self._known:
            left = self._reaches_model(character)
            # A space before the word that the tokenizer adds by itself is no part of the text.
            self._known[character] = all(
                c in self._characters for c in left if c != _SPACE or character.isspace()
            )
        return self._known[character]

    def _reaches_model(self, character: str) -> str:
        encoder = self._encoder
        text = encoder.normalizer.normalize_str(character) if encoder.normalizer else character
        if encoder.pre_tokenizer is None:
            return text
        return "".join(piece for piece, _ in encoder.pre_tokenizer.pre_tokenize_str(text))


class UnknownTokens:
    """The model writes words or characters that it does not know as one unknown token."""

    def __init__(self, unknown: int, encoder: Tokenizer) -> None:
        self._unknown = unknown
        self._encoder = encoder

    def lost(self, text: str, ids: np.ndarray) -> int:
        """The bytes that became unknown tokens."""
        return sum(len(text[begin:stop].encode()) for begin, stop in self._spans(text, ids))

    def places(self, text: str, ids: np.ndarray) -> Iterator[int]:
        """Where they begin."""
        return (begin for begin, _ in self._spans(text, ids))

    def _spans(self, text: str, ids: np.ndarray) -> Iterator[tuple[int, int]]:
        unknown = np.flatnonzero(ids == self._unknown)
        if len(unknown):
            # Only now: encodings that know their places in the text take longer to make.
            encoding = self._encoder.encode(text, add_special_tokens=False)
            spans = (encoding.token_to_chars(int(index)) for index in unknown)
            yield from (span for span in spans if span is not None)


def coverage_of(definition: Definition, encoder: Tokenizer, where: str) -> Coverage:
    """How the tokenizer with this definition fails to write text; `encoder` is that tokenizer.

    Raises InputError where it would not encode unknown text at all.
    """
    model, tokens = definition["model"], model_tokens(definition)
    if model["type"] == "BPE" and is_byte_level(definition):
        return _of_bytes(tokens)
    if model.get("byte_fallback") and all(f"<0x{byte:02X}>" in tokens for byte in range(256)):
        return Complete()
    if model["type"] == "BPE":
        return MissingCharacters(_single_characters(definition), encoder)
    unknown = unknown_token(definition)
    if unknown is None:
        problem = "it has no token for unknown text, so that encoding fails at the first such word"
        raise InputError(f"tokenizer {where!r}", problem, LOADABLE + ", with an unknown token")
    return UnknownTokens(token_ids(definition)[unknown], encoder)


def _of_bytes(tokens: dict[str, int]) -> Coverage:
    written = [byte for byte, letter in byte_letters().items() if letter in tokens]
    missing = set(range(256)) - set(written) - _NEVER_IN_UTF8
    return MissingBytes(bytes(written)) if missing else Complete()


def _single_characters(definition: Definition) -> frozenset[str]:
    model = definition["model"]
    prefix = model.get("continuing_subword_prefix") or ""
    suffix = model.get("end_of_word_suffix") or ""
    bare = {token.removeprefix(prefix).removesuffix(suffix) for token in model["vocab"]}
    return frozenset(token for token in bare | set(model["vocab"]) if len(token) == 1)
