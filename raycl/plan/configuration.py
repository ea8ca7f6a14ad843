"""What every part of a recipe's configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Configuration(BaseModel):
    """Fields that are checked once, when they are read, and never change afterwards.

    An unknown field is refused, since it is a slip of the pen far more often than a wish. Defaults
    are checked as well, so that a default is written in the same way as a user would write it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
