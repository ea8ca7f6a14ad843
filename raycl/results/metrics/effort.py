"""What a recipe read and used: rows, replay, tokens and time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raycl.results.metrics.registry import Columns, per_corpus, per_recipe, register
from raycl.results.outcome import ROWS, RecipeOutcome, StageFact, new_in


def rows_read(outcome: RecipeOutcome) -> dict[str, int]:
    """Rows (sequences) of each corpus that the whole recipe really read so far."""
    columns = [column for column in outcome.history.columns if column.startswith(ROWS)]
    return {c.removeprefix(ROWS): int(outcome.history[c].sum()) for c in columns}


@register("rows")
def rows_by_corpus(outcomes: Sequence[RecipeOutcome], corpora: Sequence[str]) -> Columns:
    """Rows read of each corpus: 0 where none of it was read, NaN where nothing is known."""
    read = [rows_read(outcome) for outcome in outcomes]
    names = [*corpora, *sorted({name for rows in read for name in rows}.difference(corpora))]
    return {
        ROWS + name: [float(rows.get(name, 0)) if rows else math.nan for rows in read]
        for name in names
    }


@per_corpus("epochs")
def epochs(outcome: RecipeOutcome, corpus: str) -> float:
    """How often the recipe read the corpus: rows read, new and replayed, by its training rows."""
    rows, read = outcome.corpus_rows.get(corpus, 0), rows_read(outcome)
    return read.get(corpus, 0) / rows if rows and read else math.nan


@per_recipe("tokens", always=True)
def tokens_trained(outcome: RecipeOutcome) -> int:
    """Tokens trained on so far: steps times tokens per step."""
    return outcome.steps * outcome.tokens_per_step


@per_recipe("anneal_tokens")
def anneal_tokens(outcome: RecipeOutcome) -> float:
    """Tokens of a branch's anneal: those it has beyond its trunk where it leaves it; NaN: none."""
    if outcome.branch is None or not outcome.branch.steps or outcome.status != "finished":
        return math.nan
    return float(outcome.branch.steps * outcome.tokens_per_step)


def replayed_rows(outcome: RecipeOutcome, stage: StageFact) -> tuple[int, int]:
    """(rows of corpora that are not new, all rows) that this stage really read so far."""
    history = outcome.history
    columns = [column for column in history.columns if column.startswith(ROWS)]
    if not columns:
        return 0, 0
    within = history[(history["step"] >= stage.first_step) & (history["step"] < stage.last_step)]
    counts = within[columns].sum()
    new = new_in(outcome, stage)
    old = [column for column in columns if column.removeprefix(ROWS) not in new]
    return int(counts[old].sum()), int(counts.sum())


@per_recipe("rows_replayed", always=True)
def rows_replayed(outcome: RecipeOutcome) -> float:
    """Rows, in every stage, of corpora that were not new in it; NaN where nothing is known."""
    stages = [replayed_rows(outcome, stage) for stage in outcome.stages]
    known = any(all_rows for _, all_rows in stages)
    return float(sum(old for old, _ in stages)) if known else math.nan


@per_recipe("realised_replay", always=True)
def realised_replay(outcome: RecipeOutcome) -> float:
    """Share of replayed rows (0 to 1) in the last stage, whose share it is that a sweep sets."""
    old, all_rows = replayed_rows(outcome, outcome.stages[-1]) if outcome.stages else (0, 0)
    return old / all_rows if all_rows else math.nan


@per_recipe("seconds", always=True)
def seconds_trained(outcome: RecipeOutcome) -> float:
    """Seconds in training steps, without validation and saving; NaN where not recorded."""
    history = outcome.history
    return float(history["seconds"].sum()) if "seconds" in history else math.nan
