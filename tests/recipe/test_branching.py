"""Branches off a trained recipe: what they share, train, and change; and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.branching import Branching, plan_branch, record_branch
from raycl.recipe.definition import definition_of
from raycl.recipe.proposals import read_proposals
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.recipe.written_recipe import written_recipe
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.states.mark import read_mark, remove_state, write_mark
from raycl.storage import Storage
from raycl.train.checkpoint.reduce import keep_weights
from tests.helpers.branched_sweep import (
    branched_recipe,
    prepared_storage,
    trained,
    trained_again,
    wanted,
)
from tests.helpers.finished_sweep import SCHEDULE
from tests.helpers.stored_tensors import difference, tensors_in

LABEL = "replay 50%, from new 3: replay 20%"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The finished sweep, which no test changes."""
    storage = prepared_storage(tmp_path_factory.mktemp("finished"))
    trained(storage, branched_recipe())
    return storage


@pytest.fixture
def storage(finished: Storage, tmp_path: Path) -> Storage:
    """A copy of the finished sweep."""
    shutil.copytree(finished.url, tmp_path / "copy")
    return Storage(tmp_path / "copy")


def outcomes(storage: Storage) -> dict[str, RecipeOutcome]:
    plan = plan_sweeps((read_recipe(storage, "small"),), storage)
    return {o.label: o for o in gather(plan.sweeps[0], StoredStates(storage, plan.states))}


def branched(storage: Storage, *arguments: Any, **more: Any) -> Branching:
    made = plan_branch(storage, wanted(*arguments, **more))
    record_branch(storage, made)
    return made


def test_a_branch_ends_with_the_bits_of_a_recipe_that_is_trained_in_one_go(
    storage: Storage, tmp_path: Path
) -> None:
    made = branched(storage, {"new.replay": "20%"})
    assert (made.label, made.departure.step) == (LABEL, 9)
    assert (made.steps, made.to_train) == (12, 3)
    plan = trained_again(storage)
    assert [(node.training.start, node.steps) for node in plan.left] == [(9, 3)]
    end = outcomes(storage)[LABEL].state

    alone = prepared_storage(tmp_path / "alone")
    changes = [{"from": "3 steps", "replay": "20%"}]
    settings = {"precision": "float32"}
    stages = [*branched_recipe().data["stages"]]
    stages[1] = {**stages[1], "replay": "50%", "changes": changes}
    whole = branched_recipe(stages=stages, sweep=[], execution=settings)
    trained(alone, whole)
    ours, theirs = (tensors_in(Path(s.url) / "states" / end) for s in (storage, alone))
    assert len(ours) > 10
    assert difference(ours, theirs) == 0


def test_a_branch_is_a_recipe_like_any_other_in_the_results(storage: Storage) -> None:
    branched(storage, {"new.replay": "20%"})
    trained_again(storage)
    found = outcomes(storage)
    branch, trunk = found[LABEL], found["replay 50%"]
    assert (branch.status, branch.kind, branch.steps) == ("finished", "sweep", 12)
    assert branch.fields == {"new.replay": 0.2, "new.changes": "from 3: replay 20%"}
    assert trunk.fields == {"new.replay": 0.5, "new.changes": None}
    assert [(s.name, s.first_step, s.last_step) for s in branch.stages] == [
        ("older", 0, 6),
        ("new", 6, 12),
    ]
    assert branch.stages[1].replay_share == pytest.approx(0.2)
    shared = branch.history[branch.history["step"] < 9].reset_index(drop=True)
    assert shared.equals(trunk.history[trunk.history["step"] < 9].reset_index(drop=True))
    assert list(branch.history["step"]) == list(range(-1, 12))


def test_the_recipe_of_a_branch_can_be_written_and_read_again(storage: Storage) -> None:
    branched(storage, {"new.replay": "20%"})
    definition = read_recipe(storage, "small")
    variant = next(v for v in definition.variants if v.label == LABEL)
    data = written_recipe(definition, variant, "cpu")
    plan = plan_sweeps((definition_of(data, "written.yaml"),), storage)
    branch = plan_sweeps((definition,), storage).sweeps[0].trainings[LABEL].chain
    (alone,) = plan.sweeps[0].trainings.values()
    assert alone.chain.name(12) == branch.name(12)


def test_the_same_branch_twice_is_there_already(storage: Storage) -> None:
    branched(storage, {"new.replay": "20%"})
    again = plan_branch(storage, wanted({"new.replay": "20%"}))
    assert (again.known, again.label) == (True, LABEL)


def test_a_branch_to_another_recipe_of_the_sweep_is_there_already(storage: Storage) -> None:
    again = plan_branch(storage, wanted({"new.replay": "0%"}, at="start"))
    assert (again.known, again.label) == (True, "replay 0%")


def test_a_branch_off_a_branch_keeps_what_was_changed_before(storage: Storage) -> None:
    branched(storage, {"new.replay": "20%"})
    trained_again(storage)
    more = branched(storage, {"new.steps": 8}, label=LABEL)
    assert more.label == "replay 50%, from new 3: replay 20%; from new 6: steps 8"
    assert (more.departure.step, more.to_train) == (12, 2)
    other = branched(storage, {"new.schedule.max_lr": "1e-3"}, label=LABEL)
    assert other.label == "replay 50%, from new 3: replay 20%, max_lr 1e-3"
    assert (other.departure.step, other.to_train) == (9, 3)


