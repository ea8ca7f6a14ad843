"""When and on how many rows a training is validated."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.units import Count, Real

_FEWEST, _MOST = 64, 4096
_SHARE_OF_TIME = 0.1
_COST_OF_A_ROW = 1 / 3
"""A row of validation costs a third of one of training: no gradient is computed."""
_SPREAD, _TOKENS = 0.16, 128
"""Standard deviation of the difference between two models' losses on a row of so many tokens
(nats/token), doubled since rows of one document resemble each other: docs/validation.md has what
was measured."""
STANDARD_ERROR = 0.01


def _without_default(schema: dict[str, Any]) -> None:
    """The number in the class is for trainings without a recipe: a recipe's depends on it."""
    schema.pop("default", None)


class Validation(Configuration):
    """The same rows of every corpus, every time."""

    every: Count | None = Field(default=None, gt=0, description="steps between validations")
    rows: Count = Field(
        default=_FEWEST,
        gt=0,
        description="rows per corpus; where neither `rows` nor `total_rows` is given, as many as "
        "`standard_error` needs",
        json_schema_extra=_without_default,
    )
    total_rows: Count | None = Field(
        default=None, gt=0, description="rows of all corpora together, in place of `rows`"
    )
    standard_error: Real | None = Field(
        default=None,
        gt=0,
        lt=10,
        description="nats/token: the standard error that a difference between two recipes is to "
        f"have, in place of `rows`; {STANDARD_ERROR} where nothing is given",
    )
    final_steps: Count = Field(
        default=1, gt=0, description="a final loss is the mean of those in this many last steps"
    )

    @model_validator(mode="after")
    def _one_number(self) -> Validation:
        given = {
            "rows": "rows" in self.model_fields_set,
            "total_rows": self.total_rows is not None,
            "standard_error": self.standard_error is not None,
        }
        twice = [name for name, there in given.items() if there]
        if len(twice) > 1:
            raise FieldError(f"both {twice[0]} and {twice[1]} are given", "Give one of them")
        return self

    @property
    def is_counted(self) -> bool:
        """Whether a number of rows is given; else it follows from a standard error."""
        return "rows" in self.model_fields_set or self.total_rows is not None

    def of_each(self, corpora: int, sequence_length: int, rows_per_step: int) -> Validation:
        """With `rows` of each of that many corpora, which every training of a sweep validates on.

        Equal parts of `total_rows`, at least one; or the rows that give the standard error. Neither
        depends on anything that is trained. `rows_per_step` is the global batch.
        """
        if self.total_rows is not None:
            return self._on(max(1, self.total_rows // corpora))
        if self.is_counted:
            return self
        wanted = rows_for(self.standard_error or STANDARD_ERROR, sequence_length)
        if self.standard_error is None and self.every is not None:
            paid = _SHARE_OF_TIME * self.every * rows_per_step / _COST_OF_A_ROW / corpora
            wanted = max(_FEWEST, min(wanted, _power_of_two_below(paid)))
        return self._on(wanted)

    def _on(self, rows: int) -> Validation:
        return self.model_copy(update={"rows": rows})


def rows_for(standard_error: float, sequence_length: int) -> int:
    """Rows on which a difference between two models has about this standard error (nats/token).

    (s / standard error)², with s² = spread² · 128 / sequence length: rows of any length with as
    many tokens together are as sure. Rounded up to a power of two from 64 to 4,096, so that
    recipes of about one length have one number.
    """
    spread = _SPREAD * math.sqrt(_TOKENS / sequence_length)
    # Compared before it is squared: a standard error near zero gives a number beyond all floats.
    if spread >= standard_error * math.sqrt(_MOST):
        return _MOST
    wanted = (spread / standard_error) ** 2
    return max(_FEWEST, int(2 ** math.ceil(math.log2(max(wanted, 1.0)))))


def error_on(rows: int, sequence_length: int) -> float:
    """The standard error (nats/token) that `rows_for` expects of a difference on so many rows."""
    return _SPREAD * math.sqrt(_TOKENS / sequence_length / rows)


def _power_of_two_below(value: float) -> int:
    return int(2 ** math.floor(math.log2(value))) if value >= 1 else 1
