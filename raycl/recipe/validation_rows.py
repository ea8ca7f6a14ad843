"""What a plan says of the validation rows that a recipe leaves open."""

from __future__ import annotations

from collections.abc import Mapping

from raycl.plan.validation import error_on
from raycl.recipe.schema import Recipe
from raycl.recipe.stage_rows import CorpusFacts


def validation_text(recipe: Recipe, corpora: Mapping[str, CorpusFacts]) -> str:
    """How many rows are validated, and why; empty where the recipe says it."""
    if recipe.validation.is_counted:
        return ""
    rows = recipe.counted_validation.rows
    fewest = min((rows, *(c.validation_rows for c in corpora.values() if c.validation_rows)))
    error = error_on(fewest, recipe.sequence_length)
    fewer = [
        f"{n} has {c.validation_rows:,}" for n, c in corpora.items() if c.validation_rows < rows
    ]
    on = f"{fewest:,} rows" if fewer else "so many"
    there = f", or all there are ({', '.join(fewer)})" if fewer else ""
    return (
        f"Validation: {rows:,} rows of each corpus{there}. On {on} a difference between two "
        f"recipes has a standard error of about {error:.1g} nats/token; `validation: {{rows: …}}` "
        "gives another number."
    )
