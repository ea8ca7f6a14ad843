"""Losses by document of the recipes' ends, and how sure the differences between them are.

The losses of single rows lie beside a state's history (its training wrote them) or beside what
`raycl evaluate` measured of it. States of earlier versions have none: then nothing is known here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from raycl.recipe.stage_rows import CorpusFacts
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.results.uncertainty.bootstrap import (
    DocumentSums,
    paired_average_interval,
    paired_document_interval,
)
from raycl.results.uncertainty.intervals import Interval

_UNKNOWN = Interval(math.nan, n=0)


def with_row_losses(
    outcomes: Iterable[RecipeOutcome], states: StoredStates, corpora: Mapping[str, CorpusFacts]
) -> list[RecipeOutcome]:
    """The outcomes with `row_losses` of every corpus whose final loss they explain.

    They are of the rows on which that loss was measured. A file that is damaged gives a note, since
    no number of the table depends on it.
    """
    return [_with(outcome, states, corpora) for outcome in outcomes]


def _with(
    outcome: RecipeOutcome, states: StoredStates, corpora: Mapping[str, CorpusFacts]
) -> RecipeOutcome:
    if not outcome.state or not states.holds(outcome.state):
        return outcome
    stored, damage = states.row_losses(outcome.state)
    keys = {
        corpus: (corpus, facts.fingerprint, outcome.validation_rows[corpus])
        for corpus, facts in corpora.items()
        if corpus in outcome.validation_rows
    }
    found = {
        corpus: DocumentSums.of(lines.document, lines.nats, lines.tokens)
        for corpus, key in keys.items()
        if (lines := stored.get(key)) is not None
    }
    notes = (*outcome.notes, damage) if damage else outcome.notes
    return replace(outcome, row_losses=found, notes=notes)


def document_difference(first: RecipeOutcome, second: RecipeOutcome, corpus: str) -> Interval:
    """Final loss of `first` − that of `second` (nats/token) with its interval over documents.

    NaN where one of them has no losses by document, or they are on other rows.
    """
    one, two = first.row_losses.get(corpus), second.row_losses.get(corpus)
    if one is None or two is None:
        return _UNKNOWN
    try:
        return paired_document_interval(one, two)
    except ValueError:
        return _UNKNOWN


def average_difference(
    first: RecipeOutcome, second: RecipeOutcome, weights: Mapping[str, float]
) -> Interval:
    """Σ weight · difference over corpora (nats/token), each corpus' documents drawn by themselves.

    `weights` are those of the average (`Sides.weights`). NaN where a corpus with a weight has no
    losses by document in one of the two, or they are on other rows.
    """
    wanted = {corpus: weight for corpus, weight in weights.items() if weight}
    pairs = [(w, first.row_losses.get(c), second.row_losses.get(c)) for c, w in wanted.items()]
    known = [(w, one, two) for w, one, two in pairs if one is not None and two is not None]
    if len(known) < len(wanted):
        return _UNKNOWN
    try:
        return paired_average_interval(known)
    except ValueError:
        return _UNKNOWN
