"""The tokenizer of the models that recipes continue from, and whether recipes keep to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raycl.data.tokenizer import Choice, known_tokenizer
from raycl.data.tokenizer.differences import difference
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.recipe.schema import Recipe
from raycl.recipe.tokenizer_facts import tokenizer_choice

_ANOTHER = (
    "Leave `tokenizer` out, which takes the model's own; a model gets another tokenizer by "
    "`model.vocabulary: {tokenizer: …}`, and new tokens by `{add: …}`; or by `raycl models extend`"
)


def own_tokenizer(
    recipes: Iterable[Recipe], files: Mapping[str, TokenizerFiles | None]
) -> tuple[TokenizerFiles | None, list[str]]:
    """The tokenizer of the models that `recipes` continue from, and sentences for the user.

    `files` are those of each model's tokenizer, by the reference in the recipe. The result is one:
    a sweep's corpora are prepared once. None where none of the models brings a tokenizer. Raises
    InputError where models have different ones, and where a recipe names another one than its
    model's or leaves it to a model without one.
    """
    own: TokenizerFiles | None = None
    notes: dict[str, None] = {}
    for recipe in recipes:
        name = recipe.model.pretrained
        if name is None:
            continue
        found = files[name]
        if found is None:
            notes[_not_compared(recipe, name)] = None
            continue
        check_own(recipe, found)
        own = found if own is None else _one(own, found, recipe)
    return own, list(notes)


def check_own(recipe: Recipe, own: TokenizerFiles) -> None:
    """Raise InputError where a recipe names a tokenizer that writes other ids than the model's own.

    Random weights may learn any tokens. A tokenizer that is not on this machine is compared when
    it is.
    """
    chosen = recipe.tokenizer
    if chosen.is_own or recipe.model.weights == "random":
        return
    if chosen.load is None:
        raise InputError(
            "tokenizer.train",
            f"it would be another tokenizer than that of the model {recipe.model.pretrained!r}, "
            "whose weights would stand for other tokens",
            _ANOTHER,
        )
    known = known_tokenizer(chosen.load, tokenizer_choice(recipe))
    if known is not None:
        refuse_another(chosen.load, known.files, own)


def refuse_another(reference: str, given: TokenizerFiles, own: TokenizerFiles) -> None:
    """Raise InputError where the tokenizer `given` writes text otherwise than the model's own."""
    words = difference(own, given)
    if words:
        raise InputError(
            f"tokenizer {reference!r}",
            f"not that of the model {own.where!r}: {words}",
            _ANOTHER,
        )


def _one(first: TokenizerFiles, second: TokenizerFiles, recipe: Recipe) -> TokenizerFiles:
    """The first of two models' tokenizers. Raises InputError where the second is another."""
    where = f"model.pretrained {second.where!r}"
    remedy = "Continue from each of them in a sweep of its own, with a storage of its own"
    words = difference(first, second)
    if words:
        raise InputError(where, f"another tokenizer than that of {first.where!r}: {words}", remedy)
    choice = tokenizer_choice(recipe) if recipe.tokenizer.is_own else Choice()
    if recipe.tokenizer.is_own:
        one, other = (make_tokenizer(files, choice).policy for files in (first, second))
        if (one.end, one.begin) != (other.end, other.begin):
            raise InputError(
                where,
                f"its {other.described}; with {first.where!r}, {one.described}",
                "Set tokenizer.end_of_document and tokenizer.begin_of_document in the recipe",
            )
    return first


def _not_compared(recipe: Recipe, name: str) -> str:
    """The sentence about a model without a tokenizer. Raises InputError where none is given."""
    if recipe.tokenizer.is_own:
        raise InputError(
            "tokenizer",
            f"the recipe leaves it to the model {name!r}, and no tokenizer came with that",
            "Give the folder or the hub name of the model's tokenizer",
        )
    return (
        f"model.pretrained {name!r}: no tokenizer came with it, so that nobody can say whether the "
        "recipe's is the one that it was trained with"
    )
