"""The losses of single validation rows: their table as a file, written and read by one module.

A line for each document of each row: its sum of cross entropies and its predicted tokens. Summed
over a corpus they give the validation loss; summed by document they say how sure it is.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raycl.errors import InputError
from raycl.states.mark import StateMark
from raycl.storage import Storage, layout
from raycl.storage.reading import read_whole

_WHAT = "the losses of validation rows"
_RESTORE = "Restore it from a copy; standard errors alone depend on it"
_REMEDY = "Remove the file: `raycl evaluate` measures losses of rows again"
_FORMAT = (b"raycl_format", b"1")
_KEY = ["corpus", "fingerprint", "rows"]
_COLUMNS = ("row", "document", "nats", "tokens")
_SCHEMA = pa.schema(
    [
        ("corpus", pa.string()),
        ("fingerprint", pa.string()),
        ("rows", pa.int64()),
        ("row", pa.int64()),
        ("document", pa.int64()),
        ("nats", pa.float64()),
        ("tokens", pa.int64()),
    ]
)

RowsKey = tuple[str, str, int]
"""Name of a corpus, its fingerprint, and the number of validation rows."""


@dataclass(frozen=True)
class RowLosses:
    """Losses on the first rows of a corpus' validation split; all arrays are [lines].

    A line is what one row has of one document. Documents are numbered over the whole split.
    """

    row: np.ndarray
    document: np.ndarray
    nats: np.ndarray
    """Sum of the cross entropies of the predicted tokens, float64."""
    tokens: np.ndarray
    """Predicted tokens."""

    @property
    def loss(self) -> float:
        """The validation loss (nats/token); NaN without a token."""
        total = int(self.tokens.sum())
        return float(self.nats.sum()) / total if total else float("nan")


def row_losses_file(losses: Mapping[RowsKey, RowLosses]) -> bytes:
    """The table of all of them as a Parquet file."""
    parts = [_table(key, found) for key, found in losses.items()]
    table = pa.concat_tables(parts) if parts else _SCHEMA.empty_table()
    table = table.replace_schema_metadata(dict([_FORMAT]))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def read_state_rows(storage: Storage, mark: StateMark) -> dict[RowsKey, RowLosses]:
    """What a state's training has left of its last validation; empty where it left nothing.

    Raises InputError where the file is damaged or is not the one that the mark lists.
    """
    facts = mark.files.get(layout.STATE_ROWS)
    if facts is None:
        return {}
    path = layout.state_rows(mark.name)
    data = _read(storage, path, _RESTORE)
    if data is None or (len(data), zlib.crc32(data)) != (facts.bytes, facts.crc32):
        problem = "the file is missing" if data is None else "it does not match its checksum"
        raise InputError(storage.full_path(path), problem, _RESTORE)
    return _parsed(data, storage.full_path(path), _RESTORE)


def read_evaluated_rows(storage: Storage, state: str) -> dict[RowsKey, RowLosses]:
    """What `raycl evaluate` has left of a state; empty where it left nothing.

    Raises InputError where the file is damaged.
    """
    path = layout.evaluated_rows(state)
    data = _read(storage, path, _REMEDY)
    return {} if data is None else _parsed(data, storage.full_path(path), _REMEDY)


def add_evaluated_rows(storage: Storage, state: str, losses: Mapping[RowsKey, RowLosses]) -> None:
    """Store losses of rows beside those that `raycl evaluate` has left already."""
    try:
        known = read_evaluated_rows(storage, state)
    except InputError:
        known = {}  # a damaged file is of no use: what is measured now takes its place
    storage.write_bytes(layout.evaluated_rows(state), row_losses_file({**known, **losses}))


def _read(storage: Storage, path: str, remedy: str) -> bytes | None:
    try:
        return read_whole(storage, path, _WHAT, remedy)
    except FileNotFoundError:
        return None


def _table(key: RowsKey, losses: RowLosses) -> pa.Table:
    count = len(losses.row)
    fixed = [
        pa.array([value] * count, _SCHEMA.field(place).type) for place, value in enumerate(key)
    ]
    columns = [pa.array(getattr(losses, name), _SCHEMA.field(name).type) for name in _COLUMNS]
    return pa.Table.from_arrays([*fixed, *columns], schema=_SCHEMA)


def _parsed(data: bytes, where: str, remedy: str) -> dict[RowsKey, RowLosses]:
    try:
        table = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
        table = table.replace_schema_metadata(None).cast(_SCHEMA)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(where, f"not a readable table of rows ({reason})", remedy) from error
    found: dict[RowsKey, RowLosses] = {}
    for key in table.select(_KEY).group_by(_KEY).aggregate([]).to_pylist():
        part = table.filter(
            (pc.field("corpus") == key["corpus"])
            & (pc.field("fingerprint") == key["fingerprint"])
            & (pc.field("rows") == key["rows"])
        )
        lines = RowLosses(*(part[name].to_numpy() for name in _COLUMNS))
        found[key["corpus"], key["fingerprint"], key["rows"]] = lines
    return found
