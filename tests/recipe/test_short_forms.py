"""What is written as one word is what is written in full: the same recipe, the same states."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.definition import define
from raycl.recipe.load import with_field
from raycl.recipe.schema.short_forms import spelled_out
from raycl.recipe.sweep_plan import plan_sweeps
from tests.helpers.recipe_data import changed, recipe_data, write_recipe

CORPORA = {"old": {"text": ["old.jsonl"]}, "new": {"text": ["a.jsonl", "b.jsonl"]}}
SHORT_CORPORA = {"old": "old.jsonl", "new": ["a.jsonl", "b.jsonl"]}
FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"model": "gpt-neox-tiny"}, {"model": {"preset": "gpt-neox-tiny"}}),
    ({"model": "./base"}, {"model": {"pretrained": "./base"}}),
    ({"model": "/models/base"}, {"model": {"pretrained": "/models/base"}}),
    ({"model": "~/base"}, {"model": {"pretrained": "~/base"}}),
    ({"model": "owner/name"}, {"model": {"pretrained": "owner/name"}}),
    ({"model": "owner/name@v1"}, {"model": {"pretrained": "owner/name@v1"}}),
    ({"model": "s3://bucket/base"}, {"model": {"pretrained": "s3://bucket/base"}}),
    ({"model": "0a1b2c3d4e5f"}, {"model": {"pretrained": "0a1b2c3d4e5f"}}),
    ({"tokenizer": "./t"}, {"tokenizer": {"load": "./t"}}),
    ({"corpora": SHORT_CORPORA}, {"corpora": CORPORA}),
    (
        {"stages": changed(1, mixture="old")["stages"]},
        {"stages": changed(1, mixture={"old": 1})["stages"]},
    ),
]


@pytest.mark.parametrize(("short", "long"), FORMS, ids=lambda fields: str(fields)[:40])
def test_a_short_form_is_the_same_recipe(short: dict[str, Any], long: dict[str, Any]) -> None:
    data = recipe_data(**short)
    before = copy.deepcopy(data)
    first, second = parse_recipe(data, "short"), parse_recipe(recipe_data(**long), "long")
    assert first == second
    assert first.model_dump(mode="json") == second.model_dump(mode="json")
    assert data == before
    assert parse_recipe(spelled_out(data), "spelled") == second


def test_states_have_the_same_names(tmp_path: Path) -> None:
    names = []
    for number, form in enumerate(({"preset": "gpt-neox-tiny"}, "gpt-neox-tiny")):
        folder = tmp_path / str(number)
        folder.mkdir()
        corpora = CORPORA if number else SHORT_CORPORA
        recipe = write_recipe(folder, recipe_data(model=form, corpora=corpora))
        tree = plan_sweeps((define(recipe),), None).tree
        names.append([node.name for node in tree.nodes])
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("field", "value", "found"),
    [
        ("model.weights", "random", {"pretrained": "./base", "weights": "random"}),
        ("tokenizer.control_tokens", "tokens", {"load": "./t", "control_tokens": "tokens"}),
        ("corpora.old.validation", "1%", {"text": ["old.jsonl"], "validation": "1%"}),
        ("new.mixture.new", 2, {"old": 1, "new": 2}),
    ],
)
def test_an_override_inside_keeps_what_the_word_says(field: str, value: Any, found: Any) -> None:
    data = changed(1, mixture="old") | {
        "model": "./base",
        "tokenizer": "./t",
        "corpora": SHORT_CORPORA,
    }
    place: Any = with_field(data, field, value, "--set")
    place = place["stages"][1] if field.startswith("new.") else place
    for part in field.split(".")[field.startswith("new.") : -1]:
        place = place[part]
    assert place == found


def test_an_override_inside_a_schedule_by_name_keeps_its_other_fields() -> None:
    made = with_field(changed(1, schedule="rewarm"), "new.schedule.max_lr", "1e-3", "--set")
    assert parse_recipe(made, "x").stages[1].schedule.model_dump()["kind"] == "cosine"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            recipe_data(model="gpt-neox-405"),
            "Did you mean gpt-neox-405m?",
        ),
        (recipe_data(model="quite else"), "Give a folder as ./NAME"),
        (recipe_data(corpora=["a.jsonl"]), "corpora have no names"),
        (recipe_data(stages={"old": {}}), "stages is a mapping, which has no order. Write a list"),
        (recipe_data(stages=["old"]), "Write - {name: old, steps: 1000, schedule: rewarm}"),
        (changed(0, mixture=["old", "new"]), "Give each corpus its share: {old: 50%, new: 50%}"),
        (changed(0, schedule="cosine"), "Write {kind: cosine, max_lr: 3e-4}"),
        (changed(0, schedule={"kind": "cos", "max_lr": 1}), "Give 'cosine', 'linear'"),
    ],
)
def test_what_is_no_short_form_is_answered(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_recipe(data, "r.yaml")
    assert message in str(raised.value)
    if data["model"] == "gpt-neox-405":
        with pytest.raises(InputError, match="no preset"):
            with_field(data, "model.weights", "random", "--set")
