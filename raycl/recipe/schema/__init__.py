"""What a user writes: a recipe, its corpora, model, stages, validation and sweep."""

from raycl.recipe.schema.common import LATER, LONGEST_LABEL
from raycl.recipe.schema.corpus import Corpus
from raycl.recipe.schema.merge import Merge
from raycl.recipe.schema.merge_search import MergeSearch
from raycl.recipe.schema.mixture import ChangingMixture
from raycl.recipe.schema.model import Model
from raycl.recipe.schema.recipe import Recipe
from raycl.recipe.schema.stage import Stage, Workers

__all__ = [
    "LATER",
    "LONGEST_LABEL",
    "ChangingMixture",
    "Corpus",
    "Merge",
    "MergeSearch",
    "Model",
    "Recipe",
    "Stage",
    "Workers",
]
