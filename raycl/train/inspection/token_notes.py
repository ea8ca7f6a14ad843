"""Names tokens that a recipe's corpora use and its checkpoint was never trained on.

Only what is certain is said: that a row of the embedding is all zeros, is the very same as another
token's, or holds numbers that are none. Tokens of a vocabulary's extension begin with equal rows
where the same old tokens stood for them, which says nothing of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from raycl.data.token_counts import TokenCounts, token_counts
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.models.replacement import old_tokens
from raycl.models.start import Start
from raycl.models.store import folder_weights, start_weights
from raycl.models.token_rows import TokenRows, token_rows
from raycl.models.weight_files import WeightFiles
from raycl.plan.model_facts import facts_key
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.storage import Storage, layout
from raycl.units import format_count

_SHOWN = 5
_ZERO = "rows of zeros in {table}, so the model was not trained on them"
_EQUAL = "the very rows of other tokens in {table}, so the model cannot tell them apart"
_ALIKE = (
    "as new ones, the rows of other tokens in {table} to begin with: they were made of the same "
    "old tokens, and training has to tell them apart"
)


@dataclass(frozen=True)
class _Corpus:
    name: str
    counted: TokenCounts
    text: Callable[[Sequence[int]], str]

    def used(self, tokens: Iterable[int]) -> list[int]:
        """Those of the tokens that the corpus has, the most frequent first."""
        counts = self.counted.counts
        ids = np.array([token for token in tokens if token < len(counts)], np.int64)
        ids = ids[counts[ids] > 0]
        return [int(token) for token in ids[np.argsort(-counts[ids], kind="stable")]]

    def share(self, tokens: Sequence[int]) -> str:
        """Of the corpus' tokens, in per cent."""
        percent = 100 * float(self.counted.counts[list(tokens)].sum()) / self.counted.tokens
        return f"{percent:.2g} %" if percent >= 0.01 else "below 0.01 %"

    def shown(self, tokens: Sequence[int]) -> str:
        """The first tokens by text, id and share, and how many more there are."""
        words = [f"{self.text([t])!r} (id {t}, {self.share([t])})" for t in tokens[:_SHOWN]]
        more = f" and {len(tokens) - _SHOWN} more" if len(tokens) > _SHOWN else ""
        sampled = f" by a sample of {format_count(self.counted.tokens)}"
        of = "its tokens" + ("" if self.counted.whole else sampled)
        return f"{', '.join(words)}{more}; together {self.share(tokens)} of {of}"


@dataclass(frozen=True)
class _Rows:
    """What is conspicuous in a tensor of a checkpoint."""

    start: Start
    table: str
    rows: TokenRows
    old_tokens: Container[int] | None
    """Those with a row of their own before the vocabulary changed, where it did."""

    def equal(self) -> tuple[list[int], list[int]]:
        """Tokens that the checkpoint has equal rows for, and new ones that begin with such rows."""
        equal: list[int] = []
        alike: list[int] = []
        for group in self.rows.equal:
            old = [n for n in group if self.old_tokens is None or n in self.old_tokens]
            equal += old if len(old) > 1 else []
            alike += set(group).difference(old)
        return equal, alike


def token_notes(plan: SweepPlan, storage: Storage) -> list[str]:
    """A sentence for each corpus and kind of row that was not trained; the plan is inspected.

    Corpora that are not prepared are passed over. Raises InputError where a corpus uses a token
    whose row is infinite or NaN: its loss would be none.
    """
    notes: dict[str, None] = {}
    for sweep in plan.sweeps:
        conspicuous = list(_conspicuous(plan, sweep, storage))
        # The corpora are counted once for all tensors, and not at all where nothing is found.
        corpora = list(_corpora(sweep, storage)) if conspicuous else []
        for start, table, rows in conspicuous:
            found = _Rows(start, table, rows, old_tokens(start, storage))
            for corpus in corpora:
                notes |= dict.fromkeys(_sentences(found, corpus))
    return list(notes)


def _conspicuous(
    plan: SweepPlan, sweep: PlannedSweep, storage: Storage
) -> Iterator[tuple[Start, str, TokenRows]]:
    """The tensors of the sweep's checkpoints in which some rows were not trained."""
    for start, tables in _starts(plan, sweep):
        files = _files(start, storage)
        for table in tables:
            rows = token_rows(files, table, start.tensors[table].sha256)
            if rows.zero or rows.broken or rows.equal:
                yield start, table, rows


def _starts(plan: SweepPlan, sweep: PlannedSweep) -> Iterator[tuple[Start, tuple[str, ...]]]:
    """Each checkpoint of a sweep with its tensors that have a row for each token."""
    seen = set()
    for variant in sweep.definition.variants:
        training = sweep.trainings[variant.label]
        facts = plan.models.get(facts_key(training.model, training.sequence_length))
        given = variant.recipe.model.pretrained
        if facts is not None and given is not None and training.model.pretrained not in seen:
            seen.add(training.model.pretrained)
            start = plan.resolution.start(given)
            tables = tuple(table for table in facts.token_tables if table in start.tensors)
            if tables:
                yield start, tables


def _files(start: Start, storage: Storage) -> WeightFiles:
    """The files of a checkpoint in its folder, else in the storage."""
    if start.folder is None:
        return start_weights(storage, start.identifier)
    return folder_weights(start.folder)


def _corpora(sweep: PlannedSweep, storage: Storage) -> Iterator[_Corpus]:
    for name, manifest in sweep.manifests.items():
        counted = token_counts(storage, layout.corpus(name), manifest)
        yield _Corpus(name, counted, _decoder(storage, manifest.tokenizer))


def _decoder(storage: Storage, fingerprint: str) -> Callable[[Sequence[int]], str]:
    try:
        return read_tokenizer(storage, fingerprint).decode
    except InputError:  # corpora from elsewhere may come without their tokenizer
        return lambda _: ""


def _sentences(found: _Rows, corpus: _Corpus) -> Iterator[str]:
    where = f"model.pretrained {found.start.reference!r}"
    if broken := corpus.used(found.rows.broken):
        raise InputError(
            f"{where}: {found.table}",
            f"the rows of tokens that corpus {corpus.name!r} uses are infinite or NaN: "
            f"{corpus.shown(broken)}",
            "Give a checkpoint whose weights are numbers",
        )
    equal, alike = found.equal()
    for tokens, what in ((found.rows.zero, _ZERO), (equal, _EQUAL), (alike, _ALIKE)):
        if used := corpus.used(tokens):
            yield (
                f"{where}: tokens of corpus {corpus.name!r} have {what.format(table=found.table)}: "
                f"{corpus.shown(used)}"
            )
