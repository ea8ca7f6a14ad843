"""The text that ids stand for, to the byte, where they stand for one."""

from __future__ import annotations

import numpy as np

from raycl.data.tokenizer.definition import parts
from raycl.data.tokenizer.spelling import is_byte_level, spelled_tokens
from raycl.data.tokenizer.text_tokenizer import TextTokenizer

_MOST_ENCODED = 2**22
"""Characters that are encoded at once: the tokenizer takes some fifty times their memory."""


class TextOfTokens:
    """Spells ids as the text that they were made from.

    The tokens of a byte-level vocabulary are bytes, which are joined. Of another vocabulary a text
    counts as exact if it becomes the same ids again: what its decoder writes may be something else.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._bytes = [b""] * tokenizer.vocabulary
        self.known = np.zeros(tokenizer.vocabulary, bool)
        """bool [vocabulary]: the ids that are tokens."""
        for number, spelled in spelled_tokens(tokenizer.definition, ()):
            self._bytes[number] = spelled.data
            self.known[number] = True
        self._joins = is_byte_level(tokenizer.definition)
        self._adds_space = self._joins and any(
            part["type"] == "ByteLevel" and part.get("add_prefix_space")
            for part in parts(tokenizer.definition["pre_tokenizer"])
        )

    def exact(self, ids: np.ndarray) -> bytes | None:
        """The UTF-8 bytes of the text; None where it is not sure to be that of the document."""
        if self._joins:
            return self.spelled(ids)
        data = self.spelled(ids)
        text = data.decode()
        if len(text) > _MOST_ENCODED or self._tokenizer.encode(text) != ids.tolist():
            return None
        return data

    def spelled(self, ids: np.ndarray) -> bytes:
        """The bytes that the ids stand for, as well as the tokenizer can say it."""
        if not self._joins:
            return self._tokenizer.decode(ids.tolist()).encode()
        data = b"".join(map(self._bytes.__getitem__, ids.tolist()))
        return data.removeprefix(b" ") if self._adds_space else data
