"""What is known of a recipe's tokenizer before its corpora are prepared."""

from __future__ import annotations

from raycl.data.tokenizer import Choice, TextTokenizer, known_tokenizer
from raycl.data.tokenizer.reference import is_hub_name, no_such_path
from raycl.errors import within
from raycl.recipe.schema import Recipe

_UNKNOWN_VOCABULARY = 50304
"""Taken for a tokenizer of the hub that is not on this machine yet."""


def tokenizer_choice(recipe: Recipe) -> Choice:
    """What the recipe says about a tokenizer that it loads."""
    return Choice(recipe.tokenizer.end_of_document, recipe.tokenizer.begin_of_document)


def tokenizer_facts(recipe: Recipe, where: str) -> TextTokenizer | None:
    """The tokenizer that the recipe loads, with its vocabulary, its end and its beginning.

    None where it is still to be trained, or is one of the hub that is not on this machine. Raises
    InputError where there is no such file, or it is no usable tokenizer; `where` names the recipe.
    """
    reference = recipe.tokenizer.load
    if reference is None:
        return None
    with within(where):
        found = known_tokenizer(reference, tokenizer_choice(recipe))
        if found is None and not is_hub_name(reference):
            raise no_such_path(reference)
    return found


def known_vocabulary(recipe: Recipe, where: str) -> int | None:
    """One more than the largest token id that the corpora will have; None where it is not known.

    Raises InputError as `tokenizer_facts`.
    """
    if recipe.tokenizer.train is not None:
        return recipe.tokenizer.train.vocabulary
    found = tokenizer_facts(recipe, where)
    return None if found is None else found.vocabulary


def planned_vocabulary(recipe: Recipe, where: str) -> int:
    """The vocabulary to plan with. Raises InputError as `tokenizer_facts`."""
    known = known_vocabulary(recipe, where)
    if known is not None:
        return known
    if recipe.model.pretrained is not None:
        return 1  # the checkpoint says its own
    return int(recipe.model.config.get("vocab_size", _UNKNOWN_VOCABULARY))
