"""A search from its first proposal to its end, with recipes that are trained in this process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.errors import InputError
from raycl.evaluation.store import read_task, write_task
from raycl.recipe import proposals
from raycl.recipe.definition import definition_of
from raycl.recipe.proposals import HAND, add_proposal, read_proposals
from raycl.recipe.space import space_of
from raycl.recipe.stored_recipe import write_recipe
from raycl.results.outcome import RecipeOutcome
from raycl.search.study import Spent, Study
from raycl.search.text import preview_text, search_texts, trials_text
from raycl.states.tree_record import stored_sweeps
from raycl.storage import Storage
from tests.helpers.finished_sweep import finished_sweep
from tests.helpers.recipe_data import defined
from tests.helpers.searched_sweep import run_search, searched, train_all

LIST = {"new.replay": ["0%", "50%", "25%"], "new.schedule.max_lr": ["1e-2", "3e-3"]}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The storage of a grid whose two recipes are points of `LIST` too."""
    folder = tmp_path_factory.mktemp("grid")
    finished_sweep(folder)
    return folder


@pytest.fixture
def storage(grid: Path, tmp_path: Path) -> Storage:
    folder = tmp_path / "storage"
    shutil.copytree(grid, folder)
    return Storage(str(folder))


def fields(study: Study) -> list[dict[str, Any]]:
    return [dict(proposal.fields) for proposal in study.proposals]


def test_proposals_are_recorded_before_they_are_returned(storage: Storage) -> None:
    study = Study(searched(), storage)
    first, second = study.propose(), study.propose()
    assert first is not None
    assert second is not None
    assert (first.number, first.source, second.number) == (0, "random", 1)
    assert read_proposals(storage, "searched") == (first, second)
    assert first.fields != second.fields
    assert study.running == (first, second)
    assert first.tokens == 6 * study.definition.recipe.rows_per_step * 16


