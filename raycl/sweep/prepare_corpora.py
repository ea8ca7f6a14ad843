"""Before training: fetch a recipe's text, train its tokenizer, prepare its corpora."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from raycl.data import corpora
from raycl.data.few_held_out import few_held_out
from raycl.data.manifest import Manifest, has_manifest, load_manifest
from raycl.data.prepare import (
    CorpusSpec,
    TextSource,
    check_origin,
    find_inputs,
    hash_inputs,
    prepare_corpora,
    sentences,
    train_tokenizer,
    without_hashes,
)
from raycl.data.prepare.named_dataset import dataset_pattern
from raycl.data.prepare.passed_over import told
from raycl.data.prepare.sample import Sample, check_sample_written, read_sample
from raycl.data.prepare.source import DatasetChoice
from raycl.data.prepare.token_sample import check_token_sample
from raycl.data.prepare.unwritten import check_unwritten, described, recorded
from raycl.data.tokenizer import (
    TextTokenizer,
    known_tokenizer,
    load_tokenizer,
    read_tokenizer,
    store_tokenizer,
)
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError, within
from raycl.recipe import Corpus, Recipe
from raycl.recipe.own_tokenizer import refuse_another
from raycl.recipe.tokenizer_facts import tokenizer_choice
from raycl.storage import Storage, layout
from raycl.sweep.corpora_of_seeds import by_seed, report_conflicts

Report = Callable[[str], None]
_PLACEHOLDER = "YOUR-BUCKET"  # in the full-scale recipes of configs/paper


def text_cache() -> Path:
    """Where fetched text is kept: `$XDG_CACHE_HOME/raycl/text`, by default below ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "raycl" / "text"


def check_corpora(
    recipe: Recipe,
    storage: Storage,
    where: str,
    manifests: Mapping[str, Manifest],
    own: TokenizerFiles | None = None,
) -> None:
    """Raise InputError where a corpus cannot be made, or was prepared from something else.

    `manifests` has the manifests of prepared corpora, and `own` is the tokenizer of the model that
    the recipe continues from. Where a corpus' text no longer exists, it
    cannot be compared, and the settings alone are.
    """
    for name, corpus in recipe.corpora.items():
        _check_source(corpus, f"{where}: corpora.{name}")
        _check_tokens(recipe, corpus, f"{where}: corpora.{name}.tokens")
        spec = corpus_spec(recipe, name, text_source(corpus))
        manifest = manifests.get(name)
        if manifest is None:
            _check_placeholder(corpus, f"{where}: corpora.{name}.{source_field(corpus)}")
        elif manifest.source:  # shards from elsewhere do not say what they were made from
            check_origin(storage, spec, manifest, _wanted_tokenizer(recipe, manifest, own))
            check_unwritten(name, recorded(manifest), spec.unknown)
        if manifest is not None and own is not None and recipe.model.weights != "random":
            _check_prepared(storage, manifest, own)


def _check_source(corpus: Corpus, where: str) -> None:
    if [bool(given) for given in _given(corpus)].count(True) != 1:
        raise InputError(
            where,
            "needs one of `text`, `dataset`, `tokens` and `fetch`",
            "Give the files of your text, a Hugging Face dataset, data sets of Megatron-LM, or a "
            "corpus that raycl can fetch",
        )
    if corpus.fetch and corpus.fetch not in corpora.names():
        raise InputError(
            f"{where}.fetch {corpus.fetch!r}", "not known", f"Known: {', '.join(corpora.names())}"
        )


def _check_tokens(recipe: Recipe, corpus: Corpus, where: str) -> None:
    if corpus.tokens and recipe.tokenizer.train is not None:
        raise InputError(
            where,
            "tokens belong to the tokenizer that made them, and this recipe trains another one",
            "Name that tokenizer: tokenizer: ./my-tokenizer",
        )


def _given(corpus: Corpus) -> tuple[object, ...]:
    return corpus.text, corpus.dataset, corpus.tokens, corpus.fetch


