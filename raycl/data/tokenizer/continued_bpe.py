"""New tokens for a BPE by going on with its training: greedy merges on top of its own.

Words are cut by the tokenizer's own normalizer and pre-tokenizer and written with its own tokens;
then the most frequent pair of neighbours becomes a token, again and again (continued BPE training:
Purason et al. 2025, arXiv 2512.03989). New merges follow all old ones, so that every new token can
be written, and a text in which none of them occurs is encoded as before.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer

from raycl.data.tokenizer.definition import Definition, model_tokens, token_ids, unknown_token
from raycl.errors import InputError

Pair = tuple[str, str]
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_WORD = re.compile("▁*[^▁]*")
_LEAST = 2
"""Occurrences in the sample that a pair needs to become a token."""


def check_can_grow(definition: Definition, where: str) -> None:
    """Raise InputError where merges cannot be added to a tokenizer."""
    model = definition["model"]
    marked = model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")
    if model["type"] != "BPE" or marked:
        kind = "a BPE with marks inside of words" if marked else f"a {model['type']} model"
        raise InputError(
            f"tokenizer {where!r}",
            f"it is {kind}, and only a BPE learns tokens from text",
            "Name the new tokens themselves: --token WORD, or in a recipe add: [WORD]",
        )


def learned_merges(
    definition: Definition, encoder: Tokenizer, texts: Iterable[str], wanted: int
) -> list[Pair]:
    """At most `wanted` merges that follow those of `definition`, most frequent first.

    `encoder` writes its texts, and may spell control tokens otherwise. Of equally frequent pairs
    the first in the order of their code points is taken. No pair has the token for unknown text in
    it, and none gives a token that is there already.
    """
    words = _words(encoder, texts)
    pieces = [[token.value for token in encoder.model.tokenize(word)] for word in words]
    spelled = set(encoder.get_vocab())
    known = spelled | set(token_ids(definition))
    apart = spelled - set(model_tokens(definition)) | {unknown_token(definition)}
    return _Merging(pieces, list(words.values()), known, apart).merges(wanted)


def with_merges(definition: Definition, merges: Sequence[Pair]) -> dict[str, Any]:
    """The definition with the merges, whose tokens get the ids after all that it has."""
    ids = token_ids(definition)
    # The library numbers added tokens behind the model's own, unless the model knows them too.
    vocabulary, first = dict(ids), max(ids.values()) + 1
    for number, (left, right) in enumerate(merges, start=first):
        vocabulary[left + right] = number
    model = definition["model"]
    grown = [*map(list, model["merges"]), *map(list, merges)]
    return {**definition, "model": {**model, "vocab": vocabulary, "merges": grown}}


def _words(encoder: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs, as the model gets it."""
    found: Counter[str] = Counter()
    normalizer, cut = encoder.normalizer, encoder.pre_tokenizer
    for text in texts:
        whole = normalizer.normalize_str(text) if normalizer else text
        words = [word for word, _ in cut.pre_tokenize_str(whole)] if cut else [whole]
        # A tokenizer without words of its own learns none across a space.
        found.update(piece for word in words for piece in _WORD.findall(word) if piece)
    return found


class _Merging:
    """Words as sequences of tokens, and how often each pair of neighbours occurs in them."""

    def __init__(
        self,
        words: list[list[str]],
        counts: list[int],
        known: set[str],
        apart: Collection[str | None],
    ) -> None:
        self._words, self._counts, self._known, self._apart = words, counts, known, apart
        self._pairs: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for index in range(len(words)):
            self._count(index, 1)
        self._heap = [(-count, pair) for pair, count in self._pairs.items()]
        heapq.heapify(self._heap)

    def merges(self, wanted: int) -> list[Pair]:
        """The next merges."""
        found: list[Pair] = []
        while len(found) < wanted and self._heap:
            negative, pair = heapq.heappop(self._heap)
            count = self._pairs[pair]
            if count < _LEAST or "".join(pair) in self._known or any(map(self._alone, pair)):
                continue
            if count != -negative:  # it has become rarer since it was put there
                heapq.heappush(self._heap, (-count, pair))
                continue
            found.append(pair)
            self._known.add("".join(pair))
            self._merge(pair)
        return found

    def _alone(self, token: str) -> bool:
        """Whether a token joins no other: a byte of an unknown character, or none of the text."""
        return token in self._apart or _BYTE.fullmatch(token) is not None

    def _merge(self, pair: Pair) -> None:
        before: Counter[Pair] = Counter()
        for index in sorted(self._places.pop(pair)):
            for neighbours in _neighbours(self._words[index]):
                before[neighbours] = self._pairs[neighbours]
            self._count(index, -1)
            self._words[index] = _joined(self._words[index], pair)
            self._count(index, 1)
            for neighbours in _neighbours(self._words[index]):
                if self._pairs[neighbours] > before[neighbours]:
                    heapq.heappush(self._heap, (-self._pairs[neighbours], neighbours))

    def _count(self, index: int, sign: int) -> None:
        for pair in _neighbours(self._words[index]):
            self._pairs[pair] += sign * self._counts[index]
            if sign > 0:
                self._places[pair].add(index)


def _neighbours(word: Sequence[str]) -> Iterable[Pair]:
    return pairwise(word)


def _joined(word: Sequence[str], pair: Pair) -> list[str]:
    joined: list[str] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            joined.append("".join(pair))
            place += 2
        else:
            joined.append(word[place])
            place += 1
    return joined
