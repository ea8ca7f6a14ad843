"""The workers of a node as PyTorch's device mesh."""

from __future__ import annotations

from functools import lru_cache

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from raycl.plan.layout import Layout
from raycl.train.process_group import join_alone
from raycl.train.world import World

NAMES = ("replicate", "shard", "tensor")


def device_mesh(world: World) -> DeviceMesh:
    """The mesh [replicate, shard, tensor] of the world's layout (collective at its first use)."""
    join_alone(world.device)
    return _mesh(world.layout, world.device.type, dist.group.WORLD)


def data_mesh(world: World) -> DeviceMesh:
    """The part of the mesh over which FSDP shards, and over which it replicates if it does."""
    mesh = device_mesh(world)
    return mesh["replicate", "shard"] if world.layout.replicate > 1 else mesh["shard"]


@lru_cache(maxsize=4)
def _mesh(layout: Layout, device_type: str, _group: dist.ProcessGroup) -> DeviceMesh:
    """Kept, because a mesh makes process groups and a process trains many nodes.

    `_group` is what all workers are in; a process that joins another group gets another mesh.
    """
    shape = (layout.replicate, layout.shard, layout.tensor)
    return init_device_mesh(device_type, shape, mesh_dim_names=NAMES)
