"""Which weights a stage trains: all, those that patterns name, or adapters beside frozen ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.units import Count, Real

EMBEDDINGS = "embeddings"
"""The word that stands for the embedding of tokens and the output matrix, in place of a pattern."""
ALL_LINEAR = "all-linear"
"""The word that stands for every matrix of the blocks, in place of the names of matrices."""
_MOST_NAMES = 1000


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """In one order, so that two spellings of a set of names are one value."""
    return tuple(sorted(set(names)))


Names = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...],
    Field(min_length=1, max_length=_MOST_NAMES),
    BeforeValidator(_listed),
    AfterValidator(_distinct),
]


class Lora(Configuration):
    """Adapters of low rank beside frozen matrices (Hu et al. 2021): W + alpha / rank · B A."""

    rank: Count = Field(default=16, gt=0, le=65536, description="columns of B and rows of A")
    alpha: Real | None = Field(
        default=None, gt=0, le=1e9, description="alpha / rank scales B A; default: 2 · rank"
    )
    targets: Names = Field(
        default=(ALL_LINEAR,),
        description="matrices with an adapter, by the last part of their names",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_dropout(cls, data: Any) -> Any:
        for name in ("dropout", "lora_dropout"):
            if isinstance(data, Mapping) and name in data:
                raise FieldError(f"{name} is never used in a training", "Leave it out")
        return data

    @property
    def scale(self) -> float:
        """The factor on B A."""
        return 2.0 if self.alpha is None else self.alpha / self.rank

    @property
    def text(self) -> str:
        """For people, without what is the default."""
        alpha = "" if self.alpha in (None, 2 * self.rank) else f" alpha {self.alpha:g}"
        targets = "" if self.targets == (ALL_LINEAR,) else f" of {', '.join(self.targets)}"
        return f"lora rank {self.rank}{alpha}{targets}"


def _or_word(schema: dict[str, Any]) -> None:
    full = {key: schema.pop(key) for key in list(schema) if key not in ("title", "description")}
    schema["anyOf"] = [full, {"enum": ["all", EMBEDDINGS]}]


class Trains(Configuration):
    """What a stage trains; without a field, every weight."""

    only: Names | None = Field(default=None, description="patterns of the weights to train")
    freeze: Names | None = Field(default=None, description="patterns of the weights to keep")
    lora: Lora | None = Field(default=None, description="adapters of low rank, beside all weights")

    model_config = ConfigDict(json_schema_extra=_or_word)

    @model_validator(mode="before")
    @classmethod
    def _word(cls, data: Any) -> Any:
        if data == "all":
            return {}
        if data == EMBEDDINGS:
            return {"only": (EMBEDDINGS,)}
        if isinstance(data, Mapping | Trains):
            return data
        raise FieldError(
            "not what a stage can train",
            "Give all, embeddings, {only: PATTERNS}, {freeze: PATTERNS} or {lora: {rank: 16}}",
        )

    @model_validator(mode="after")
    def _one(self) -> Trains:
        if len(self.model_fields_set & {n for n, v in self if v is not None}) > 1:
            raise FieldError("a stage has one of only, freeze and lora", "Remove the others")
        return self

    @property
    def everything(self) -> bool:
        """Whether every weight is trained, as without the field."""
        return self.only is None and self.freeze is None and self.lora is None

    @property
    def field(self) -> Literal["all", "only", "freeze", "lora"]:
        """The field that is given."""
        if self.lora is not None:
            return "lora"
        return "only" if self.only is not None else "freeze" if self.freeze is not None else "all"

    @property
    def text(self) -> str:
        """For people: `embeddings`, `freeze *embed*`, `lora rank 8`."""
        if self.lora is not None:
            return self.lora.text
        if self.only == (EMBEDDINGS,):
            return EMBEDDINGS
        names = self.only or self.freeze
        return f"{self.field} {', '.join(names)}" if names else "all"

    def in_names(self) -> dict[str, Any]:
        """What names of states hold of it: the same for two spellings of one training."""
        if self.lora is not None:
            lora = self.lora
            return {"lora": [lora.rank, lora.scale, list(lora.targets)]}
        return {self.field: list(self.only or self.freeze or ())}

    @property
    def word(self) -> int:
        """A number of 63 bits to hash with each step of the stage: even, and 0 for `all` alone."""
        if self.everything:
            return 0
        text = json.dumps(["trains", self.in_names()], sort_keys=True)
        digest = hashlib.sha256(text.encode()).digest()[:8]
        return (int.from_bytes(digest, "big") >> 2 << 1) + 2


ALL = Trains()
"""Every weight is trained."""
