"""Fields of a valid recipe that would have no effect, or that only a started cluster would refuse.

They are checked where a user gives a recipe. The recipe of a stored sweep is read without these
checks, so that its results can always be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from raycl.data.corpora import names as fetched
from raycl.errors import InputError, shown, within
from raycl.recipe.overlap import check_grids, check_overrides
from raycl.recipe.schema import LATER, Recipe
from raycl.recipe.search import LABEL

_FIXED = {
    "name": "results of one sweep have one name",
    "seeds": "every recipe is trained with the same seeds",
    "corpora": "a storage holds each corpus once, by its name",
    "tokenizer": "the corpora of a storage are prepared with one tokenizer",
    "sequence_length": "the corpora of a storage are prepared with one length",
    "documents": "losses within documents and across them are means over other tokens",
    "validation": "it changes no state, and losses on other rows do not compare",
    "baselines": "it is no field of one recipe",
    "merge": "every recipe is merged in the same ways, after its training",
    "merge_search": "it is made of the recipe as it is written",
    "sweep": "it is no field of one recipe",
    "search": "it is no field of one recipe",
    "trackers": "they follow the sweep as a whole",
    "notify": "it is told of the sweep as a whole",
}
"""Fields that all recipes of a sweep share, and why."""
_STAGE_FIXED = {
    "name": "a stage's name changes no state",
    "workers": "the number of workers changes no state",
}
_VARIES = "execution.precision"
"""The only field of `execution` on which a state depends."""


def check_fields(recipe: Recipe, where: str, overrides: Sequence[str] = ()) -> None:
    """Raise InputError for a corpus that cannot be fetched, or a sweep that makes equal rows.

    `overrides` are the fields that were overridden, which must have an effect as well.
    """
    check_overrides(recipe, overrides)
    with within(where):
        for name, corpus in recipe.corpora.items():
            if corpus.fetch is not None and corpus.fetch not in fetched():
                place = f"corpora.{name}.fetch {corpus.fetch!r}"
                raise InputError(place, "not known", f"Known: {', '.join(fetched())}")
        for grid in recipe.sweep:
            label = str(grid.get(LABEL, "x"))
            if label != " ".join(label.split()):
                problem = f"{shown(label)} has spaces that no table shows"
                raise InputError("sweep.label", problem, "Give words with one space in between")
            for field in grid:
                if field != LABEL:
                    _check_varies(recipe, field)
        check_grids(recipe)


def _check_varies(recipe: Recipe, field: str) -> None:
    fixed = why_fixed(recipe, field)
    if fixed is not None:
        reason, remedy = fixed
        raise InputError(f"sweep.{field}", f"cannot be swept: {reason}", remedy)


def why_fixed(recipe: Recipe, field: str) -> tuple[str, str] | None:
    """Why all recipes of a sweep must share a field, and what to do; None where they may differ."""
    first, _, rest = field.partition(".")
    stages = {stage.name for stage in recipe.stages} | {LATER}
    remedy = "Write it outside the sweep; to compare two values, give two recipes two storages"
    if first in stages:
        reason = _STAGE_FIXED.get(rest.partition(".")[0])
        remedy = "Write it in the stage, outside the sweep"
    elif first == "execution" and field != _VARIES:
        reason = "it changes how a state is computed, and not which one"
        remedy = f"Write it outside the sweep; only {_VARIES} can be swept"
    elif first == "model" and rest.partition(".")[0] == "vocabulary":
        reason = _FIXED["tokenizer"]
    else:
        reason = _FIXED.get(first)
    return None if reason is None else (reason, remedy)
