"""Model cards: what they say of a finished recipe, a state on its way, a merge, a lost sweep."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import yaml

from raycl.plan.merge_method import ties
from raycl.recipe import parse_recipe
from raycl.recipe.definition import definition_of
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.model_card import Weights, card_files
from raycl.results.model_card.lineage import lineage
from raycl.results.model_card.origin import find_origin
from raycl.results.model_card.public import without_places
from raycl.results.named_state import named_state
from raycl.states.mark import read_mark
from raycl.storage import Storage
from raycl.weights.merge import merge_states
from tests.helpers.finished_sweep import NAME, finished_sweep
from tests.helpers.recipe_data import WHERE, changed, resolved

WEIGHTS = Weights("float32", "Checked: so and so.")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def files_of(storage: Storage, reference: str) -> dict[str, str]:
    named = named_state(storage, reference)
    return card_files(storage, named, read_mark(storage, named.state), WEIGHTS)


def test_the_card_of_a_recipe(storage: Storage) -> None:
    files = files_of(storage, "replay 50%")
    card = files["README.md"]
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "transformers"
    assert "license" not in front
    assert "base_model" not in front
    assert "| new | 6 | 768 | new | 50 % older | cosine | 1e-2 | reset | all |" in card
    assert "**replay 50% (this model)**" in card
    assert "| replay 0% |" in card
    mark = read_mark(storage, named_state(storage, "replay 50%").state)
    assert f"| older | `{mark.metadata.corpora['older'].fingerprint}` |" in card
    assert WEIGHTS.check in card
    assert "Training began with random weights." in card
    assert storage.url not in "".join(files.values())


def test_the_lineage_tells_what_a_stage_trained(storage: Storage) -> None:
    named = named_state(storage, "replay 50%")
    mark = read_mark(storage, named.state)
    origin = find_origin(storage, named, mark)
    assert origin is not None
    data = changed(1, trains={"lora": {"rank": 8}})
    known = {**data, "model": {"pretrained": "some/model", "knows": ["old"]}}
    variant = replace(origin.variant, recipe=parse_recipe(known, WHERE))
    text = "\n".join(
        lineage(storage, mark, replace(origin, variant=variant, training=resolved(data), step=40))
    )
    assert "| reset | lora rank 8 |" in text
    assert "Adapters (lora) are merged into the weights" in text
    assert "changes the first values of LoRA adapters alone" in text
    assert "None" not in text


def test_the_recipe_in_the_folder_leads_to_this_very_state(storage: Storage) -> None:
    for label in ("replay 0%", "replay 50%"):
        text = files_of(storage, label)["recipe.yaml"]
        definition = definition_of(yaml.safe_load(text), "recipe.yaml")
        plan = plan_sweeps((definition,), storage)
        (training,) = plan.sweeps[0].trainings.values()
        state = named_state(storage, label).state
        assert training.chain.name(training.chain.steps) == state
        assert plan.is_trained


def test_a_state_within_a_recipe_a_merge_and_a_lost_sweep(storage: Storage) -> None:
    ends = [named_state(storage, f"replay {share}%").state for share in (0, 50)]
    before = read_mark(storage, ends[0]).previous
    assert before is not None
    assert "after 6 of 12 steps" in files_of(storage, before)["README.md"]
    merged = merge_states(storage, before, ends, ties(Fraction(1, 5)))
    files = files_of(storage, merged)
    assert "recipe.yaml" not in files
    assert f"- base: `{before}`: 6 steps" in files["README.md"]
    assert "density 0.2" in files["README.md"]
    storage.remove_folder(f"sweeps/{NAME}")
    files = files_of(storage, ends[0])
    assert (
        "The recipe is not known any more. The state was written after 12 steps"
        in (files["README.md"])
    )
    assert "Train it again" not in files["README.md"]


def test_places_on_the_authors_machine_are_left_out() -> None:
    data = {
        "model": {"pretrained": "/home/alice/my-model"},
        "tokenizer": "~/tok",
        "corpora": {"web": {"text": ["s3://company/a/*.jsonl", "data/b.jsonl"]}},
    }
    assert without_places(data) == {
        "model": {"pretrained": "./my-model"},
        "tokenizer": "./tok",
        "corpora": {"web": {"text": ["./*.jsonl", "data/b.jsonl"]}},
    }
