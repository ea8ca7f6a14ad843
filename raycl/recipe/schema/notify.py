"""Whom a sweep tells what happens to it: a webhook, whose URL is never a part of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from raycl.errors import InputError
from raycl.plan.configuration import Configuration

Occasion = Literal["end", "failure", "best"]
OCCASIONS: tuple[Occasion, ...] = ("end", "failure", "best")


class Notify(Configuration):
    """Messages to a webhook, as Slack and Mattermost have them."""

    url_variable: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=100,
        description="name of the environment variable that holds the webhook's URL. The URL itself "
        "is a secret: whoever knows it can write there",
    )
    events: tuple[Occasion, ...] = Field(
        default=OCCASIONS,
        min_length=1,
        description="`end`: the sweep has ended, well or not; `failure`: a node has failed for "
        "good; `best`: a recipe is better than all finished ones by the sweep's objective",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_url(cls, data: Any) -> Any:
        given = data.values() if isinstance(data, Mapping) else [data]
        if any(isinstance(value, str) and "/" in value for value in given):
            # Not a FieldError, whose message would repeat the URL.
            raise InputError(
                "notify",
                "a URL stands there, which is a secret that results and jobs would repeat",
                "Set it as a variable of the environment, and give the variable's name: "
                "{url_variable: SLACK_WEBHOOK}",
            )
        return data
