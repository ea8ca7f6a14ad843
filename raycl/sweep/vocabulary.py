"""What new tokens of a model are worth on a recipe's corpora: tokens per byte before and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import Manifest
from raycl.data.prepare.file_systems import is_local
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.sample import SAMPLED_FILES, spread
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.train_tokenizer import sample_texts
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.data.tokenizer.extension import bytes_per_token
from raycl.data.tokenizer.extension_record import ExtensionRecord, files_before
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.models.extension import vocabulary_extension
from raycl.models.start import Start
from raycl.models.tokenizer import own_files
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.storage import Storage, layout
from raycl.sweep.prepare_corpora import text_source
from raycl.units import format_bytes

_SAMPLE_BYTES = 2**18
_PLACES, _PLACE_TOKENS = 64, 1024
_NO_CHARACTER = "\ufffd"
"""What a piece of a character is decoded to: rows may end within one."""


@dataclass(frozen=True)
class CorpusGrowth:
    """A corpus with the tokenizer before and after; a sample without bytes says nothing."""

    corpus: str
    before: float | None
    """Tokens per byte of UTF-8, without ends and beginnings of documents."""
    after: float | None
    sample_bytes: int


@dataclass(frozen=True)
class ModelGrowth:
    """A model with new tokens, on each corpus of the recipes."""

    model: str
    """The model as the recipe names it."""
    tokens_before: int
    learned: int
    named: int
    initialize: str
    corpora: tuple[CorpusGrowth, ...]

    @property
    def sentences(self) -> list[str]:
        """All of it for people."""
        count = self.learned + self.named
        named = f", {self.named:,} of them named" if self.named else ""
        first = (
            f"model.pretrained {self.model!r} has {count:,} new tokens{named}, beside "
            f"{self.tokens_before:,}; their rows began as the {self.initialize} of old ones."
        )
        return [first, *map(_sentence, self.corpora)]


def vocabulary_growth(plan: SweepPlan, storage: Storage | None) -> list[ModelGrowth]:
    """Each extended model of a plan, on a sample of at most 256 kB of each corpus.

    The sample is of text on this machine, else of prepared rows. Raises InputError where a record
    or a shard is damaged.
    """
    found = []
    for start in plan.resolution.starts.values():
        record = vocabulary_extension(start, storage)
        if record is not None:
            found.append(_growth(start, record, plan, storage))
    return found


def _growth(
    start: Start, record: ExtensionRecord, plan: SweepPlan, storage: Storage | None
) -> ModelGrowth:
    both = _tokenizers(start, record, storage)
    corpora = {name: sweep for sweep in plan.sweeps for name in sweep.definition.recipe.corpora}
    return ModelGrowth(
        model=start.reference,
        tokens_before=record.base_tokens,
        learned=record.learned,
        named=len(record.named),
        initialize=record.initialize,
        corpora=tuple(_measured(name, both, s, storage) for name, s in corpora.items()),
    )


def _tokenizers(
    start: Start, record: ExtensionRecord, storage: Storage | None
) -> tuple[TextTokenizer, TextTokenizer] | None:
    """The tokenizers before and after; None where they cannot be had any more."""
    files = own_files(start, storage)
    before = files_before(files, record) if files is not None else None
    if files is None or before is None:
        return None
    try:
        return make_tokenizer(before), make_tokenizer(files)
    except InputError:  # documents end with a new token, say
        return None


def _measured(
    corpus: str,
    both: tuple[TextTokenizer, TextTokenizer] | None,
    sweep: PlannedSweep,
    storage: Storage | None,
) -> CorpusGrowth:
    texts = _sample(corpus, sweep, storage) if both is not None else []
    if both is None or not any(texts):
        return CorpusGrowth(corpus, None, None, 0)
    before, after = (1 / bytes_per_token(tokenizer, texts) for tokenizer in both)
    return CorpusGrowth(corpus, before, after, sum(len(text.encode()) for text in texts))


def _sample(corpus: str, sweep: PlannedSweep, storage: Storage | None) -> list[str]:
    source = text_source(sweep.definition.recipe.corpora[corpus])
    if all(map(is_local, source.files)):
        try:
            return _of_text(source)
        except InputError:  # it is gone, or not fetched; the sweep says what is wrong with it
            pass
    manifest = sweep.manifests.get(corpus)
    if storage is None or manifest is None:
        return []
    return list(_of_rows(storage, layout.corpus(corpus), manifest))


def _of_text(source: TextSource) -> list[str]:
    files = spread(find_files(source), SAMPLED_FILES)
    return list(sample_texts(source, files, _SAMPLE_BYTES, seed=0))


def _of_rows(storage: Storage, folder: str, manifest: Manifest) -> Iterable[str]:
    """Text of prepared rows from places all over a corpus."""
    if not storage.exists(layout.tokenizer(manifest.tokenizer)):  # as shards from elsewhere may be
        return
    tokenizer = read_tokenizer(storage, manifest.tokenizer)
    reader, left = CorpusReader(storage, folder, manifest), _SAMPLE_BYTES
    count = min(max(1, _PLACE_TOKENS // manifest.row_length), reader.rows)
    places, ends = min(_PLACES, reader.rows // count), [tokenizer.prefix, tokenizer.end]
    for place in range(places):
        row = reader.read(place * reader.rows // places, count)[:, 1:].ravel()
        for ids in np.split(row, np.flatnonzero(np.isin(row, ends))):
            inner = ids[~np.isin(ids, ends)].tolist()
            text = tokenizer.decode(inner).strip(_NO_CHARACTER)
            yield text
            left -= len(text.encode())
        if left <= 0:
            return


def _sentence(growth: CorpusGrowth) -> str:
    if growth.before is None or growth.after is None:
        return (
            f"corpus {growth.corpus}: its tokens per byte are not known: neither its text nor its "
            "shards are here, or the tokenizer before is not"
        )
    return (
        f"corpus {growth.corpus}: {growth.before:.3f} tokens per byte before the new tokens, "
        f"{growth.after:.3f} after ({1 / growth.before:.2f} and {1 / growth.after:.2f} bytes per "
        f"token), by {format_bytes(growth.sample_bytes)} of it"
    )
