"""Whether two tokenizers write the same ids for every text, by what they hold and not by a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.data.tokenizer.definition import Definition, definition_of, parse, token_ids
from raycl.data.tokenizer.files import TokenizerFiles

_ADDED_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


def difference(own: TokenizerFiles, other: TokenizerFiles) -> str:
    """In what `other` writes text otherwise than `own`, as a sentence's words; "" where in nothing.

    Ends and beginnings of documents, templates and decoders are not compared: they change no id of
    a token. Raises InputError where one of them is no tokenizer.
    """
    first, second = (definition_of(parse(files.definition, files.where)) for files in (own, other))
    return _tokens(token_ids(first), token_ids(second)) or _parts(first, second)


def _tokens(own: Mapping[str, int], other: Mapping[str, int]) -> str:
    if own == other:
        return ""
    for token, number in other.items():
        if own.get(token) != number:
            here = f"token {own[token]}" if token in own else "no token"
            return (
                f"it has {len(other):,} tokens and the model's own {len(own):,}; {token!r} is its "
                f"token {number}, and {here} of the model's"
            )
    missing = next(token for token in own if token not in other)
    return f"it lacks {len(own) - len(other):,} tokens of the model's own, such as {missing!r}"


def _parts(own: Definition, other: Definition) -> str:
    for name, words in (("normalizer", "normalizer"), ("pre_tokenizer", "pre-tokenizer")):
        if own[name] != other[name]:
            return f"its {words} is another"
    if _model(own) != _model(other):
        return "its merges, or other settings of its model, are others"
    first, second = _added(own), _added(other)
    special = _special(own) | _special(other)
    if all(first.get(t) == second.get(t) for t in (first.keys() | second.keys()) - special):
        return ""
    return "its added tokens are found in text otherwise"


def _model(definition: Definition) -> dict[str, Any]:
    model = definition["model"]
    # What cannot be written is refused or counted in any case.
    return {key: value for key, value in model.items() if key not in ("vocab", "unk_token")} | (
        {} if isinstance(model["vocab"], dict) else {"pieces": model["vocab"]}
    )


def _added(definition: Definition) -> dict[str, list[bool]]:
    """How added tokens are looked for in text."""
    return {
        token["content"]: [token[flag] for flag in _ADDED_FLAGS]
        for token in definition["added_tokens"]
    }


def _special(definition: Definition) -> set[str]:
    """Tokens that are never looked for in text. A stored tokenizer has more of them marked so."""
    return {token["content"] for token in definition["added_tokens"] if token["special"]}
