"""What a pretrained model has read before the first stage, as far as stand-in corpora say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from raycl.errors import InputError
from raycl.recipe.lengths import tokens_per_step
from raycl.recipe.past import Past
from raycl.recipe.schema import Recipe
from raycl.recipe.stage_rows import CorpusFacts


def known_before(recipe: Recipe, corpora: Mapping[str, CorpusFacts]) -> Past:
    """The past of the first stage: all rows of each stand-in are seen, and none is read yet.

    A stand-in counts with the tokens that the recipe gives, and else with its own rows, read once.
    Raises InputError where one is no corpus of the recipe, or has no training rows.
    """
    past = Past()
    for corpus, tokens in recipe.model.knows.items():
        if corpus not in recipe.corpora:
            raise InputError(
                f"model.knows.{corpus}",
                "no such corpus",
                f"Add its text to corpora; corpora of this recipe: {', '.join(recipe.corpora)}",
            )
        rows = corpora[corpus].rows
        if rows == 0:
            problem = "the corpus has no training rows, so it can stand in for nothing"
            raise InputError(f"model.knows.{corpus}", problem, "Give it more text")
        steps = Fraction(rows, recipe.rows_per_step)
        if tokens is not None:
            steps = Fraction(tokens, tokens_per_step(recipe))
        past.seen[corpus] = rows
        past.mixes.append((steps, {corpus: Fraction(1)}))
    return past


def stand_in_weights(recipe: Recipe) -> dict[str, Fraction]:
    """Each stand-in's share of the old side of results: by tokens where given, else alike."""
    counted = {corpus: Fraction(tokens or 1) for corpus, tokens in recipe.model.knows.items()}
    total = sum(counted.values())
    return {corpus: weight / total for corpus, weight in counted.items()}


def asks_for_start(recipe: Recipe) -> bool:
    """Whether the recipe's baseline `previous` is the model as it came, without its one stage.

    Its losses are those before the first step of the recipes, so nothing is trained for it.
    """
    return "previous" in recipe.baselines and len(recipe.stages) == 1 and bool(recipe.model.knows)


def knows_texts(base: Recipe, recipes: Sequence[Recipe]) -> list[str]:
    """Sentences for people on what `recipes` take for old data, which a sweep makes of `base`."""
    names = sorted({name for recipe in recipes for name in recipe.model.knows})
    if not names:
        return []
    verb, them = ("stands in", "it") if len(names) == 1 else ("stand in", "them")
    said = [
        f"{' and '.join(names)} {verb} for what the model was trained on before: replay, "
        f"forgetting and averages take {them} for old data."
    ]
    if asks_for_start(base):
        said.append("The baseline `previous` is the model as it came: it needs no training.")
    return said
