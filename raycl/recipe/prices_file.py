"""Files of prices: read as strictly as recipes, and kept beside the sweep that they were used for.

`prices/example.yaml` shows all that one may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from raycl.errors import InputError, shown
from raycl.plan.prices import Prices
from raycl.recipe.load import fields_of, problem_of
from raycl.recipe.yaml import Document, decoded, parse_document, read_source
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record

_REMEDIES = {
    "missing": "Add it",
    "extra_forbidden": "Remove it",
    "greater_than": "Give more than {gt}",
    "greater_than_equal": "Give {ge} or more",
    "less_than_equal": "Give {le} or less",
    "string_type": "Quote it where text is meant",
}


class StoredPrices(Record):
    """The prices that a sweep was last told, as their file has them."""

    WHAT: ClassVar[str] = "the prices of a sweep"
    REMEDY: ClassVar[str] = "Remove the file, and give --prices again"

    text: str
    """The content of the file (YAML)."""
    file: str
    """The file's name in messages."""


def example_file() -> Path:
    """The file that shows all that prices may hold."""
    return Path(str(resources.files("raycl.recipe") / "prices" / "example.yaml"))


def read_prices(path: Path) -> Prices:
    """The prices in a YAML file. Raises InputError with file, line, problem and remedy."""
    return parse_prices(read_source(path), str(path))


def parse_prices(text: str, where: str) -> Prices:
    """The prices in a text; `where` names its file in errors. Raises InputError."""
    document = parse_document(text, where)
    if not isinstance(document.data, dict):
        raise InputError(where, "not a mapping of fields", _example())
    data = fields_of(document, where)
    try:
        return Prices.model_validate(data)
    except ValidationError as error:
        raise _input_error(error.errors()[0], document, data, where) from error


def store_prices(storage: Storage, sweep: str, path: Path) -> Prices:
    """Keep the prices of a file beside a sweep, for its status and its page; returns them."""
    return store_price_text(storage, sweep, read_source(path), str(path))


def store_price_text(storage: Storage, sweep: str, text: str, where: str) -> Prices:
    """The same for a text; `where` names its file in errors. Raises InputError."""
    prices = parse_prices(text, where)
    record = StoredPrices(text=text, file=Path(where).name)
    write_record(storage, layout.sweep_prices(sweep), record)
    return prices


def stored_prices(storage: Storage, sweep: str) -> Prices | None:
    """The prices that a sweep was last told; None where it was told none. Raises InputError."""
    path = layout.sweep_prices(sweep)
    record = find_record(storage, path, StoredPrices)
    if record is None:
        return None
    where = storage.full_path(path)
    return parse_prices(decoded(record.text.encode(), where), where)


def _example() -> str:
    return f"An example is {example_file()}"


def _input_error(
    first: Mapping[str, Any], document: Document, data: Mapping[str, Any], where: str
) -> InputError:
    mark = document.mark(first["loc"], data)
    place = where if mark is None else f"{where}:{mark.line}"
    field = ".".join(str(part) for part in first["loc"])
    value = first.get("input")
    if field and not isinstance(value, dict):
        field = f"{field} is {shown(value)}"
    problem, remedy = problem_of(first)
    pattern = _REMEDIES.get(first["type"], "")
    remedy = remedy or pattern.format(**first.get("ctx", {})) or _example()
    return InputError(f"{place}: {field}" if field else place, problem, remedy)