def test_the_same_command_goes_on_with_the_same_search(storage: Storage, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(storage.full_path(""), other)
    whole = Study(searched(), storage)
    while whole.propose() is not None:
        pass
    assert whole.ended == "All 4 trials are proposed."
    for _ in range(4):  # each by a command of its own
        assert Study(searched(), Storage(str(other))).propose() is not None
    again = Study(searched(), Storage(str(other)))
    assert again.propose() is None
    assert fields(again) == fields(whole)
    assert Study(searched(seed=1, name="another"), storage).preview(1)[0].fields != fields(whole)[0]


def test_a_recipe_at_a_rung_is_known_by_what_it_reached(storage: Storage) -> None:
    study = Study(searched(), storage)
    first, second = study.propose(), study.propose()
    assert first is not None
    assert second is not None
    study.reached(first.number, 3, float("nan"))  # not measured: nothing is known of it
    assert not study.at_rungs
    study.reached(first.number, 3, 4.5)
    study.reached(first.number, 5, 4.25)
    (rung,) = study.at_rungs
    assert (rung.fields, rung.step, rung.value) == (first.fields, 5, 4.25)
    assert study.running == (second,)
    third = study.propose()
    assert third is not None
    assert study.space.key(third.fields) != study.space.key(first.fields)


@pytest.mark.parametrize("sampler", ["tpe", "tune:HyperOptSearch"])
def test_a_search_ends_when_every_point_is_known(storage: Storage, sampler: str) -> None:
    definition = searched(LIST, trials=10, sampler=sampler)
    study = run_search(definition, storage)
    assert study.learned == 2  # the grid's own recipes
    assert len(study.proposals) == 4
    assert len({study.space.key(known.fields) for known in study.known}) == 6
    assert "exhausted" in study.ended
    again = Study(definition, storage)
    assert again.known == study.known
    assert again.propose() is None


def test_a_search_whose_points_are_all_known_elsewhere_says_so(storage: Storage) -> None:
    known = {"new.replay": ["0%", "50%"]}
    with pytest.raises(InputError, match=r"every point .* known: 2 results.*wider ranges"):
        Study(searched(known), storage).propose()


def test_what_another_sweep_has_shown_is_told_first(storage: Storage) -> None:
    study = Study(searched(), storage)
    assert study.learned == 2
    assert [known.fields["new.replay"] for known in study.known] == [0.0, 0.5]
    assert all(known.objectives and 4 < known.objectives[0] < 5 for known in study.known)
    assert any("2 results of other sweeps" in text for text in search_texts(study))
    # Another objective is measured of the same states; a bound is too.
    other = searched(objective={"minimize": ["new", "older"], "subject_to": {"older": 4.0}})
    (first, _) = Study(other, storage).known
    assert first.objectives is not None
    assert sum(first.objectives) / 2 == pytest.approx(study.known[0].objectives[0])  # type: ignore[index]
    assert first.constraints[0] == pytest.approx(first.objectives[1] - 4.0)


def test_recipes_that_differ_in_another_field_are_not_learned_from(storage: Storage) -> None:
    definition = searched({"new.replay": {"uniform": ["0%", "50%"]}, "older.steps": [6, 8]})
    assert Study(definition, storage).learned == 2
    data = {**definition.data, "seed": 7}
    assert Study(definition_of(data, "x.yaml"), storage).learned == 0


def test_trials_that_share_everything_with_the_storage_cost_nothing(storage: Storage) -> None:
    study = Study(searched(trials=None, budget={"tokens": 2000}), storage)
    found = [study.propose() for _ in range(4)]
    assert [proposal is None for proposal in found] == [False, False, True, True]
    assert study.spent == Spent(2 * 768)
    assert study.ended == (
        "The budget is spent: 1.54k of 2k tokens, and the next recipe would take 768."
    )


def test_a_budget_counts_what_was_really_spent(storage: Storage) -> None:
    real = Spent(tokens=100, dollars=1.0)
    definition = searched(trials=None, budget={"tokens": 1000, "dollars": 2})
    study = Study(definition, storage, spent=lambda: real)
    assert study.propose() is not None
    assert study.propose() is not None
    real = Spent(tokens=500, dollars=1.5)
    assert study.propose() is None
    assert "500 of 1k tokens" in study.ended
    real = Spent(tokens=0, dollars=2.0)
    assert study.propose() is None
    assert study.ended == "The budget is spent: 2.00 of 2.00 dollars."


def test_a_budget_of_hours_counts_from_the_beginning_of_the_command(storage: Storage) -> None:
    now = 100.0
    definition = searched(trials=None, budget={"hours": 0.5})
    study = Study(definition, storage, clock=lambda: now)
    assert study.propose() is not None
    now += 1800
    assert study.propose() is None
    assert study.ended == "The budget is spent: 0.5 hours."


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"budget": {"tokens": 100}}, r"tokens 100: not enough for one: .* 768\. Give more"),
        ({"budget": {"dollars": 3}}, "dollars 3: prices are not known"),
        ({"objective": "nwe"}, "'nwe': no recipe will have a number of this name. Give a corpus"),
        ({"objective": "gap_to_union"}, "compares with a baseline"),
        ({"objective": {"minimize": "new", "subject_to": {"x": 1}}}, "'x': no recipe will have"),
        ({"early_stopping": {"stage": "new", "metric": "x"}}, "early_stopping.metric 'x'"),
        ({"early_stopping": {"stage": "new", "metric": "task/x"}}, "none is at a rung. Give"),
    ],
)
def test_a_search_that_cannot_go_well_is_refused(
    storage: Storage, search: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Study(searched(**search), storage).propose()
    assert read_proposals(storage, "searched") == ()


def test_averages_of_different_mixtures_are_no_objective(storage: Storage) -> None:
    grid = {"new.mixture.older": {"uniform": [2, 9]}}
    with pytest.raises(InputError, match=r"averages do not compare.*objective: \[older, new\]"):
        Study(searched(grid), storage)
    Study(searched(grid, objective=["older", "new"], sampler="nsga2"), storage)


def test_points_that_cannot_be_trained_are_passed_over(storage: Storage) -> None:
    # Shares of 1 or less must sum to 1: only the larger ones are weights.
    grid = {"new.mixture": [{"older": 0.2, "new": 0.2}, {"older": 2, "new": 3}]}
    study = Study(searched(grid, objective="new"), storage)
    (proposal,) = study.preview(4)
    assert proposal.fields == {"new.mixture": {"older": 2, "new": 3}}
    none = searched({"new.mixture": [{"older": 0.2, "new": 0.2}]}, objective="new")
    with pytest.raises(InputError, match="mixture"):
        Study(none, storage).propose()


def test_values_that_mean_the_same_training_are_proposed_once(storage: Storage) -> None:
    study = Study(searched({"new.mixture": [{"new": 1}, {"new": 5}]}, objective="new"), storage)
    assert len(study.preview(4)) == 1
    assert len(Study(searched({"new.replay": ["25%", 0.25, "0.25"]}), storage).preview(4)) == 1


def test_what_was_added_by_hand_is_no_trial_and_is_known(storage: Storage) -> None:
    definition = searched(LIST, trials=1, sampler="random")
    point = {"new.replay": "25%", "new.schedule.max_lr": "3e-3"}
    add_proposal(storage, "searched", point, HAND)
    study = Study(definition, storage)
    assert study.proposals == ()
    train_all(definition, storage)
    assert len(Study(definition, storage).known) == 3
    proposal = study.propose()
    assert proposal is not None
    assert proposal.number == 1
    assert study.propose() is None


def test_what_others_have_added_and_cannot_be_trained_ends_no_search(storage: Storage) -> None:
    """A sweep that trains leaves it out; the next command refuses it."""
    study = Study(searched(), storage)
    add_proposal(storage, "searched", {"execution.micro_batch": 2}, HAND)
    add_proposal(storage, "searched", {"new.replay": "25%"}, HAND)
    made = study.propose()
    assert made is not None
    assert [proposal.number for proposal in study.definition.proposals] == [1, made.number]
    assert study.propose() is not None
    with pytest.raises(InputError, match=r"proposals/000000\.json: it sets 'execution"):
        Study(searched(), storage)


def test_a_failed_recipe_is_told_and_not_proposed_again(storage: Storage) -> None:
    study = Study(searched(LIST, trials=10, sampler="tpe"), storage)
    proposal = study.propose()
    assert proposal is not None
    failed = RecipeOutcome("x", "sweep", {}, (), train_frame(), 1, status="failed")
    study.tell(proposal.number, failed)
    assert study.running == ()
    assert [k.objectives for k in study.known if k.fields == proposal.fields] == [None]


def test_results_of_recipes_that_others_have_added_are_heard(storage: Storage) -> None:
    """Another process proposes, and this one sees that recipe end before it proposes again."""
    study, other = Study(searched(), storage), Study(searched(), storage)
    made = other.propose()
    assert made is not None
    failed = RecipeOutcome("x", "sweep", {}, (), pd.DataFrame(), 1, status="failed")
    study.tell(made.number, failed)
    assert study.running == ()
    assert study.proposals == (made,)


def test_rungs_of_recipes_that_others_have_added_are_heard(storage: Storage) -> None:
    study, other = Study(searched(), storage), Study(searched(), storage)
    made = other.propose()
    assert made is not None
    study.reached(made.number, 3, 4.5)
    assert [rung.fields for rung in study.at_rungs] == [made.fields]


def test_two_that_search_at_once_propose_no_point_twice(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both choose the same point; one of them is first to record it."""
    study, other = Study(searched(), storage), Study(searched(), storage)
    record = proposals.record_proposal

    def late(*arguments: Any) -> bool:
        monkeypatch.setattr("raycl.search.study.record_proposal", record)
        assert other.propose() is not None
        return record(*arguments)

    monkeypatch.setattr("raycl.search.study.record_proposal", late)
    made = study.propose()
    assert made is not None
    assert made.number == 1
    assert study.propose() is not None
    assert other.propose() is not None
    found = [str(proposal.fields) for proposal in read_proposals(storage, "searched")]
    assert len(found) == len(set(found)) == 4
    assert study.propose() is other.propose() is None


def test_an_unfinished_recipe_is_not_compared(storage: Storage) -> None:
    study = Study(searched(LIST, trials=10), storage)
    proposal = study.propose()
    assert proposal is not None
    begun = RecipeOutcome("x", "sweep", {}, (), train_frame(), 1, status="unfinished")
    study.tell(proposal.number, begun)
    assert study.running == (proposal,)
    assert len(study.known) == 2


def train_frame() -> Any:
    return pd.DataFrame({"step": [-1], "validation/new": [9.0]})


def test_recipes_of_other_sweeps_are_results_once_their_task_is_scored(storage: Storage) -> None:
    study = Study(searched(objective={"maximize": "task/cloze"}), storage)
    assert any(text.startswith("task/cloze: asked of each recipe") for text in search_texts(study))
    # One of the grid's recipes was measured, the other one was not.
    assert [known.objectives for known in study.known] == [(-0.5,)]
    scored = [end for end in study.ends_elsewhere if read_task(storage, end, "cloze")]
    (missing,) = set(study.ends_elsewhere).difference(scored)
    before = read_task(storage, scored[0], "cloze")
    assert before is not None
    write_task(storage, missing, before.model_copy(update={"metrics": {"acc": 0.75}}))
    study.learn({missing})
    assert {known.objectives for known in study.known} == {(-0.75,), (-0.5,)}


def test_the_objective_is_the_column_of_a_limited_task(storage: Storage) -> None:
    objective = {"maximize": "task/cloze", "subject_to": {"task/other (9 questions)": 0.5}}
    search = Study(searched(objective=objective, tasks={"limit": 5}), storage).search
    assert search.compared.maximize == ("task/cloze (5 questions)",)
    assert dict(search.compared.subject_to) == {"task/other (9 questions)": 0.5}
    assert [(t.name, t.limit) for t in search.asked.values()] == [("cloze", 5), ("other", 9)]


def test_a_preview_records_nothing(storage: Storage) -> None:
    study = Study(searched(trials=10), storage)
    shown = study.preview(3)
    assert len({str(p.fields) for p in shown}) == 3
    assert read_proposals(storage, "searched") == ()
    text = preview_text(study, shown)
    assert "first 3 proposals" in text
    assert "7.68k tokens" in text
    first = study.propose()
    assert first is not None
    assert first.fields == shown[0].fields
    assert space_of(study.definition.recipe).fits(first.fields)


def test_how_far_a_stored_search_is(storage: Storage, grid: Path) -> None:
    definition = searched(LIST, trials=6, budget={"tokens": 5000})
    add_proposal(storage, "searched", {"new.replay": "25%"}, HAND)
    assert Study(definition, storage).propose() is not None
    write_recipe(storage, definition)
    told = "search by random: 1 proposed so far, until 6 trials or 5k tokens"
    assert trials_text(storage, "searched") == told
    (of_grid,) = stored_sweeps(Storage(str(grid)))
    assert trials_text(Storage(str(grid)), of_grid) == ""


def test_what_is_added_by_hand_while_it_runs_may_come_to_a_rung(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    study = Study(defined(sweep=LIST, search={"sampler": "random", "trials": 4}), storage)
    point = {"new.replay": "25%", "new.schedule.max_lr": "3e-3"}
    made = add_proposal(storage, "small", point, HAND)
    study.reached(made.number, 3, 4.5)
    assert [(rung.step, rung.value) for rung in study.at_rungs] == [(3, 4.5)]
