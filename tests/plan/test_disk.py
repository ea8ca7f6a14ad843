"""The bytes that a plan says its states take, beside those that they take."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.cli.plan_view import disk_text
from raycl.plan.cost import make_plan
from raycl.plan.disk import DiskUse, StateNumbers, all_use, disk_use
from raycl.plan.execution import Execution
from raycl.plan.tree import build_tree
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.lookup import list_states
from raycl.train.inspection.inspect_plan import inspected
from tests.helpers.finished_sweep import train_node
from tests.helpers.recipe_data import defined
from tests.helpers.training_runs import CONFIG, make_storage, make_task

SMOL = 134_515_008
"""Parameters of SmolLM2-135M."""


def test_a_node_keeps_its_end_and_what_keep_every_asks_for() -> None:
    task = make_task(stop=10, start=0, steps=10, save_every=2, keep_every=5, keep_last=1)
    numbers = StateNumbers(100, 100)
    assert disk_use(task, False, False, numbers) == DiskUse(2400, 2400, 1600, 0, 2400)
    assert disk_use(task, True, False, numbers).with_weights == 2400
    assert disk_use(task, False, True, numbers) == DiskUse(1200, 1200, 1200, 1200, 0)
    frozen = disk_use(make_task(stop=4), False, False, StateNumbers(100, 25))
    assert (frozen.at_end, frozen.with_weights) == (600, 400)
    adapters = disk_use(make_task(stop=4), False, False, StateNumbers(110, 10))
    assert (adapters.at_end, adapters.with_weights) == (520, 440)


def test_six_recipes_of_135_million_parameters() -> None:
    trunk = disk_use(make_task(stop=4), False, False, StateNumbers(SMOL, SMOL))
    whole = all_use([trunk] * 7)
    assert round(whole.with_all / 1e9, 1) == 11.3
    assert round(whole.with_weights / 1e9, 1) == 3.8
    assert disk_text(whole) == (
        "States: 11.3 GB at the end (3.77 GB with `execution.keep: weights`), 0 B of it there; "
        "up to 4.84 GB more for each node under way."
    )


@pytest.mark.parametrize("keep", ["all", "weights"])
def test_the_plan_tells_what_a_sweep_leaves(tmp_path: Path, keep: str) -> None:
    storage = make_storage(tmp_path)
    config = {**make_task().model.config, "hidden_size": 128, "intermediate_size": 512}
    task = make_task(stop=8)
    task = type(task)(
        **{
            **task.__dict__,
            "model": type(task.model)(config, initialization="gpt-neox"),
            "execution": Execution.model_validate({"precision": "float32", "keep": keep}),
        }
    )
    tree = build_tree({"a": task})
    planned = make_plan(tree, ())
    assert planned.disk is not None
    assert planned.disk.there == 0

    for node in tree.nodes:
        train_node(node.training, storage)
    found = list_states(storage).bytes
    assert planned.disk.at_end == pytest.approx(sum(found.values()), rel=0.02)
    after = make_plan(tree, found).disk
    assert after is not None
    assert after.there == after.at_end == planned.disk.at_end


PARTS = {
    "lora": {"lora": {"rank": 32}},
    "frozen": {"freeze": "*.layers.*"},
    "all": "all",
}


@pytest.mark.parametrize("keep", ["all", "weights"])
@pytest.mark.parametrize("part", PARTS)
def test_a_stage_that_trains_a_part_has_moments_of_it_alone(
    tmp_path: Path, part: str, keep: str
) -> None:
    storage = make_storage(tmp_path)
    schedule = {"kind": "constant", "max_lr": 1e-3}
    stages = [
        {"name": "older", "steps": 2, "schedule": schedule},
        {"name": "new", "steps": 4, "schedule": schedule, "trains": PARTS[part]},
    ]
    config = {**CONFIG, "hidden_size": 128, "intermediate_size": 512}
    definition = defined(
        stages=stages,
        corpora={name: {"text": f"{name}.jsonl"} for name in ("older", "new")},
        model={"config": config},
        execution={"precision": "float32", "keep": keep},
    )
    plan = inspected(plan_sweeps((definition,), storage))
    assert plan.cost.disk is not None
    for node in plan.tree.nodes:
        train_node(node.training, storage)
    found = list_states(storage).bytes
    assert plan.cost.disk.at_end == pytest.approx(sum(found.values()), rel=0.02)
    after = plan.with_states(found).cost.disk
    assert after is not None
    assert after.there == after.at_end == plan.cost.disk.at_end
