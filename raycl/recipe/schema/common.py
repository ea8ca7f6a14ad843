"""What several parts of a recipe share: limits, names, mappings, and forms of one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    Field,
)

from raycl.plan.frozen import frozen

_ANNOTATIONS = ("title", "description", "default")


def or_shorter(short: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """A change of a JSON schema: it then accepts `short` as well as the form it describes.

    Title, description and default stay outside of `anyOf`, since they hold for both forms.
    """

    def extend(schema: dict[str, Any]) -> None:
        full = {key: schema.pop(key) for key in list(schema) if key not in _ANNOTATIONS}
        schema["anyOf"] = [full, short]

    return extend


LONGEST_NAME = 100
"""Characters of a name that becomes a file's or a folder's. File systems take 255 bytes."""
LONGEST_LABEL = 2000
"""Characters of a recipe's label. What is longer cannot be read in a table."""
_LONGEST_PATH = 4096

Text = Annotated[str, Field(min_length=1, max_length=_LONGEST_PATH)]
"""A path, a URL or a name."""

LATER = "later"
"""The word in a field's name that stands for every stage but the first, as in `later.replay`."""


T = TypeVar("T")
FrozenMapping = Annotated[Mapping[str, T], AfterValidator(frozen)]
"""A mapping that cannot change and that has a hash, so that recipes and stages can be keys."""
