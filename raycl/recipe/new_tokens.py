"""Which vocabulary recipes give to their pretrained model: all of a command the same one."""

from __future__ import annotations

from collections.abc import Iterable

from raycl.errors import InputError
from raycl.models.extension_request import NewTokens, OtherTokenizer
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.seeds import base_name
from raycl.recipe.tokenizer_facts import tokenizer_choice

_WHERE = "model.vocabulary"


def new_tokens(recipe: Recipe) -> NewTokens | OtherTokenizer | None:
    """What a recipe's model gets; None where its vocabulary stays as it is.

    Raises InputError where they are to be learned from a corpus that the recipe does not have.
    """
    wanted = recipe.model.vocabulary
    if wanted is None:
        return None
    if wanted.tokenizer is not None:
        return OtherTokenizer(wanted.tokenizer, tokenizer_choice(recipe), wanted.initialize)
    corpora = _corpora(recipe) if wanted.learned else ()
    return NewTokens(wanted.learned, wanted.words, corpora, wanted.initialize, wanted.sample_bytes)


def shared_new_tokens(recipes: Iterable[Recipe]) -> NewTokens | OtherTokenizer | None:
    """What the models of all recipes get; None where none gets anything.

    Raises InputError where recipes differ in it: their corpora are prepared with one tokenizer.
    """
    found = dict.fromkeys(new_tokens(recipe) for recipe in recipes if recipe.model.pretrained)
    if len(found) > 1:
        raise InputError(
            _WHERE,
            "recipes that are trained in one go would have different tokenizers",
            "Give all of them the same new tokens, with `from` where `knows` differs; to compare "
            "vocabularies, give each a storage of its own",
        )
    return next(iter(found), None)


def _corpora(recipe: Recipe) -> tuple[str, ...]:
    """The corpora to learn from, in the order of their names, on which nothing depends."""
    wanted = recipe.model.vocabulary
    given = wanted.sources if wanted is not None else ()
    # Of the names in the recipe file: all seeds of a recipe have the same tokens.
    names = {name: base_name(name, corpus) for name, corpus in recipe.corpora.items()}
    for corpus in given:
        if corpus not in names.values():
            known = ", ".join(names.values())
            problem = f"no corpus {corpus!r}"
            raise InputError(f"{_WHERE}.from", problem, f"Corpora of this recipe: {known}")
    found = given or [base for name, base in names.items() if name not in recipe.model.knows]
    if not found:
        problem = "model.knows names every corpus, so that none is left to learn tokens from"
        raise InputError(f"{_WHERE}.from", problem, "Name one or more corpora of the recipe")
    return tuple(sorted(found))