def _check_placeholder(corpus: Corpus, where: str) -> None:
    for text in (*corpus.text, *corpus.tokens):
        if _PLACEHOLDER in text:
            raise InputError(
                f"{where} {text!r}",
                f"{_PLACEHOLDER} stands for a bucket of yours",
                "Write where your text lies, or add `--scale tiny` to run it on text that raycl "
                "fetches",
            )


def _wanted_tokenizer(recipe: Recipe, manifest: Manifest, own: TokenizerFiles | None) -> str:
    """Fingerprint that the corpus' tokenizer must have.

    Of a tokenizer that the recipe trains only the size can be compared. One that is not on this
    machine is not asked for again: corpora that are prepared need no network.
    """
    train, reference = recipe.tokenizer.train, recipe.tokenizer.load
    if train is not None and train.vocabulary != manifest.vocabulary:
        return f"one of {train.vocabulary} tokens"
    if reference is not None:
        known = known_tokenizer(reference, tokenizer_choice(recipe))
        return manifest.tokenizer if known is None else known.fingerprint
    if train is None and own is not None:
        return make_tokenizer(own, tokenizer_choice(recipe)).fingerprint
    return manifest.tokenizer


def _check_prepared(storage: Storage, manifest: Manifest, own: TokenizerFiles) -> None:
    """Raise InputError where a corpus holds other tokens than those of the model's tokenizer."""
    if storage.exists(layout.tokenizer(manifest.tokenizer)):
        given = read_tokenizer(storage, manifest.tokenizer).files
        refuse_another(f"of corpus {manifest.name}", given, own)


def text_source(corpus: Corpus) -> TextSource:
    """Where the text of a corpus is, or will be when it is fetched; or its tokens."""
    if corpus.tokens:
        return TextSource(corpus.tokens, format="megatron")
    files = (str(text_cache() / f"{corpus.fetch}.jsonl"),) if corpus.fetch else corpus.text
    choice = None
    if corpus.dataset:
        files = (dataset_pattern(corpus.dataset),)
        choice = DatasetChoice(corpus.split, corpus.config, corpus.revision)
    return TextSource(
        files,
        corpus.text_field,
        corpus.format,
        corpus.document_separator,
        corpus.on_bad_record,
        choice,
    )


def source_field(corpus: Corpus) -> str:
    """The field of a corpus that names its text, for errors."""
    return "tokens" if corpus.tokens else "dataset" if corpus.dataset else "text"


def ready_text(
    recipe: Recipe,
    storage: Storage,
    where: str,
    report: Report,
    own: TokenizerFiles | None = None,
) -> dict[str, TextSource]:
    """The text of every corpus, fetched where the recipe says so. Needs no cluster.

    `own` is the tokenizer of the model that the recipe continues from.

    Raises InputError where the text of a corpus that is still to prepare is missing, or the
    tokenizer is: no cluster has to start to find that out.
    """
    for corpus in recipe.corpora.values():
        if corpus.fetch:
            corpora.fetch(corpus.fetch, text_cache(), report)
    sources = {name: text_source(corpus) for name, corpus in recipe.corpora.items()}
    missing = [n for n in sources if not has_manifest(storage, layout.corpus(n))]
    tokenizer = None
    if missing and recipe.tokenizer.train is None:
        with within(where):
            tokenizer = _loaded(recipe, storage, own)
    for name in missing:
        field = f"{where}: corpora.{name}.{source_field(recipe.corpora[name])}"
        if recipe.corpora[name].tokens:
            assert tokenizer is not None, "check_corpora refuses tokens without a tokenizer"
            _check_token_files(sources[name], field, name, tokenizer, report)
            continue
        sample = _checked_text(sources[name], field, name, report)
        if tokenizer is not None:
            with within(where):
                check_sample_written(name, sample, tokenizer, recipe.tokenizer.unknown)
    return sources


def _check_token_files(
    source: TextSource, where: str, name: str, tokenizer: TextTokenizer, report: Report
) -> None:
    with within(where):
        shown = check_token_sample(source, find_inputs(source).files, tokenizer)
    report(f"corpus {name}: its tokens begin with {shown!r}")


