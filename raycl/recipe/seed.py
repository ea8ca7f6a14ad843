"""What a recipe's seed varies, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.errors import InputError
from raycl.recipe.schema import Recipe


def seed_text(recipe: Recipe) -> str:
    """A sentence for people on what another seed would change in this recipe."""
    rows = "rows come in the order of their corpora, which have seeds of their own"
    if draws(recipe):
        return f"Seed {recipe.seed} draws {_drawn(recipe)}, and nothing else: {rows}."
    varied = "the weights of the baseline from scratch alone"
    if "scratch" not in recipe.baselines:
        varied = "nothing"
    return f"Seed {recipe.seed} changes {varied}: the model is pretrained, and {rows}."


def draws(recipe: Recipe) -> bool:
    """Whether anything of the recipe's training is drawn from its seed."""
    return bool(_drawn(recipe))


def _drawn(recipe: Recipe) -> str:
    random = recipe.model.pretrained is None or recipe.model.weights == "random"
    adapters = any(stage.trains.lora is not None for stage in recipe.stages)
    drawn = {"the initial weights": random, "the adapters' first weights": adapters}
    return " and ".join(words for words, holds in drawn.items() if holds)


def check_seeds(recipes: Sequence[Recipe]) -> None:
    """Raise InputError where recipes of a sweep differ in their seed alone and would be equal.

    With a pretrained model nothing is drawn but the first weights of adapters. Without these, such
    recipes would train the same steps once for each seed, and look like runs that vary by nothing.
    """
    seen: dict[Recipe, int] = {}
    for recipe in recipes:
        if draws(recipe):
            continue
        known = seen.setdefault(recipe.model_copy(update={"seed": 0}), recipe.seed)
        if known != recipe.seed:
            raise InputError(
                "sweep.seed",
                f"with a pretrained model the seed varies nothing: {known} and {recipe.seed} would "
                "be the same training",
                "Leave it out; to vary the order of rows, prepare the text as another corpus with "
                "another `seed`",
            )
