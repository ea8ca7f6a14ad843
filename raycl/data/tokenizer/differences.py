"""Whether two tokenizers write the same ids for every text, by what they hold and not by a path."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from raycl.data.tokenizer.control import listed_tokens
from raycl.data.tokenizer.definition import Definition, definition_of, parse, token_ids
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import text_of

AddedFlags = Mapping[str, Sequence[bool]]
_ADDED_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")


def difference(own: TokenizerFiles, other: TokenizerFiles) -> str:
    """In what `other` writes text otherwise than `own`, as a sentence's words; "" where in nothing.

    Ends and beginnings of documents, templates and decoders are not compared: they change no id of
    a token. Raises InputError where one of them is no tokenizer.
    """
    first, second = (definition_of(parse(files.definition, files.where)) for files in (own, other))
    return (
        _tokens(token_ids(first), token_ids(second))
        or _parts(first, second)
        or _added(_found(own, first), _found(other, second), _bounds(own) | _bounds(other))
    )


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
    return ""


def _model(definition: Definition) -> dict[str, Any]:
    model = definition["model"]
    # What cannot be written is refused or counted in any case.
    return {key: value for key, value in model.items() if key not in ("vocab", "unk_token")} | (
        {} if isinstance(model["vocab"], dict) else {"pieces": model["vocab"]}
    )


def _added(own: AddedFlags, other: AddedFlags, bounds: Collection[str | None]) -> str:
    for token in sorted(own.keys() | other.keys()):
        if token not in bounds and own.get(token) != other.get(token):
            return f"added tokens, such as {token!r}, are found in text otherwise"
    return ""


def _found(files: TokenizerFiles, definition: Definition) -> AddedFlags:
    """The added tokens that a text can become, and how they are looked for in it."""
    control = frozenset(listed_tokens(files))
    return {
        token["content"]: [token[flag] for flag in _ADDED_FLAGS]
        for token in definition["added_tokens"]
        if not token["special"] and token["content"] not in control
    }


def _bounds(files: TokenizerFiles) -> set[str | None]:
    """The tokens that end and begin documents. A stored tokenizer has them marked as special."""
    return {
        text_of(content.get(field))
        for content in (files.config, files.special_tokens)
        for field in ("eos_token", "bos_token")
    }
