"""Which tokens a model got, beside the model: enough to encode as its tokenizer did before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import NonNegativeInt

from raycl.data.tokenizer.definition import Definition, canonical, definition_of, parse, token_ids
from raycl.data.tokenizer.extension import Extension
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import TextTokenizer
from raycl.storage.record import Record


class ExtensionRecord(Record):
    """How a vocabulary has grown. New tokens and merges stand behind all old ones."""

    WHAT: ClassVar[str] = "the record of a vocabulary's extension"
    REMEDY: ClassVar[str] = "Remove the file: the model is then one like any other"

    base_tokens: NonNegativeInt
    """Ids below this one are those of the tokenizer before."""
    base_sha256: str
    """Hash (hex) of the tokens before, with their ids."""
    learned: NonNegativeInt
    """Tokens that were learned from text, each with a merge."""
    named: tuple[str, ...]
    """Tokens that were given as they are."""
    initialize: str
    """How their rows were made: `mean` or `weighted-mean`."""

    @property
    def new_tokens(self) -> int:
        """How many tokens it got."""
        return self.learned + len(self.named)


def extension_record(
    base: TextTokenizer, made: Extension, named: Sequence[str], initialize: str
) -> ExtensionRecord:
    """The record of an extension of the tokenizer `base`."""
    words = tuple(dict.fromkeys(named))
    return ExtensionRecord(
        base_tokens=base.vocabulary,
        base_sha256=_tokens_hash(base.definition),
        learned=len(made.pieces) - len(words),
        named=words,
        initialize=initialize,
    )


def files_before(files: TokenizerFiles, record: ExtensionRecord) -> TokenizerFiles | None:
    """The tokenizer that was extended, from the extended one; None where that is another now."""
    definition = _without_new(definition_of(parse(files.definition, files.where)), record)
    if _tokens_hash(definition) != record.base_sha256:
        return None
    return replace(files, definition=json.dumps(definition, ensure_ascii=False))


def _without_new(definition: Definition, record: ExtensionRecord) -> dict[str, Any]:
    old = record.base_tokens
    model: dict[str, Any] = dict(definition["model"])
    if isinstance(model["vocab"], dict):  # only a BPE, which has one, learns tokens
        model["vocab"] = {token: n for token, n in model["vocab"].items() if n < old}
    if record.learned:
        model["merges"] = model.get("merges", [])[: -record.learned]
    added = [token for token in definition["added_tokens"] if token["id"] < old]
    return {**definition, "model": model, "added_tokens": added}


def _tokens_hash(definition: Definition) -> str:
    return hashlib.sha256(canonical(token_ids(definition))).hexdigest()
