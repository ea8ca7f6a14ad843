"""Fields that are set one after another, where a later one replaces all of an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from raycl.errors import InputError, shown
from raycl.recipe.schema import LATER, Recipe
from raycl.recipe.search import LABEL


def check_grids(recipe: Recipe) -> None:
    """Raise InputError where a field of a grid replaces another one, whose values go unread."""
    for grid in recipe.sweep:
        fields = [field for field in grid if field != LABEL]
        for number, field in enumerate(fields):
            other = _replacing(field, fields[number + 1 :], recipe)
            if other is not None:
                raise InputError(
                    f"sweep.{shown(field)}",
                    f"{shown(other)}, which follows in the grid, replaces it, so that its values "
                    "would not be read",
                    "Remove one of the two, write the field inside another one after it, or give "
                    "two grids",
                )


def check_overrides(recipe: Recipe, fields: Sequence[str]) -> None:
    """Raise InputError where the sweep gives an overridden field other values in every recipe."""
    for field in fields:
        if recipe.sweep and all(_replacing(field, grid, recipe) for grid in recipe.sweep):
            raise InputError(
                f"--set {shown(field)}",
                "the sweep gives this field its values, so that the override would not be read",
                f"Override the sweep: --set 'sweep={{{field}: [5%]}}', or correct it in the file",
            )


def _replacing(field: str, others: Iterable[str], recipe: Recipe) -> str | None:
    """The last of the other fields if they replace all that `field` sets; else None."""
    found = None
    left = set(_paths(field, recipe))
    for other in others:
        outer = _paths(other, recipe)
        inside = {path for path in left if any(_is_within(path, place) for place in outer)}
        found, left = (other if inside else found), left - inside
    return None if left else found


def _paths(field: str, recipe: Recipe) -> list[str]:
    """The places in the recipe that a field's name stands for: `later` is every stage but one."""
    first, dot, rest = field.partition(".")
    stages = [stage.name for stage in recipe.stages]
    if dot and first == LATER and len(stages) > 1:
        return [f"stages.{stage}.{rest}" for stage in stages[1:]]
    return [f"stages.{field}" if dot and first in stages else field]


def _is_within(path: str, place: str) -> bool:
    return f"{path}.".startswith(f"{place}.")
