"""What makes the numbers less certain than they look."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.words import listed
from raycl.results.metrics import final_loss
from raycl.results.outcome import STOPPED, RecipeOutcome, corpora_of

LEAST_ROWS = 30
"""Validation rows below which a warning is given; a row is seldom more than one document."""


def cautions(choice: Choice | None, outcomes: Sequence[RecipeOutcome]) -> list[Point]:
    """Warnings: ties, what is not finished, few or unequal validation rows, no union baseline."""
    found = [_unfinished(outcomes), *_rows(outcomes)]
    if choice is not None:
        found = [_ties(choice), *found, _no_union(choice, outcomes)]
    return [point for point in found if point is not None]


def _ties(choice: Choice) -> Point | None:
    others = [setting.name for setting in choice.within if setting is not choice.chosen]
    if not others:
        return None
    text = f"Noise does not tell {choice.chosen.name} from {listed(others)}."
    if choice.seeds < 2:
        text += " Three seeds would show how much of the difference is noise."
    elif (decision := choice.decision) is not None and not decision.is_clear:
        text += f" {others[0]}: {decision.text}."
    return Point("warning", "Within noise", text)


def _unfinished(outcomes: Sequence[RecipeOutcome]) -> Point | None:
    missing = [o for o in outcomes if o.status not in ("finished", STOPPED)]
    if not missing:
        return None
    text = (
        f"{len(missing)} of {len(outcomes)} recipes have no final numbers: "
        f"{listed([outcome.label for outcome in missing])}. One of them may be better."
    )
    return Point("warning", "Not everything is finished", text)


def _rows(outcomes: Sequence[RecipeOutcome]) -> list[Point]:
    few, unequal = [], []
    for corpus in corpora_of(outcomes):
        own = [o for o in outcomes if not math.isnan(final_loss(o, corpus))]
        counts = {o.validation_rows[corpus] for o in own if corpus in o.validation_rows}
        if counts and min(counts) < LEAST_ROWS:
            few.append(f"{min(counts)} of {corpus}")
        if _are_unequal(own, corpus):
            unequal.append(f"{corpus}: {', '.join(f'{count:,}' for count in sorted(counts))}")
    points = []
    if few:
        text = (
            f"Final losses are on so few validation rows: {listed(few)}. Hold out more text, or "
            "measure on more rows with `raycl evaluate`."
        )
        points.append(Point("warning", "Few held-out rows", text))
    if unequal:
        text = f"Recipes were measured on different numbers of rows ({'; '.join(unequal)})."
        points.append(Point("warning", "Different validation rows", text))
    return points


def _are_unequal(outcomes: Sequence[RecipeOutcome], corpus: str) -> bool:
    """Whether recipes of one seed were measured on different numbers of rows.

    Each seed holds out documents of its own, and may have fewer rows than another.
    """
    known = {(o.seed, o.validation_rows[corpus]) for o in outcomes if corpus in o.validation_rows}
    return len(known) > len({seed for seed, _ in known})


def _no_union(choice: Choice, outcomes: Sequence[RecipeOutcome]) -> Point | None:
    several = len({corpus for stage in choice.chosen.example.stages for corpus in stage.new}) > 1
    if not several or any(outcome.kind == "union" for outcome in outcomes):
        return None
    text = (
        "Nothing shows how far this is from training on all data at once. "
        "`baselines: [union]` in the recipe trains that."
    )
    return Point("warning", "No union baseline", text)
