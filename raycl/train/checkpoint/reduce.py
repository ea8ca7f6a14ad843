"""Leaves the optimizer out of a state that is stored whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import torch

from raycl.states.mark import StateMark
from raycl.states.reduced import announce
from raycl.states.tensor_index import ITEM_BYTES, index_table, row_boxes, table_bytes, whole
from raycl.storage import Storage, layout
from raycl.train.checkpoint.commit import replace_tensors
from raycl.train.checkpoint.shard import Part, Shard, in_file_order, shard_name
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import MOMENT
from raycl.train.parallel.boxes import flat_bytes
from raycl.train.parallel.world import World

_SLICE_NUMBERS = 2**24


def moment_bytes(storage: Storage, mark: StateMark) -> int:
    """Bytes of AdamW's moments in a state, from its index.

    Raises InputError, which names the file that is damaged or missing.
    """
    facts = _opened(storage, mark).facts
    return sum(
        prod(found.shape) * ITEM_BYTES[found.dtype]
        for name, found in facts.items()
        if name.startswith(MOMENT)
    )


def keep_weights(storage: Storage, mark: StateMark) -> None:
    """Write a state's weights beside it, let its mark name them, and remove what it had before.

    Everything is read with its checksums, slice by slice. A killed call leaves the state whole or
    with its weights; what else lies in its folder then is of no effect, and the next call removes
    it. Raises InputError, which names the file that is damaged or missing.
    """
    stored = _opened(storage, mark)
    parts = in_file_order(
        Part(name, facts.dtype, facts.shape, whole(facts.shape))
        for name, facts in stored.facts.items()
        if not name.startswith(MOMENT)
    )
    shard = Shard(shard_name(0, "weights"), parts, lambda: _pieces(stored, parts))
    # Before the first new file: with it, nobody takes that file for a damage.
    announce(storage, mark.name)
    storage.write_stream(f"{layout.state(mark.name)}/{shard.file}", shard.content, shard.size)
    index = table_bytes(index_table(shard.chunks()))
    replace_tensors(storage, mark, "weights", {shard.file: shard.facts()}, index)


def _opened(storage: Storage, mark: StateMark) -> StoredTensors:
    state = StoredState(mark.name, mark.step, mark)
    return StoredTensors(storage, state, World(0, 1, torch.device("cpu")))


def _pieces(stored: StoredTensors, parts: Sequence[Part]) -> Iterator[memoryview]:
    for part in parts:
        for box in row_boxes(part.shape, _SLICE_NUMBERS):
            yield flat_bytes(stored.read(part.tensor, box).contiguous()).numpy().data
