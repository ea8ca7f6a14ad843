"""What a recipe's seed varies, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.errors import InputError
from raycl.recipe.schema import Recipe


def seed_text(recipe: Recipe, variants: Sequence[Recipe] = ()) -> str:
    """A sentence for people on what another seed would change in a recipe and its variants."""
    rows = "rows come in the order of their corpora, which have seeds of their own"
    adapted = any(_draws_adapters(each) for each in (recipe, *variants))
    adapters = ["the first values of LoRA adapters"] if adapted else []
    if recipe.model.pretrained is None or recipe.model.weights == "random":
        drawn = " and ".join(["the initial weights", *adapters])
        return f"Seed {recipe.seed} draws {drawn}, and nothing else: {rows}."
    scratch = "scratch" in recipe.baselines
    from_scratch = ["the weights of the baseline from scratch"] if scratch else []
    varied = " and ".join(adapters + from_scratch)
    changes = f"{varied} alone" if varied else "nothing"
    return f"Seed {recipe.seed} changes {changes}: the model is pretrained, and {rows}."


def draws(recipe: Recipe) -> bool:
    """Whether anything of the recipe's training is drawn from its seed."""
    random = recipe.model.pretrained is None or recipe.model.weights == "random"
    return random or _draws_adapters(recipe)


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


def _draws_adapters(recipe: Recipe) -> bool:
    return any(stage.trains.lora is not None for stage in recipe.stages)
