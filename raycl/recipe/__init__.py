"""Recipes: what a user writes, and what it means in training steps."""

from raycl.recipe.load import parse_recipe, read_yaml, with_field
from raycl.recipe.resolve import Resolver, resolve
from raycl.recipe.schema import Corpus, Recipe
from raycl.recipe.stage_rows import CorpusFacts
from raycl.recipe.variants import Variant, expand

__all__ = [
    "Corpus",
    "CorpusFacts",
    "Recipe",
    "Resolver",
    "Variant",
    "expand",
    "parse_recipe",
    "read_yaml",
    "resolve",
    "with_field",
]
