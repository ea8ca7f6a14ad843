"""Cards of a model from outside: what each stage trains, its stand-ins, merges with the start."""

from __future__ import annotations

import pytest

from raycl.cluster.options import ClusterOptions
from raycl.plan.merge_method import MergeMethod
from raycl.recipe.definition import bind_corpora, definition_of
from raycl.recipe.resolution import store_starts, write_resolution
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.model_card import Weights, card_files
from raycl.results.named_state import named_state
from raycl.states.mark import read_mark, write_mark
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.sweep.merges import make_merges
from raycl.weights.merge import merge_states
from tests.helpers.checkpoints import usable_checkpoint
from tests.helpers.finished_sweep import RECIPE, SCHEDULE, train_node
from tests.helpers.training_runs import make_storage

MERGED = "small, merged 50% with start"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A recipe with adapters of a given model, for whose data `older` stands in, and its merge."""
    folder = tmp_path_factory.mktemp("card")
    storage = make_storage(folder / "storage")
    data = {
        **{field: value for field, value in RECIPE.items() if field != "sweep"},
        "model": {"pretrained": str(usable_checkpoint(folder / "model")), "knows": ["older"]},
        "stages": [
            {"name": "new", "steps": 2, "schedule": SCHEDULE},
            {"name": "more", "steps": 2, "schedule": SCHEDULE, "mixture": {"new": 1}}
            | {"trains": {"lora": {"rank": 2}}},
        ],
        "merge": {"with": "start"},
    }
    plan = plan_sweeps((definition_of(data, "small.yaml"),), storage)
    (planned,) = plan.sweeps
    store_starts(plan.resolution, storage)
    bind_corpora(storage, planned.facts)
    for node in plan.tree.nodes:
        train_node(node.training, storage)
    write_description(planned.definition, storage, plan.tree, planned.merges)
    write_resolution(storage, "small", plan.resolution, [planned.definition.recipe])
    assert make_merges(plan, storage, ClusterOptions(), lambda _: None) == {}
    return storage


def card(storage: Storage, reference: str) -> str:
    named = named_state(storage, reference)
    mark = read_mark(storage, named.state)
    return card_files(storage, named, mark, Weights("float32", "Checked."))["README.md"]


def test_it_says_what_each_stage_trains_and_what_stands_in(storage: Storage) -> None:
    text = card(storage, "small")
    assert "| new | 2 | 256 | new | 0 % | cosine | 1e-2 | begins | all |" in text
    assert "| more | 2 | 256 | new | 0 % | cosine | 1e-2 | reset | lora rank 2 |" in text
    assert "Adapters (lora) are merged into the weights" in text
    assert "stand in for the unknown data of the starting model: `older`." in text


def test_a_merge_with_the_start_has_its_recipe_and_its_row(storage: Storage) -> None:
    text = card(storage, MERGED)
    trained = named_state(storage, "small").state
    assert f"# small\nA `llama` model, trained with raycl, recipe `{MERGED}`." in text
    assert "without training (linear, weight 0.5)" in text
    assert "- base: the pretrained model with the identifier `" in text
    assert f"- merged: `{trained}`: 4 steps" in text
    assert "| more | 2 | 256 | new | 0 % | cosine | 1e-2 | reset | lora rank 2 |" in text
    assert f"**{MERGED} (this model)**" in text
    assert f"raycl merge {trained} --storage STORAGE --base start --method linear" in text
    assert "--weight 0.5" in text
    assert "instruct" not in text.split("---")[1]


def test_an_instruct_residual_leaves_its_license_and_name_to_the_user(storage: Storage) -> None:
    state = named_state(storage, "small").state
    name = merge_states(storage, "start", [state], MergeMethod("task-arithmetic"))
    mark = read_mark(storage, name)
    assert mark.merged is not None
    instruct = {"method": "instruct-residual", "instruct": "0" * 64}
    merged = mark.merged.model_copy(update=instruct)
    write_mark(storage, name, mark.model_copy(update={"merged": merged}))
    text = card(storage, name)
    assert "license" not in text.replace("# No license is named", "").replace("`license: …`", "")
    assert "# the starting model, the instruct model and on the text." in text
    assert f"- instruct model: the pretrained model with the identifier `{'0' * 64}`" in text
    assert "--instruct INSTRUCT_MODEL --weight 1.0" in text
    assert "## Results" not in text  # made by hand: the sweep's table has no row of it
