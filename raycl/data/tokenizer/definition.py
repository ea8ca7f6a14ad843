"""What a tokenizer.json says, read as data: its tokens, its model, its post-processor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer

from raycl.errors import InputError

Definition = Mapping[str, Any]
"""The content of a tokenizer.json, as the tokenizers library writes it."""

LOADABLE = "Give one that Hugging Face tokenizers can load"


def parse(text: str, where: str) -> Tokenizer:
    """The tokenizer in the text of a tokenizer.json. Raises InputError where it is none."""
    try:
        return Tokenizer.from_str(text)
    except BaseException as error:  # bare Exception; panics are BaseException
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        problem = f"not a tokenizer.json ({first_line[:200]})"
        raise InputError(f"tokenizer {where!r}", problem, LOADABLE) from error


def definition_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """The definition of a tokenizer that encodes whole documents, and always in the same way.

    Truncation and padding are for batches of short texts; a BPE's dropout draws at random.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    content: dict[str, Any] = json.loads(tokenizer.to_str())
    if content["model"].get("dropout") is not None:
        content["model"]["dropout"] = None
    return content


def canonical(definition: Definition) -> bytes:
    """The same bytes for the same content, however the file was laid out."""
    return json.dumps(definition, sort_keys=True, separators=(",", ":")).encode()


def model_tokens(definition: Definition) -> dict[str, int]:
    """Ids of the model's own tokens, without those that were added to it."""
    vocabulary = definition["model"]["vocab"]
    if isinstance(vocabulary, dict):
        return vocabulary
    return {piece: index for index, (piece, _) in enumerate(vocabulary)}


def added_tokens(definition: Definition) -> dict[str, dict[str, Any]]:
    """The added tokens by their text."""
    return {token["content"]: token for token in definition["added_tokens"]}


def token_ids(definition: Definition) -> dict[str, int]:
    """Ids of all tokens by their text."""
    added = {token["content"]: int(token["id"]) for token in definition["added_tokens"]}
    return {**model_tokens(definition), **added}


def unknown_token(definition: Definition) -> str | None:
    """The token that the model writes for what it does not know; None where it has none."""
    model = definition["model"]
    if model["type"] == "Unigram":
        index = model.get("unk_id")
        return None if index is None else str(model["vocab"][index][0])
    token = model.get("unk_token")
    return token if token in model["vocab"] else None


def parts(component: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """A normalizer, pre-tokenizer or post-processor and, where it is a sequence, its members."""
    if component is None:
        return
    yield component
    for key in ("normalizers", "pretokenizers", "processors"):
        for member in component.get(key) or ():
            yield from parts(member)


def template_tokens(definition: Definition) -> tuple[str | None, str | None]:
    """The tokens that the post-processor puts before and after a single text."""
    for part in parts(definition["post_processor"]):
        if part["type"] in ("BertProcessing", "RobertaProcessing"):
            return str(part["cls"][0]), str(part["sep"][0])
        if part["type"] == "TemplateProcessing":
            return _around(part["single"])
    return None, None


def _around(template: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    names = [piece.get("SpecialToken", {}).get("id") for piece in template]
    text = next((index for index, name in enumerate(names) if name is None), 0)
    before, after = names[:text], names[text + 1 :]
    # Of several tokens before a text (a language, for example) none is the beginning by itself.
    return (before[0] if len(before) == 1 else None), (after[-1] if after else None)


def check_ids(tokenizer: Tokenizer, definition: Definition, where: str) -> None:
    """Raise InputError where two of the model's tokens have the same id.

    The library keeps one of them when it writes a definition.
    """
    if tokenizer.get_vocab_size(with_added_tokens=False) != len(model_tokens(definition)):
        problem = "not a tokenizer.json (two of its tokens have the same id)"
        raise InputError(f"tokenizer {where!r}", problem, LOADABLE)
