"""Which recipes a sweep tries: the one place that turns a recipe's `sweep` into points.

To add a search algorithm, write a function like `grid_search`: it takes the recipe and yields
points. `expand(data, where, search)` makes recipes of them, and everything after that is the same
for every algorithm. A search must yield the same points each time it is asked, since states are
found again by the recipes that lead to them: a random search takes its seed from the recipe.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from raycl.errors import InputError
from raycl.plan.frozen import thawed
from raycl.plan.trained import Trains
from raycl.recipe.proposals import Proposal
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.stand_ins import KNOWS, stand_ins_text

MOST_RECIPES = 10_000
"""A sweep of so many is planned in seconds; to train them would take too long."""

CHANGES = "changes"
"""The field of a stage with the changes inside it."""
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
    proposal: Proposal | None = None
    """The record of a recipe that was added to the sweep; None for a point of a grid."""


class Search(Protocol):
    """An algorithm that chooses the points of a sweep."""

    def __call__(self, recipe: Recipe, /) -> Iterator[Point]:
        """The points to try, in the order in which their results are shown."""


def grid_search(recipe: Recipe) -> Iterator[Point]:
    """Every combination of the values in each of the grids; without a grid, the recipe itself."""
    _check_points(recipe)
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


def points_of(
    recipe: Recipe, proposals: Iterable[Proposal], search: Search = grid_search
) -> Iterator[Point]:
    """All points of a sweep: those of its grids, then what was added to it, by number.

    A recipe with a `search` has none but what was added. The label of an added one is unlike all
    labels before it.
    """
    taken: set[str] = set()
    if recipe.search is None:
        for point in search(recipe):
            taken.add(point.label)
            yield point
    for proposal in proposals:
        point = _added(recipe, proposal, taken)
        taken.add(point.label)
        yield point


def _added(recipe: Recipe, proposal: Proposal, taken: set[str]) -> Point:
    arm = str(recipe.sweep[0].get(LABEL, "")) if recipe.search is not None else ""
    fields = _in_order_of_grids(recipe, proposal.fields)
    label = ", ".join(filter(None, (arm, label_of(fields))))
    if label in taken:  # other fields may have the same last words
        label = f"{label} (proposal {proposal.number})"
    return Point(label, fields, arm, proposal)


def _in_order_of_grids(recipe: Recipe, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a proposal as the recipe's grids have them, and then all others."""
    swept = dict.fromkeys(field for grid in recipe.sweep for field in grid if field in fields)
    return {field: fields[field] for field in (*swept, *(f for f in fields if f not in swept))}


def _check_points(recipe: Recipe) -> None:
    """Raise InputError where the grids have too many points to make a recipe of each."""
    grids = [
        [len(values) for field, values in grid.items() if field != LABEL] for grid in recipe.sweep
    ]
    points = sum(math.prod(lengths) for lengths in grids)
    if points > MOST_RECIPES:
        widest = " + ".join(" × ".join(map(str, lengths)) for lengths in grids)
        raise InputError(
            "sweep",
            f"{points:,} recipes ({widest}), more than {MOST_RECIPES:,}",
            "Give fewer values, or several smaller grids",
        )


def label_of(fields: Mapping[str, Any]) -> str:
    """`replay 5%, max_lr 3e-3`: the last part of each field's name, and its value.

    Changes inside a stage follow as `from german 120: replay 10%`.
    """
    ordered = sorted(fields.items(), key=lambda item: item[0].endswith(f".{CHANGES}"))
    return ", ".join(_labelled(field, value) for field, value in ordered)


def _labelled(field: str, value: Any) -> str:
    stage, _, name = field.rpartition(".")
    if name == CHANGES and stage and isinstance(value, list | tuple):
        return changes_text(value, stage)
    return f"{name} {_written(field, value)}"


def changes_text(changes: Sequence[Any], stage: str = "") -> str:
    """`from german 120: replay 10%`, from changes inside a stage as they are written."""
    return "; ".join(_change_text(change, stage) for change in changes)


def _change_text(change: Any, stage: str) -> str:
    if not isinstance(change, Mapping):  # it is refused where its recipe is made
        return str(change)
    fields = {name: value for name, value in change.items() if name != "from"}
    schedule = fields.pop("schedule", {})
    inner = schedule if isinstance(schedule, Mapping) else {"schedule": schedule}
    kind = {"schedule": inner["kind"]} if "kind" in inner else {}
    fields |= kind | {name: value for name, value in inner.items() if name != "kind"}
    place = str(change.get("from")).removesuffix(" steps")
    where = " ".join(filter(None, ("from", stage, place)))
    return f"{where}: {', '.join(f'{name} {as_text(value)}' for name, value in fields.items())}"


def _last(field: str) -> str:
    return field.rpartition(".")[2]


def _written(field: str, value: Any) -> str:
    """The value in a label. The labels of other lists stay as they are stored."""
    if field == KNOWS and not isinstance(value, Mapping):
        return stand_ins_text(value)
    if _last(field) == "trains":
        with suppress(ValueError):  # a wrong value is refused where its recipe is made
            return Trains.model_validate(value).text
    return as_text(value)


def as_text(value: Any) -> str:
    """A field's value for people; a mapping as its names and values, and its `kind` alone."""
    if isinstance(value, Mapping):
        return " ".join(
            str(inner) if name == "kind" else f"{name} {as_text(inner)}"
            for name, inner in value.items()
        )
    return f"{value:g}" if isinstance(value, float) else str(value)
