"""What a rank loads of a state, compared with the state."""

from __future__ import annotations

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from raycl.plan.training import Training
from raycl.states.tensor_index import whole
from raycl.storage import Storage, layout
from raycl.train.checkpoint.load import load_state
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import empty_model
from raycl.train.optimizer import build_optimizer
from raycl.train.parallel.boxes import local_part
from raycl.train.parallel.sharding import shard_model
from raycl.train.parallel.world import World


def assert_loads(storage: Storage, task: Training, world: World) -> None:
    """Weights and moments of each state of the storage are loaded to the bit (collective)."""
    model = shard_model(empty_model(task.model, task.sequence_length), world, torch.float32)
    materialize(model, world.device)
    optimizer = build_optimizer(model, task.optimizer)
    for name in sorted(storage.list(layout.STATES)):
        state = read_state(storage, name)
        load_state(storage, state, model, optimizer, world)
        stored = StoredTensors(storage, state, world)
        for tensor, loaded in named_tensors(model, optimizer).items():
            expected = stored.read(tensor, whole(loaded.shape))
            assert torch.equal(local_part(loaded), _share(expected, loaded)), (name, tensor)


def _share(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The part of a whole tensor that this rank holds."""
    if not isinstance(like, DTensor):
        return tensor
    return local_part(
        distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
    )
