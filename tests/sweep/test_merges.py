"""Merged models of a sweep: made once after the training, measured, shown and found again."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from raycl.cli.main import main
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.evaluation.losses import evaluate_state
from raycl.recipe.definition import Definition, define
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.results.named_state import named_state
from raycl.results.table import read_results
from raycl.states.inventory import stored_states
from raycl.states.lookup import complete_states, swept_states
from raycl.states.prune import removable
from raycl.states.references import find_uses, referrers
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.sweep.merges import check_partners, make_merges
from raycl.sweep.pipeline import sweep
from raycl.sweep.results import write_all
from raycl.units import format_bytes
from tests.helpers.report_page import snapshot_in
from tests.helpers.trained_recipes import trained_recipe
from tests.helpers.training_runs import CONFIG, make_storage
from tests.helpers.workspace import add_base, make_workspace, recipe, write

MERGE = {"with": "older", "weights": ["0%", "50%", "100%"]}
ROWS = [f"small, merged {weight} with older" for weight in ("0%", "50%", "100%")]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path)


def trained(storage: Storage, **changes: object) -> tuple[Definition, SweepPlan]:
    definition = trained_recipe(storage, model={"config": CONFIG}, **{"merge": MERGE, **changes})
    plan = plan_sweeps((definition,), storage)
    write_description(definition, storage, plan.tree, plan.sweeps[0].merges)
    return definition, plan


def made(storage: Storage, definition: Definition) -> tuple[pd.DataFrame, list[str]]:
    """The table after another run, and what it told."""
    told: list[str] = []
    plan = plan_sweeps((definition,), storage)
    assert make_merges(plan, storage, ClusterOptions(), told.append) == {}
    table = write_all(plan.with_states(complete_states(storage)), storage).table
    return table.set_index("recipe"), told


def test_rows_are_measured_as_the_training_was(storage: Storage) -> None:
    definition, _ = trained(storage)
    table, told = made(storage, definition)
    assert told[0] == "Merging: 3 models to make and to measure."
    assert told[-1] == f"3 of 3 merges: {ROWS[2]}"
    assert list(table.index) == ["small", *ROWS]
    assert list(table["kind"]) == ["sweep", "merged", "merged", "merged"]
    assert set(table["status"]) == {"finished"}
    trained_row, all_base, half, all_end = (table.loc[label] for label in table.index)
    for column in ("loss/older", "loss/new", "average", "forgetting/older", "adaptation/new"):
        assert all_end[column] == trained_row[column]
    assert all_base["forgetting/older"] == 0  # it is the model that had just learned it
    assert all_base["adaptation/new"] == 0
    expected = evaluate_state(storage, half["state"], ["older", "new"], 4)
    assert (half["loss/older"], half["loss/new"]) == (expected["older"], expected["new"])
    learned = trained_row["loss/older"] - trained_row["forgetting/older"]
    assert math.isclose(half["forgetting/older"], half["loss/older"] - learned)
    assert list(table["merge.weight"])[1:] == [0.0, 0.5, 1.0]
    assert table["spike/new"].notna().tolist() == [True, False, False, False]
    for label in ROWS:
        name = table.loc[label, "state"]
        assert named_state(storage, label).state == name
    assert len(swept_states(storage, "small")) == 5


def test_another_run_makes_nothing_and_report_finds_them(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    definition, _ = trained(storage)
    first, _ = made(storage, definition)
    again, told = made(storage, definition)
    assert told == []
    pd.testing.assert_frame_equal(first, again)
    with pytest.raises(SystemExit) as ended:
        main(["report", "--storage", storage.url])
    assert ended.value.code in (None, 0)
    assert "merged" in capsys.readouterr().out
    reported = read_results(storage, "small").set_index("recipe")
    pd.testing.assert_frame_equal(reported, first)
    (sweep,) = snapshot_in(storage.read_bytes("sweeps/small/report.html"))["sweeps"]
    kinds = {recipe["label"]: recipe["kind"] for recipe in sweep["recipes"]}
    assert all(label in kinds for label in ROWS)
    assert "merged" in kinds.values()


def test_before_they_are_made_the_report_says_how(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    _, plan = trained(storage)
    result = write_all(plan, storage)
    table = result.table.set_index("recipe")
    assert list(table["status"]) == ["finished", *["unfinished"] * 3]
    assert sum("makes them, and trains nothing again" in note for note in result.notes) == 1
    with pytest.raises(SystemExit):
        main(["status", "--storage", storage.url])
    assert [f"  to merge: {label}" in capsys.readouterr().out for label in ROWS[:1]] == [True]


def test_a_merge_belongs_to_its_sweep(storage: Storage) -> None:
    definition, plan = trained(storage)
    made(storage, definition)
    found = stored_states(storage)
    uses = find_uses(storage, found, stored_chains(storage))
    later = datetime.now(UTC) + timedelta(days=9)
    for name in storage.list("evaluations"):  # these alone would keep them
        storage.remove_folder(f"evaluations/{name}")
    uses = find_uses(storage, found, stored_chains(storage))
    assert removable(found, uses, later, timedelta(0)) == []
    who = referrers(found, uses)
    for merge in plan.sweeps[0].merges:
        assert who[merge.name].recipes == {"small": (merge.label,)}


def test_a_merge_that_cannot_be_made_costs_the_others_nothing(storage: Storage) -> None:
    trained_recipe(storage, name="wider", model={"config": {**CONFIG, "intermediate_size": 64}})
    wide = swept_states(storage, "wider")[-1]
    definition, plan = trained(storage, merge=[{"with": wide}, {"with": "older"}])
    failed = make_merges(plan, storage, ClusterOptions(), lambda _: None)
    ((label, reason),) = failed.items()
    assert label == f"small, merged 50% with {wide[:18]}"
    assert "the intermediate_size of its model is 128, but 64 in the base" in reason
    table = write_all(plan_sweeps((definition,), storage), storage, failed).table
    assert list(table["status"]) == ["finished", "unfinished", "finished"]


def test_a_partner_that_is_not_there_is_refused_at_once(storage: Storage) -> None:
    _, plan = trained(storage, merge={"with": "000000001-" + "0" * 40})
    with pytest.raises(InputError, match=r"merge.with 000000001-0+: no such complete state"):
        check_partners(plan)


def test_the_plan_tells_what_they_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, recipe(merge={"with": "old", "weights": ["20%", "40%"]}))
    with pytest.raises(SystemExit):
        main(["plan", str(tmp_path / "recipe.yaml")])
    out = capsys.readouterr().out
    parameters = int(re.search(r"([0-9,]+) parameters", out)[1].replace(",", ""))  # type: ignore[index]
    size = format_bytes(2 * 4 * parameters)
    assert f"2 merges after the training: 2 states, {size} more." in " ".join(out.split())


@pytest.mark.ray
def test_a_sweep_from_a_pretrained_model_is_merged_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raycl.cluster.connect import cluster

    make_workspace(tmp_path)
    add_base(tmp_path)
    monkeypatch.chdir(tmp_path)
    merge = {"with": "start", "weights": ["50%"]}
    write(tmp_path, recipe(model={"pretrained": "./base"}, merge=merge))
    storage = Storage(tmp_path / "storage")
    told: list[str] = []
    definition = define(tmp_path / "recipe.yaml")
    first = sweep(definition, storage, ClusterOptions(workers=1), told.append)
    assert "Merging: 1 models to make and to measure." in told
    assert list(first.table["status"]) == ["finished", "finished"]
    again = sweep(definition, storage, ClusterOptions(workers=1), told.append)
    assert told[-1] == "Nothing to train: every state is in storage already."
    pd.testing.assert_frame_equal(first.table, again.table)
    name = first.table["state"].iloc[1]
    storage.remove_folder(f"states/{name}")
    storage.remove_folder(f"evaluations/{name}")
    plan = plan_sweeps((definition,), storage)
    with cluster(ClusterOptions(workers=1)):  # which `address` then means: it is used as it is
        assert make_merges(plan, storage, ClusterOptions(address="auto"), told.append) == {}
    assert told[-1] == "1 of 1 merges: small, merged 50% with start"
    third = sweep(definition, storage, ClusterOptions(workers=1), told.append)
    pd.testing.assert_frame_equal(first.table, third.table)
