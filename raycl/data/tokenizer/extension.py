"""A tokenizer with further tokens, and the tokens that stood for each of them before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tokenizers import AddedToken, Tokenizer

from raycl.data.tokenizer.continued_bpe import Pair, check_can_grow, learned_merges, with_merges
from raycl.data.tokenizer.definition import definition_of, parse, token_ids
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, is_unicode, make_tokenizer
from raycl.errors import InputError


@dataclass(frozen=True)
class Extension:
    """A tokenizer that has grown."""

    tokenizer: TextTokenizer
    pieces: Mapping[int, tuple[int, ...]]
    """Ids of the old tokens that stood for each new one, by the new one's id."""


def extend_tokenizer(
    base: TextTokenizer, texts: Iterable[str], learned: int, named: Sequence[str]
) -> Extension:
    """The tokenizer with `learned` tokens from text, and with the words `named` as tokens.

    Raises InputError where the text gives fewer tokens, where the model of the tokenizer learns
    none, or where it has a named token already.
    """
    where = f"tokenizer {base.files.where!r}"
    definition = definition_of(parse(base.files.definition, base.files.where))
    pieces: dict[int, tuple[int, ...]] = {}
    if learned:
        check_can_grow(definition, base.files.where)
        merges = learned_merges(definition, base.encoder, texts, learned)
        if len(merges) < learned:
            problem = f"the text gives only {len(merges):,} of {learned:,} tokens"
            raise InputError(where, problem, "Give more text, or fewer tokens")
        definition = with_merges(definition, merges)
        pieces = _pieces(token_ids(definition), merges)
    grown = parse(json.dumps(definition), base.files.where)
    for token in dict.fromkeys(named):
        written = _written(base, grown, token)
        grown.add_tokens([AddedToken(token, normalized=False, special=False)])
        pieces[grown.get_vocab()[token]] = written
    _check_ids(base, grown.get_vocab(), pieces)
    made = make_tokenizer(replace(base.files, definition=grown.to_str(pretty=True)))
    return Extension(made, pieces)


def _written(base: TextTokenizer, grown: Tokenizer, token: str) -> tuple[int, ...]:
    """The ids that stand for a named token now. Raises InputError where it can be no new token."""
    where = f"new token {token!r}"
    if not is_unicode(token):
        raise InputError(where, "not UTF-8 text", "Write it in UTF-8")
    if grown.token_to_id(token) is not None or token in token_ids(base.definition):
        own = f"tokenizer {base.files.where!r}"
        raise InputError(own, f"it has a token {token!r} already", "Leave it out")
    written = tuple(base.encode(token))
    if not written:
        problem = "the tokenizer writes it with no token, so that its row would be made of none"
        raise InputError(where, problem, "Give a word that stands in text")
    return written


def bytes_per_token(tokenizer: TextTokenizer, texts: Sequence[str]) -> float:
    """UTF-8 bytes of the texts for each of their tokens, without ends and beginnings."""
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    return sum(len(text.encode()) for text in texts) / max(tokens, 1)


def _pieces(ids: Mapping[str, int], merges: Sequence[Pair]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for left, right in merges:
        parts = ((ids[part], found.get(ids[part])) for part in (left, right))
        found[ids[left + right]] = tuple(
            piece for number, own in parts for piece in (own or (number,))
        )
    return found


def _check_ids(
    base: TextTokenizer, ids: Mapping[str, int], new: Mapping[int, tuple[int, ...]]
) -> None:
    """Raise InputError where the library has given an old token another id."""
    old = token_ids(base.definition)
    moved = next((token for token, number in old.items() if ids.get(token) != number), None)
    if moved is not None or any(number < base.vocabulary for number in new):
        raise InputError(
            f"tokenizer {base.files.where!r}",
            f"its ids have gaps, so that {moved or 'a new token'!r} would get another one's id",
            "Give a tokenizer whose ids are 0, 1, 2 and so on",
        )
