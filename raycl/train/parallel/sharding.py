"""Shards a model over the workers unit by unit, with PyTorch's FSDP2; one worker is a shard of one.

Weights, their gradients and AdamW's moments are float32 and stay sharded. A unit's weights are
gathered, cast to the type of the computation, when the unit is computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from raycl.plan.execution import Execution
from raycl.plan.layout import keeps_gathered
from raycl.train.model.language_model import LanguageModel, transformer_blocks
from raycl.train.parallel.mesh import data_mesh, device_mesh
from raycl.train.parallel.recompute import recompute_blocks
from raycl.train.parallel.tensor_parallel import divide_matrices
from raycl.train.parallel.units import sharding_units
from raycl.train.parallel.world import World

ONE_UNIT_BYTES = 25 * 2**20
"""Bytes of gathered weights up to which a model is one unit, as one bucket of PyTorch's DDP is.

Each unit costs the host milliseconds a step, and so few bytes have no exchange worth hiding.
"""


def shard_model(
    model: LanguageModel,
    world: World,
    dtype: torch.dtype,
    execution: Execution | None = None,
) -> LanguageModel:
    """Shard the model over the workers (collective). It may be on the meta device.

    Computes in `dtype`, keeps and reduces in float32. `execution` says whether blocks are compiled
    and what their backward pass computes again. Changes the model in place and returns it. Raises
    InputError where the model cannot be divided.
    """
    if execution is not None:
        _prepare_blocks(model, world, execution)
    gathered_bytes = _gathered_bytes(model, world, dtype)
    model.keeps_gathered = keeps_gathered(world.layout, gathered_bytes)
    units = sharding_units(model, world.layout.shard)
    if gathered_bytes <= ONE_UNIT_BYTES:
        units = []
    if world.layout.tensor > 1:
        divide_matrices(model, device_mesh(world)["tensor"])
    how: Any = {"mesh": data_mesh(world), "mp_policy": _precision(dtype)}
    for unit in units:
        fully_shard(unit, reshard_after_forward=not model.keeps_gathered, **how)
    # The model's own unit is the last of the forward pass and the first of the backward pass.
    fully_shard(model, reshard_after_forward=False, **how)
    for unit in (*units, model):
        _sum_gradients(unit, world)
    return model


def _prepare_blocks(model: LanguageModel, world: World, execution: Execution) -> None:
    """Have the blocks computed again in the backward pass, and compiled, as the recipe wants."""
    blocks = transformer_blocks(model)
    recompute_blocks(blocks, execution.activation_checkpointing)
    if execution.compiles("cuda" if world.device.type == "cuda" else "cpu"):
        for block in blocks:
            block.compile()


def _gathered_bytes(model: LanguageModel, world: World, dtype: torch.dtype) -> float:
    """Bytes of all weights that one worker computes with."""
    weights = sum(parameter.numel() for parameter in model.parameters())
    return weights * dtype.itemsize / world.layout.tensor


def _precision(dtype: torch.dtype) -> MixedPrecisionPolicy:
    """Compute in `dtype` from the embedding to the head, and reduce in float32."""
    return MixedPrecisionPolicy(
        param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32
    )


def _sum_gradients(unit: nn.Module, world: World) -> None:
    """Have gradients summed over the workers, where FSDP would take their mean."""
    module: Any = unit
    if world.layout.readers > 1:
        module.set_gradient_divide_factor(1.0)
        # gloo cannot multiply while it reduces, as FSDP does for a factor otherwise.
        module.set_force_sum_reduction_for_comms(True)
    # A worker may send no token to an expert that another one uses. Both must reduce the same
    # gradients, or they would wait for each other. torch before 2.13 has no such switch.
    count_unused = getattr(module, "set_reduce_scatter_unused_params", None)
    if count_unused is not None:
        count_unused(True)


def reshard(model: nn.Module) -> None:
    """Free gathered weights after forward passes without a backward pass, which would free them."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def abandon_step(model: nn.Module) -> None:
    """Make the model ready for a forward pass after an error within a forward or backward pass."""
    # torch before 2.13 has no such function, and frees the gathered weights alone.
    reset = getattr(model, "reset_iter_state", None)
    if reset is not None:
        reset()
    reshard(model)
