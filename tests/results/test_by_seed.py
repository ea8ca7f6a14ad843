"""A sweep with seeds, trained without Ray: its rows, its baselines, its settings."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from raycl.data.manifest import load_manifest, write_manifest
from raycl.evaluation.losses import corpora_for
from raycl.recipe.definition import Definition
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.best_recipe import states_to_keep
from raycl.results.by_seed import parts_by_seed
from raycl.results.named_state import named_state
from raycl.results.outcome import BASELINES
from raycl.results.parquet import read_parquet
from raycl.results.settings import settings_table
from raycl.results.table import results_table
from raycl.states.lookup import complete_states
from raycl.storage import Storage, layout
from raycl.sweep.description import write_description
from raycl.sweep.results import write_all
from tests.helpers.trained_recipes import outcomes_of, trained_recipe
from tests.helpers.training_runs import CONFIG, make_corpus, make_storage

SWEEP = {"new.replay": ["0%", "50%"]}
MERGE = {"with": "older", "weights": ["50%"]}


def trained(storage: Storage, **changes: Any) -> Definition:
    fields: dict[str, Any] = {
        "model": {"config": CONFIG},
        "validation": {"rows": 4, "every": 1},
        "baselines": ["union"],
        "sweep": SWEEP,
        "merge": MERGE,
    }
    return trained_recipe(storage, **{**fields, **changes})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, Definition, set[str]]:
    """A storage in which a sweep was trained, and then once more with a second seed."""
    storage = make_storage(tmp_path_factory.mktemp("seeds"))
    trained(storage)
    first = set(complete_states(storage))
    for name in ("older.seed1", "new.seed1"):
        make_corpus(storage, name)
    for name in storage.list("corpora"):  # both seeds are made of one text
        made = load_manifest(storage, f"corpora/{name}")
        source = {"files": [{"sha256": name.partition(".")[0]}]}
        write_manifest(storage, f"corpora/{name}", made.model_copy(update={"source": source}))
    return storage, trained(storage, seeds=2), first


def test_a_second_seed_trains_its_own_states_and_none_again(
    world: tuple[Storage, Definition, set[str]],
) -> None:
    storage, definition, first = world
    plan = plan_sweeps((definition,), storage)
    of_first = {node.name for node in plan.tree.nodes if "replay 0%" in node.recipes}
    assert of_first <= first
    assert len(complete_states(storage)) == 2 * len(first)
    for part in parts_by_seed(plan.sweeps[0]):
        for training in part.sweep.trainings.values():
            assert set(training.corpora) == set(part.sweep.definition.recipe.corpora)


def test_rows_have_their_setting_and_the_corpora_of_the_file(
    world: tuple[Storage, Definition, set[str]],
) -> None:
    storage, definition, _ = world
    outcomes = outcomes_of(definition, storage)
    table = results_table(outcomes).set_index("recipe")
    assert list(table["setting"])[:2] == ["replay 0%", "replay 50%"]
    own = table[table["kind"] == "sweep"]
    assert own["seed"].tolist() == [0, 0, 1, 1]
    assert own["setting"].tolist() == ["replay 0%", "replay 50%"] * 2
    assert not [name for name in table.columns if "seed1" in name]
    assert (
        own[["loss/older", "loss/new", "average", "gap_to_union", "rows/new"]]
        .notna()
        .all(axis=None)
    )
    assert own["loss/new"].nunique() == 4
    merged = "replay 0%, seed 1, merged 50% with older"
    assert table.loc[merged, "setting"] == "replay 0%, merged 50% with older"
    assert table.loc[merged, "seed"] == 1


def test_each_seed_is_compared_with_its_own_baseline(
    world: tuple[Storage, Definition, set[str]],
) -> None:
    storage, definition, _ = world
    table = results_table(outcomes_of(definition, storage))
    for seed, rows in table.groupby("seed"):
        (union,) = rows.loc[rows["kind"] == "union", "average"]
        own = rows[rows["kind"] == "sweep"]
        assert (own["gap_to_union"] - (own["average"] - union)).abs().max() < 1e-12, seed
    lines = settings_table(table).set_index("setting")
    both = table[table["setting"] == "replay 50%"]["average"]
    assert lines.loc["replay 50%", "average"] == pytest.approx(both.mean())
    assert lines.loc["replay 50%", "n:average"] == 2
    assert lines.loc["replay 50%", "new.replay"] == 0.5


def test_without_seeds_nothing_is_different(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    plain, once = trained(storage, merge=[]), trained(storage, merge=[], seeds=1)
    one, other = (outcomes_of(definition, storage) for definition in (plain, once))
    assert [o.setting for o in other] == [""] * len(other)
    pd.testing.assert_frame_equal(results_table(one), results_table(other))


def test_the_best_is_the_setting_with_the_lowest_mean(
    world: tuple[Storage, Definition, set[str]],
) -> None:
    storage, definition, _ = world
    plan = plan_sweeps((definition,), storage)
    write_description(definition, storage, plan.tree, plan.sweeps[0].merges)
    table = write_all(plan, storage).table
    stored = read_parquet(storage, layout.sweep_settings("small", "parquet"), "")
    own = table[~table["kind"].isin(BASELINES) & (table["status"] == "finished")]
    lowest = str(own.groupby("setting")["average"].mean().idxmin())
    found = named_state(storage, "best")
    assert found.label == lowest  # number 0 has the setting's own label
    assert stored[stored["setting"] == lowest]["n:average"].tolist() == [2]
    kept = states_to_keep(storage, "small")
    assert set(own.loc[own["setting"] == lowest, "state"]) <= kept


def test_a_state_is_not_measured_on_what_another_seed_holds_out(
    world: tuple[Storage, Definition, set[str]],
) -> None:
    storage, _, first = world
    assert set(corpora_for(storage, min(first))) == {"older", "new"}
    other = named_state(storage, "replay 0%, seed 1").state
    assert other not in first
    assert set(corpora_for(storage, other)) == {"older.seed1", "new.seed1"}
