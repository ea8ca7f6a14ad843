"""The recipe at each point of a sweep: only what a point changes is validated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.schema import Recipe

_OWN = ("stages", "sweep", "baselines")
"""Fields that are not simply the base's."""


class Points:
    """The recipes of one file. A part that several have in common is one object in all of them."""

    def __init__(self, data: Mapping[str, Any], base: Recipe, where: str) -> None:
        self._data, self._where = data, where
        self._stages: dict[str, Any] = {}
        """Valid stages, by what is written of them."""
        written = data.get("stages")
        if isinstance(written, list):
            self._stages = dict(zip(map(repr, written), base.stages, strict=True))
        self._valid = {
            name: getattr(base, name) for name in Recipe.model_fields if name not in _OWN
        }

    def recipe(self, name: str, point: Mapping[str, Any]) -> Recipe:
        """The recipe in which the point's fields have its values. Raises InputError."""
        changed: dict[str, Any] = {**self._data, "sweep": [], "baselines": []}
        for field, value in point.items():
            changed = with_field(changed, field, value, f"{self._where}: sweep")
        for field, value in self._valid.items():
            if changed.get(field) is self._data.get(field):
                changed[field] = value
        written = changed["stages"]
        if isinstance(written, list):
            changed["stages"] = [self._stages.get(repr(stage), stage) for stage in written]
        recipe = parse_recipe(changed, f"{self._where}: sweep {name or 'as written'}")
        if isinstance(written, list):
            self._stages |= zip(map(repr, written), recipe.stages, strict=True)
        return recipe
