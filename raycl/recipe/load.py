"""Reads a recipe file, and says in its errors what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from raycl.errors import FieldError, InputError, within
from raycl.plan.schedule import KINDS
from raycl.recipe.schema import LATER, Recipe
from raycl.storage.urls import refuse_secret


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read safely."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(str(path), "no such file", "Give the path of a recipe") from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(str(path), f"not readable as YAML ({error})", "Fix the file") from error
    if not isinstance(data, dict):
        raise InputError(str(path), "not a mapping of fields", "See configs/quickstart.yaml")
    return data


def parse_recipe(data: Mapping[str, Any], where: str) -> Recipe:
    """Validate a recipe's data; `where` names its file in errors."""
    with within(where):
        try:
            recipe = Recipe.model_validate(data)
        except ValidationError as error:
            raise input_error(error) from error
        for name, corpus in recipe.corpora.items():
            for url in corpus.text:
                refuse_secret(url, f"corpora.{name}.text")
    return recipe


def with_field(data: Mapping[str, Any], field: str, value: Any, where: str) -> dict[str, Any]:
    """A copy of a recipe's data in which one field, `german.replay` or `seed`, has a value.

    The first word is a stage, `later` for all stages but the first, or a field of the recipe.
    Raises InputError, with the nearest known name, where it is none of these.
    """
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


def input_error(error: ValidationError) -> InputError:
    """The first of pydantic's errors in a recipe's data, as an InputError that names the field."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    field = ".".join(location) or "recipe"
    value = first.get("input")
    if first["type"] == "extra_forbidden":
        remedy = _nearest(location[-1], _known_fields(location[:-1]))
        return InputError(field, "unknown field", remedy or "Remove it")
    if first["type"] == "missing":
        return InputError(field, "missing", "Add it; see docs/recipes.md")
    if first["type"] == "union_tag_not_found":
        return InputError(field, "`kind` is missing", f"Give {', '.join(KINDS)}")
    # A whole mapping would bury the message; any other value helps to find the mistake.
    shown = "" if isinstance(value, dict) else f" is {value!r}"
    problem, remedy = problem_of(first)
    return InputError(f"{field}{shown}", problem, remedy or "See docs/recipes.md")


def problem_of(error: Mapping[str, Any]) -> tuple[str, str]:
    """Problem and remedy of one of pydantic's errors; only a FieldError of ours has a remedy."""
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, FieldError):
        return raised.problem, raised.remedy
    return error["msg"], ""


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
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
    return sorted({name for model in models for name in model.model_fields})


def _kind(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("kind")
    return field.default if field else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]
