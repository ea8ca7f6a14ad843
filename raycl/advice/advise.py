"""Advice on a sweep: a pure function of its outcomes and its results table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from raycl.advice.advice import Advice, Point, RecipeSource
from raycl.advice.choice import Choice, choose
from raycl.advice.goal import goal_of, settings_of, wanted_text
from raycl.advice.headline import headline
from raycl.advice.next_command import next_command
from raycl.advice.rules.cautions import cautions
from raycl.advice.rules.edges import edge_points
from raycl.advice.rules.law_points import law_points
from raycl.advice.rules.rate import rate_points
from raycl.advice.rules.recommendation import recommendation
from raycl.advice.rules.replay import replay_points
from raycl.advice.rules.shift import shift_points
from raycl.advice.rules.untried import untried
from raycl.results.outcome import RecipeOutcome
from raycl.results.search_results import compared, objective_of


def advise(
    outcomes: Sequence[RecipeOutcome],
    table: pd.DataFrame,
    source: RecipeSource | None = None,
    objective: str | None = None,
) -> Advice:
    """What to use and why, for what the user wants.

    `table` is the `results_table` of the outcomes; `source` says where the recipe stands, and
    without it there is no next command. `objective` is a corpus, a column of the table or weights
    of corpora (english=0.7,german=0.3); by default it is the search's, and else the average.
    Raises InputError where the objective is none.
    """
    if table.empty:
        return Advice("There are no recipes.")
    goal = goal_of(outcomes, table, objective)
    choice = None if goal is None else choose(settings_of(outcomes, goal), goal)
    return Advice(
        headline(choice, outcomes),
        tuple(_points(choice, outcomes, table)),
        next_command(choice, outcomes, source),
        () if choice is None else choice.compared(),
        "" if goal is None else wanted_text(outcomes, goal),
    )


def _points(
    choice: Choice | None, outcomes: Sequence[RecipeOutcome], table: pd.DataFrame
) -> list[Point]:
    front = _front(outcomes, table)
    if choice is None:
        return [*front, *cautions(None, outcomes)]
    return [
        *recommendation(choice, outcomes),
        *front,
        *replay_points(choice),
        *rate_points(choice),
        *shift_points(choice),
        *edge_points(choice),
        *cautions(choice, outcomes),
        *untried(choice),
        *law_points(choice),
    ]


def _front(outcomes: Sequence[RecipeOutcome], table: pd.DataFrame) -> list[Point]:
    """Of a search with several objectives: who is on the front, from which a user chooses."""
    objective = objective_of(outcomes)
    if objective is None or len(objective.goals) < 2:
        return []
    names = compared(table, objective).front
    if not names:
        return []
    text = (
        f"The search has {len(objective.goals)} objectives ({', '.join(objective.goals)}), and no "
        f"recipe is best in all. None of these is beaten in every one: {'; '.join(names)}. "
        "Give `--objective` weights of corpora to have one of them recommended for you."
    )
    return [Point("recommendation", "The Pareto front", text)]
