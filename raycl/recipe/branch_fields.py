"""What `raycl branch --set` changes in a recipe: the fields of the recipe that is branched off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from raycl.errors import InputError, shown
from raycl.plan.frozen import thawed
from raycl.plan.schedule import Constant, Cosine, Infinite, Linear, WarmupStableDecay
from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.schema import LATER, Recipe
from raycl.recipe.schema.change import StageChange
from raycl.recipe.search import CHANGES
from raycl.recipe.stage_parts import place_of

_NEVER = {
    "name": "a stage's name changes no state",
    "workers": "the number of workers changes no state",
    "anneal": "an anneal leaves the stage and changes nothing in it",
    CHANGES: "a branch writes it itself",
}
_ELSEWHERE = "Change it in the recipe file, and run `raycl sweep` with it"
_BEFORE = {
    "optimizer": "it is about the hand-off into the stage, which is over",
    "trains": "AdamW's moments there are those of the weights that the stage trained so far",
}
"""Fields that have no meaning inside a stage that has begun, and why."""
_INSIDE = frozenset(name for name in StageChange.model_fields if name != "start")
_SCHEDULES = (Constant, Cosine, Infinite, Linear, WarmupStableDecay)
_OF_SCHEDULE = frozenset(name for schedule in _SCHEDULES for name in schedule.model_fields)

Sets = Mapping[str, Any]
"""Fields as `--set` names them, and their values as they are written in a recipe."""


def by_stage(recipe: Recipe, sets: Sets) -> dict[str, dict[str, Any]]:
    """The fields that are set of each stage, without its name, in the order of stages.

    Raises InputError for a field that is not a stage's, or of which a branch has no use.
    """
    names = [stage.name for stage in recipe.stages]
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for field, value in sets.items():
        first, _, rest = field.partition(".")
        where = f"--set {shown(field)}"
        if first not in (*names, LATER) or not rest:
            raise _not_of_a_stage(recipe, where, field, value)
        if (word := rest.partition(".")[0]) in _NEVER:
            raise InputError(where, f"not in a branch: {_NEVER[word]}", _ELSEWHERE)
        for name in names[1:] if first == LATER else [first]:
            found[name][rest] = value
    return {name: fields for name, fields in found.items() if fields}


def _not_of_a_stage(recipe: Recipe, where: str, field: str, value: Any) -> InputError:
    try:
        with_field({"stages": [{"name": s.name} for s in recipe.stages]}, field, value, where)
    except InputError as error:
        return error
    example = f"{recipe.stages[-1].name}.replay=10%"
    return InputError(
        where,
        "it belongs to all steps of a recipe, those that are trained included",
        f"Set fields of a stage, such as --set {example}. {_ELSEWHERE}",
    )


def plain_fields(recipe: Recipe, fields: Sets, changes: Mapping[str, Sets]) -> dict[str, Any]:
    """The fields of a recipe in which whole stages have other values; `fields` are its present."""
    found = dict(fields)
    for stage, own in changes.items():
        for name, value in own.items():
            found = {**_by_name(recipe, found, name), f"{stage}.{name}": value}
    return found


def _by_name(recipe: Recipe, fields: Sets, name: str) -> dict[str, Any]:
    """The fields, where `later.` stands under the names of its stages if it is about `name`.

    Fields of a record have no order, so that no two of them may be about the same.
    """
    found: dict[str, Any] = {}
    for field, value in fields.items():
        first, _, rest = field.partition(".")
        if first == LATER and rest.partition(".")[0] == name.partition(".")[0]:
            own = {f"{stage.name}.{rest}": value for stage in recipe.stages[1:]}
            found = {**own, **found}
        else:
            found[field] = value
    return found


def departed_fields(
    data: Mapping[str, Any], fields: Sets, stage: str, own: Sets, step: int
) -> dict[str, Any]:
    """The fields of a recipe in which a stage has other values from its step `step` on.

    `data` is the recipe's as it is written, with `fields` in it. Raises InputError for a field that
    has no meaning inside a stage.
    """
    for name in own:
        _check_inside(stage, name)
    recipe = parse_recipe(data, f"--set {stage}")
    written = next(entry for entry in data["stages"] if entry["name"] == stage)
    kept = list(_until(recipe, stage, thawed(written.get(CHANGES) or ()), step))
    last = kept.pop() if kept and _step(recipe, stage, kept[-1]) == step else {}
    now = {**written, **{name: v for each in kept for name, v in each.items()}, **last}
    changed = {**last, "from": f"{step} steps", **_written(stage, own, now, last)}
    if {"steps", "tokens"} <= changed.keys():  # the newest of the two counts
        changed.pop("tokens" if "steps" in own else "steps")
    return {**fields, f"{stage}.{CHANGES}": [*kept, changed]}


def _check_inside(stage: str, name: str) -> None:
    word, where = name.partition(".")[0], f"--set {stage}.{name}"
    if word in _BEFORE:
        raise InputError(where, _BEFORE[word], f"Begin {stage} anew: --at start")
    if word not in _INSIDE:
        remedy = f"Give one of: {', '.join(sorted(_INSIDE))}"
        if word in _OF_SCHEDULE:
            remedy = f"It is a field of the schedule: --set {stage}.schedule.{word}=…"
        raise InputError(where, "no field that changes inside a stage", remedy)


def _until(recipe: Recipe, stage: str, changes: list[Any], step: int) -> Iterator[dict[str, Any]]:
    """The written changes of a stage up to a step of it, that one included."""
    return (dict(each) for each in changes if _step(recipe, stage, each) <= step)


def _step(recipe: Recipe, stage: str, change: Mapping[str, Any]) -> int:
    own = next(entry for entry in recipe.stages if entry.name == stage)
    return place_of(recipe, own, StageChange.model_validate(change))


def _written(stage: str, own: Sets, now: Sets, last: Sets) -> dict[str, Any]:
    """The values that a change has, whole ones but for schedules, whose other fields stay.

    `now` are the stage's present fields: `replay.english` is set inside of what is there.
    """
    found: dict[str, Any] = {"schedule": last["schedule"]} if "schedule" in last else {}
    for name, value in own.items():
        word = name.partition(".")[0]
        before = found.get(word, {} if word == "schedule" else now.get(word))
        whole = {"name": stage, **({} if before is None else {word: before})}
        made = with_field({"stages": [whole]}, f"{stage}.{name}", value, "--set")
        found[word] = made["stages"][0][word]
    return found
