"""Plain data that cannot change, so that it can be a key: mappings and lists as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class FrozenDict(dict[K, V]):
    """A dictionary that cannot change; equal ones have equal hashes. Its values must be hashable.

    It is a `dict`, so that code works which writes a `dict` as JSON or YAML, or compares with one.
    """

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict[K, V]], tuple[dict[K, V]]]:
        # Copying and unpickling would otherwise set the items one by one, which is refused.
        return type(self), (dict(self),)

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a frozen dictionary cannot change; copy it with dict(…) first")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse


def frozen(value: Any) -> Any:
    """The value with every mapping in it as a `FrozenDict`, and every list as a tuple."""
    if isinstance(value, Mapping):
        return FrozenDict({key: frozen(inner) for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(frozen, value))
    return value


def thawed(value: Any) -> Any:
    """The value with every mapping in it as a `dict`, and every tuple as a list."""
    if isinstance(value, Mapping):
        return {key: thawed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return list(map(thawed, value))
    return value
