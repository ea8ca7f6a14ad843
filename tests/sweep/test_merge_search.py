"""A merge search after a training: tried without storing, resumed, shown and found again."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.cluster.options import ClusterOptions
from raycl.evaluation.losses import evaluate_state
from raycl.recipe.definition import Definition
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.results.merge_trials import write_trial
from raycl.results.named_state import named_state
from raycl.states.lookup import complete_states
from raycl.states.tree_record import read_tree_record
from raycl.storage import Storage
from raycl.sweep import merge_search
from raycl.sweep.description import merges_left, write_description
from raycl.sweep.merge_search import search_merges
from raycl.sweep.results import SweepResult, write_all
from tests.helpers.trained_recipes import trained_recipe
from tests.helpers.training_runs import CONFIG, make_corpus, make_storage

CONSTANT = {"kind": "constant", "max_lr": 1e-2}
SEARCH = {"trials": 6, "sampler": "random", "seed": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage in which all recipes are trained."""
    folder = tmp_path_factory.mktemp("trained")
    storage = make_storage(folder)
    make_corpus(storage, "third")
    trained(storage)
    return folder


@pytest.fixture
def storage(models: Path, tmp_path: Path) -> Storage:
    """A copy of it."""
    shutil.copytree(models, tmp_path / "storage")
    return Storage(tmp_path / "storage")


def trained(storage: Storage, **search: Any) -> Definition:
    names = ("older", "new", "third")
    stages = [
        {"name": "older", "steps": 2, "schedule": CONSTANT},
        {
            "name": "both",
            "mixture": {"new": "60%", "third": "40%"},
            "steps": 5,
            "schedule": CONSTANT,
            "replay": "25%",
        },
    ]
    return trained_recipe(
        storage,
        model={"config": CONFIG},
        stages=stages,
        corpora={name: {"text": f"{name}.jsonl"} for name in names},
        merge_search={**SEARCH, **search},
    )


def planned(definition: Definition, storage: Storage) -> SweepPlan:
    plan = plan_sweeps((definition,), storage)
    (sweep,) = plan.sweeps
    write_description(definition, storage, plan.tree, sweep.merges, sweep.merge_search)
    return plan


def searched(definition: Definition, storage: Storage, told: list[str]) -> SweepResult:
    plan = planned(definition, storage)
    failed = search_merges(plan, storage, ClusterOptions(), told.append)
    return write_all(plan.with_states(complete_states(storage)), storage, failed)


def test_the_best_merge_is_a_row_beside_the_recipe_at_the_same_tokens(storage: Storage) -> None:
    definition = trained(storage)
    told: list[str] = []
    before = set(complete_states(storage))
    result = searched(definition, storage, told)
    assert told[0] == "Merge search: 6 of 6 merges to measure; none of them is stored."
    assert len(told) == 7
    table = result.table.set_index("recipe")
    assert list(table.index) == ["small", "new alone", "third alone", "best merge"]
    assert list(table["kind"]) == ["sweep", "alone", "alone", "merged"]
    assert set(table["status"]) == {"finished"}
    tokens = table["tokens"] / table["tokens"]["small"] * 7  # in steps
    assert tokens.to_dict() == {"small": 7, "new alone": 5, "third alone": 4, "best merge": 7}
    best: Any = table.loc["best merge"]
    assert set(complete_states(storage)) - before == {best["state"]}
    losses = evaluate_state(storage, best["state"], ["older", "new", "third"], 4)
    assert {corpus: best[f"loss/{corpus}"] for corpus in losses} == losses
    average = losses["older"] / 2 + 0.3 * losses["new"] + 0.2 * losses["third"]
    assert math.isclose(best["average"], average)
    assert table["weight/new"].nunique() == 1  # averages of recipe and merge compare
    (note,) = [note for note in result.notes if note.startswith("best merge")]
    assert "the best of 6 merges" in note
    assert "trained for 640 tokens" in note  # 5 steps of 8 rows of 16 tokens
    assert "passes over 1.15k tokens more" in note  # 6 merges, 3 corpora, 4 rows of 16 tokens


def test_the_table_of_all_merges_has_the_best_one(storage: Storage) -> None:
    result = searched(trained(storage), storage, [])
    best = result.table.set_index("recipe").loc["best merge"]
    table = pd.read_csv(storage.full_path("sweeps/small/merge_trials.csv"))
    assert list(table["trial"]) == list(range(6))
    first = table.iloc[0]
    assert (first["merge.weight.new"], first["merge.weight.third"]) == (0.5, 0.5)
    lowest = table.sort_values("objective").iloc[0]
    assert lowest["state"] == best["state"]
    assert lowest["merge.weight.new"] == best["merge.weight.new"]
    assert lowest["objective"] == pytest.approx(best["average"])
    assert lowest["loss/new"] == best["loss/new"]


