"""Whether recipes are equal, told by small numbers instead of by comparing each with each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from pydantic import BaseModel


class Contents:
    """A number for each content: equal values have equal numbers, whatever object holds them.

    Recipes of a sweep share most of their parts, and an object that was seen is not looked into
    again.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._seen: dict[int, tuple[Any, int]] = {}
        """By identity; with the object, so that it is not another's before this is gone."""

    def number(self, value: Any) -> int:
        """The number of a value's content."""
        if id(value) not in self._seen:
            content = _hashable(value)
            self._seen[id(value)] = value, self._numbers.setdefault(content, len(self._numbers))
        return self._seen[id(value)][1]

    def key(self, model: BaseModel) -> tuple[int, ...]:
        """The numbers of a model's fields, and of what is in a field that is a tuple."""
        numbers: list[int] = []
        for value in model.__dict__.values():
            parts = value if isinstance(value, tuple) else (value,)
            numbers += [len(parts), *map(self.number, parts)]
        return tuple(numbers)


def _hashable(value: Any) -> Hashable:
    if isinstance(value, BaseModel):
        return type(value), *(_hashable(part) for part in value.__dict__.values())
    if isinstance(value, Mapping):
        return frozenset((key, _hashable(part)) for key, part in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value
