"""The record of a model's new tokens, from its folder or from the storage."""

from __future__ import annotations

from math import gcd

from raycl.data.tokenizer.extension_record import ExtensionRecord
from raycl.models.start import Start
from raycl.models.store import start_files
from raycl.storage import Storage, layout
from raycl.storage.record import find_record, parse_record

_MULTIPLE = 128
"""Sizes of embeddings are kept a multiple of what the old one was a multiple of, up to this."""


def grown_rows(rows: int, tokens: int) -> int:
    """Rows of an embedding of `rows` rows when it has to hold `tokens` tokens."""
    return max(rows, padded_rows(rows, tokens))


def padded_rows(rows: int, tokens: int) -> int:
    """Rows for `tokens` tokens, of which none is an old one, where there were `rows` before."""
    multiple = gcd(rows, _MULTIPLE)
    return -(-tokens // multiple) * multiple


def vocabulary_extension(start: Start, storage: Storage | None) -> ExtensionRecord | None:
    """How the vocabulary of a model has grown; None where nothing is known of it.

    Raises InputError, which names the file, where the record is damaged.
    """
    name = layout.START_EXTENSION
    if start.folder is not None:
        return find_record(Storage(start.folder), name, ExtensionRecord)
    if storage is None:
        return None
    data = start_files(storage, start.identifier, {name}).get(name)
    where = storage.full_path(f"{layout.start(start.identifier)}/{name}")
    return None if data is None else parse_record(data, ExtensionRecord, where)
