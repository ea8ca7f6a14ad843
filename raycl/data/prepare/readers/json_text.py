"""One JSON value as a document: one of its fields is the text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from raycl.data.prepare.readers.checks import (
    NO_FIELD,
    NOT_JSON,
    BadDocumentError,
    checked_text,
    decode,
)

_MOST_NAMES, _LONGEST_NAME = 20, 60


def parse_json(data: bytes, offset: int = 0) -> Any:
    """The JSON value in the bytes, which lie at `offset` of their file. Raises BadDocumentError."""
    text = decode(data, offset)
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        problem = "its lists or objects are nested too deeply to be read"
        raise BadDocumentError(NOT_JSON, problem, "Correct or drop this document") from error
    except ValueError as error:
        problem = f"not valid JSON ({error})"
        if "\0" in text:
            problem += "; it holds NUL bytes, as files do that were not written to their end"
        lines = getattr(error, "lineno", 1) - 1
        raise BadDocumentError(NOT_JSON, problem, "Correct or drop this line", lines) from error


def text_of(record: Any, text_field: str) -> str:
    """The text in a JSON value. Raises BadDocumentError.

    A field of this very name comes first; else `text.body` is the field `body` of the object
    `text`.
    """
    if not isinstance(record, dict):
        raise BadDocumentError(NOT_JSON, "not a JSON object", 'Give one {"text": "…"} a line')
    for holder, name in _meant(record, text_field):
        if isinstance(holder, _Repeated) and name in holder.repeated:
            problem = f"it has the field {name!r} twice"
            raise BadDocumentError(
                "a field twice", problem, "Keep one of them, or drop this document"
            )
    return checked_text(holder[name], text_field)


def _meant(record: dict[str, Any], text_field: str) -> list[tuple[dict[str, Any], str]]:
    """The way to a field: each object on it, with the name that is meant there."""
    way = next(_ways(record, text_field), None)
    if way is None:
        names = [name[:_LONGEST_NAME] for name in islice(_names(record), _MOST_NAMES)]
        raise BadDocumentError(
            NO_FIELD,
            f"there is no field {text_field!r} (it has {', '.join(names) or 'none'})",
            "Set `text_field` to the field that holds the text",
        )
    return way


def _ways(record: dict[str, Any], path: str) -> Iterator[list[tuple[dict[str, Any], str]]]:
    if path in record:
        yield [(record, path)]
    for dot in (place for place, letter in enumerate(path) if letter == "."):
        below = record.get(path[:dot])
        if isinstance(below, dict):
            for rest in _ways(below, path[dot + 1 :]):
                yield [(record, path[:dot]), *rest]


def _names(record: dict[str, Any], above: str = "") -> Iterator[str]:
    """The names of an object's fields, and of those within them, as `text_field` takes them."""
    for name, value in record.items():
        if isinstance(value, dict) and value:
            yield from _names(value, f"{above}{name}.")
        else:
            yield above + name


class _Repeated(dict[str, Any]):
    """A JSON object that has a field more than once; it holds the last of them."""

    repeated: frozenset[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    counts = Counter(name for name, _ in pairs)
    repeated = _Repeated(made)
    repeated.repeated = frozenset(name for name, count in counts.items() if count > 1)
    return repeated


_DECODER = json.JSONDecoder(object_pairs_hook=_object)  # json.loads would make one for each line
