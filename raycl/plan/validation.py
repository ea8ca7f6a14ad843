"""When and on how many rows a training is validated."""

from __future__ import annotations

from pydantic import Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.units import Count


class Validation(Configuration):
    """The same rows of every corpus, every time."""

    every: Count | None = Field(default=None, gt=0, description="steps between validations")
    rows: Count = Field(default=64, gt=0, description="rows per corpus")
    total_rows: Count | None = Field(
        default=None, gt=0, description="rows of all corpora together, in place of `rows`"
    )
    final_steps: Count = Field(
        default=1, gt=0, description="a final loss is the mean of those in this many last steps"
    )

    @model_validator(mode="after")
    def _one_number(self) -> Validation:
        if self.total_rows is not None and "rows" in self.model_fields_set:
            raise FieldError("both rows and total_rows are given", "Give one of them")
        return self

    def of_each(self, corpora: int) -> Validation:
        """With `rows` of each of that many corpora: equal parts of `total_rows`, at least one."""
        if self.total_rows is None:
            return self
        return self.model_copy(update={"rows": max(1, self.total_rows // corpora)})
