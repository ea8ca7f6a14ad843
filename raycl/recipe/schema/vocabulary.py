"""What a recipe makes of its pretrained model's vocabulary: more tokens, or other ones."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from raycl.errors import FieldError, shown
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import Text
from raycl.units import Count, parse_whole

_MOST = 10**7
_SAMPLE = 4_000_000


def _number_or_words(value: Any) -> int | tuple[str, ...] | None:
    """How many tokens to learn, or the words that become tokens as they are."""
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        number = parse_whole(value)
        if not 0 < number <= _MOST:
            raise FieldError(f"add {shown(value)} is not a number of tokens", "Give 4000")
        return number
    for word in value:
        if not isinstance(word, str) or not word:
            raise FieldError(f"{shown(word)} is no word", "Quote it, as in ['no']")
    if not value or len(set(value)) < len(value):
        raise FieldError("no words, or one that is there twice", "Give each new token once")
    return tuple(value)


_SCHEMA = {
    "anyOf": [{"type": ["integer", "string"]}, {"type": "array", "items": {"type": "string"}}]
}


class Vocabulary(Configuration):
    """Tokens that the pretrained model gets before it is trained, and rows for them."""

    add: Annotated[
        int | tuple[str, ...] | None, BeforeValidator(_number_or_words), WithJsonSchema(_SCHEMA)
    ] = Field(
        default=None,
        description="how many tokens to learn from text, or a list of words as they are",
    )
    tokenizer: Text | None = Field(
        default=None,
        min_length=1,
        description="another tokenizer in place of the model's own: tokenizer.json, its folder or "
        "a hub name",
    )
    sources: tuple[Text, ...] = Field(
        default=(),
        alias="from",
        description="corpora of the recipe to learn them from; default: all but those in `knows`",
    )
    initialize: Literal["mean", "weighted-mean"] = Field(
        default="mean", description="how a new row is made of those of the old tokens it stands for"
    )
    sample_bytes: Count = Field(default=_SAMPLE, gt=0, description="bytes read from each corpus")

    model_config = ConfigDict(serialize_by_alias=True)

    @model_validator(mode="after")
    def _one(self) -> Vocabulary:
        if (self.add is None) == (self.tokenizer is None):
            raise FieldError(
                "give either `add` or `tokenizer`",
                "Give add: 4000 for more tokens, or the folder of another tokenizer",
            )
        if self.tokenizer is not None and (self.sources or self.sample_bytes != _SAMPLE):
            raise FieldError(
                "`from` and `sample_bytes` are for tokens that are learned, and `tokenizer` names "
                "all of them",
                "Leave them out",
            )
        return self

    @model_validator(mode="after")
    def _learned(self) -> Vocabulary:
        if self.words and self.sources:
            raise FieldError(
                "`from` is for tokens that are learned, and `add` names words",
                "Leave `from` out, or give a number: add: 4000",
            )
        if len(set(self.sources)) < len(self.sources):
            raise FieldError("`from` names a corpus twice", "Name each corpus once")
        return self

    @property
    def learned(self) -> int:
        """Tokens to learn from text."""
        return self.add if isinstance(self.add, int) else 0

    @property
    def words(self) -> tuple[str, ...]:
        """Tokens that are given as they are."""
        return self.add if isinstance(self.add, tuple) else ()
