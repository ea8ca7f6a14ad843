"""Before training: fetch a recipe's text, train its tokenizer, prepare its corpora."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from raycl.data import corpora
from raycl.data.manifest import Manifest, has_manifest, load_manifest
from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    check_origin,
    find_files,
    load_tokenizer,
    prepare_corpus,
    tokenizer_fingerprint,
    train_tokenizer,
)
from raycl.errors import InputError, within
from raycl.recipe import Corpus, Recipe
from raycl.storage import Storage, layout

Report = Callable[[str], None]
_PLACEHOLDER = "YOUR-BUCKET"  # in the full-scale recipes of configs/paper


def text_cache() -> Path:
    """Where fetched text is kept: `$XDG_CACHE_HOME/raycl/text`, by default below ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "raycl" / "text"


def check_corpora(
    recipe: Recipe, storage: Storage, where: str, manifests: Mapping[str, Manifest]
) -> None:
    """Raise InputError where a corpus cannot be made, or was prepared from something else.

    `manifests` has the manifests of prepared corpora. Where a corpus' text no longer exists, it
    cannot be compared, and the settings alone are.
    """
    for name, corpus in recipe.corpora.items():
        _check_source(corpus, f"{where}: corpora.{name}")
        spec = corpus_spec(recipe, name, _source(corpus))
        manifest = manifests.get(name)
        if manifest is None:
            _check_placeholder(corpus, f"{where}: corpora.{name}.text")
        elif manifest.source:  # shards from elsewhere do not say what they were made from
            check_origin(storage, spec, manifest, _wanted_tokenizer(recipe, storage, manifest))


def _check_source(corpus: Corpus, where: str) -> None:
    if bool(corpus.text) == bool(corpus.fetch):
        raise InputError(
            where,
            "needs either `text` or `fetch`",
            "Give the files of your text, or a corpus that raycl can fetch",
        )
    if corpus.fetch and corpus.fetch not in corpora.names():
        raise InputError(
            f"{where}.fetch {corpus.fetch!r}", "not known", f"Known: {', '.join(corpora.names())}"
        )


def _check_placeholder(corpus: Corpus, where: str) -> None:
    for text in corpus.text:
        if _PLACEHOLDER in text:
            raise InputError(
                f"{where} {text!r}",
                f"{_PLACEHOLDER} stands for a bucket of yours",
                "Write where your text lies, or add `--scale tiny` to run it on text that raycl "
                "fetches",
            )


def _wanted_tokenizer(recipe: Recipe, storage: Storage, manifest: Manifest) -> str:
    """Fingerprint that the corpus' tokenizer must have.

    Of a tokenizer that the recipe trains only the size can be compared. One from a hub is not asked
    for again: corpora that are prepared need no network.
    """
    train, reference = recipe.tokenizer.train, recipe.tokenizer.load
    if train is not None and train.vocabulary != manifest.vocabulary:
        return f"one of {train.vocabulary} tokens"
    if reference is not None and Path(reference).expanduser().exists():
        return tokenizer_fingerprint(load_tokenizer(storage, reference))
    return manifest.tokenizer


def _source(corpus: Corpus) -> TextSource:
    files = (str(text_cache() / f"{corpus.fetch}.jsonl"),) if corpus.fetch else corpus.text
    return TextSource(files=files, text_field=corpus.text_field)


def ready_text(
    recipe: Recipe, storage: Storage, where: str, report: Report
) -> dict[str, TextSource]:
    """The text of every corpus, fetched where the recipe says so. Needs no cluster.

    Raises InputError where the text of a corpus that is still to prepare is missing, or the
    tokenizer is: no cluster has to start to find that out.
    """
    for corpus in recipe.corpora.values():
        if corpus.fetch:
            corpora.fetch(corpus.fetch, text_cache(), report)
    sources = {name: _source(corpus) for name, corpus in recipe.corpora.items()}
    missing = [n for n in sources if not has_manifest(storage, layout.corpus(n))]
    for name in missing:
        _check_found(sources[name], f"{where}: corpora.{name}.text")
    if missing and recipe.tokenizer.load is not None:
        load_tokenizer(storage, recipe.tokenizer.load)
    return sources


def _check_found(source: TextSource, where: str) -> None:
    with within(where):
        find_files(source)


def corpus_spec(recipe: Recipe, name: str, source: TextSource) -> CorpusSpec:
    """How one corpus is to be prepared, as the recipe says."""
    corpus = recipe.corpora[name]
    return CorpusSpec(
        name=name,
        source=source,
        sequence_length=recipe.sequence_length,
        validation=corpus.validation,
        seed=corpus.seed,
        shard_tokens=corpus.shard_tokens,
    )


def prepare_all(
    recipe: Recipe, sources: dict[str, TextSource], storage: Storage, report: Report
) -> None:
    """Train the tokenizer if the recipe asks for it and prepare every corpus. Needs a cluster."""
    reference = tokenizer_reference(recipe, sources, storage, report)
    for name in recipe.corpora:

        def progress(phase: str, done: int, total: int, name: str = name) -> None:
            report(f"prepare {name}: {phase} {done}/{total}")

        spec = corpus_spec(recipe, name, sources[name])
        manifest = prepare_corpus(storage, spec, reference, progress)
        report(
            f"corpus {name}: {manifest.train.tokens:,} training tokens, "
            f"{manifest.validation.tokens:,} validation tokens"
        )


def tokenizer_reference(
    recipe: Recipe, sources: dict[str, TextSource], storage: Storage, report: Report
) -> str:
    """The tokenizer that the recipe names, or that it asks to train, which is done once.

    All corpora of a model need the same tokenizer, so where one of them is prepared already, its
    tokenizer is taken.
    """
    train = recipe.tokenizer.train
    if train is None:
        return str(recipe.tokenizer.load)
    for name in recipe.corpora:
        if has_manifest(storage, layout.corpus(name)):
            return layout.tokenizer(load_manifest(storage, layout.corpus(name)).tokenizer)
    report(f"tokenizer: byte-level BPE of {train.vocabulary} tokens")
    path, _ = train_tokenizer(
        storage, list(sources.values()), train.vocabulary, train.sample_bytes, seed=0
    )
    return path
