"""Shards a model over the workers block by block, with PyTorch's FSDP2."""

from __future__ import annotations

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from raycl.train.model import LanguageModel, checkpoint_activations, transformer_blocks
from raycl.train.world import World


def shard_model(
    model: LanguageModel,
    world: World,
    dtype: torch.dtype,
    *,
    compile_blocks: bool = False,
    activation_checkpointing: bool = False,
) -> LanguageModel:
    """With several workers, shard the model block by block (FSDP2). It may be on the meta device.

    Computes in `dtype`, keeps and reduces in float32. Changes the model in place and returns it.
    """
    blocks = transformer_blocks(model)
    if activation_checkpointing:
        checkpoint_activations(model)
    if compile_blocks:
        for block in blocks:
            block.compile()
    if world.size == 1:
        return model
    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32
    )
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model
