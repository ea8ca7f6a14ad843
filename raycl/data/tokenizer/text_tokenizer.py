"""The tokenizer of a corpus: text to ids and back, with what ends and begins a document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np
from tokenizers import Tokenizer

from raycl.data.tokenizer.control import (
    check_unknown,
    control_tokens,
    has_text_tokens,
    hidden,
    marked,
    shown,
)
from raycl.data.tokenizer.coverage import Complete, Coverage, coverage_of
from raycl.data.tokenizer.definition import (
    Definition,
    canonical,
    check_ids,
    definition_of,
    parse,
    token_ids,
)
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import (
    CONTROL_TOKENS,
    NO_CHOICE,
    Choice,
    Policy,
    find_policy,
    policy_before,
)
from raycl.errors import InputError

_EXAMPLE = 20
"""Characters before and after a place in an example of text that cannot be written."""


@dataclass(frozen=True)
class Encoded:
    """The ids of several texts, without end and beginning."""

    ids: np.ndarray
    """Those of all texts, one text after another."""
    lengths: np.ndarray
    """The number of ids of each text (int64)."""
    lost: np.ndarray
    """UTF-8 bytes of each text that no id stands for (int64)."""
    example: str
    """Some text around the first such place; empty where there is none."""


@dataclass(frozen=True)
class TextTokenizer:
    """Encodes text. What looks like a control token stays text, if its policy says nothing else."""

    files: TokenizerFiles
    """The files that it came from."""
    definition: Definition = field(repr=False)
    """The content of its tokenizer.json, in which every control token is marked as special."""
    policy: Policy
    control: frozenset[str] = field(repr=False)
    """Tokens that no text becomes."""
    end: int
    """Id of the token after each document."""
    begin: int | None
    """Id of the token before each document, where there is one."""
    vocabulary: int
    """One more than the largest token id: a vocabulary may have unused ids."""
    encoder: Tokenizer = field(repr=False)
    """The library's tokenizer, in which tokens that no text becomes have another spelling."""
    coverage: Coverage = field(repr=False)
    """Finds text that the tokenizer cannot write."""

    @property
    def prefix(self) -> int:
        """Id of the token that stands before the first token of a document's text."""
        return self.end if self.begin is None else self.begin

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides which ids a corpus gets."""
        return fingerprint_of(self.definition, self.policy)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without end and beginning."""
        ids: list[int] = self.encoder.encode(text, add_special_tokens=False).ids
        return ids

    def encode_batch(self, texts: Sequence[str], dtype: str) -> Encoded:
        """The ids of several texts as one array of `dtype`, and what could not be written."""
        encodings = self.encoder.encode_batch_fast(list(texts), add_special_tokens=False)
        lengths = np.array([len(encoding) for encoding in encodings], np.int64)
        every = chain.from_iterable(encoding.ids for encoding in encodings)
        ids = np.fromiter(every, dtype, int(lengths.sum()))
        lost = np.zeros(len(lengths), np.int64)
        example = ""
        if not isinstance(self.coverage, Complete):
            stops = np.cumsum(lengths)
            each = [ids[stop - length : stop] for stop, length in zip(stops, lengths, strict=True)]
            lost[:] = [self.coverage.lost(*pair) for pair in zip(texts, each, strict=True)]
            if lost.any():  # one example: looking for a place takes long
                first = int(np.flatnonzero(lost)[0])
                place = next(self.coverage.places(texts[first], each[first]), 0)
                example = _around(texts[first], place)
        return Encoded(ids, lengths, lost, example)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; control tokens are spelled as tokenizer.json spells them."""
        text = str(self.encoder.decode(list(ids), skip_special_tokens=False))
        return shown(text, self.control)


@lru_cache(maxsize=2)  # a command needs the same one several times
def make_tokenizer(files: TokenizerFiles, choice: Choice = NO_CHOICE) -> TextTokenizer:
    """The tokenizer in `files`, where the recipe's `choice` goes before their own word.

    Raises InputError where they are no tokenizer, where it has no tokens for text, and where the
    end or the beginning of a document is not known, or could be ordinary text.
    """
    given = parse(files.definition, files.where)
    definition = definition_of(given)
    check_ids(given, definition, files.where)
    if not token_ids(definition):
        raise _empty(files)
    return tokenizer_with(files, definition, find_policy(files, definition, choice))


def tokenizer_with(files: TokenizerFiles, definition: Definition, policy: Policy) -> TextTokenizer:
    """The tokenizer with a policy that is known. Raises InputError as `make_tokenizer`."""
    control = control_tokens(files, definition, policy)
    if not has_text_tokens(definition, control):
        raise _empty(files)
    own = marked(definition, control)
    kept_out = control if policy.control_tokens == "text" else frozenset()
    plain = hidden(own, kept_out)
    encoder = parse(json.dumps(plain), files.where)
    encoder.encode_special_tokens = policy.control_tokens == "text"
    # A control token that is a letter too is none that text can be written with.
    coverage = coverage_of(plain, encoder, files.where)
    if not isinstance(coverage, Complete):
        check_unknown(files, own, policy)
    ids = token_ids(own)
    return TextTokenizer(
        files=files,
        definition=own,
        policy=policy,
        control=kept_out,
        end=ids[policy.end],
        begin=None if policy.begin is None else ids[policy.begin],
        vocabulary=max(ids.values()) + 1,
        encoder=encoder,
        coverage=coverage,
    )


def fingerprint_of(definition: Definition, policy: Policy) -> str:
    """SHA-256 of a definition and a policy.

    The policy that a tokenizer.json had before its own word was asked adds nothing, so that older
    corpora, and those of tokenizers that raycl trained, keep their fingerprints.
    """
    content = canonical(definition)
    before = policy_before(definition)
    if before is None or (before.end, before.begin) != (policy.end, policy.begin):
        content += canonical({"end": policy.end, "begin": policy.begin})
    if policy.control_tokens == "tokens":
        content += canonical({CONTROL_TOKENS: policy.control_tokens})
    return hashlib.sha256(content).hexdigest()


def is_unicode(text: str) -> bool:
    """Whether a text of the command line has no bytes that are no UTF-8: no tokenizer takes it."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _around(text: str, place: int) -> str:
    return text[max(0, place - _EXAMPLE) : place + _EXAMPLE]


def _empty(files: TokenizerFiles) -> InputError:
    return InputError(
        f"tokenizer {files.where!r}",
        "it is empty: it has no token for text",
        "Give one that was trained, or let raycl train one: tokenizer: {train: {vocabulary: 32k}}",
    )
