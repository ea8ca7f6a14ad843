"""A recipe at another size: the same stages, schedules, ratios and grids with less of everything.

A scale changes a recipe's plain data before its sweep is expanded. Percentages and `parent` are
ratios, so they stay. Counts of steps and tokens shrink by one exact factor, learning rates grow by
another, and small corpora take the place of large ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raycl.errors import FieldError, InputError, shown, within
from raycl.recipe.lengths import tokens_per_step
from raycl.recipe.load import parse_recipe, problem_of, read_yaml
from raycl.recipe.scale_values import Factors, scaled_field
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.ranges import is_range
from raycl.recipe.schema.short_forms import spelled_out
from raycl.units import Count, Weight

_SIZES = ("sequence_length", "global_batch")
_FIXED = (*_SIZES, "tokenizer", "validation", "execution", "corpora")
"""Fields of a recipe that the scale decides, so that a sweep over them has no meaning."""


_OF_A_CHANGE = (["mixture", "at"], ["mixture", "how"])
"""Fields of a mixture that are no shares."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Steps(_Entry):
    """A stage of `full` steps at full size has `here` steps at this scale."""

    full: Count = Field(gt=0)
    here: Count = Field(gt=0)


class Scale(_Entry):
    """A scale file; see `scales/tiny.yaml`."""

    steps: Steps
    learning_rate: Weight = Field(gt=0)
    models: dict[str, str]
    fields: dict[str, Any]
    corpora: dict[str, dict[str, Any]]
    bindings: dict[str, str]
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """The fields of this scale that differ for a recipe, by its name; mappings are merged."""

    def of(self, name: str) -> Scale:
        """The scale for the recipe of that name."""
        own = self.recipes.get(name, {})
        data = self.model_dump(exclude={"recipes"})
        for field, value in own.items():
            merge = isinstance(value, Mapping) and isinstance(data.get(field), Mapping)
            data[field] = {**data[field], **value} if merge else value
        return Scale.model_validate(data)


def known_scales() -> list[str]:
    """Names of the packaged scales."""
    folder = resources.files("raycl.recipe") / "scales"
    return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_scale(name: str) -> Scale:
    """A packaged scale by name, or the one in a YAML file. Raises InputError."""
    where = f"--scale {name}"
    if name in known_scales():
        with resources.as_file(resources.files("raycl.recipe") / "scales" / f"{name}.yaml") as path:
            data = read_yaml(path)
    elif name.endswith((".yaml", ".yml")):
        data = read_yaml(Path(name))
    else:
        known = ", ".join(known_scales())
        raise InputError(where, "no such scale", f"Known: {known}; or give a YAML file")
    with within(where):
        return _validated(data)


def _validated(data: Any) -> Scale:
    try:
        return Scale.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        problem, remedy = problem_of(first)
        example = resources.files("raycl.recipe") / "scales" / "tiny.yaml"
        raise InputError(field, problem, remedy or f"An example is {example}") from error


def scaled(data: Mapping[str, Any], scale: str, where: str) -> dict[str, Any]:
    """The data of a recipe at another scale: `scale` is a packaged scale's name, or a YAML file.

    `where` names the recipe's file in errors. Raises InputError where the scale does not fit the
    recipe, and where the recipe is not valid as its author wrote it.
    """
    recipe = parse_recipe(data, where)
    data = spelled_out(data)
    chosen = load_scale(scale)
    try:
        chosen = chosen.of(recipe.name)
    except ValidationError as error:
        problem, remedy = problem_of(error.errors()[0])
        raise InputError(
            f"--scale {scale}: recipes.{recipe.name}", problem, remedy or "Give fields of a scale"
        ) from error
    small = {**data, **chosen.fields}
    sizes = {field: small[field] for field in _SIZES}
    resized = parse_recipe({**recipe.model_dump(), **sizes}, where)
    with within(where):
        bindings = _bindings(recipe, chosen, scale)
        factors = _factors(recipe, resized, chosen, bindings)
        small["model"] = _model(dict(data["model"]), chosen, scale)
        small["corpora"] = _corpora(recipe, data["corpora"], chosen, bindings)
        small["stages"] = [_stage(stage, factors) for stage in data["stages"]]
        if "merge_search" in data:
            small["merge_search"] = _merge_search(data["merge_search"], bindings)
        if recipe.sweep:
            small["sweep"] = [_grid(grid, factors, chosen, scale) for grid in recipe.sweep]
        if recipe.search is not None:
            small["search"] = _search(data["search"], factors)
    return small


def _factors(recipe: Recipe, resized: Recipe, scale: Scale, bindings: Mapping[str, str]) -> Factors:
    """The factors from `recipe` to `resized`, which has the scale's batch and sequence length.

    Both change the tokens of a step, so counts of tokens have a factor of their own.
    """
    steps = Fraction(scale.steps.here, scale.steps.full)
    per_step = tokens_per_step(resized)
    tokens = steps * Fraction(per_step, tokens_per_step(recipe))
    return Factors(steps, tokens, per_step, scale.learning_rate, bindings)


