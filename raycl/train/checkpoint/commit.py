"""What makes a written state complete: history, index and, at last, the mark."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from raycl.plan.holding import Holding, holds_enough
from raycl.states.mark import FileFacts, StateMark, find_mark, write_mark
from raycl.states.reduced import announce, remove_unlisted, tables_of
from raycl.states.tensor_index import join_tables, read_table, table_bytes
from raycl.storage import Storage, layout

Share = tuple[str, FileFacts, bytes]
"""A written file: its name, its size and checksum, and its part of the index."""


def commit_state(
    storage: Storage, mark: StateMark, shares: Iterable[Share], tables: Mapping[str, bytes]
) -> None:
    """Write the tables, index and mark of a state whose files are in its folder.

    `tables` are `history.parquet` and what else stays beside the tensors, by file name. Where the
    state is there already and holds less, it gets the new tensors in place of the old ones; its
    tables and what was made of it stay. Where it holds more, nothing changes.
    """
    shares = list(shares)
    files = {file: facts for file, facts, _ in shares}
    index = table_bytes(join_tables([read_table(data, file) for file, _, data in shares]))
    there = find_mark(storage, mark.name)
    if there is not None and there.holds != mark.holds:
        if holds_enough(mark.holds, there.holds):
            replace_tensors(storage, there, mark.holds, files, index)
        else:
            remove_unlisted(storage, there)
        return
    for file, data in tables.items():
        files[file] = _written(storage, mark.name, file, data)
    _finish(storage, mark.model_copy(update={"files": files}), index)


def replace_tensors(
    storage: Storage, mark: StateMark, holds: Holding, files: Mapping[str, FileFacts], index: bytes
) -> None:
    """Let a complete state have other tensors, which lie in its folder already.

    A killed call leaves the state with the old ones or with the new ones.
    """
    mark = mark.model_copy(update={"holds": holds, "files": {**files, **tables_of(mark)}})
    remove_unlisted(storage, _finish(storage, mark, index))


def _finish(storage: Storage, mark: StateMark, index: bytes) -> StateMark:
    """Write the index and then the mark, which lists it too."""
    file = layout.STATE_INDEX if mark.holds == "all" else layout.STATE_WEIGHTS_INDEX
    if mark.holds != "all":
        announce(storage, mark.name)
    files = {**mark.files, file: _written(storage, mark.name, file, index)}
    mark = mark.model_copy(update={"files": files})
    write_mark(storage, mark.name, mark)
    return mark


def _written(storage: Storage, name: str, file: str, data: bytes) -> FileFacts:
    storage.write_bytes(f"{layout.state(name)}/{file}", data)
    return FileFacts(bytes=len(data), crc32=zlib.crc32(data))
