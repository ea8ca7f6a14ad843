"""What is known of a recipe's tokenizer before its corpora are prepared."""

from __future__ import annotations

from raycl.data.tokenizer import Choice, TextTokenizer, known_tokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.reference import is_hub_name, no_such_path
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import within
from raycl.recipe.schema import Recipe

_UNKNOWN_VOCABULARY = 50304
"""Taken for a tokenizer of the hub that is not on this machine yet."""


def tokenizer_choice(recipe: Recipe) -> Choice:
    """What the recipe says about a tokenizer that it loads."""
    given = recipe.tokenizer
    return Choice(given.end_of_document, given.begin_of_document, given.control_tokens)


def tokenizer_facts(
    recipe: Recipe, where: str, own: TokenizerFiles | None = None
) -> TextTokenizer | None:
    """The tokenizer that the recipe loads, with its vocabulary, its end and its beginning.

    `own` is that of the model which the recipe continues from. None where the tokenizer is still to
    be trained, is not known here, or is one of the hub that is not on this machine. Raises
    InputError where there is no such file, or it is no usable tokenizer; `where` names the recipe.
    """
    if recipe.tokenizer.is_own and own is not None:
        with within(where):
            return make_tokenizer(own, tokenizer_choice(recipe))
    reference = recipe.tokenizer.load
    if reference is None:
        return None
    with within(where):
        found = known_tokenizer(reference, tokenizer_choice(recipe))
        if found is None and not is_hub_name(reference):
            raise no_such_path(reference)
    return found


def known_vocabulary(recipe: Recipe, where: str, own: TokenizerFiles | None = None) -> int | None:
    """One more than the largest token id that the corpora will have; None where it is not known.

    Raises InputError as `tokenizer_facts`.
    """
    if recipe.tokenizer.train is not None:
        return recipe.tokenizer.train.vocabulary
    found = tokenizer_facts(recipe, where, own)
    return None if found is None else found.vocabulary


def planned_vocabulary(recipe: Recipe, where: str) -> int:
    """The vocabulary to plan with. Raises InputError as `tokenizer_facts`."""
    known = known_vocabulary(recipe, where)
    if known is not None:
        return known
    if recipe.model.pretrained is not None:
        return 1  # the checkpoint says its own
    return int(recipe.model.config.get("vocab_size", _UNKNOWN_VOCABULARY))
