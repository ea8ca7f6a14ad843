"""The weights that a stage trains, chosen among the names of a model's weights."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase

from raycl.errors import InputError, shown
from raycl.plan.trained import EMBEDDINGS, Trains

_SHOWN = 4


def trained_names(
    trains: Trains, names: Mapping[str, str], embeddings: Collection[str]
) -> frozenset[str]:
    """The names of the weights that `only` or `freeze` leaves to train.

    `names` leads from every name of a weight to its first one: where a head is tied to the
    embedding, both names lead to one weight. `embeddings` are the names for which the word stands.
    Raises InputError where a pattern matches nothing, and where nothing or everything is left.
    """
    weights = frozenset(names.values())
    found: set[str] = set()
    for pattern in trains.only or trains.freeze or ():
        matched = _matched(pattern, names, embeddings)
        if not matched:
            raise InputError(f"{trains.field} {shown(pattern)}", *_no_match(pattern, names))
        found |= matched
    trained = frozenset(found) if trains.only is not None else weights - found
    if not trained:
        raise InputError(trains.field, "it leaves no weight to train", "Freeze fewer weights")
    if trained == weights:
        raise InputError(trains.field, "it trains every weight", "Write trains: all")
    return trained


def _matched(pattern: str, names: Mapping[str, str], embeddings: Collection[str]) -> set[str]:
    if pattern == EMBEDDINGS:
        return {names[name] for name in embeddings if name in names}
    return {first for name, first in names.items() if fnmatchcase(name, pattern)}


def _no_match(pattern: str, names: Iterable[str]) -> tuple[str, str]:
    return "it matches no weight of the model", f"Weights: {nearest(pattern, names)}"


def nearest(wanted: str, names: Iterable[str]) -> str:
    """The names that are most like a wanted one, layers told apart by `*` alone."""
    known = list(dict.fromkeys(re.sub(r"\.\d+(?=\.|$)", ".*", name) for name in names))
    near = difflib.get_close_matches(wanted[:200], known, _SHOWN, 0.3) or known[:_SHOWN]
    more = len(known) - len(near)
    return ", ".join(near) + (f" and {more} more kinds" if more > 0 else "")
