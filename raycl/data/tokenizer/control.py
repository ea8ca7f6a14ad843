"""Control tokens: those that stand between texts, so that nothing in a text becomes one of them.

The tokenizers library has `encode_special_tokens` for this, but it passes over tokens that were
added without the mark `special`, and over the model's own vocabulary, in which a Unigram,
WordPiece or WordLevel model finds `</s>` like any other word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raycl.data.tokenizer.definition import (
    Definition,
    added_tokens,
    model_tokens,
    token_ids,
    unknown_token,
)
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import Policy, text_of
from raycl.errors import InputError

_NAMES = ("bos", "eos", "unk", "pad", "sep", "cls", "mask")
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_HIDDEN = "\ufdd0{}\ufdd1"
"""How a control token is spelled where text is encoded: with code points that no text may use."""


def control_tokens(files: TokenizerFiles, definition: Definition, policy: Policy) -> frozenset[str]:
    """Texts of the tokens that plain text must never become.

    These are the end and the beginning of documents, what tokenizer.json marks as special and what
    the files beside it list as special. Raises InputError where an end or a beginning is a word of
    ordinary text.
    """
    known, added = token_ids(definition), added_tokens(definition)
    ordinary = _merged(definition)
    for token in filter(None, (policy.end, policy.begin)):
        if token not in added and _is_ordinary(token, ordinary):
            raise InputError(
                f"tokenizer {files.where!r}",
                f"{token!r} is ordinary text, so that documents would end wherever they contain it",
                "Set tokenizer.end_of_document (or begin_of_document) in the recipe to a token "
                "that no text contains",
            )
    special = {text for text, token in added.items() if token["special"]}
    listed = {
        token
        for token in listed_tokens(files)
        if token in added or (token in known and not _is_ordinary(token, ordinary))
    }
    return frozenset(special | listed | set(filter(None, (policy.end, policy.begin))))


def marked(definition: Definition, control: frozenset[str]) -> dict[str, Any]:
    """The definition with every control token added to it and marked as special."""
    changed = {**definition, "added_tokens": [dict(t) for t in definition["added_tokens"]]}
    ids, added = token_ids(definition), added_tokens(changed)
    for token in control:
        if token in added:
            added[token]["special"] = True
        else:
            changed["added_tokens"].append(_added(token, ids[token]))
    changed["added_tokens"].sort(key=lambda token: token["id"])
    return changed


def hidden(definition: Definition, control: frozenset[str]) -> dict[str, Any]:
    """A definition with the same ids in which no text can be a control token.

    The tokens have another spelling, and no merge leads to them. The post-processor, which would
    look for the old one, is left out: raycl itself writes what stands before and after a text.
    """
    added = [
        {**token, "content": _spelled(token["content"], control)}
        for token in definition["added_tokens"]
    ]
    model = dict(definition["model"])
    if isinstance(model["vocab"], dict):
        model["vocab"] = {_spelled(t, control): number for t, number in model["vocab"].items()}
    else:
        model["vocab"] = [[_spelled(piece, control), score] for piece, score in model["vocab"]]
    if model.get("unk_token") is not None:
        model["unk_token"] = _spelled(model["unk_token"], control)
    if "merges" in model:
        model["merges"] = [
            [first, second]
            for first, second in model["merges"]
            if control.isdisjoint((first, second, _joined(first, second, model)))
        ]
    return {**definition, "added_tokens": added, "model": model, "post_processor": None}


def spelling(token: str) -> str:
    """How the control token `token` is spelled in a hidden definition."""
    return _HIDDEN.format(token)


def shown(text: str, control: frozenset[str]) -> str:
    """The text that a hidden definition has decoded, with the control tokens' own spelling."""
    for token in control if _HIDDEN[0] in text else ():
        text = text.replace(spelling(token), token)
    return text


def check_unknown(files: TokenizerFiles, definition: Definition, policy: Policy) -> None:
    """Raise InputError where characters that cannot be written would become an end or beginning."""
    unknown = unknown_token(definition)
    if unknown is not None and unknown in (policy.end, policy.begin):
        raise InputError(
            f"tokenizer {files.where!r}",
            f"{unknown!r} stands for unknown text too, so that documents would be cut there",
            "Set tokenizer.end_of_document (or begin_of_document) in the recipe to another token",
        )


def _spelled(token: str, control: frozenset[str]) -> str:
    return spelling(token) if token in control else token


def listed_tokens(files: TokenizerFiles) -> Iterator[str]:
    """The tokens that the files beside tokenizer.json list as special."""
    for content in (files.config, files.special_tokens):
        values = [content.get(f"{name}_token") for name in _NAMES]
        for name in _LISTS:
            value = content.get(name)
            if isinstance(value, Mapping | list):
                values += value.values() if isinstance(value, Mapping) else value
        decoder = content.get("added_tokens_decoder")
        if isinstance(decoder, Mapping):
            values += [t for t in decoder.values() if isinstance(t, Mapping) and t.get("special")]
        yield from filter(None, map(text_of, values))


def _merged(definition: Definition) -> frozenset[str]:
    """The tokens that a BPE makes of ordinary text."""
    model = definition["model"]
    return frozenset(_joined(first, second, model) for first, second in model.get("merges", ()))


def _joined(first: str, second: str, model: Mapping[str, Any]) -> str:
    return first + second.removeprefix(model.get("continuing_subword_prefix") or "")


def _is_ordinary(token: str, merged: frozenset[str]) -> bool:
    return len(token) == 1 or token in merged or token.strip("▁Ġ#").isalnum()


def _added(token: str, number: int) -> dict[str, Any]:
    """The entry of a special token in tokenizer.json."""
    whole = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": token, **whole, "special": True}


def has_text_tokens(definition: Definition, control: frozenset[str]) -> bool:
    """Whether the tokenizer has a token that can stand for text."""
    return any(t not in control for t in (*model_tokens(definition), *added_tokens(definition)))
