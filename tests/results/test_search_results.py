"""What a search's objective says of outcomes: columns, sentences, the figure and the best."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.errors import InputError
from raycl.recipe.schema.search import Objective
from raycl.results.best_recipe import best_recipe, states_to_keep
from raycl.results.objective import known_names, measured
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.figures import draw_figures
from raycl.results.report.notes import notes
from raycl.results.search_results import compared
from raycl.results.table import read_results, results_table, write_results
from raycl.states.tree_record import find_tree_record
from raycl.storage import Storage
from tests.helpers.finished_sweep import finished_sweep
from tests.helpers.outcomes import NAN, history, replayed, union
from tests.helpers.searched_sweep import run_search, searched

BOTH = Objective(minimize=("english", "german"))


def ended(label: str, english: float, german: float, **changes: Any) -> RecipeOutcome:
    """A recipe with these losses at its end; it had learned english to 4.0."""
    curves = history([9.0, NAN, 4.0, NAN, english], [9.0, NAN, 7.0, NAN, german])
    return replayed(label, **{"history": curves, "objective": BOTH, **changes})


def sweep(objective: Objective = BOTH) -> list[RecipeOutcome]:
    made = [
        ended("a", 4.0, 6.0),
        ended("b", 5.0, 5.0),
        ended("c", 5.0, 6.0),
        ended("d", 6.0, 4.0),
        ended("running", 1.0, 1.0, status="unfinished"),
        union(),
    ]
    return [o if o.kind == "union" else replayed_with(o, objective) for o in made]


def replayed_with(outcome: RecipeOutcome, objective: Objective) -> RecipeOutcome:
    return replace(outcome, objective=objective)


def test_numbers_are_those_of_the_table_and_the_lower_the_better() -> None:
    outcome = replayed()  # english 4.0 and then 4.5, german 7.0 and then 5.0
    both = Objective.model_validate(["german", "forgetting"])
    assert measured(outcome, both).objectives == (5.0, 0.5)
    bounded = {"minimize": "average", "subject_to": {"forgetting": 0.02, "english": 4.5}}
    found = measured(outcome, Objective.model_validate(bounded))
    assert found.objectives == (4.75,)
    assert found.constraints == pytest.approx((0.48, 0.0))
    assert not found.is_allowed
    assert measured(outcome, Objective(maximize=("adaptation/german",))).objectives == (-2.0,)
    scored = replayed(tasks={"hellaswag": 0.4})
    assert measured(scored, Objective(maximize=("task/hellaswag",))).objectives == (-0.4,)


def test_what_is_not_finished_or_not_measured_has_no_numbers() -> None:
    assert not measured(replayed(status="unfinished"), BOTH).is_known
    assert not measured(replayed(), Objective(maximize=("task/hellaswag",))).is_known
    assert not measured(replayed(), Objective(minimize=("dutch",))).is_known


def test_names_that_can_be_an_objective_are_corpora_and_columns() -> None:
    names = known_names(["english"])
    assert {"english", "average", "forgetting", "forgetting/english", "seconds"} <= set(names)
    assert not {"gap_to_union", "task"} & set(names)


def test_the_table_says_who_is_on_the_front(tmp_path: Path) -> None:
    table = results_table(sweep())
    assert dict(zip(table["recipe"], table["front"].tolist(), strict=True)) == {
        "a": True,
        "b": True,
        "c": False,
        "d": True,
        "running": pd.NA,
        "union": pd.NA,
    }
    storage = Storage(str(tmp_path))
    write_results(storage, "small", sweep())
    assert read_results(storage, "small")["front"].isna().sum() == 2
    assert "front" not in results_table([replayed(), union()])
    assert "front" not in results_table(sweep(Objective(minimize=("german",))))


def test_the_hypervolume_is_from_the_worst_of_each() -> None:
    found = compared(results_table(sweep()), BOTH)
    assert found.front == ["a", "b", "d"]
    assert found.reference == (6.0, 6.0)
    assert found.hypervolume == 1.0  # of b alone: a and d are at the border
    (text,) = [note for note in notes(sweep()) if note.startswith("Pareto")]
    assert text == (
        "Pareto front of lowest english, lowest german: 3 of 4 recipes: a; b; d. Hypervolume 1, "
        "from the worst value of each (english 6, german 6)."
    )


def test_a_bound_decides_who_is_compared() -> None:
    objective = Objective(minimize=("german",), subject_to={"forgetting": 1.0})
    assert compared(results_table(sweep(objective)), objective).best == "b"
    assert [note for note in notes(sweep(objective)) if note.startswith("Best by")] == [
        "Best by lowest german, forgetting at most 1: b (5). 3 of 4 finished recipes keep the "
        "bounds."
    ]
    strict = Objective(minimize=("german",), subject_to={"forgetting": -1.0})
    assert compared(results_table(sweep(strict)), strict).best == "a"  # breaks it by the least


def test_two_objectives_have_a_figure() -> None:
    names = [drawing.name for drawing in draw_figures(sweep())]
    assert "front" in names
    (front,) = [drawing for drawing in draw_figures(sweep()) if drawing.name == "front"]
    assert "no other one beats" in front.caption
    assert "front" not in [d.name for d in draw_figures([replayed(), union()])]


@pytest.mark.slow
def test_the_best_of_a_search_is_the_best_by_its_objective(tmp_path: Path) -> None:
    storage = finished_sweep(tmp_path)
    grid = {"new.replay": ["0%", "50%", "25%"], "new.schedule.max_lr": ["1e-3", "3e-3"]}
    for name, objective in (("older", "older"), ("new", "new")):
        run_search(searched(grid, name, trials=3, objective=objective), storage)
        tree = find_tree_record(storage, name)
        label, state = best_recipe(storage, name, tree)
        assert best_recipe(storage, name, tree, by=name) == (label, state)
        assert state in states_to_keep(storage, name)
        assert len(states_to_keep(storage, name)) == 1
    grid["new.schedule.max_lr"] = ["2e-3", "5e-3"]
    run_search(searched(grid, "two", trials=3, objective=["older", "new"]), storage)
    with pytest.raises(InputError, match=r"2 objectives.*On the Pareto front: replay"):
        best_recipe(storage, "two", find_tree_record(storage, "two"))
    assert states_to_keep(storage, "two")