def _loaded(recipe: Recipe, storage: Storage, own: TokenizerFiles | None) -> TextTokenizer:
    """The tokenizer that the recipe loads. Raises InputError where it is not the model's own."""
    reference, choice = recipe.tokenizer.load, tokenizer_choice(recipe)
    if reference is None:
        if own is None:
            raise InputError(
                "tokenizer", "the recipe leaves it to a model that has none", "Give a tokenizer"
            )
        return make_tokenizer(own, choice)
    found = load_tokenizer(storage, reference, choice)
    if own is not None and recipe.model.weights != "random":
        refuse_another(reference, found.files, own)
    return found


def _checked_text(source: TextSource, where: str, name: str, report: Report) -> Sample:
    with within(where):
        found = find_inputs(source)
        sample = read_sample(source, found.files)
    if found.ignored:
        report(f"corpus {name}: not read, since they hold no text of it: {_few(found.ignored)}")
    if found.folders:
        report(
            f"corpus {name}: not read, since they are folders where a pattern names files (add "
            f"/** to it to read them): {_few(found.folders)}"
        )
    return sample


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")


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
        unknown=recipe.tokenizer.unknown,
        held_out_seed=corpus.held_out_seed,
    )


def prepare_all(
    recipe: Recipe,
    sources: dict[str, TextSource],
    storage: Storage,
    report: Report,
    own: TokenizerFiles | None = None,
) -> None:
    """Train the tokenizer if the recipe asks for it and prepare every corpus. Needs a cluster."""

    def progress(name: str, phase: str, done: int, total: int) -> None:
        report(f"prepare {name}: {phase} {done}/{total}")

    hash_inputs(sources.values(), lambda *numbers: progress("text", *numbers))
    reference = tokenizer_reference(recipe, sources, storage, report, own)
    manifests: dict[str, Manifest] = {}
    for names in by_seed(recipe):  # each holds out its own documents
        specs = [corpus_spec(recipe, name, sources[name]) for name in names]
        manifests |= prepare_corpora(storage, specs, reference, progress)
    for name, manifest in manifests.items():
        report(
            f"corpus {name}: {manifest.train.tokens:,} training tokens, "
            f"{manifest.validation.tokens:,} validation tokens"
        )
        counted = recorded(manifest)
        if counted.bytes:
            report(f"corpus {name}: {described(counted)}, as in {counted.example!r}")
        for sentence in (*told(manifest), *sentences(manifest), *few_held_out([manifest])):
            report(sentence)
    old = without_hashes(manifests)
    if old and len(manifests) > 1:
        report(
            f"An older raycl prepared {', '.join(old)}: documents shared with other corpora are "
            "not known."
        )
    report_conflicts(storage, manifests, report, recipe)


def tokenizer_reference(
    recipe: Recipe,
    sources: dict[str, TextSource],
    storage: Storage,
    report: Report,
    own: TokenizerFiles | None = None,
) -> str:
    """Path in storage of the tokenizer that the recipe names, or asks to train, which is done once.

    All corpora of a model need the same tokenizer, so where one of them is prepared already, its
    tokenizer is taken.
    """
    train = recipe.tokenizer.train
    if train is None:
        # Put into storage here: a relative path means something else where tasks run.
        loaded = _loaded(recipe, storage, own)
        report(f"tokenizer {loaded.files.where}: {loaded.policy.described}")
        return layout.tokenizer(store_tokenizer(storage, loaded))
    for name in recipe.corpora:
        if has_manifest(storage, layout.corpus(name)):
            fingerprint = load_manifest(storage, layout.corpus(name)).tokenizer
            if storage.exists(layout.tokenizer(fingerprint)):
                read_tokenizer(storage, fingerprint)  # raises where it is damaged
            return layout.tokenizer(fingerprint)
    report(f"tokenizer: byte-level BPE of {train.vocabulary} tokens")
    # The text of other seeds is the same: with it twice, the tokenizer would be another one.
    first = by_seed(recipe)[0] if recipe.corpora else []
    texts = [source for name, source in sources.items() if name in first]
    path, _ = train_tokenizer(storage, texts, train.vocabulary, train.sample_bytes, seed=0)
    return path
