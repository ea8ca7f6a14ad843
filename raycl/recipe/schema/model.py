"""The model of a recipe, and its tokenizer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from raycl.errors import FieldError, shown
from raycl.plan.configuration import Configuration
from raycl.plan.frozen import FrozenDict
from raycl.recipe.schema.common import (
    FrozenMapping,
    Text,
    or_shorter,
)
from raycl.recipe.schema.short_forms import model_form, tokenizer_form
from raycl.recipe.schema.stand_ins import StandIns
from raycl.recipe.schema.vocabulary import Vocabulary
from raycl.units import (
    Count,
    Share,
    parse_real,
)

_LARGEST_VOCABULARY = 10**8
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")


def _exponents_read(value: Any) -> Any:
    """Text such as 1e-5 as the number that it is: YAML takes it for text without a point."""
    if isinstance(value, Mapping):
        return {name: _exponents_read(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exponents_read(inner) for inner in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return parse_real(value)
    return value


class Model(Configuration):
    """The model: a preset or a Hugging Face configuration from random weights, or a checkpoint."""

    preset: Text | None = Field(default=None, description="name of a preset, such as gpt-neox-405m")
    config: Annotated[FrozenMapping[Any], BeforeValidator(_exponents_read)] = Field(
        default_factory=FrozenDict,
        description="Hugging Face configuration; together with a preset, what differs from it",
    )
    pretrained: Text | None = Field(
        default=None,
        description="a checkpoint to continue from: its folder, its hub name, or its identifier in "
        "the storage",
    )
    weights: Literal["pretrained", "random"] = Field(
        default="pretrained",
        description="`random`: take only the configuration of `pretrained`, as the baseline "
        "`scratch` does",
    )
    knows: StandIns = Field(
        default_factory=FrozenDict,
        description="corpora that stand in for what `pretrained` was trained on: replay and "
        "forgetting count them as old data; with tokens, {english: 2T}, they are weighed by these",
    )
    vocabulary: Vocabulary | None = Field(
        default=None,
        description="new tokens, or another tokenizer, that `pretrained` gets before it is "
        "trained: such a model is made once, and is then the start",
    )

    model_config = ConfigDict(json_schema_extra=or_shorter({"type": "string"}))

    _name_alone = model_validator(mode="before")(model_form)

    @model_validator(mode="after")
    def _new_tokens(self) -> Model:
        if self.vocabulary is not None and self.pretrained is None:
            raise FieldError(
                "vocabulary is about a pretrained model, and there is none",
                "Leave it out: random weights may learn any tokens; or give `pretrained`",
            )
        return self

    @model_validator(mode="after")
    def _vocabulary_size(self) -> Model:
        size = self.config.get("vocab_size", 1)
        # bool is an int in Python.
        if type(size) is not int or not 0 < size <= _LARGEST_VOCABULARY:
            raise FieldError(
                f"config.vocab_size {shown(size)} is not a number of tokens", "Give 50304"
            )
        return self

    @model_validator(mode="after")
    def _weights(self) -> Model:
        if self.weights == "random" and self.pretrained is None:
            raise FieldError(
                "weights: random is about a pretrained model, and there is none",
                "Leave it out: a preset or a configuration begins with random weights anyway",
            )
        return self

    @model_validator(mode="after")
    def _stand_ins(self) -> Model:
        if self.knows and self.pretrained is None:
            raise FieldError(
                "knows is about a pretrained model, and there is none",
                "Leave it out: random weights know nothing; or give `pretrained`",
            )
        if self.knows and self.weights == "random":
            raise FieldError(
                "knows and weights: random: random weights know nothing", "Leave one of them out"
            )
        return self


class TrainTokenizer(Configuration):
    """Train a byte-level BPE on the corpora of the recipe."""

    vocabulary: Count = Field(gt=256, le=_LARGEST_VOCABULARY, description="number of tokens")
    sample_bytes: Count = Field(default=4_000_000, gt=0, description="bytes read from each corpus")


class Tokenizer(Configuration):
    """The source of the tokenizer: `load` or `train`; by default the pretrained model's own."""

    load: Text | None = Field(default=None, description="tokenizer.json, its folder or a hub name")
    train: TrainTokenizer | None = Field(
        default=None, description="train a byte-level BPE on the recipe's corpora"
    )
    end_of_document: Text | None = Field(
        default=None, min_length=1, description="token after each document; default: its own"
    )
    begin_of_document: Text | None = Field(
        default=None, min_length=1, description="token before each document, or none; its own"
    )
    control_tokens: Literal["text", "tokens"] | None = Field(
        default=None,
        description="what a control token that stands in a text becomes: its letters (`text`, the "
        "default) or the token itself (`tokens`)",
    )
    unknown: Share = Field(
        default=Fraction(1, 1000),
        ge=0,
        le=1,
        description="share of a corpus' bytes that the tokenizer may be unable to write",
    )

    model_config = ConfigDict(json_schema_extra=or_shorter({"type": "string"}))

    _name_alone = model_validator(mode="before")(tokenizer_form)

    @model_validator(mode="after")
    def _one(self) -> Tokenizer:
        if self.load is not None and self.train is not None:
            raise FieldError(
                "give either `load` or `train`", "Give a tokenizer.json, its folder or a hub name"
            )
        chosen = self.end_of_document or self.begin_of_document or self.control_tokens
        if self.train is not None and chosen:
            raise FieldError(
                "end_of_document, begin_of_document and control_tokens are for a tokenizer that is "
                "loaded",
                "Leave them out: one that raycl trains has a token of its own",
            )
        return self

    @property
    def is_own(self) -> bool:
        """Whether it is the tokenizer of the model that the recipe continues from."""
        return self.load is None and self.train is None
