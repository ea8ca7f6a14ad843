"""The best of a sweep where it is a merged model, and what of the sweep then stays whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from raycl.cli.main import main
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.evaluation.store import add_losses
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.results.best_recipe import states_to_keep
from raycl.results.named_state import NamedState, named_state
from raycl.results.validation_rows import rows_of
from raycl.states.inventory import stored_states
from raycl.states.mark import read_mark
from raycl.states.prune import removable
from raycl.states.reduced import keep_results
from raycl.states.references import find_uses
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.sweep.merges import make_merges
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.weights import state_weights
from raycl.weights.merge import merge_states
from tests.helpers.trained_recipes import outcomes_table, trained_recipe
from tests.helpers.training_runs import CONFIG, make_storage

LABEL = "replay 0%, merged 50% with older"
RECIPE = {
    "model": {"config": CONFIG},
    "sweep": {"new.replay": ["0%", "50%"]},
    "baselines": ["union"],
    "merge": {"with": "older", "weights": ["50%"]},
}


def trained(storage: Storage, merged: bool = True) -> SweepPlan:
    """A sweep whose best row is the merged model `LABEL`, where its merges are made."""
    definition = trained_recipe(storage, **RECIPE)
    plan = plan_sweeps((definition,), storage)
    write_description(definition, storage, plan.tree, plan.sweeps[0].merges)
    if merged:
        assert make_merges(plan, storage, ClusterOptions(), lambda _: None) == {}
        best = named_state(storage, LABEL).state
        rows = rows_of(plan.sweeps[0].facts, 4)
        add_losses(storage, best, {one.key: 1.0 for one in rows})
    return plan_sweeps((definition,), storage)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return make_storage(tmp_path / "storage")


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, " ".join(captured.err.split())


def held(storage: Storage) -> dict[str, str]:
    return {name: read_mark(storage, name).holds for name in storage.list("states")}


def test_a_merged_row_is_named_and_may_be_the_best(storage: Storage) -> None:
    plan = trained(storage)
    merge = plan.sweeps[0].merges[0]
    assert (merge.label, merge.recipe) == (LABEL, "replay 0%")
    expected = NamedState(merge.name, "small", LABEL)
    assert named_state(storage, LABEL) == named_state(storage, LABEL.upper()) == expected
    assert named_state(storage, "best") == expected


def test_the_best_merge_and_what_it_was_made_of_stay_whole(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = trained(storage)
    merge = plan.sweeps[0].merges[0]
    before = plan.sweeps[0].definition
    table = outcomes_table(before, storage)
    code, *_ = said(
        capsys, "prune", "--storage", storage.url, "--older-than", "0s", "--to", "results", "--yes"
    )
    assert code == 0
    whole = {name for name, holds in held(storage).items() if holds == "all"}
    assert whole == {merge.name, *merge.needs}
    assert outcomes_table(before, storage).equals(table)
    assert named_state(storage, "best").state == merge.name
    assert make_merges(plan, storage, ClusterOptions(), lambda _: None) == {}
    assert {name for name, holds in held(storage).items() if holds == "all"} == whole


def test_a_lost_merge_is_made_again_where_it_is_asked_for(storage: Storage) -> None:
    plan = trained(storage)
    lost = plan.sweeps[0].merges[1]
    weights = next(f for f in read_mark(storage, lost.name).files if f.endswith(".safetensors"))
    before = storage.read_bytes(f"states/{lost.name}/{weights}")
    keep_results(storage, read_mark(storage, lost.name))
    assert not storage.exists(f"states/{lost.name}/{weights}")
    with pytest.raises(InputError, match="Merge again with `raycl merge`"):
        state_weights(storage, read_state(storage, lost.name))
    assert merge_states(storage, lost.base, (lost.state,), lost.method) == lost.name
    assert held(storage)[lost.name] == "all"
    assert storage.read_bytes(f"states/{lost.name}/{weights}") == before


def test_the_merges_that_a_recipe_named_before_hold_less_too(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = trained(storage)
    old = [merge.name for merge in plan.sweeps[0].merges]
    write_description(trained_recipe(storage, **{**RECIPE, "merge": []}), storage, plan.tree)
    code, *_ = said(
        capsys, "prune", "--storage", storage.url, "--older-than", "0s", "--to", "results", "--yes"
    )
    assert code == 0
    assert {held(storage)[name] for name in old} == {"results"}


def test_a_merge_that_is_made_and_not_measured_stays_whole(storage: Storage) -> None:
    plan = trained(storage)
    merge = plan.sweeps[0].merges[1]
    storage.remove_folder(f"evaluations/{merge.name}")
    assert merge.name in states_to_keep(storage, "small")


def test_what_a_merge_still_needs_stays_whole(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = trained(storage, merged=False)
    needed = {name for merge in plan.sweeps[0].merges for name in merge.needs}
    for to, left in (("weights", "weights"), ("results", "results")):
        said(capsys, "prune", "--storage", storage.url, "--older-than", "0s", "--to", to, "--yes")
        for name, holds in held(storage).items():
            assert holds == ("weights" if name in needed else left)
    assert make_merges(plan, storage, ClusterOptions(), lambda _: None) == {}


def test_a_partner_of_no_sweep_stays_while_its_merge_is_not_made(storage: Storage) -> None:
    trained_recipe(storage, name="another", seed=3)
    partner = named_state(storage, "another").state
    storage.remove_folder("sweeps/another")
    definition = trained_recipe(storage, model={"config": CONFIG}, merge={"with": partner})
    plan = plan_sweeps((definition,), storage)

    def going() -> set[str]:
        found = stored_states(storage)
        uses = find_uses(storage, found, stored_chains(storage))
        later = datetime.now(UTC) + timedelta(days=9)
        return {one.state.name for one in removable(found, uses, later, timedelta(0))}

    assert partner in going()
    write_description(definition, storage, plan.tree, plan.sweeps[0].merges)
    assert partner not in going()


def set_losses(plan: SweepPlan, storage: Storage, lowest: str) -> dict[str, str]:
    """Give every recipe's end a loss of 2 nats/token, and `lowest` one of 1; the ends by label."""
    chains = {label: training.chain for label, training in plan.sweeps[0].trainings.items()}
    ends = {label: chain.name(chain.steps) for label, chain in chains.items()}
    for label, end in ends.items():
        loss = 1.0 if label == lowest else 2.0
        add_losses(storage, end, {one.key: loss for one in rows_of(plan.sweeps[0].facts, 5)})
    return ends


