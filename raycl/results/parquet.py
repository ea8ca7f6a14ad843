"""Tables as Parquet files that say in which format they were written.

The format stands in the file's own metadata, which pandas and others pass over.
"""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raycl.errors import InputError
from raycl.storage import Storage

FORMAT = 1
"""Raised when the meaning of a column changes. Files without the key are of format 1."""
_KEY = b"raycl_format"


def write_parquet(storage: Storage, path: str, frame: pd.DataFrame) -> None:
    """Replace the file at `path` by the table, without its index."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    metadata = {**(table.schema.metadata or {}), _KEY: str(FORMAT).encode()}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), buffer)
    storage.write_bytes(path, buffer.getvalue())


def read_parquet(storage: Storage, path: str, remedy: str) -> pd.DataFrame:
    """The table at `path`; `remedy` says what to do about a damaged one.

    Raises FileNotFoundError where there is none; InputError where it is no Parquet file, or was
    written in a newer format.
    """
    where, data = storage.full_path(path), io.BytesIO(storage.read_bytes(path))
    try:
        written = (pq.read_schema(data).metadata or {}).get(_KEY, b"1").decode()
        if not written.isdecimal() or int(written) > FORMAT:
            raise InputError(
                where,
                f"a table in format {written}; this raycl reads formats up to {FORMAT}",
                "Use the raycl that wrote it, or a newer one",
            )
        return pd.read_parquet(data)
    except pa.ArrowException as error:
        raise InputError(where, f"not a readable Parquet file ({error})", remedy) from error
