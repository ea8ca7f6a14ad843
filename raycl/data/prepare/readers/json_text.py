"""One JSON value as a document: one of its fields is the text."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from raycl.data.prepare.readers.checks import BadDocumentError, checked_text, decode

_MOST_NAMES, _LONGEST_NAME = 20, 60


def parse_json(data: bytes, offset: int = 0) -> Any:
    """The JSON value in the bytes, which lie at `offset` of their file. Raises BadDocumentError."""
    text = decode(data, offset)
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        problem = "its lists or objects are nested too deeply to be read"
        raise BadDocumentError(problem, "Correct or drop this document") from error
    except ValueError as error:
        problem = f"not valid JSON ({error})"
        if "\0" in text:
            problem += "; it holds NUL bytes, as files do that were not written to their end"
        lines = getattr(error, "lineno", 1) - 1
        raise BadDocumentError(problem, "Correct or drop this line", lines) from error


def text_of(record: Any, text_field: str) -> str:
    """The text in a JSON value. Raises BadDocumentError."""
    if not isinstance(record, dict):
        raise BadDocumentError("not a JSON object", 'Give one {"text": "…"} a line')
    if text_field not in record:
        names = ", ".join(name[:_LONGEST_NAME] for name in list(record)[:_MOST_NAMES]) or "none"
        raise BadDocumentError(
            f"there is no field {text_field!r} (it has {names})",
            "Set `text_field` to the field that holds the text",
        )
    if isinstance(record, _Repeated) and text_field in record.repeated:
        problem = f"it has the field {text_field!r} twice"
        raise BadDocumentError(problem, "Keep one of them, or drop this document")
    return checked_text(record[text_field], text_field)


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
