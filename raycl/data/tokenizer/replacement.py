"""Another tokenizer in place of a model's own: the old tokens that stand for each new one."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from raycl.data.tokenizer.definition import definition_of, parse, token_ids, unknown_token
from raycl.data.tokenizer.roles import all_control_tokens, counterparts
from raycl.data.tokenizer.spelling import Spelled, spelled_tokens
from raycl.data.tokenizer.text_tokenizer import TextTokenizer

_RUNS = re.compile("[\udc80-\udcff]+|[^\udc80-\udcff]+")
"""Bytes that are no characters, as `surrogateescape` decodes them, and text between them."""

Sources = Mapping[int, tuple[int, ...]]
"""Ids of the old tokens that stand for each new one, by the new one's id."""


@dataclass(frozen=True)
class Counts:
    """How many tokens of a new vocabulary begin with which rows."""

    kept: int
    """With the row of one old token."""
    averaged: int
    """With the mean of several."""
    others: int
    """With the mean of all, since the old tokenizer writes nothing of them."""


def row_sources(old: TextTokenizer, new: TextTokenizer) -> Sources:
    """The old tokens that stand for each token of `new`; none where `old` cannot write it.

    A token of the same bytes, else those that `old` writes the new one's text with, apart from its
    token for unknown text. Control tokens have those of the same text or role.
    """
    pieces, found = _Pieces(old), dict(counterparts(old, new))
    control = all_control_tokens(new)
    for token in control:  # those without a counterpart, as the text that they are spelled with
        found.setdefault(token_ids(new.definition)[token], pieces.of(Spelled(token.encode())))
    found |= {n: pieces.of(spelled) for n, spelled in spelled_tokens(new.definition, control)}
    return dict(sorted(found.items()))


def counts(sources: Sources) -> Counts:
    """How many tokens begin with one old row, several, or all."""
    sizes = Counter(min(len(pieces), 2) for pieces in sources.values())
    return Counts(sizes[1], sizes[2], sizes[0])


def tokens_with_their_row(sources: Sources) -> frozenset[int]:
    """The tokens that have the row of one old token, which no other of them has."""
    users = Counter(sources.values())
    return frozenset(n for n, pieces in sources.items() if len(pieces) == 1 and users[pieces] == 1)


class _Pieces:
    """Writes bytes with the tokens of a tokenizer."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._encoder = _plain_encoder(tokenizer)
        control = all_control_tokens(tokenizer)
        self._ids = {s: n for n, s in spelled_tokens(tokenizer.definition, control)}
        unknown = unknown_token(tokenizer.definition)
        self._unknown = token_ids(tokenizer.definition).get(unknown or "")

    def of(self, spelled: Spelled) -> tuple[int, ...]:
        """The ids of what a token stands for."""
        for kind in (spelled.fallback, not spelled.fallback):
            number = self._ids.get(Spelled(spelled.data, kind))
            if number is not None:
                return (number,)
        return tuple(n for n in self._written(spelled.data) if n != self._unknown)

    def _written(self, data: bytes) -> Iterator[int]:
        for run in _RUNS.findall(data.decode("utf-8", "surrogateescape")):
            if "\udc80" <= run[0] <= "\udcff":
                yield from self._bytes(run.encode("utf-8", "surrogateescape"))
            else:
                yield from self._encoder.encode(run, add_special_tokens=False).ids

    def _bytes(self, data: bytes) -> Iterator[int]:
        """The tokens of single bytes, as far as there are any."""
        for byte in data:
            both = (self._ids.get(Spelled(bytes([byte]), kind)) for kind in (True, False))
            yield from [number for number in both if number is not None][:1]


def _plain_encoder(tokenizer: TextTokenizer) -> Tokenizer:
    """The encoder of a tokenizer without the space that it would put before each text."""
    definition: dict[str, Any] = definition_of(tokenizer.encoder)
    for name in ("normalizer", "pre_tokenizer"):
        definition[name] = _without_prefix(definition[name])
    encoder = parse(json.dumps(definition), tokenizer.files.where)
    encoder.encode_special_tokens = True
    return encoder


def _without_prefix(component: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if component is None or component["type"] == "Prepend":
        return None
    changed = dict(component)
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "never"
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    for key in ("normalizers", "pretokenizers"):
        if key in changed:
            members = map(_without_prefix, changed[key])
            changed[key] = [member for member in members if member is not None]
    return changed