def test_a_baseline_is_not_taken_for_the_best(storage: Storage) -> None:
    definition = trained_recipe(storage, **{**RECIPE, "merge": []})
    plan = plan_sweeps((definition,), storage)
    ends = set_losses(plan, storage, "union")
    assert states_to_keep(storage, "small") == {ends["replay 0%"], ends["replay 50%"]}  # both at 2
    set_losses(plan, storage, "replay 50%")
    assert states_to_keep(storage, "small") == {ends["replay 50%"]}


def test_where_averages_do_not_compare_all_ends_stay(storage: Storage) -> None:
    definition = trained_recipe(storage, sweep={"new.mixture": [{"new": 1}, {"older": 1}]})
    trainings = plan_sweeps((definition,), storage).sweeps[0].trainings.values()
    ends = {training.chain.name(training.chain.steps) for training in trainings}
    assert states_to_keep(storage, "small") == ends


def test_of_a_branch_its_trunk_stays_too(storage: Storage) -> None:
    schedule = {"kind": "infinite", "max_lr": 3e-3, "constant_lr": 1e-3, "min_lr": 1e-4}
    stages = [
        {"name": "older", "steps": 4, "schedule": {"kind": "constant", "max_lr": 1e-3}},
        {
            "name": "new",
            "steps": 8,
            "schedule": {**schedule, "cooldown": "2 steps"},
            "anneal": {"length": "4 steps", "min_lr": 1e-4},
        },
    ]
    definition = trained_recipe(storage, stages=stages)
    plan = plan_sweeps((definition,), storage)
    (branch,) = (v for v in definition.variants if v.kind == "anneal")
    ends = set_losses(plan, storage, branch.label)
    assert states_to_keep(storage, "small") == {ends[branch.label], ends[branch.trunk]}
    set_losses(plan, storage, branch.trunk)
    assert states_to_keep(storage, "small") == {ends[branch.trunk]}


def test_nothing_goes_on_from_a_merge(
    storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = trained(storage)
    new = tmp_path / "new.yaml"
    new.write_text(yaml.safe_dump({"stages": [{"name": "third"}]}))
    for recipe in ("best", LABEL):
        code, _, err = said(
            capsys, "extend", "--storage", storage.url, "--label", recipe, "--with", new
        )
        assert code == 2
        state = plan.sweeps[0].merges[0].name
        assert f"{LABEL!r} is a merged model, and no stage of a recipe goes on from" in err
        assert f"raycl models add {state} --storage {storage.url}" in err
        assert "--label 'replay 0%'" in err


def test_the_next_recipe_has_merges_of_its_own(
    storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(storage)
    new = tmp_path / "new.yaml"
    fields = {"corpora": {"third": {"text": "third.jsonl"}}, "stages": [{"name": "third"}]}
    for merge in ({}, {"merge": {"with": "new"}}):
        new.write_text(yaml.safe_dump({**fields, **merge}))
        command = ("extend", "--storage", storage.url, "--label", "replay 0%", "--with", new)
        code, out, err = said(capsys, *command)
        assert (code, err) == (0, "")
        assert {k: v for k, v in yaml.safe_load(out).items() if k == "merge"} == merge
