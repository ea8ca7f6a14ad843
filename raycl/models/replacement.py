"""The record of a model's other tokenizer, and both tokenizers, from its folder or the storage."""

from __future__ import annotations

from raycl.data.tokenizer.replacement import row_sources, tokens_with_their_row
from raycl.data.tokenizer.replacement_record import ReplacementRecord, tokenizer_before
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from raycl.models.extension import vocabulary_extension
from raycl.models.start import Start
from raycl.models.store import start_files
from raycl.models.tokenizer import own_files
from raycl.storage import Storage, layout
from raycl.storage.record import parse_record


def tokenizer_replacement(start: Start, storage: Storage | None) -> ReplacementRecord | None:
    """How a model's tokenizer was replaced; None where nothing is known of it.

    Raises InputError, which names the file, where the record is damaged.
    """
    data = _file(start, storage, layout.START_REPLACEMENT)
    where = f"{start.reference}/{layout.START_REPLACEMENT}"
    return None if data is None else parse_record(data, ReplacementRecord, where)


def both_tokenizers(
    start: Start, record: ReplacementRecord, storage: Storage | None
) -> tuple[TextTokenizer, TextTokenizer] | None:
    """The tokenizers before and after; None where they cannot be had any more."""
    files, before = own_files(start, storage), _file(start, storage, layout.START_TOKENIZER_BEFORE)
    if files is None or before is None:
        return None
    try:
        return tokenizer_before(before.decode(), record, start.reference), make_tokenizer(files)
    except (InputError, UnicodeDecodeError):
        return None


def old_tokens(start: Start, storage: Storage | None) -> range | frozenset[int] | None:
    """The tokens of a changed vocabulary with the row that was theirs before; None for all.

    Raises InputError where a record is damaged.
    """
    extension = vocabulary_extension(start, storage)
    if extension is not None:
        return range(extension.base_tokens)
    record = tokenizer_replacement(start, storage)
    both = both_tokenizers(start, record, storage) if record is not None else None
    return None if both is None else tokens_with_their_row(row_sources(*both))


def _file(start: Start, storage: Storage | None, name: str) -> bytes | None:
    if start.folder is not None:
        path = start.folder / name
        return path.read_bytes() if path.is_file() else None
    if storage is None:
        return None
    return start_files(storage, start.identifier, {name}).get(name)
