"""Whom a sweep tells what happens to it: a webhook, whose URL is never a part of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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
    on: tuple[Occasion, ...] = Field(
        default=OCCASIONS,
        min_length=1,
        description="`end`: the sweep has ended, well or not; `failure`: a node has failed for "
        "good; `best`: a recipe is better than all finished ones by the sweep's objective",
    )
