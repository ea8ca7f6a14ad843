"""The workers of a node as PyTorch's device mesh."""

from __future__ import annotations

from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from raycl.train.parallel.process_group import join_alone
from raycl.train.parallel.process_groups import made_once
from raycl.train.parallel.world import World

NAMES = ("replicate", "shard", "tensor")


def device_mesh(world: World) -> DeviceMesh:
    """The mesh [replicate, shard, tensor] of the world's layout (collective at its first use)."""
    join_alone(world.device)
    layout, device_type = world.layout, world.device.type
    shape = (layout.replicate, layout.shard, layout.tensor)
    return made_once(
        (layout, device_type), lambda: init_device_mesh(device_type, shape, mesh_dim_names=NAMES)
    )


def data_mesh(world: World) -> DeviceMesh:
    """The part of the mesh over which FSDP shards, and over which it replicates if it does."""
    mesh = device_mesh(world)
    return mesh["replicate", "shard"] if world.layout.replicate > 1 else mesh["shard"]
