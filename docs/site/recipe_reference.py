"""The page of all fields of a recipe, made from the models that check recipes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from raycl.recipe.schema import Recipe

Schema = Mapping[str, Any]

_LENGTH = {"value", "unit"}
"""The keys of a default that is a length of a stage."""
_FRACTION = re.compile(r"\d+/\d+")

_INTRODUCTION = """# Recipe reference

Every field that a recipe may have, made from the models that check it. [Recipes](../recipes.md)
explains them together, with examples; `raycl schema` prints the same as JSON schema for an editor.
A field in **bold** has to be given.
"""


def recipe_reference() -> str:
    """The page as Markdown: a section for each mapping that a recipe has."""
    schema = Recipe.model_json_schema()
    sections = [_section("Recipe", schema)]
    mappings = (named for named in schema["$defs"].items() if _is_mapping(named[1]))
    sections += [_section(name, part) for name, part in mappings]
    return "\n".join([_INTRODUCTION, *sections])


def _section(name: str, schema: Schema) -> str:
    rows = [_row(field, part, schema) for field, part in _fields(schema).items()]
    lines = [f"## {name}", "", _one_line(schema.get("description", "")), ""]
    if rows:
        lines += ["| field | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _is_mapping(schema: Schema) -> bool:
    """Whether others link to a section of it: it has fields, or is a mapping without any."""
    return bool(_fields(schema)) or schema.get("type") == "object"


def _fields(schema: Schema) -> Mapping[str, Schema]:
    """The fields of a mapping, also where a shorter form stands beside it."""
    if "properties" in schema:
        found: Mapping[str, Schema] = schema["properties"]
        return found
    return next((form["properties"] for form in _forms(schema) if "properties" in form), {})


def _row(field: str, schema: Schema, parent: Schema) -> str:
    required = {*parent.get("required", ())}
    for form in _forms(parent):
        required |= {*form.get("required", ())}
    shown = f"**`{field}`**" if field in required else f"`{field}`"
    meaning = schema.get("description") or ("which one this is" if "const" in schema else "")
    cells = [shown, _type(schema), _default(schema), _one_line(meaning)]
    return f"| {' | '.join(cells)} |"


def _type(schema: Schema) -> str:
    """What may be written, in words; other mappings are links to their sections."""
    return " or ".join(dict.fromkeys(_types(schema)))


def _types(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield f"[{name}](#{name.lower()})"
    elif "const" in schema:
        yield f"`{schema['const']}`"
    elif "enum" in schema:
        yield from (f"`{value}`" for value in schema["enum"])
    elif _forms(schema):
        for form in _forms(schema):
            yield from _types(form)
    elif "properties" in schema:
        yield "its fields"
    elif isinstance(schema.get("type"), list):
        yield from schema["type"]
    else:
        yield from _plain_type(schema)


def _plain_type(schema: Schema) -> Iterator[str]:
    match schema.get("type"):
        case "array":
            yield f"list of {_type(schema.get('items', {})) or 'values'}"
        case "object":
            values = schema.get("additionalProperties")
            named = _type(values) if isinstance(values, Mapping) else ""
            yield f"mapping of names to {named or 'values'}"
        case "null" | None:
            return
        case other:
            yield str(other)


def _forms(schema: Schema) -> list[Schema]:
    forms: list[Schema] = schema.get("anyOf") or schema.get("oneOf") or []
    return forms


def _default(schema: Schema) -> str:
    """The default as a recipe would have it; that of a mapping is in the mapping's own section."""
    default = schema.get("default")
    if default in (None, [], {}) or (isinstance(default, Mapping) and {*default} != _LENGTH):
        return ""
    return f"`{_written(schema['default'])}`"


def _written(value: Any) -> str:
    """A default as a recipe would have it."""
    if isinstance(value, Mapping) and {*value} == _LENGTH:
        return _length(str(value["value"]), str(value["unit"]))
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        return f"{float(Fraction(value)) * 100:g}%"
    return value if isinstance(value, str) else json.dumps(value)


def _length(value: str, unit: str) -> str:
    return f"{float(Fraction(value)) * 100:g}%" if unit == "fraction" else f"{value} {unit}"


def _one_line(text: str) -> str:
    """Text that can stand in the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
