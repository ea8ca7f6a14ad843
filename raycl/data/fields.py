"""The fields of a corpus' files that hold text, found in their first records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raycl.data.prepare.file_systems import open_file_system
from raycl.data.prepare.readers.compression import UNREADABLE, open_unpacked, unreadable
from raycl.data.prepare.source import InputFile

_RECORDS = 20
_LONGEST = 2**22
"""Bytes of a JSON file that are read to see its fields."""


def text_fields(files: Sequence[InputFile]) -> tuple[str, ...]:
    """Names of the fields of text in JSON lines, JSON or Parquet, the longest texts first.

    The first file with fields is looked at. It is empty where all files are plain text, and where
    the file's first records cannot be read: preparation names the record then. Raises InputError
    where that file cannot be opened.
    """
    for file in files:
        try:
            if file.format == "parquet":
                return _columns(file)
            if file.format in ("jsonl", "json"):
                return _longest_first(_records(file))
        except UNREADABLE as error:
            raise unreadable(file.url, error) from error
    return ()


def _records(file: InputFile) -> Iterator[Any]:
    """The first JSON values of a file of lines, or of the list that a file is."""
    with open_unpacked(file) as stream:
        head = stream.read(_LONGEST)
    lines = [line for line in head.split(b"\n")[: _RECORDS + 1] if line.strip()]
    parsed = [value for line in lines[:_RECORDS] if (value := _parsed(line)) is not None]
    if any(isinstance(value, dict) for value in parsed):
        return iter(parsed)
    whole = _parsed(head)
    return islice(iter(whole if isinstance(whole, list) else [whole]), _RECORDS)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _longest_first(records: Iterator[Any]) -> tuple[str, ...]:
    sizes: dict[str, int] = {}
    for record in records:
        for name, value in record.items() if isinstance(record, dict) else ():
            if isinstance(value, str):
                sizes[name] = sizes.get(name, 0) + len(value)
    return tuple(sorted(sizes, key=lambda name: -sizes[name]))


def _columns(file: InputFile) -> tuple[str, ...]:
    """Names of the columns of text, by the bytes that they take in the file."""
    file_system, path = open_file_system(file.url)
    metadata = pq.read_metadata(path, filesystem=file_system)
    schema = metadata.schema.to_arrow_schema()
    texts = [field.name for field in schema if _is_text(field.type)]
    sizes = dict.fromkeys(texts, 0)
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            if column.path_in_schema in sizes:
                sizes[column.path_in_schema] += column.total_uncompressed_size
    return tuple(sorted(texts, key=lambda name: -sizes[name]))


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
