"""The tensors of a stored state, of which any part can be read and is verified."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

import torch

from raycl.errors import InputError
from raycl.states.mark import REMEDY
from raycl.states.tensor_index import Box, TensorFacts, TensorIndex, read_table
from raycl.storage import Storage, layout
from raycl.train.checkpoint.earlier import index_of_earlier
from raycl.train.checkpoint.names import check_names
from raycl.train.checkpoint.slices import Slice, read_part, read_slices
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.parallel.boxes import DTYPES, local_box, local_part
from raycl.train.parallel.world import World

_BATCH_BYTES = 512 * 2**20
"""Parts that cannot be read in place are copied through host memory, so many bytes at a time."""
_PRUNED = "this state holds results alone: `raycl prune` has removed its weights"
_TRAIN_AGAIN = (
    "Remove this state's folder and run the sweep again, which trains it again, to the same bits"
)
_MERGE_AGAIN = (
    "Merge again with `raycl merge`, or remove this state's folder and run its sweep again: what "
    "it is made of gives the same bits"
)


class StoredTensors:
    """The tensors of a state; to open them reads its index once, on one rank (collective).

    Everything here raises InputError, which names the file that is damaged or missing.
    """

    def __init__(self, storage: Storage, state: StoredState, world: World) -> None:
        # A damaged mark must not lead raycl to a file outside of the state's folder.
        world.agree(lambda: check_names(storage, state))
        self._storage, self._state = storage, state
        self.where = storage.full_path(layout.state(state.name))
        """The state's folder, for people."""
        if state.mark.holds == "results":
            remedy = _MERGE_AGAIN if state.mark.merged else _TRAIN_AGAIN
            raise InputError(self.where, _PRUNED, remedy)
        if (file := state.mark.index_file) is not None:
            data = world.agree(lambda: _index_file(storage, state, file))
            where = storage.full_path(state.path(file))
            self._index = TensorIndex(read_table(data, where), where)
        else:
            self._index = index_of_earlier(storage, state, world)

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each tensor, by its name."""
        return self._index.tensors

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a tensor, on the CPU."""
        target = torch.empty(box.sizes, dtype=DTYPES[self.facts[tensor].dtype])
        read_slices(self._storage, self._state, self._index, [Slice(tensor, box, target)])
        return target

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Read what this rank holds of the tensors, in place. Their shapes must be the stored."""
        for batch in _batches(tensors):
            staged = {name: self._staged(name, local_part(tensor)) for name, tensor in batch}
            slices = [Slice(name, local_box(tensor), staged[name]) for name, tensor in batch]
            read_slices(self._storage, self._state, self._index, slices)
            for name, tensor in batch:
                part = local_part(tensor)
                if staged[name] is not part:
                    part.copy_(staged[name])

    def _staged(self, name: str, part: torch.Tensor) -> torch.Tensor:
        """A tensor that can be read into: the part itself, or host memory."""
        dtype = DTYPES[self.facts[name].dtype]
        if part.device.type == "cpu" and part.is_contiguous() and part.dtype == dtype:
            return part
        return torch.empty(part.shape, dtype=dtype)


def _batches(
    tensors: Mapping[str, torch.Tensor],
) -> Iterator[list[tuple[str, torch.Tensor]]]:
    batch: list[tuple[str, torch.Tensor]] = []
    size = 0
    for name, tensor in tensors.items():
        part = local_part(tensor)
        batch.append((name, tensor))
        size += part.numel() * part.element_size()
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _index_file(storage: Storage, state: StoredState, file: str) -> bytes:
    facts = state.mark.files[file]
    data = read_part(storage, state, file, 0, facts.bytes + 1)
    if len(data) != facts.bytes or zlib.crc32(data) != facts.crc32:
        where = storage.full_path(state.path(file))
        raise InputError(where, "it does not match its checksum", REMEDY)
    return data
