"""Before a cluster starts: the models that a recipe gives a vocabulary are made, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from raycl.data import corpora
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.train_tokenizer import sample_texts
from raycl.data.tokenizer.differences import difference
from raycl.data.tokenizer.extension import extend_tokenizer
from raycl.data.tokenizer.extension_record import extension_record
from raycl.data.tokenizer.text_tokenizer import TextTokenizer
from raycl.errors import InputError, within
from raycl.models.extension_request import (
    ExtensionRequest,
    NewTokens,
    OtherTokenizer,
    write_request,
)
from raycl.models.read import read_start
from raycl.models.start import Start
from raycl.models.store import start_files, store_start, stored_start
from raycl.models.tokenizer import own_files
from raycl.recipe import Recipe
from raycl.recipe.definition import Definition
from raycl.recipe.extensions import PlannedExtension, base_tokenizer
from raycl.recipe.resolution import Resolution, with_extensions
from raycl.storage import Storage, layout
from raycl.sweep.prepare_corpora import Report, check_corpora, source_field, text_cache, text_source

_SEED = 0
_WHERE = "model.vocabulary"


def make_extensions(
    definitions: Sequence[Definition],
    resolution: Resolution,
    storage: Storage,
    prepared: Collection[str],
    report: Report,
) -> Resolution:
    """The resolution when all extended models are in the storage; what is missing is made here.

    `prepared` are the names of the corpora that are prepared: their text is checked against what
    they were prepared from, and so is not read again. Raises InputError where the text is missing,
    or the model or its tokenizer cannot get these tokens.
    """
    if not resolution.extensions:
        return resolution
    recipes = [variant.recipe for made in definitions for variant in made.variants]
    corpora_of = {n: c for made in definitions for n, c in made.recipe.corpora.items()}
    material = definitions[0].recipe.model_copy(update={"corpora": corpora_of})
    where = definitions[0].where
    tokens = next(iter(resolution.extensions.values())).tokens
    found = dict(resolution.extensions)
    placed = isinstance(tokens, OtherTokenizer)  # its places are written again, without any text
    if placed or resolution.unmade or not set(tokens.corpora) <= set(prepared):
        texts = _texts(material, tokens, storage, where, report)
        for name, extension in found.items():
            with within(where):
                found[name] = _made(extension, texts, storage, report)
    return with_extensions(recipes, resolution, found, storage)


def _texts(
    material: Recipe,
    tokens: NewTokens | OtherTokenizer,
    storage: Storage,
    where: str,
    report: Report,
) -> list[str]:
    """The text that tokens are learned from, fetched where the recipe says so."""
    used = {name: material.corpora[name] for name in tokens.corpora}
    check_corpora(material.model_copy(update={"corpora": used}), storage, where, {})
    texts: list[str] = []
    wanted = 0 if isinstance(tokens, OtherTokenizer) else tokens.sample_bytes
    for name, corpus in used.items():
        if corpus.fetch:
            corpora.fetch(corpus.fetch, text_cache(), report)
        source = text_source(corpus)
        with within(f"{where}: corpora.{name}.{source_field(corpus)}"):
            files = find_files(source)
            texts.extend(sample_texts(source, files, wanted, _SEED))
    return texts


def _digest(texts: Sequence[str]) -> str:
    if not texts:
        return ""
    whole = hashlib.sha256()
    for text in texts:
        data = text.encode()
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()


def _made(
    extension: PlannedExtension, texts: Sequence[str], storage: Storage, report: Report
) -> PlannedExtension:
    """The extension when it is in the storage, made of the text as it is now."""
    digest, request, base = _digest(texts), extension.request, extension.base
    if request is not None and request.text == digest:
        write_request(storage, extension.keys, request)  # as when the model was moved
        return extension
    if base is None:
        raise InputError(
            f"model.pretrained {extension.start.reference!r}",
            "it is gone, and the text that its new tokens were learned from has changed since",
            "Restore the model's folder, or the text",
        )
    tokens = extension.tokens
    if isinstance(tokens, OtherTokenizer):
        assert extension.tokenizer is not None, "without it nothing is planned to be made"
        report(f"model {base.reference}: its rows are made for {tokens.described}")
        request = _replaced(base, extension.tokenizer, tokens.initialize, storage, report)
    else:
        report(f"model {base.reference}: {tokens.described} are made")
        request = _written(base, tokens, texts, storage, digest)
    write_request(storage, extension.keys, request)
    start = stored_start(storage, request.identifier, base.reference)
    assert start is not None, "its mark was written a moment ago"
    report(
        f"model {base.reference}: with its new tokens it has {request.rows:,} rows, and is kept in "
        f"the storage as {request.identifier}"
    )
    return replace(extension, start=start, request=request)


def _written(
    base: Start, tokens: NewTokens, texts: Sequence[str], storage: Storage, digest: str
) -> ExtensionRequest:
    """Make the extended model beside the storage, then copy it there: its mark is written last."""
    from raycl.weights.extend import write_extended

    tokenizer = base_tokenizer(base, storage)
    with within(_WHERE):
        made = extend_tokenizer(tokenizer, texts, tokens.learned, tokens.words)
    record = extension_record(tokenizer, made, tokens.words, tokens.initialize)
    with TemporaryDirectory(prefix="raycl-vocabulary-") as temporary:
        folder, target = Path(temporary) / "base", Path(temporary) / "model"
        rows = write_extended(_local(base, folder, storage), target, tokenizer, made, record)
        identifier = _stored(target, made.tokenizer, base, storage)
    return ExtensionRequest(identifier=identifier, base=base.identifier, text=digest, rows=rows)


def _replaced(
    base: Start, tokenizer: TextTokenizer, initialize: str, storage: Storage, report: Report
) -> ExtensionRequest:
    """The same of a model that gets another tokenizer."""
    from raycl.weights.replace import write_replaced

    own = base_tokenizer(base, storage)
    with TemporaryDirectory(prefix="raycl-vocabulary-") as temporary:
        folder, target = Path(temporary) / "base", Path(temporary) / "model"
        made = write_replaced(_local(base, folder, storage), target, own, tokenizer, initialize)
        identifier = _stored(target, tokenizer, base, storage)
    for sentence in (made.record.sentence, *made.notes):
        report(f"model {base.reference}: {sentence}")
    return ExtensionRequest(identifier=identifier, base=base.identifier, text="", rows=made.rows)


def _stored(folder: Path, tokenizer: TextTokenizer, base: Start, storage: Storage) -> str:
    """Copy the made model into the storage; its identifier."""
    start = read_start(str(folder), folder)
    store_start(storage, start)
    _check_stored(start, tokenizer, base, storage)
    return start.identifier


def _local(base: Start, folder: Path, storage: Storage) -> Path:
    """A local folder with the files of a model, copied from a remote storage where need be."""
    if base.folder is not None:
        return base.folder
    folder.mkdir()
    for name in storage.list(layout.start(base.identifier)):
        for data in start_files(storage, base.identifier, {name}).values():
            (folder / name).write_bytes(data)
    return folder


def _check_stored(start: Start, tokenizer: TextTokenizer, base: Start, storage: Storage) -> None:
    """Raise InputError where the storage got the same weights first with another tokenizer."""
    kept = stored_start(storage, start.identifier, base.reference)
    files = own_files(kept, storage) if kept is not None else None
    words = "it has none" if files is None else difference(files, tokenizer.files)
    if words:
        raise InputError(
            f"model.pretrained {base.reference!r}",
            f"the storage has the extended weights with another tokenizer: {words}",
            "Use another storage",
        )
