"""Reads a recipe file, and says in its errors what would be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from raycl.errors import FieldError, InputError, shown, within
from raycl.plan.schedule import KINDS
from raycl.recipe.schema import LATER, Recipe
from raycl.recipe.schema.short_forms import long_form
from raycl.recipe.unknown_fields import advice, field_of_stages, nearest
from raycl.recipe.yaml import Document, read_document
from raycl.storage.urls import refuse_secret

_LONGEST_FIELD = 500
"""Characters of a swept or overridden field's whole name."""
_EXAMPLE = "`raycl recipes quickstart` prints a whole recipe"
_SHOWN = 3
_WANT_TEXT = ("string_type", "tuple_type", "model_type", "model_attributes_type")
_REMEDIES = {
    "greater_than": "Give more than {gt}",
    "greater_than_equal": "Give {ge} or more",
    "less_than": "Give less than {lt}",
    "less_than_equal": "Give {le} or less",
    "string_type": "Give a text",
    "string_too_long": "Give at most {max_length} characters",
    "string_too_short": "Give a text",
    "string_pattern_mismatch": "Begin with a letter; use letters, digits, '_' and '-'",
    "bool_parsing": "Write true or false",
    "bool_type": "Write true or false",
    "tuple_type": "Give a list",
    "dict_type": "Give a mapping of names to values",
    "mapping_type": "Give a mapping of names to values",
    "model_type": "Give its fields as a mapping",
    "model_attributes_type": "Give its fields as a mapping",
    "too_short": "Give one or more",
    "literal_error": "Give {expected}",
}


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read strictly. Raises InputError."""
    return fields_of(read_document(path), str(path))


def fields_of(document: Document, where: str) -> dict[str, Any]:
    """The fields of a document. Raises InputError where it is no mapping."""
    if not isinstance(document.data, dict):
        raise InputError(where, "not a mapping of fields", _EXAMPLE)
    return document.data


def parse_recipe(data: Mapping[str, Any], where: str, document: Document | None = None) -> Recipe:
    """Validate a recipe's data; `where` names its file in errors, and `document` its lines.

    Raises InputError.
    """
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        mark = document.mark(_telling(error)["loc"], data) if document else None
        with within(where if mark is None else f"{where}:{mark.line}"):
            raise input_error(error, mark.written if mark else None) from error
    with within(where):
        for name, corpus in recipe.corpora.items():
            for field, urls in (("text", corpus.text), ("tokens", corpus.tokens)):
                for url in urls:
                    refuse_secret(url, f"corpora.{name}.{field}")
            if corpus.dataset:
                refuse_secret(corpus.dataset, f"corpora.{name}.dataset")
    return recipe


def with_field(data: Mapping[str, Any], field: str, value: Any, where: str) -> dict[str, Any]:
    """A copy of a recipe's data in which one field, `german.replay` or `seed`, has a value.

    The first word is a stage, `later` for all stages but the first, or a field of the recipe.
    Raises InputError, with the nearest known name, where it is none of these.
    """
    if len(field) > _LONGEST_FIELD:
        problem = f"the name of a field has {len(field):,} characters: {shown(field)}"
        raise InputError(where, problem, f"Give at most {_LONGEST_FIELD}")
    parts = field.split(".")
    copy = dict(data)
    # The data is not validated yet, so `stages` may be anything.
    written = data.get("stages")
    stages = list(written) if isinstance(written, list) else []
    names = [stage.get("name") if isinstance(stage, dict) else None for stage in stages]
    if parts[0] == LATER and len(parts) > 1 and len(stages) > 1:
        # `later.replay` sets the field in every stage but the first.
        later = (_replaced(stage, parts[1:], value) for stage in stages[1:])
        copy["stages"] = [stages[0], *later]
        return copy
    if parts[0] in names and len(parts) > 1:
        index = names.index(parts[0])
        stages[index] = _replaced(stages[index], parts[1:], value)
        copy["stages"] = stages
        return copy
    if parts[0] == "stages" and len(parts) > 1:
        inner = ".".join(parts[2:]) or "steps"
        remedy = f"Give {', '.join(f'{name}.{inner}' for name in names if name)}"
        raise InputError(f"{where}: {field}", "a stage goes by its name", remedy)
    if parts[0] not in Recipe.model_fields:
        if parts[0] in names:
            problem, remedy = "a stage, and none of its fields", f"Name one: {field}.steps"
            raise InputError(f"{where}: {field}", problem, remedy)
        remedy = _near_field(parts[0], [str(name) for name in names if name])
        raise InputError(f"{where}: {field}", f"no stage or field {parts[0]!r}", remedy)
    return _replaced(copy, parts, value)


def _near_field(name: str, stages: Sequence[str]) -> str:
    """What was probably meant by a word that is neither a stage nor a field of the recipe."""
    known = [*stages, *Recipe.model_fields]
    path = field_of_stages(name)
    if path is not None and stages:
        return f"Did you mean {' or '.join(f'{stage}.{path}' for stage in stages[:_SHOWN])}?"
    near = nearest(name, known)
    return f"Did you mean {near!r}?" if near else f"Known fields: {', '.join(known)}"


def _replaced(
    data: Any, parts: Sequence[str], value: Any, above: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A copy of nested mappings with `value` at the path `parts`; it adds mappings on the way.

    What is written as one word is spelled out first, so that its other fields stay.
    """
    copy = dict(data) if isinstance(data, Mapping) else {}
    path = (*above, parts[0])
    inner = value
    if len(parts) > 1:
        inner = _replaced(_spelled(path, copy.get(parts[0])), parts[1:], value, path)
    copy[parts[0]] = inner
    return copy


