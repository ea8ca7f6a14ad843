"""One recipe file as many recipes: every point of its sweep, and its baselines."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from raycl.errors import InputError
from raycl.recipe.baselines import Baseline, baseline
from raycl.recipe.contents import Contents
from raycl.recipe.load import parse_recipe
from raycl.recipe.points import Points
from raycl.recipe.schema import LATER, Recipe
from raycl.units import Length


@dataclass(frozen=True)
class Branch:
    """An anneal off a stage's trunk: which stage, and where it leaves."""

    stage: str
    at: Length


@dataclass(frozen=True)
class Variant:
    """One recipe of a sweep."""

    label: str
    kind: Literal["sweep", "anneal"] | Baseline
    fields: Mapping[str, Any]
    """Every swept field and its value here; empty for a baseline."""
    recipe: Recipe
    branch: Branch | None = None
    """Of the recipe's last stage, in a variant of kind `anneal`."""
    trunk: str = ""
    """Label of the recipe that a variant of kind `anneal` is a branch of."""
    arm: str = ""
    """The `label` that the recipe's grid has in the file; empty where it has none."""


def expand(data: Mapping[str, Any], where: str) -> list[Variant]:
    """All recipes that a recipe's data describes; equal ones appear once.

    Raises InputError where a swept field or one of its values is not valid.
    """
    base = parse_recipe(data, where)
    swept = list(dict.fromkeys(field for grid in base.sweep for field in grid if field != "label"))
    variants: list[Variant] = []
    points, contents = Points(data, base, where), Contents()
    seen: set[tuple[tuple[int, ...], Branch | None]] = set()
    for arm, name, point in _points(base):
        recipe = points.recipe(name, point)
        fields = {field: _value(recipe, field) for field in swept}
        trunk = Variant(name or recipe.name, "sweep", fields, recipe, arm=arm)
        for variant in (trunk, *_branches(trunk)):
            key = (contents.key(variant.recipe), variant.branch)
            if key not in seen:
                seen.add(key)
                variants.append(variant)
    for kind in base.baselines:
        label, recipe = baseline(kind, base, where)
        variants.append(Variant(label, kind, {}, recipe))
    _check_labels(variants, where)
    return variants


def _branches(trunk: Variant) -> Iterator[Variant]:
    """A variant for every anneal off the stages of a recipe: the trunk up to there."""
    stages = trunk.recipe.stages
    for number, stage in enumerate(stages):
        for at in stage.anneal.at if stage.anneal else ():
            recipe = trunk.recipe.model_copy(update={"stages": stages[: number + 1]})
            label = f"{trunk.label}, anneal {stage.name} at {at}"
            branch = Branch(stage.name, at)
            yield Variant(label, "anneal", trunk.fields, recipe, branch, trunk.label, trunk.arm)


def _points(base: Recipe) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(grid's own label, whole label, fields) of each combination of each grid.

    Both labels are empty without a sweep, which is one point without fields.
    """
    for grid in base.sweep or ({},):
        axes = {field: values for field, values in grid.items() if field != "label"}
        for values in itertools.product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            shown = point
            if "label" in grid:  # the label stands for what does not vary
                shown = {field: v for field, v in point.items() if len(axes[field]) > 1}
            arm = str(grid.get("label", ""))
            yield arm, ", ".join([part for part in (arm, _label(shown)) if part]), point


def _label(point: Mapping[str, Any]) -> str:
    """`replay 5%, max_lr 3e-3`: the last name of each field and its value."""
    return ", ".join(f"{field.rpartition('.')[2]} {_text(value)}" for field, value in point.items())


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(v) if k == "kind" else f"{k} {_text(v)}" for k, v in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _value(recipe: Recipe, field: str) -> Any:
    """A field's value as plain data: numbers as floats, a schedule as text."""
    value: Any = recipe
    parts = field.split(".")
    stage = next((s for s in recipe.stages if s.name == parts[0]), None)
    if parts[0] == LATER and len(recipe.stages) > 1:
        stage = recipe.stages[-1]
    if stage is not None:
        value, parts = stage, parts[1:]
    for part in parts:
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    if isinstance(value, Fraction):
        return float(value)
    return value if value is None or isinstance(value, int | float | str) else _text(_dump(value))


def _dump(value: Any) -> Any:
    """A schedule as its kind and what differs from that kind's defaults."""
    if not hasattr(value, "model_dump"):
        return value
    kind = {"kind": value.kind} if hasattr(value, "kind") else {}
    return {**kind, **value.model_dump(exclude_defaults=True)}


def _check_labels(variants: list[Variant], where: str) -> None:
    labels = Counter(variant.label for variant in variants)
    twice = [label for label, number in labels.items() if number > 1]
    if twice:
        raise InputError(
            f"{where}: sweep",
            f"two recipes are called {sorted(twice)[0]!r}",
            "Merge the grids, or name one more field in one of them",
        )
