"""Tokens per byte of a recipe's corpora with the tokenizers before and after a change."""

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
from raycl.errors import InputError
from raycl.recipe.sweep_plan import PlannedSweep
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

    def sentence(self, change: str) -> str:
        """All of it for people; `change` says what lies between before and after."""
        if self.before is None or self.after is None:
            return (
                f"corpus {self.corpus}: its tokens per byte are not known: neither its text nor "
                "its shards are here, or the tokenizer before is not"
            )
        return (
            f"corpus {self.corpus}: {self.before:.3f} tokens per byte before {change}, "
            f"{self.after:.3f} after ({1 / self.before:.2f} and {1 / self.after:.2f} bytes per "
            f"token), by {format_bytes(self.sample_bytes)} of it"
        )


def measured(
    corpus: str,
    both: tuple[TextTokenizer, TextTokenizer] | None,
    sweep: PlannedSweep,
    storage: Storage | None,
) -> CorpusGrowth:
    """The tokens of a corpus with the tokenizers before and after.

    The sample is of text on this machine, else of prepared rows. Raises InputError where a shard
    is damaged.
    """
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