def _spelled(path: tuple[str, ...], value: Any) -> Any:
    try:
        return long_form(path, value)
    except FieldError as error:
        raise InputError(".".join(path), error.problem, error.remedy) from error


def input_error(error: ValidationError, written: str | None = None) -> InputError:
    """The first of pydantic's errors in a recipe's data, as an InputError that names the field.

    `written` is the field's value as it stands in the file, before YAML read it.
    """
    first = _telling(error)
    location = [str(part) for part in first["loc"]]
    field = ".".join(location) or "recipe"
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        missing = _missing_at(error, first["loc"][:-1])
        remedy = advice(location[-1], location[:-1], missing)
        lacks = f", and {', '.join(missing)} {_is(missing)} missing" if missing else ""
        return InputError(field, f"unknown field{lacks}", remedy or "Remove it")
    if first["type"] == "missing":
        remedy = f"Add it; `raycl schema` describes every field{_unknown(error)}"
        return InputError(field, "missing", remedy)
    if first["type"] == "union_tag_not_found":
        return InputError(field, "`kind` is missing", f"Give {', '.join(KINDS)}")
    if first["type"] == "union_tag_invalid":
        tags = first["ctx"]
        remedy = f"Give {tags['expected_tags']}"
        return InputError(f"{field}.kind is {shown(tags['tag'])}", "not known", remedy)
    # A whole mapping would bury the message; any other value helps to find the mistake.
    place = field if isinstance(value, dict) else f"{field} is {shown(value)}"
    problem, remedy = problem_of(first)
    if isinstance(value, bool | None) and written is not None:
        place = f"{field} is {written or 'empty'}"
        problem = f"YAML reads it as {'nothing' if value is None else 'true or false'}; {problem}"
    if isinstance(value, bool | int | float) and first["type"] in _WANT_TEXT:
        remedy = f"Quote it where text is meant: '{value if written is None else written}'"
    return InputError(place, problem, remedy or _remedy_of(first))


def _telling(error: ValidationError) -> Mapping[str, Any]:
    """The error to show: the first; before a missing field, an unknown one in the same place."""
    errors = error.errors()
    unknown = [found for found in errors if found["type"] == "extra_forbidden"]
    if errors[0]["type"] == "missing":
        place = errors[0]["loc"][:-1]
        return next((found for found in unknown if found["loc"][:-1] == place), errors[0])
    return errors[0]


def _missing_at(error: ValidationError, place: tuple[int | str, ...]) -> list[str]:
    found = (each for each in error.errors() if each["type"] == "missing")
    return [str(each["loc"][-1]) for each in found if each["loc"][:-1] == place]


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _unknown(error: ValidationError) -> str:
    """The unknown fields of other places, which may be what was meant by one that is missing."""
    found = (each["loc"] for each in error.errors() if each["type"] == "extra_forbidden")
    names = [".".join(map(str, location)) for location in found]
    return f". Unknown: {', '.join(names[:3])}" if names else ""


def _remedy_of(error: Mapping[str, Any]) -> str:
    """What to write instead, by the kind of one of pydantic's errors."""
    pattern = _REMEDIES.get(error["type"], "`raycl schema` describes every field")
    return pattern.format(**error.get("ctx", {}))


def problem_of(error: Mapping[str, Any]) -> tuple[str, str]:
    """Problem and remedy of one of pydantic's errors; only a FieldError of ours has a remedy."""
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, FieldError):
        return raised.problem, raised.remedy
    return error["msg"], ""