def test_the_state_of_a_branch_stays(storage: Storage) -> None:
    state = plan_branch(storage, wanted({"new.replay": "20%"})).state
    assert state is not None
    mark = read_mark(storage, state)
    write_mark(storage, state, mark.model_copy(update={"kept": False}))
    branched(storage, {"new.replay": "20%"})
    assert read_mark(storage, state).kept


def test_a_state_without_moments_is_passed_over(storage: Storage) -> None:
    state = plan_branch(storage, wanted({"new.replay": "20%"})).state
    assert state is not None
    keep_weights(storage, read_mark(storage, state))
    made = plan_branch(storage, wanted({"new.replay": "20%"}))
    assert (made.state, made.departure.step) == (None, 6)


@pytest.mark.parametrize(("at", "step"), [("start", 6), ("8", 6), ("9", 9), ("11", 9), ("3", 6)])
def test_the_branch_leaves_at_the_nearest_state_before_the_step(
    finished: Storage, at: str, step: int
) -> None:
    made = plan_branch(finished, wanted({"new.replay": "20%"}, at=at))
    assert (made.departure.step, made.to_train) == (step, 12 - step)
    assert ("from new" in made.label) == (step > 6)


def test_a_shorter_stage_goes_on_from_a_state_before_its_new_end(finished: Storage) -> None:
    made = plan_branch(finished, wanted({"new.steps": 5}))
    assert (made.departure.step, made.steps, made.to_train) == (9, 11, 2)
    anew = plan_branch(finished, wanted({"new.steps": 2}))
    assert (anew.state, anew.steps, anew.to_train) == (None, 8, 2)


def test_a_recipe_in_training_is_left_at_its_newest_state(storage: Storage) -> None:
    end = outcomes(storage)["replay 50%"].state
    remove_state(storage, end)
    made = branched(storage, {"new.replay": "20%"})
    assert (made.departure.step, made.to_train) == (9, 3)
    plan = trained_again(storage)
    assert sum(node.steps - plan.stored.done(node) for node in plan.left) == 6
    assert outcomes(storage)["replay 50%"].state == end


def test_a_longer_stage_goes_on_from_its_end(finished: Storage) -> None:
    made = plan_branch(finished, wanted({"new.tokens": 8 * 8 * 16}))
    assert (made.departure.step, made.steps, made.to_train) == (12, 14, 2)


def test_nested_fields_are_set_inside_of_what_is_there(finished: Storage) -> None:
    sets = {"new.schedule.max_lr": "3e-3", "new.loss_weight.older": 2}
    made = plan_branch(finished, wanted(sets))
    changes = {"from": "3 steps", "schedule": {"max_lr": "3e-3"}, "loss_weight": {"older": 2}}
    assert made.fields["new.changes"] == [changes]


def test_a_branch_of_fields_of_later_keeps_the_other_stages(tmp_path: Path) -> None:
    storage = prepared_storage(tmp_path)
    third = {"name": "third", "mixture": "older", "steps": 4, "schedule": SCHEDULE}
    stages = [*branched_recipe().data["stages"], third]
    trained(storage, branched_recipe(stages=stages, sweep={"later.replay": ["0%", "25%"]}))
    made = plan_branch(storage, wanted({"third.replay": "10%"}, label="replay 25%"))
    assert made.fields == {"new.replay": "25%", "third.replay": "10%"}
    assert (made.departure.step, made.to_train) == (12, 4)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({}, "nothing is changed"),
        ({"new.replay": "50%"}, "it changes no step of the recipe 'replay 50%' after step 9"),
        ({"older.replay": "1%"}, "the stage older is over where the node begins, after 6 steps"),
        ({"seed": 3}, "it belongs to all steps of a recipe"),
        ({"model.preset": "llama-tiny"}, "it belongs to all steps of a recipe"),
        ({"nwe.replay": "1%"}, "no stage or field 'nwe'"),
        ({"new.optimizer": "carry"}, "--at start"),
        ({"new.trains": "head"}, "AdamW's moments there are those of the weights"),
        ({"new.workers": 2}, "the number of workers changes no state"),
        ({"new.anneal.length": 2}, "an anneal leaves the stage"),
        ({"new.relpay": "1%"}, "no field that changes inside a stage. Give one of: at_end, "),
        ({"new.max_lr": 1e-4}, "field of the schedule: --set new.schedule.max_lr=…"),
        ({"new.steps": "few"}, "'few'"),
        ({"new.replay": "much"}, "'much' is not a number"),
        ({"new.mixture": "french"}, "no corpus 'french'"),
        ({"new.schedule.max_lr": 30}, "AdamW would move each weight"),
        ({"new.schedule": "nonsense"}, "there is no such schedule. Give rewarm, reuse, continue"),
        ({"new.schedule.decay": "1%"}, "the schedule from 3 steps on: decay: unknown field"),
        ({"new.replay": "0.1%"}, "too small to give one row"),
    ],
)
def test_what_a_branch_cannot_change_is_refused_before_anything_is_written(
    finished: Storage, sets: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as raised:
        plan_branch(finished, wanted(sets))
    assert message in str(raised.value)
    assert read_proposals(finished, "small") == ()


@pytest.mark.parametrize(
    ("label", "at", "message"),
    [
        ("replay 5", "latest", "the stored sweep has no such recipe"),
        ("replay 50%", "soon", "--at soon: not a step"),
    ],
)
def test_what_is_no_place_is_refused(finished: Storage, label: str, at: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_branch(finished, wanted({"new.replay": "20%"}, at=at, label=label))
