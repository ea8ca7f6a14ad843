"""Models that recipes give a vocabulary: found in the storage, or planned before they are made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from raycl.models.extension import grown_rows
from raycl.models.extension_request import (
    ExtensionRequest,
    NewTokens,
    OtherTokenizer,
    content_key,
    find_request,
    place_key,
    place_of,
    possible_places,
)
from raycl.models.find import find_start
from raycl.models.start import Start
from raycl.models.store import stored_start
from raycl.models.tokenizer import own_files
from raycl.storage import Storage

_NOT_KNOWN = "provisional, and its tokens per byte are not known."


@dataclass(frozen=True)
class PlannedExtension:
    """A model that gets another vocabulary, before or after it was made."""

    tokens: NewTokens | OtherTokenizer
    base: Start | None
    """The model before; None where it is gone and its extension is there."""
    keys: tuple[str, ...]
    """Names of the request in a storage."""
    start: Start
    """The new model; before it is made, what is known of it, under a provisional name."""
    request: ExtensionRequest | None = None
    """The record of the new model; None before it is made."""
    tokenizer: TextTokenizer | None = None
    """The tokenizer in place of the model's own; None where it is gone, or the own one grows."""

    @property
    def sentence(self) -> str:
        """What will be made, for people."""
        what = self.tokens.described
        if self.tokens.corpora:
            what += f", learned from {' and '.join(self.tokens.corpora)}"
        if self.tokenizer is not None:
            what += f" of {self.tokenizer.vocabulary:,} tokens in place of its own"
        rows = self.start.config.get("vocab_size")
        size = f"; planned with {rows:,} rows" if isinstance(rows, int) else ""
        return (
            f"model.pretrained {self.start.reference!r} gets {what}{size}. `raycl sweep` or `raycl "
            "prepare` makes it so, before a cluster starts; until then names of states are "
            + ("provisional." if self.tokenizer else _NOT_KNOWN)
        )


def planned_extension(
    reference: str, here: Path, tokens: NewTokens, storage: Storage | None
) -> PlannedExtension:
    """The extension of the model that a recipe names. `here` is where relative folders begin.

    Raises InputError where neither the model nor an extension of it is there, or where no tokenizer
    came with it.
    """
    try:
        base, _ = find_start(reference, here, storage)
    except InputError:
        found = _found_by_place(reference, here, tokens, storage)
        if found is None:
            raise
        return found
    tokenizer = base_tokenizer(base, storage)
    content = content_key(base, tokenizer.fingerprint, tokens)
    keys = (content, place_key(place_of(base, here), tokens))
    request = find_request(storage, content) if storage is not None else None
    start = made_start(storage, request, reference)
    if start is None:
        return PlannedExtension(tokens, base, keys, _provisional(base, tokenizer, tokens, content))
    return PlannedExtension(tokens, base, keys, start, request)


def base_tokenizer(base: Start, storage: Storage | None) -> TextTokenizer:
    """The tokenizer that gets new tokens. Raises InputError where none came with the model."""
    files = own_files(base, storage)
    if files is None:
        raise InputError(
            f"model.pretrained {base.reference!r}",
            "no tokenizer came with it, to which model.vocabulary could add tokens, or in whose "
            "terms it could say another one's",
            "Put its tokenizer.json into its folder",
        )
    return make_tokenizer(files)


def made_start(
    storage: Storage | None, request: ExtensionRequest | None, reference: str
) -> Start | None:
    """The extended model of a request; None where it is not in the storage."""
    if storage is None or request is None:
        return None
    return stored_start(storage, request.identifier, reference)


def tokenizer_files(extension: PlannedExtension, storage: Storage | None) -> TokenizerFiles | None:
    """The tokenizer of a model: the new one, where it is known before the model is made."""
    if extension.request is not None or extension.base is None:
        return own_files(extension.start, storage)
    known = extension.tokenizer
    return known.files if known is not None else own_files(extension.base, storage)


def _found_by_place(
    reference: str, here: Path, tokens: NewTokens, storage: Storage | None
) -> PlannedExtension | None:
    for place in possible_places(reference, here) if storage is not None else ():
        key = place_key(place, tokens)
        request = find_request(storage, key) if storage is not None else None
        start = made_start(storage, request, reference)
        if start is not None:
            return PlannedExtension(tokens, None, (key,), start, request)
    return None


def _provisional(base: Start, tokenizer: TextTokenizer, tokens: NewTokens, key: str) -> Start:
    """What is known of an extended model before it is made: its configuration."""
    config, rows = dict(base.config), base.config.get("vocab_size")
    if isinstance(rows, int):
        config["vocab_size"] = grown_rows(rows, tokenizer.vocabulary + tokens.count)
    return replace(base, identifier=f"unmade-{key}", config=config, tensors={}, folder=None)
