"""Corpora that stand in for what a pretrained model was trained on, as a recipe names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from raycl.errors import FieldError, shown
from raycl.recipe.schema.common import FrozenMapping
from raycl.units import format_count, parse_whole


def _stand_ins(value: Any) -> dict[str, int | None]:
    """Corpora in the order of their names, and the tokens that the model saw of each.

    Tokens are None where they are not given, which is so for all of them or for none.
    """
    if isinstance(value, Mapping):
        tokens = {name: None if seen is None else parse_whole(seen) for name, seen in value.items()}
    elif isinstance(value, list | tuple):
        tokens = dict.fromkeys(map(_name, value))
        if len(tokens) < len(value):
            twice = next(name for name in value if list(value).count(name) > 1)
            raise FieldError(f"{shown(twice)} is there twice", "Name each corpus once")
    else:
        raise FieldError("not a list of corpora", "Write [english], or {english: 2T} with tokens")
    given = [seen for seen in tokens.values() if seen is not None]
    if 0 in given:
        none = next(name for name, seen in tokens.items() if seen == 0)
        raise FieldError(f"0 tokens of {shown(none)}", "Leave out what the model does not know")
    if 0 < len(given) < len(tokens):
        problem = "tokens are given for some corpora only"
        raise FieldError(problem, "Give them for all, or a list of corpora without tokens")
    # Rows of several corpora are dealt out in their order, so it must not depend on the writing.
    return {str(name): tokens[name] for name in sorted(tokens, key=str)}


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise FieldError(f"{shown(value)} is not the name of a corpus", "Quote it, as in ['no']")
    return value


KNOWS = "model.knows"
"""The field, as a sweep names it."""


def stand_ins_text(value: Any) -> str:
    """Stand-ins for people, whether or not they are valid: `code 300B + english 2T`."""
    if isinstance(value, Mapping) and None not in value.values():
        return " + ".join(f"{name} {format_count(seen)}" for name, seen in value.items())
    return (" + ".join(map(str, value)) if isinstance(value, Iterable) else str(value)) or "nothing"


def _written(value: Mapping[str, int | None]) -> Any:
    return list(value) if None in value.values() else dict(value)


StandIns = Annotated[
    FrozenMapping[int | None],
    BeforeValidator(_stand_ins),
    PlainSerializer(_written),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
                {"type": "object", "additionalProperties": {"type": ["integer", "string"]}},
            ]
        }
    ),
]
"""Stand-in corpora by name, each with the tokens that the model saw of what it stands for."""
