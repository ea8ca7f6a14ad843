"""The file with a state's history: a line for each step."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_WHOLE = ("step", "skipped", "peak_memory")


def history_file(lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The lines as a Parquet file; a value that a line lacks is null."""
    names = dict.fromkeys(["step", *(name for line in lines for name in line)])
    whole = {n for n in names if n in _WHOLE or n.startswith("rows/")}
    schema = pa.schema([(n, pa.int64() if n in whole else pa.float64()) for n in names])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(lines), schema=schema), sink)
    return sink.getvalue()
