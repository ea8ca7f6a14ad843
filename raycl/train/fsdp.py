"""The model over the workers: FSDP2's sharding, the precision of a step, its gradients."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from raycl.errors import InputError
from raycl.plan.execution import Precision, precision_on
from raycl.train.model import LanguageModel, checkpoint_activations, transformer_blocks
from raycl.train.world import World


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type that a step computes in; master weights are float32 anyway.

    Raises InputError where the device cannot compute in it: another type would be another state.
    """
    precision = precision_on(precision, "cuda" if device.type == "cuda" else "cpu")
    if precision == "float32":
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(
            "execution.precision bfloat16",
            f"{torch.cuda.get_device_name(device)} has no bfloat16",
            "Set execution.precision: float32, which makes other states, or take other GPUs",
        )
    return torch.bfloat16


def precision_name(dtype: torch.dtype) -> Literal["float32", "bfloat16"]:
    """The name in recipes of a type that `compute_dtype` has returned."""
    return "bfloat16" if dtype == torch.bfloat16 else "float32"


def shard_model(
    model: LanguageModel,
    world: World,
    dtype: torch.dtype,
    *,
    compile_blocks: bool = False,
    activation_checkpointing: bool = False,
) -> LanguageModel:
    """Move the model to the device and, with several workers, shard it block by block (FSDP2).

    Computes in `dtype`, keeps and reduces in float32. Changes the model in place and returns it.
    """
    blocks = transformer_blocks(model)
    if activation_checkpointing:
        checkpoint_activations(model)
    if compile_blocks:
        for block in blocks:
            block.compile()
    if world.size == 1:
        return model.to(world.device)
    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32
    )
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    return model.to(world.device)  # FSDP moves parameters only; buffers are left


def autocast(world: World, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Mixed precision for one worker; with several, FSDP's policy does the casting."""
    if world.size > 1 or dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(world.device.type, dtype=dtype)


def accumulate_gradients(
    model: LanguageModel,
    rows: torch.Tensor,
    world: World,
    dtype: torch.dtype,
    micro_batch: int | None,
    global_tokens: int,
) -> torch.Tensor:
    """Forward and backward over this rank's rows [count, length + 1].

    Gradients become those of the mean over the global batch: every rank adds its sum divided by
    `global_tokens`. Where a loss is not finite, on whichever rank, all gradients become NaN, so
    that the reduced norm tells every rank. Returns Σ loss / global_tokens of this rank, a scalar
    that is left on the device.
    """
    total = torch.zeros((), device=world.device)
    pieces = torch.split(rows, micro_batch or len(rows))
    for index, piece in enumerate(pieces):
        if isinstance(model, FSDPModule) and len(pieces) > 1:
            model.set_requires_gradient_sync(index == len(pieces) - 1)
        with autocast(world, dtype):
            loss = model(piece) / global_tokens
        # FSDP averages over the ranks; the factor turns that into the sum.
        one_or_nan = 1 + 0 * loss.detach()  # a loss of ∞ can have finite gradients
        (loss * world.size).backward(one_or_nan)
        total += loss.detach()
    return total


def complete_gradients(model: nn.Module) -> None:
    """Give a gradient of zero to each trained parameter that this step did not use.

    An expert to which no token was sent is one. AdamW then counts the step for all parameters
    alike, as the step count in a stored state does.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)


def clip_gradients(model: nn.Module, limit: float) -> torch.Tensor:
    """Scale gradients to a global L2 norm of at most `limit` (0: never); the norm before."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit or float("inf"))
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
