"""A recipe as a program gives it: a file, a packaged name, YAML or plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from raycl.errors import InputError, shown
from raycl.recipe.definition import Definition, define, define_document
from raycl.recipe.starter.lines import flow
from raycl.recipe.written_recipe import yaml_text
from raycl.recipe.yaml import parse_document

RecipeLike: TypeAlias = str | Path | Mapping[str, Any]
"""The path of a recipe file or the name of a packaged recipe; YAML, which has a line break or
begins with a brace; or the mapping that such a file holds."""
_WHERE = "recipe"


def definition_of_any(
    recipe: RecipeLike, overrides: Mapping[str, Any] | None, scale: str | None
) -> Definition:
    """The definition of a recipe in any form. Raises InputError, as for a file."""
    fields = (overrides or {}).items()
    written = [f"{field}={_written(flow, value, field)}" for field, value in fields]
    if isinstance(recipe, Mapping):
        # Written and read again, so that a mapping means what a file with it would mean.
        recipe = _written(yaml_text, recipe, _WHERE)
    elif isinstance(recipe, Path) or not _is_yaml(recipe):
        return define(Path(recipe), written, scale)
    return define_document(parse_document(recipe, _WHERE), _WHERE, written, scale)


def _is_yaml(text: str) -> bool:
    return "\n" in text or text.lstrip().startswith("{")


def _written(write: Callable[[Any], str], value: Any, where: str) -> str:
    """A value as YAML. Raises InputError for what YAML has no word for, such as an array."""
    try:
        return write(value)
    except (yaml.YAMLError, RecursionError) as error:
        problem = f"{shown(value)} is not made of text, numbers, lists and mappings alone"
        raise InputError(where, problem, "Give plain values") from error