def _bindings(recipe: Recipe, scale: Scale, name: str) -> dict[str, str]:
    """From every corpus of the recipe to the one that takes its place.

    A corpus that raycl fetches is small already, so it may keep its own place.
    """
    bound = {}
    for corpus, entry in recipe.corpora.items():
        if corpus not in scale.bindings and not entry.fetch:
            raise InputError(
                f"corpora.{corpus}",
                f"scale {name!r} has no small corpus in its place",
                "Bind it in a scale file of your own: `bindings`, `corpora`",
            )
        bound[corpus] = scale.bindings.get(corpus, corpus)
    return bound


def _corpora(
    recipe: Recipe, written: Mapping[str, Any], scale: Scale, bindings: Mapping[str, str]
) -> dict[str, Any]:
    corpora: dict[str, Any] = {}
    for corpus in recipe.corpora:
        name = bindings[corpus]
        corpora[name] = scale.corpora.get(name, written.get(corpus))
    return corpora


def _model(model: dict[str, Any], scale: Scale, name: str) -> dict[str, Any]:
    """The small model. Its `vocab_size` is left out, because the small tokenizer decides it."""
    if model.get("pretrained") is not None:
        raise InputError(
            "model.pretrained",
            f"scale {name!r} has small models for presets, and this is a pretrained model",
            "Make the run small instead: --set global_batch=4 --set STAGE.steps=20",
        )
    with within("model"):
        model["preset"] = _preset(model.get("preset"), scale, name)
    config = {k: v for k, v in (model.get("config") or {}).items() if k != "vocab_size"}
    others = {k: v for k, v in model.items() if k != "config"}
    return {**others, "config": config} if config else others


def _preset(preset: Any, scale: Scale, name: str) -> str:
    if preset not in scale.models:
        raise InputError(
            "",
            f"scale {name!r} has no small model for {preset or 'a model without preset'}",
            f"Known presets there: {', '.join(scale.models)}; or write a scale file of your own",
        )
    return scale.models[preset]


def _merge_search(search: Any, bindings: Mapping[str, str]) -> Any:
    """The merge search, whose objective may be a corpus that has another one in its place."""
    if not isinstance(search, Mapping) or "objective" not in search:
        return search
    objective = search["objective"]
    return {**search, "objective": bindings.get(objective, objective)}


def _stage(stage: Mapping[str, Any], factors: Factors) -> dict[str, Any]:
    """The small stage. It names its corpus where that is no longer the corpus of its own name."""
    small = {field: scaled_field(field, value, factors) for field, value in stage.items()}
    name = stage["name"]
    if not stage.get("mixture") and factors.corpora.get(name, name) != name:
        small["mixture"] = {factors.corpora[name]: "100%"}
    return small


def _grid(grid: Mapping[str, Any], factors: Factors, scale: Scale, name: str) -> dict[str, Any]:
    small: dict[str, Any] = {}
    for field, values in grid.items():
        if field == "label":
            small[field] = values
            continue
        with within(f"sweep.{field}"):
            _check_swept(field, name)
            if field == "model.preset":
                small[field] = [_preset(value, scale, name) for value in values]
            else:
                last = field.rpartition(".")[2]
                small[field] = _swept(last, values, factors)
    return small


def _swept(field: str, values: Any, factors: Factors) -> Any:
    """The values of a list, or the bounds of a range, at the scale."""
    if is_range(values):
        return {kind: _swept(field, bounds, factors) for kind, bounds in values.items()}
    return [_swept_value(field, value, factors) for value in values]


def _search(search: Mapping[str, Any], factors: Factors) -> dict[str, Any]:
    """The search at the scale: its budget of tokens shrinks as stages do."""
    small = dict(search)
    if isinstance(budget := search.get("budget"), Mapping):
        small["budget"] = {f: scaled_field(f, value, factors) for f, value in budget.items()}
    if isinstance(stopping := search.get("early_stopping"), Mapping) and "first" in stopping:
        first = scaled_field("length", stopping["first"], factors)
        small["early_stopping"] = {**stopping, "first": first}
    return small


def _swept_value(field: str, value: Any, factors: Factors) -> Any:
    """The value at the scale. Raises InputError where it is none: a grid is not validated yet."""
    try:
        return scaled_field(field, value, factors)
    except FieldError as error:
        remedy = error.remedy or "Give a value of the field"
        raise InputError(shown(value), error.problem, remedy) from error


def _check_swept(field: str, name: str) -> None:
    """Raise InputError for a field whose values have no counterpart at the scale."""
    first, *rest = field.split(".")
    if first in _FIXED or (first == "model" and rest != ["preset"]):
        raise InputError("", f"scale {name!r} fixes it", "Sweep it at full size")
    if rest[:-1] and rest[-2] in ("mixture", "replay") and rest[-2:] not in _OF_A_CHANGE:
        raise InputError(
            "",
            "a scale merges corpora, so one share alone cannot be scaled",
            f"Sweep the whole {rest[-2]}",
        )
