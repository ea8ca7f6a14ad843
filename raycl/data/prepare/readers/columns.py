"""The column of a table that holds the text, which may lie within a column of structs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.checks import NOT_UTF8, BadDocumentError, checked_text
from raycl.errors import InputError

_MOST_NAMES = 20


@dataclass(frozen=True)
class TextColumn:
    """Where the text lies: the name of a column, and those of fields within it."""

    path: tuple[str, ...]

    @property
    def dotted(self) -> str:
        """The path as Parquet writes it."""
        return ".".join(self.path)

    @classmethod
    def find(cls, schema: pa.Schema, text_field: str, where: str) -> TextColumn:
        """The column that `text_field` means: one of this very name, else one within structs.

        Raises InputError, with the columns that there are, unless it is one column of text.
        """
        path = next(_paths(list(schema), text_field), None)
        if path is None:
            leaves = list(_leaves(list(schema)))
            texts = [name for name, kind in leaves if _is_text(kind)]
            names = texts or [name for name, _ in leaves]
            raise InputError(
                where,
                f"there is no column {text_field!r}",
                "Set `text_field` to one of "
                f"{', '.join(islice(names, _MOST_NAMES)) or '(it has no column)'}",
            )
        _check_kind(_kind_of(schema, path, where), text_field, where)
        return cls(path)

    def values(self, batch: pa.RecordBatch) -> pa.Array:
        """The column in a batch, null where something above it is null."""
        column = batch.column(batch.schema.get_field_index(self.path[0]))
        for name in self.path[1:]:
            column = pc.struct_field(column, name)
        return column

    def read(
        self, batch: pa.RecordBatch, url: str, row: int
    ) -> Iterator[tuple[int, str | BadRecord]]:
        """The text of each row, whose numbers in the file begin at `row`."""
        for number, value in enumerate(self.values(batch), start=row):
            try:
                yield number, checked_text(_as_text(value), self.dotted)
            except BadDocumentError as bad:
                yield number, bad.at(url, "row", number)


def _as_text(value: pa.Scalar) -> object:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        problem = f"not valid UTF-8 (byte {error.object[error.start]:#04x})"
        raise BadDocumentError(NOT_UTF8, problem, "Correct or drop this document") from error


def _paths(fields: list[pa.Field], name: str) -> Iterator[tuple[str, ...]]:
    """Every path that `name` may mean; that of a column of this very name comes first."""
    if any(field.name == name for field in fields):
        yield (name,)
    for field in fields:
        if pa.types.is_struct(field.type) and name.startswith(f"{field.name}."):
            for rest in _paths(list(field.type), name[len(field.name) + 1 :]):
                yield (field.name, *rest)


def _leaves(fields: list[pa.Field], above: str = "") -> Iterator[tuple[str, pa.DataType]]:
    for field in fields:
        if pa.types.is_struct(field.type) and field.type.num_fields:
            yield from _leaves(list(field.type), f"{above}{field.name}.")
        else:
            yield above + field.name, field.type


def _kind_of(schema: pa.Schema, path: tuple[str, ...], where: str) -> pa.DataType:
    """The type at a path. Raises InputError where a name on it is there twice."""
    fields, kind = list(schema), pa.null()
    for name in path:
        found = [field for field in fields if field.name == name]
        if len(found) > 1:
            problem = f"{len(found)} columns are called {name!r}"
            raise InputError(where, problem, "Rename one of them")
        kind = found[0].type
        fields = _fields(kind)
    return kind


def _check_kind(kind: pa.DataType, text_field: str, where: str) -> None:
    if _is_text(kind) or pa.types.is_null(kind):
        return
    within = [f"{text_field}.{n}" for n, k in _leaves(_fields(kind)) if _is_text(k)]
    remedy = "Set `text_field` to a column of text"
    if within:
        remedy += f", such as {within[0]}"
    raise InputError(where, f"column {text_field!r} holds {kind}, not text", remedy)


def _fields(kind: pa.DataType) -> list[pa.Field]:
    return list(kind) if pa.types.is_struct(kind) else []


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(check(kind) for check in checks)
