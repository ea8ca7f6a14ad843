"""A cloze task from any text, which asks for the word that ends a sentence.

Like LAMBADA (Paperno et al. 2016) it gives the text before a last word as context. Unlike LAMBADA
it offers four words of similar frequency, so that small models can be above chance.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHOICES = 4
_CONTEXT_WORDS = 64
_LEAST_WORDS = 8
_LEAST_LETTERS = 4
_NEIGHBOURS = 16
"""Distractors are drawn from this many words on either side of the right one, by frequency."""
_PER_DOCUMENT = 4
_SENTENCE = re.compile(r"[^.!?]*[^\W\d_][.!?](?=\s)")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class ClozeItem:
    """A text without its last word, four words, and the place of the right one among them."""

    context: str
    choices: tuple[str, ...]
    gold: int


def cloze_items(documents: Sequence[str], count: int, seed: int) -> list[ClozeItem]:
    """Up to `count` items, at most four of each document.

    The same documents and seed give the same items. Distractors begin with a capital letter
    exactly where the right word does: a German noun, for example, would be told by its spelling.
    """
    lists = {capital: _by_frequency(documents, capital) for capital in (False, True)}
    generator = random.Random(f"cloze {seed}")
    order = list(range(len(documents)))
    generator.shuffle(order)
    items: list[ClozeItem] = []
    for index in order:
        found = list(_endings(documents[index]))
        generator.shuffle(found)
        for context, word in found[:_PER_DOCUMENT]:
            others = _similar(lists[word[0].isupper()], word)
            if len(others) < CHOICES - 1:
                continue
            choices = [word, *generator.sample(others, CHOICES - 1)]
            generator.shuffle(choices)
            items.append(ClozeItem(context, tuple(choices), choices.index(word)))
            if len(items) == count:
                return items
    return items


def _endings(document: str) -> Iterator[tuple[str, str]]:
    """(text before the last word, last word) of every sentence that is long enough."""
    for match in _SENTENCE.finditer(document):
        sentence = match.group().split()
        word = sentence[-1][:-1] if sentence else ""
        plain = _WORD.fullmatch(word) is not None and len(word) >= _LEAST_LETTERS
        if plain and len(sentence) >= _LEAST_WORDS:
            before = document[: match.end()].split()[:-1]
            yield " ".join(before[-_CONTEXT_WORDS:]), word


def _by_frequency(documents: Sequence[str], capital: bool) -> list[str]:
    """All longer words, capitalised or not, the most frequent first."""
    counts = Counter(
        word
        for document in documents
        for word in _WORD.findall(document)
        if len(word) >= _LEAST_LETTERS and word[0].isupper() == capital
    )
    return sorted(counts, key=lambda word: (-counts[word], word))


def _similar(words: Sequence[str], word: str) -> list[str]:
    """The word's neighbours in a list by frequency, without other spellings of the word."""
    place = words.index(word)
    near = words[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
    return [other for other in near if other.lower() != word.lower()]
