"""The corpora of a recipe by the number of its `seeds`: those of two numbers never meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raycl.data.manifest import Manifest
from raycl.data.prepare import conflicts
from raycl.recipe import Recipe
from raycl.recipe.schema.seeds import number_of
from raycl.storage import Storage

Report = Callable[[str], None]


def report_conflicts(
    storage: Storage, manifests: Mapping[str, Manifest], report: Report, recipe: Recipe
) -> None:
    """Tell of corpora of one recipe, each prepared without the other, that disagree on a split.

    Corpora of different seeds never meet in a training, and are not compared.
    """
    for names in by_seed(recipe):
        for sentence in conflicts(storage, {n: manifests[n] for n in names if n in manifests}):
            report(f"Careful: {sentence}.")


def by_seed(recipe: Recipe) -> list[list[str]]:
    """The names of the recipe's corpora, those of one of its seeds together, number 0 first."""
    groups: dict[int, list[str]] = {}
    for name, corpus in recipe.corpora.items():
        groups.setdefault(number_of(corpus), []).append(name)
    return [groups[number] for number in sorted(groups)]
