"""On which rows losses were measured: one table holds losses on the same rows of a corpus alone.

A state's name does not depend on validation, so recipes that validate on 64 rows and on 4 share
states. A loss is kept with its state only where it was measured on the rows that the table is about
(their number, and the fingerprint of their corpus); else it is taken from what `raycl evaluate`
measured on those rows, and else it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from raycl.evaluation.store import Measured
from raycl.recipe.stage_rows import CorpusFacts
from raycl.results.outcome import VALIDATION
from raycl.states.mark import StateMark


@dataclass(frozen=True)
class ValidationRows:
    """The first `asked` validation rows of a corpus with this content, or all `available` ones."""

    corpus: str
    fingerprint: str
    available: int
    asked: int

    @property
    def key(self) -> Measured:
        """What stored losses on these rows are found by."""
        return self.corpus, self.fingerprint, min(self.asked, self.available)

    def are_those_of(self, mark: StateMark) -> bool:
        """Whether the training of a state validated on them; true where an old mark says nothing.

        Such marks do not record the number of rows. Results show it as missing for them.
        """
        origin = mark.metadata.corpora.get(self.corpus)
        if origin is not None and origin.fingerprint != self.fingerprint:
            return False
        return mark.validation is None or (min(mark.validation.rows, self.available) == self.key[2])


def rows_of(corpora: Mapping[str, CorpusFacts], asked: int) -> list[ValidationRows]:
    """The first `asked` rows of each corpus."""
    return [
        ValidationRows(name, facts.fingerprint, facts.validation_rows, asked)
        for name, facts in corpora.items()
    ]


@dataclass(frozen=True)
class ValidatedHistory:
    """A state's part of a history, whose losses are all on the wanted rows."""

    last_step: int
    """The state's step, at which this part ends."""
    lines: pd.DataFrame
    """One line per step; see `RecipeOutcome.history`."""
    rows: Mapping[str, int]
    """The number of rows of each corpus; without those that an old mark does not tell."""
    measured: frozenset[str] = frozenset()
    """Corpora whose loss at the state was measured after its training."""
    other_rows: Mapping[str, int] = field(default_factory=dict)
    """By corpus without a loss at the state, the rows on which the training validated it."""


def validated(
    mark: StateMark,
    lines: pd.DataFrame,
    wanted: list[ValidationRows],
    stored: Mapping[Measured, float],
) -> ValidatedHistory:
    """The lines of a state's history with the losses on the wanted rows alone.

    The last line is filled from the `stored` losses of the state. Corpora that are not wanted are
    left out.
    """
    names = {f"{VALIDATION}{rows.corpus}" for rows in wanted}
    unlisted = [n for n in lines.columns if n.startswith(VALIDATION) and n not in names]
    kept = lines.drop(columns=unlisted).copy()
    measured, other_rows, counts = set(), {}, {}
    for rows in wanted:
        name = f"{VALIDATION}{rows.corpus}"
        if name in kept and not rows.are_those_of(mark):
            kept[name] = math.nan
            other_rows[rows.corpus] = mark.validation.rows if mark.validation else 0
        missing = name not in kept or pd.isna(kept[name].iloc[-1])
        if missing and rows.key in stored:
            kept.loc[kept.index[-1], name] = stored[rows.key]
            measured.add(rows.corpus)
            other_rows.pop(rows.corpus, None)
        if mark.validation or rows.corpus in measured:
            counts[rows.corpus] = rows.key[2]
    return ValidatedHistory(mark.step, kept, counts, frozenset(measured), other_rows)


def joined(histories: Sequence[ValidatedHistory]) -> pd.DataFrame:
    """One line per step of all parts, from the chain's first step on."""
    parts = [history.lines for history in histories]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"step": []})
