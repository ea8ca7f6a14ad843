"""Which recipes a sweep tries: the one place that turns a recipe's `sweep` into points.

To add a search algorithm, write a function like `grid_search`: it takes the recipe and yields
points. `expand(data, where, search)` makes recipes of them, and everything after that is the same
for every algorithm. A search must yield the same points each time it is asked, since states are
found again by the recipes that lead to them: a random search takes its seed from the recipe.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from raycl.plan.frozen import thawed
from raycl.recipe.schema import Recipe

LABEL = "label"
"""The entry of a grid that is no field, but gives a name to all recipes of the grid."""


@dataclass(frozen=True)
class Point:
    """One recipe to try: what it is called, and the value of every field that it sets.

    The label is empty for the recipe as it is written.
    """

    label: str
    fields: Mapping[str, Any]
    arm: str = ""
    """The `label` that the point's grid has in the file; empty where it has none."""


class Search(Protocol):
    """An algorithm that chooses the points of a sweep."""

    def __call__(self, recipe: Recipe, /) -> Iterator[Point]:
        """The points to try, in the order in which their results are shown."""


def grid_search(recipe: Recipe) -> Iterator[Point]:
    """Every combination of the values in each of the grids; without a grid, the recipe itself."""
    for grid in recipe.sweep or ({},):
        axes = {field: thawed(values) for field, values in grid.items() if field != LABEL}
        for values in itertools.product(*axes.values()):
            fields = dict(zip(axes, values, strict=True))
            shown, parts = fields, []
            if LABEL in grid:  # its label stands for the fields that have one value only
                shown = {field: v for field, v in fields.items() if len(axes[field]) > 1}
                parts.append(str(grid[LABEL]))
            if shown:
                parts.append(label_of(shown))
            yield Point(", ".join(parts), fields, str(grid.get(LABEL, "")))


def label_of(fields: Mapping[str, Any]) -> str:
    """`replay 5%, max_lr 3e-3`: the last part of each field's name, and its value."""
    shown = (f"{field.rpartition('.')[2]} {as_text(value)}" for field, value in fields.items())
    return ", ".join(shown)


def as_text(value: Any) -> str:
    """A field's value for people; a mapping as its names and values, and its `kind` alone."""
    if isinstance(value, Mapping):
        return " ".join(
            str(inner) if name == "kind" else f"{name} {as_text(inner)}"
            for name, inner in value.items()
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
