"""Brings all outcomes of a sweep onto the same validation rows, and says what is missing there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from raycl.evaluation.store import Measured
from raycl.recipe.stage_rows import CorpusFacts
from raycl.results.outcome import RecipeOutcome

StoredLosses = Callable[[str], Mapping[Measured, float]]
"""What `raycl evaluate` measured of a state."""


@dataclass(frozen=True)
class OnRows:
    """An outcome whose losses are all on the rows that were asked for."""

    outcome: RecipeOutcome
    other_rows: frozenset[int] = frozenset()
    """Rows on which training validated its stages' ends, where those losses are missing here."""
    measured: frozenset[str] = frozenset()
    """Corpora with a loss at a stage's end that was measured after the training."""


def on_one_number_of_rows(
    on: Callable[[int], Sequence[OnRows]], rows: int, command: str
) -> tuple[list[RecipeOutcome], int]:
    """All outcomes on one number of validation rows, and that number.

    It is `rows`, for which the recipe asks, or else a number on which nothing is missing because
    every training validated on it. Where there is none, losses are missing, and a note names the
    command that measures them: `command` without its number of rows.
    """
    found = on(rows)
    others = {number for entry in found for number in entry.other_rows}
    for number in sorted(others, reverse=True):
        elsewhere = on(number)
        if not any(entry.other_rows for entry in elsewhere):
            note = (
                f"All were validated on {number} rows of each corpus and are shown on these. For "
                f"the {rows} that the recipe asks for: {command} {rows}"
            )
            return [_noted(outcome, note) for outcome in _alike(elsewhere)], number
    counts = " or ".join(str(number) for number in sorted(others))
    lacking = sum(bool(entry.other_rows) for entry in found)
    note = (
        f"{lacking} of {len(found)} recipes have states that were validated on {counts} rows of "
        f"each corpus, not on {rows}: these losses are left out. To measure them: {command} {rows}"
    )
    outcomes = [
        _noted(outcome, note) if entry.other_rows else outcome
        for entry, outcome in zip(found, _alike(found), strict=True)
    ]
    return outcomes, rows


def _alike(found: Sequence[OnRows]) -> list[RecipeOutcome]:
    """The outcomes with end losses that are means over equally many validations.

    What is measured after a training is one loss at its end. On such a corpus the end loss of every
    recipe is therefore the last one alone, however many its mean would otherwise take.
    """
    single = frozenset(corpus for entry in found for corpus in entry.measured)
    return [replace(entry.outcome, last_alone=single) for entry in found]


def on_more_rows(
    outcomes: Sequence[RecipeOutcome],
    rows: int,
    corpora: Mapping[str, CorpusFacts],
    losses: StoredLosses,
    command: str,
) -> list[RecipeOutcome]:
    """The outcomes with final losses on more than `rows` rows of the corpora, if all have them.

    Of each corpus it is the largest number on which every finished recipe was measured. Where only
    some were, a note names the command that measures the others.
    """
    finished = [outcome for outcome in outcomes if outcome.status == "finished"]
    tighter: dict[str, int] = {}
    partly: dict[int, int] = {}
    for corpus, facts in corpora.items():
        numbers = [_numbers(losses(o.state), corpus, facts.fingerprint, rows) for o in finished]
        common = set.intersection(*numbers) if numbers else set()
        if common:
            tighter[corpus] = max(common)
        largest = max((max(found, default=0) for found in numbers), default=0)
        if largest > tighter.get(corpus, 0):
            partly[largest] = sum(largest in found for found in numbers)
    changed = [_tightened(outcome, corpora, losses, tighter) for outcome in outcomes]
    for number, having in sorted(partly.items()):
        note = (
            f"{having} of {len(finished)} finished recipes have losses on {number} validation "
            f"rows; they count when all have them: {command} {number}"
        )
        changed = [_noted(outcome, note) for outcome in changed]
    return changed


def _numbers(
    stored: Mapping[Measured, float], corpus: str, fingerprint: str, above: int
) -> set[int]:
    """The numbers of rows of this corpus, larger than `above`, that have a stored loss."""
    wanted = (corpus, fingerprint)
    return {rows for name, content, rows in stored if (name, content) == wanted and rows > above}


def _tightened(
    outcome: RecipeOutcome,
    corpora: Mapping[str, CorpusFacts],
    losses: StoredLosses,
    tighter: Mapping[str, int],
) -> RecipeOutcome:
    if outcome.status != "finished" or not tighter:
        return outcome
    stored = losses(outcome.state)
    measured = {c: stored[c, corpora[c].fingerprint, rows] for c, rows in tighter.items()}
    return replace(
        outcome, measured=measured, validation_rows={**outcome.validation_rows, **tighter}
    )


def _noted(outcome: RecipeOutcome, note: str) -> RecipeOutcome:
    return replace(outcome, notes=(*outcome.notes, note))
