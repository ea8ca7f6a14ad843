"""A field that a recipe does not have is named, beside what is missing, with what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.load import with_field
from raycl.recipe.unknown_fields import _ELSEWHERE, _models_at, _names, advice
from tests.helpers.recipe_data import changed, recipe_data


def said(data: dict[str, Any]) -> str:
    with pytest.raises(InputError) as raised:
        parse_recipe(data, "r.yaml")
    return str(raised.value)


@pytest.mark.parametrize("name", ["lr", "learning_rate", "peak_lr", "mx_lr"])
def test_an_unknown_field_is_named_beside_what_is_missing(name: str) -> None:
    message = said(changed(0, schedule={"kind": "cosine", name: "1e-3"}))
    assert message.endswith(
        f"cosine.{name}: unknown field, and max_lr is missing. Did you mean 'max_lr'?"
    )


def test_unknown_fields_of_other_places_are_named_too() -> None:
    data = changed(0, stepz=3)
    del data["global_batch"]
    assert said(data).endswith(
        "missing. Add it; `raycl schema` describes every field. Unknown: stages.0.stepz"
    )
    data["batch_size"] = 4
    assert "batch_size: unknown field, and global_batch is missing" in said(data)


@pytest.mark.parametrize(
    ("data", "meant"),
    [
        (recipe_data(weight_decay=0.1), "'optimizer.weight_decay'"),
        (recipe_data(lr=1e-3), "'schedule.max_lr' of a stage"),
        (recipe_data(text="a.jsonl"), "'text' of a corpus"),
        (recipe_data(model={"path": "./base"}), "'pretrained'"),
        (recipe_data(corpora={"old": {"files": "a"}}), "'text'"),
        (changed(0, max_lr=1e-3), "'schedule.max_lr'"),
        (changed(0, corpus="old"), "'mixture'"),
        (changed(0, sequence_length=3), "'sequence_length' of the recipe"),
        (recipe_data(sed=1), "'seed'"),
    ],
)
def test_what_was_meant(data: dict[str, Any], meant: str) -> None:
    assert f"unknown field. Did you mean {meant}?" in said(data)


@pytest.mark.parametrize(
    ("field", "meant"),
    [("replay", "old.replay or new.replay"), ("lr", "old.schedule.max_lr or"), ("sed", "'seed'")],
)
def test_a_swept_field_without_its_stage(field: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"Did you mean {meant}"):
        with_field(recipe_data(), field, 1, "sweep")


def test_other_names_stand_for_fields_that_exist() -> None:
    places: tuple[list[str], ...] = (
        [],
        ["model"],
        ["corpora", "a"],
        ["stages", "0"],
        ["optimizer"],
        ["execution"],
    )
    schedules = ["stages", "0", "schedule"]
    known = {name for place in (*places, schedules) for name in _names(_models_at(place))}
    assert set(_ELSEWHERE) <= known
    assert advice("nothing like it", ["optimizer"]).startswith("Known fields: ")
