"""What a plan says of recipes that keep the documents of a packed row apart."""

from __future__ import annotations

from raycl.plan.documents import ACROSS
from raycl.recipe.schema import Recipe


def documents_text(recipe: Recipe) -> str:
    """What follows for losses and borders; empty where rows are read without looking at them."""
    if recipe.documents == ACROSS:
        return ""
    text = (
        "Attention and loss stop at the borders of documents, in validation too: the losses do not "
        "compare with those of attend_across."
    )
    if recipe.tokenizer.control_tokens == "tokens":
        text += (
            " With control_tokens: tokens, an end of a document that is written out in a text is a "
            "border as well, unless documents have a beginning and none follows it."
        )
    return text
