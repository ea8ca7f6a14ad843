"""The merge search of a sweep: which states are merged, from which base, and what it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from raycl.errors import InputError, within
from raycl.plan.merge_method import START, MergeMethod, merged_name
from raycl.plan.training import Training
from raycl.recipe.alone import new_shares
from raycl.recipe.merges import base_of
from raycl.recipe.schema import MergeSearch, Recipe
from raycl.recipe.schema.merge_search import AVERAGE
from raycl.recipe.variants import Variant
from raycl.storage import layout

BEST_MERGE = "best merge"
"""The label of the row of the merge that was found."""


@dataclass(frozen=True)
class PlannedMergeSearch:
    """A search over the weights of the models that were trained on one corpus each."""

    settings: MergeSearch
    partner: str
    """The base as a recipe says it."""
    base: str
    """The same as a state, or as the folder in the storage of a pretrained model."""
    shares: Mapping[str, Fraction]
    """The corpora, and the share that each has of the stage as it is written."""
    recipes: tuple[str, ...]
    """By corpus, the label of the recipe with it alone."""
    models: tuple[str, ...]
    """By corpus, the state at that recipe's end."""
    steps: int
    """Steps of all these recipes after the last hand-off: as many as the stage has."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The states that merges are made of."""
        is_start = self.base.startswith(layout.start(""))
        return self.models if is_start else (self.base, *self.models)

    @property
    def even(self) -> tuple[Fraction, ...]:
        """The weights with which the merge is the mean of the models, to three digits."""
        return (Fraction(f"{1 / len(self.models):.3g}"),) * len(self.models)

    def method(self, weights: Sequence[Fraction]) -> MergeMethod:
        """The merge with a weight for each corpus."""
        return MergeMethod("task-arithmetic", weights=tuple(weights))

    def name(self, weights: Sequence[Fraction]) -> str:
        """The name of the merged state with a weight for each corpus."""
        method, models = self.method(weights).in_order(self.models)
        return merged_name(method, self.base, models)


def planned_search(
    recipe: Recipe, variants: Sequence[Variant], trainings: Mapping[str, Training]
) -> PlannedMergeSearch | None:
    """The merge search that a recipe asks for; None where it asks for none.

    Raises InputError for a base that the recipe does not have, and an objective without corpus.
    """
    settings = recipe.merge_search
    if settings is None:
        return None
    if settings.objective not in (AVERAGE, *recipe.corpora):
        known = ", ".join([AVERAGE, *recipe.corpora])
        where = f"merge_search.objective {settings.objective!r}"
        raise InputError(where, "no corpus of the recipe", f"Give one of: {known}")
    recipes = tuple(variant.label for variant in variants if variant.kind == "alone")
    chains = [trainings[label].chain for label in recipes]
    earlier = [stage.name for stage in recipe.stages[:-1]]
    partner = settings.base or (earlier[-1] if earlier else START)
    with within("merge_search.base"):
        if partner not in (START, *earlier):
            remedy = f"Give {', '.join([*earlier, START])}"
            raise InputError(partner, "neither `start` nor an earlier stage", remedy)
        base = base_of(partner, trainings[recipes[0]])
    return PlannedMergeSearch(
        settings,
        partner,
        base,
        new_shares(recipe),
        recipes,
        tuple(chain.name(chain.steps) for chain in chains),
        sum(chain.steps - chain.starts[-2] for chain in chains),
    )
