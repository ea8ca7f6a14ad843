"""Recipes that were added to a sweep become variants like those of its grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.definition import definition_of, with_proposals
from raycl.recipe.proposals import HAND, Proposal, add_proposal, read_proposals
from raycl.recipe.scale import scaled
from raycl.recipe.stored_recipe import read_recipe, write_recipe
from raycl.recipe.written_recipe import written_recipe
from raycl.storage import Storage, layout
from tests.helpers.recipe_data import WHERE, recipe_data

REPLAY = {"new.replay": {"uniform": ["0%", "50%"]}}


def proposal(number: int, fields: dict[str, Any], source: str = "tpe") -> Proposal:
    return Proposal(number=number, fields=fields, source=source, sweep="small")


def test_a_search_has_the_recipes_that_were_proposed_and_no_others() -> None:
    data = recipe_data(sweep={"label": "weak", **REPLAY}, search={"trials": 3})
    empty = definition_of(data, WHERE)
    assert empty.is_search
    assert empty.variants == ()
    made = with_proposals(empty, [proposal(0, {"new.replay": "12.3%"})])
    (variant,) = made.variants
    assert (variant.label, variant.arm) == ("weak, replay 12.3%", "weak")
    assert variant.fields == {"new.replay": 0.123}
    assert variant.recipe.search is None
    assert made.proposed(0) == (variant,)
    assert made.proposed(1) == ()


def test_labels_are_the_same_before_and_after_the_storage(tmp_path: Path) -> None:
    """Results are found by labels, by a command that reads proposals as by one that makes them."""
    grid = {"new.schedule.max_lr": {"log": ["1e-4", "1e-2"]}, **REPLAY}
    storage = Storage(tmp_path)
    definition = definition_of(recipe_data(sweep=grid, search={"trials": 3}), WHERE)
    fields = {"new.replay": "12.3%", "new.schedule.max_lr": 0.002}
    made = add_proposal(storage, definition.recipe.name, fields, "tpe")
    changes = [{"replay": "5%", "from": "3 steps", "loss_weight": {"old": 2, "new": 3}}]
    by_hand = add_proposal(storage, definition.recipe.name, {**fields, "new.changes": changes})
    write_recipe(storage, definition)
    before = with_proposals(definition, (made, by_hand))
    after = read_recipe(storage, definition.recipe.name)
    assert after.proposals == before.proposals
    labels = [variant.label for variant in before.variants]
    assert [variant.label for variant in after.variants] == labels
    assert labels[0] == "max_lr 0.002, replay 12.3%"  # in the order of the grid


def test_a_sweep_has_what_was_added_by_hand_behind_its_grid() -> None:
    data = recipe_data(sweep={"new.replay": ["0%", "5%"]})
    added = [
        proposal(0, {"new.replay": "10%"}, HAND),
        proposal(1, {"new.replay": "5%"}, HAND),
        proposal(2, {"old.replay": "0%", "seed": 3}, HAND),
    ]
    made = definition_of(data, WHERE, added).variants
    labels = {variant.label: variant.proposals for variant in made}
    assert labels == {
        "replay 0%": (),
        "replay 5%": (1,),  # the grid has it already
        "replay 10%": (0,),
        "replay 0%, seed 3": (2,),
    }
    assert made[-1].fields == {"new.replay": 0.25, "old.replay": 0.0, "seed": 3}


def test_labels_of_other_fields_with_the_same_last_word_are_told_apart() -> None:
    data = recipe_data(sweep={"new.steps": [10, 30]})
    made = definition_of(data, WHERE, [proposal(4, {"old.steps": 10}, HAND)])
    assert [v.label for v in made.variants] == ["steps 10", "steps 30", "steps 10 (proposal 4)"]


def test_an_added_recipe_that_no_longer_fits_is_named_with_a_remedy() -> None:
    message = r"proposals/000007\.json: it does not fit the recipe: .*'nwe'.*another `name`"
    with pytest.raises(InputError, match=message):
        definition_of(recipe_data(), WHERE, [proposal(7, {"nwe.replay": "5%"})])


def test_every_command_finds_what_was_added_in_the_storage(tmp_path: Any) -> None:
    storage = Storage(str(tmp_path))
    data = recipe_data(sweep=REPLAY, search={"trials": 3})
    write_recipe(storage, definition_of(data, WHERE))
    add_proposal(storage, "small", {"new.replay": "12.3%"}, "tpe", tokens=2560)
    stored = read_recipe(storage, "small")
    assert [variant.label for variant in stored.variants] == ["replay 12.3%"]
    assert stored.proposals[0].tokens == 2560
    alone = written_recipe(stored, stored.variants[0], "cpu")
    assert "search" not in alone
    assert alone["stages"][1]["replay"] == "12.3%"


def test_a_scale_changes_ranges_and_budgets_as_it_changes_stages() -> None:
    stages = [
        {"name": name, "tokens": "300B", "schedule": {"kind": "cosine", "max_lr": "3e-4"}}
        for name in ("pile", "german")
    ]
    sweep = {
        "german.schedule.max_lr": {"log": ["1e-4", "1e-3"]},
        "german.replay": {"uniform": ["0%", "50%"]},
    }
    data = recipe_data(
        model="gpt-neox-405m",
        corpora={"pile": "a.jsonl", "german": "b.jsonl"},
        stages=stages,
        sweep=sweep,
        search={"budget": {"tokens": "3T"}},
    )
    small = scaled(data, "tiny", WHERE)
    (grid,) = small["sweep"]
    low, high = grid["german.schedule.max_lr"]["log"]
    assert high == pytest.approx(10 * low)
    assert low / 1e-4 == pytest.approx(small["stages"][0]["schedule"]["max_lr"] / 3e-4)
    assert grid["german.replay"] == {"uniform": ["0%", "50%"]}
    tokens = small["stages"][0]["tokens"]
    assert small["search"]["budget"]["tokens"] == pytest.approx(10 * tokens, rel=1e-3)


def test_files_beside_the_proposals_are_none(tmp_path: Any) -> None:
    storage = Storage(str(tmp_path))
    made = add_proposal(storage, "small", {"new.replay": "12.3%"})
    content = storage.read_bytes(layout.sweep_proposal("small", made.number))
    for name in ("0.json", "0000000.json", "000001.json.copy", "7.json", "\u0663.json"):
        storage.write_bytes(f"{layout.sweep_proposals('small')}/{name}", content)
    assert read_proposals(storage, "small") == (made,)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("corpora.new.text", "other.jsonl", "a storage holds each corpus once"),
        ("execution.micro_batch", 2, "and not which one"),
        ("new.workers", 2, "the number of workers changes no state"),
        ("validation.rows", 8, "losses on other rows do not compare"),
    ],
)
def test_an_added_recipe_sets_no_field_that_no_grid_may(
    field: str, value: Any, reason: str
) -> None:
    message = (
        rf"proposals/000002\.json: it sets '{field}', which cannot be swept: .*{reason}.*Remove"
    )
    with pytest.raises(InputError, match=message):
        definition_of(recipe_data(), WHERE, [proposal(2, {"new.replay": "5%", field: value}, HAND)])
