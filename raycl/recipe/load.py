"""Reads a recipe file, and says in its errors what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from raycl.errors import FieldError, InputError, shown, within
from raycl.plan.schedule import KINDS
from raycl.recipe.schema import LATER, Recipe
from raycl.recipe.yaml import Document, read_document
from raycl.storage.urls import refuse_secret

_LONGEST_FIELD = 500
"""Characters of a swept or overridden field's whole name."""
_LONGEST_NEAR = 100
_EXAMPLE = "`raycl recipes quickstart` prints a whole recipe"
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
        mark = document.mark(error.errors()[0]["loc"], data) if document else None
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
        copy["stages"] = [stages[0], *(_replaced(stage, parts[1:], value) for stage in stages[1:])]
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
        known = [str(name) for name in names if name] + list(Recipe.model_fields)
        raise InputError(
            f"{where}: {field}", f"no stage or field {parts[0]!r}", _nearest(parts[0], known)
        )
    return _replaced(copy, parts, value)


def _replaced(data: Any, parts: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of nested mappings with `value` at the path `parts`; it adds mappings on the way."""
    copy = dict(data) if isinstance(data, Mapping) else {}
    copy[parts[0]] = value if len(parts) == 1 else _replaced(copy.get(parts[0]), parts[1:], value)
    return copy


def input_error(error: ValidationError, written: str | None = None) -> InputError:
    """The first of pydantic's errors in a recipe's data, as an InputError that names the field.

    `written` is the field's value as it stands in the file, before YAML read it.
    """
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    field = ".".join(location) or "recipe"
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        remedy = _nearest(location[-1], _known_fields(location[:-1]))
        return InputError(field, "unknown field", remedy or "Remove it")
    if first["type"] == "missing":
        return InputError(field, "missing", "Add it; `raycl schema` describes every field")
    if first["type"] == "union_tag_not_found":
        return InputError(field, "`kind` is missing", f"Give {', '.join(KINDS)}")
    # A whole mapping would bury the message; any other value helps to find the mistake.
    place = field if isinstance(value, dict) else f"{field} is {shown(value)}"
    problem, remedy = problem_of(first)
    if isinstance(value, bool | None) and written is not None:
        place = f"{field} is {written or 'empty'}"
        problem = f"YAML reads it as {'nothing' if value is None else 'true or false'}; {problem}"
    if isinstance(value, bool | int | float) and first["type"] in _WANT_TEXT:
        remedy = f"Quote it where text is meant: '{value if written is None else written}'"
    return InputError(place, problem, remedy or _remedy_of(first))


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


def _nearest(name: str, known: Sequence[str]) -> str:
    # Comparing takes time that grows with the square of the length.
    near = difflib.get_close_matches(name[:_LONGEST_NEAR], known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known fields: {', '.join(known)}" if known else ""


def _known_fields(location: Sequence[str]) -> list[str]:
    """Field names at a location of the recipe, found by walking the models."""
    models: list[type[BaseModel]] = [Recipe]
    for part in location:
        inner = [m.model_fields[part].annotation for m in models if part in m.model_fields]
        if inner:
            models = [model for annotation in inner for model in _models_in(annotation)]
        else:  # not a field: the tag of a union, such as `constant`, or a key or an index
            models = [m for m in models if _kind(m) == part] or models
    fields = (pair for model in models for pair in model.model_fields.items())
    return sorted({field.alias or name for name, field in fields})


def _kind(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("kind")
    return field.default if field else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]
