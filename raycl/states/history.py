"""history.parquet of a state: read and verified by one function, wherever it is needed."""

from __future__ import annotations

import io
import zlib

import pyarrow as pa
import pyarrow.parquet as pq

from raycl.errors import InputError
from raycl.states.mark import REMEDY, StateMark
from raycl.storage import Storage, layout
from raycl.storage.reading import read_whole


def read_history(storage: Storage, mark: StateMark) -> pa.Table:
    """The lines of a state's history, a row for each step, with columns of numbers.

    Raises InputError where the file is missing, is not the one that the mark lists, or does not end
    with the state's last step. The history of a merged state is empty.
    """
    path = layout.state_history(mark.name)
    where = storage.full_path(path)
    try:
        data = read_whole(storage, path, "the history of a state", REMEDY)
    except FileNotFoundError as error:
        raise InputError(where, "the file is missing", REMEDY) from error
    facts = mark.files.get(layout.STATE_HISTORY)
    if facts is None or len(data) != facts.bytes or zlib.crc32(data) != facts.crc32:
        raise InputError(where, "it does not match its checksum", REMEDY)
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(where, f"not a readable Parquet file ({reason})", REMEDY) from error
    _check_lines(table, mark, where)
    return table


def _check_lines(table: pa.Table, mark: StateMark, where: str) -> None:
    if "step" not in table.column_names or not pa.types.is_integer(table.schema.field("step").type):
        raise InputError(where, "it has no column of steps", REMEDY)
    for name, kind in zip(table.column_names, table.schema.types, strict=True):
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            raise InputError(where, f"its column {name!r} is of {kind}, not of numbers", REMEDY)
    if mark.merged is None:
        steps = table["step"].to_pylist()
        if not steps or steps[-1] != mark.step - 1:
            raise InputError(where, f"it does not end with step {mark.step - 1}", REMEDY)