def test_it_goes_on_where_it_stopped_and_measures_nothing_twice(
    storage: Storage, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = searched(trained(storage), storage, []).table
    shutil.copytree(models, tmp_path / "other")
    other = Storage(tmp_path / "other")
    definition = trained(other)
    measured: list[Any] = []

    def killed(*task: Any) -> None:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(task)

    with monkeypatch.context() as patched:  # after the third was measured, before it is recorded
        patched.setattr(merge_search, "write_trial", _then(write_trial, killed))
        with pytest.raises(KeyboardInterrupt):
            searched(definition, other, [])
    assert merges_left(other, "small") == ["best merge"]
    told: list[str] = []
    again = searched(definition, other, told)
    assert told[0] == "Merge search: 3 of 6 merges to measure; none of them is stored."
    pd.testing.assert_frame_equal(again.table, whole)
    told.clear()
    searched(definition, other, told)
    assert told == []


def _then(write: Any, before: Any) -> Any:
    def replaced(*arguments: Any) -> None:
        before(*arguments)
        write(*arguments)

    return replaced


def test_more_trials_and_another_objective_keep_what_was_measured(storage: Storage) -> None:
    searched(trained(storage), storage, [])
    told: list[str] = []
    definition = trained(storage, trials=8, objective="third")
    table = searched(definition, storage, told).table.set_index("recipe")
    assert told[0] == "Merge search: 2 of 8 merges to measure; none of them is stored."
    tried = pd.read_csv(storage.full_path("sweeps/small/merge_trials.csv"))
    assert len(tried) == 8
    assert table.loc["best merge", "loss/third"] == tried["loss/third"].min()


def test_it_is_named_and_kept_and_its_parts_are_kept_until_it_is_made(storage: Storage) -> None:
    definition = trained(storage)
    planned(definition, storage)
    assert merges_left(storage, "small") == ["best merge"]
    (pending,) = read_tree_record(storage, "small").merges
    assert set(pending.needs) <= set(complete_states(storage))
    searched(definition, storage, [])
    (record,) = read_tree_record(storage, "small").merges
    assert named_state(storage, "best merge").state == record.name
    assert merges_left(storage, "small") == []
    planned(definition, storage)  # another run describes the sweep again
    assert read_tree_record(storage, "small").merges == (record,)


def test_an_unfinished_search_says_what_goes_on(storage: Storage) -> None:
    plan = planned(trained(storage), storage)
    result = write_all(plan, storage)
    table = result.table.set_index("recipe")
    assert table.loc["best merge", "status"] == "unfinished"
    assert any("0 of 6 merges are measured" in note for note in result.notes)


def test_models_that_are_not_trained_wait(storage: Storage) -> None:
    definition = trained(storage)
    end = plan_sweeps((definition,), storage).sweeps[0].merge_search
    assert end is not None
    storage.remove_folder(f"states/{end.models[0]}")
    told: list[str] = []
    table = searched(definition, storage, told).table.set_index("recipe")
    assert told == []
    assert "best merge" not in table.index


def test_a_damaged_model_is_told_and_costs_nothing_else(storage: Storage) -> None:
    definition = trained(storage)
    plan = planned(definition, storage)
    search = plan.sweeps[0].merge_search
    assert search is not None
    for file in Path(storage.full_path(f"states/{search.models[0]}")).glob("*.safetensors"):
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 8].ljust(len(data), b"1"))
    failed = search_merges(plan, storage, ClusterOptions(), lambda _: None)
    assert list(failed) == ["best merge"]
    result = write_all(plan, storage, failed)
    assert list(result.table["status"]) == ["finished", "finished", "finished", "unfinished"]


def test_a_search_without_anything_left_to_try_says_so(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(trained(storage), storage)
    monkeypatch.setattr(merge_search, "next_weights", lambda *_: None)
    failed = search_merges(plan, storage, ClusterOptions(), lambda _: None)
    assert "no weights from 0 to 1 are left that were not tried" in failed["best merge"]


def test_a_cluster_of_its_own_starts_before_ray_is_imported(tmp_path: Path) -> None:
    """Else Ray could not be confined to this machine, and a search on GPUs would be refused."""
    code = (
        "import sys; from raycl.cluster import connect\n"
        "connect.cluster = lambda _: sys.exit(3 if 'ray' in sys.modules else 7)\n"
        "from raycl.cluster.options import ClusterOptions; from raycl.storage import Storage\n"
        "from raycl.sweep.merge_tasks import merging\n"
        "with merging(Storage(sys.argv[1]), ClusterOptions(gpus=True)): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 7
