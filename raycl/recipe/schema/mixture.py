"""The mixture of a stage's new data: one, or two with a change from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, WrapValidator, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import FrozenMapping
from raycl.units import PhaseLength, Weight

_ENDS = ("from", "to")
_MOST_PLACES = 1000


class ChangingMixture(Configuration):
    """A mixture that becomes another one inside the stage."""

    before: FrozenMapping[Weight] = Field(alias="from", min_length=1, description="the first one")
    to: FrozenMapping[Weight] = Field(min_length=1, description="the last one")
    how: Literal["linear", "stepped"] = Field(
        default="linear", description="all the time, or by equal steps at some places"
    )
    at: tuple[PhaseLength, ...] = Field(
        default=(),
        max_length=_MOST_PLACES,
        description="linear: where the change begins and ends, by default with the stage; stepped: "
        "where it steps",
    )

    model_config = ConfigDict(serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _single(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("at"), str | int | float):
            return {**data, "at": [data["at"]]}
        return data

    @model_validator(mode="after")
    def _places(self) -> ChangingMixture:
        if self.how == "linear" and len(self.at) not in (0, 2):
            raise FieldError(
                "a linear change has a beginning and an end", "Give two lengths, [10%, 50%]"
            )
        if self.how == "stepped" and not self.at:
            raise FieldError("a stepped change without its places", "Give at: [50%]")
        return self


def is_changing(value: Any) -> bool:
    """Whether a written mixture has two, and not corpora that are called `from` and `to`."""
    if not isinstance(value, Mapping):
        return isinstance(value, ChangingMixture)
    return any(isinstance(value.get(end), Mapping) for end in _ENDS)


_FIXED: TypeAdapter[Mapping[str, Fraction]] = TypeAdapter(FrozenMapping[Weight])


def _either(value: Any, _: Any) -> Mapping[str, Fraction] | ChangingMixture:
    """The one that is meant, so that an error is of it alone, and not of both."""
    if is_changing(value):
        return ChangingMixture.model_validate(value)
    return _FIXED.validate_python(value)


StageMixture = Annotated[FrozenMapping[Weight] | ChangingMixture, WrapValidator(_either)]
