"""The workers of one node: who they are, FSDP2 over them, precision, gradients."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from raycl.errors import InputError
from raycl.train.model import LanguageModel, transformer_blocks

# A rank may wait long for another one's upload of a state; a dead one is noticed by its group.
_GROUP_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class World:
    """This process among the workers: rank, number of workers, its device."""

    rank: int
    size: int
    device: torch.device

    @cached_property
    def group(self) -> dist.ProcessGroup | None:
        """A gloo group beside the main one, for objects and background saves (collective)."""
        return dist.new_group(backend="gloo", timeout=_GROUP_TIMEOUT) if self.size > 1 else None

    def agree(self, choose: Callable[[], Any]) -> Any:
        """What `choose` returns, or raises, on rank 0, on every rank (collective)."""
        if self.size == 1:
            return choose()
        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box = [choose(), None]
            except Exception as error:  # the other ranks wait for it, so it must reach them
                box = [None, error]
        dist.broadcast_object_list(box, src=0, group=self.group)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in rank order (collective)."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def everywhere(self, action: Callable[[], Any]) -> list[Any]:
        """Every rank's result, in rank order; where one raises, all do (collective)."""
        try:
            outcome: tuple[Any, Exception | None] = (action(), None)
        except Exception as error:  # the other ranks wait for this one's answer
            outcome = (None, error)
        outcomes = self.gather(outcome)
        for _, problem in outcomes:
            if problem is not None:
                raise problem
        return [result for result, _ in outcomes]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The tensor summed over ranks (collective), the same bits on each of them."""
        if self.size > 1:
            dist.all_reduce(values)
        return values


def current_world() -> World:
    """From torch.distributed where it is initialised, else one process; CUDA where there is one."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device()))
        # Ray shows each worker only its own device, whatever its local rank.
        device = torch.device("cuda", local if local < torch.cuda.device_count() else 0)
        torch.cuda.set_device(device)
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size(), device)
    return World(0, 1, device)


def compute_dtype(
    precision: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> torch.dtype:
    """`auto` is bfloat16 on CUDA and float32 on the CPU; master weights are float32 anyway."""
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


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
        model.model.gradient_checkpointing_enable({"use_reentrant": False})
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
    """Forward and backward over this rank's rows [count, length + 1]; returns its summed loss.

    Gradients become those of the mean over the global batch: every rank adds its sum divided by
    `global_tokens`. Where the loss is not finite they all become NaN, on whichever rank it was: the
    reduced norm then tells every rank. Returns Σ loss / global_tokens of this rank, on the device,
    unsynchronised.
    """
    total = torch.zeros((), device=world.device)
    pieces = rows.split(micro_batch or len(rows))
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


def clip_gradients(model: nn.Module, limit: float) -> torch.Tensor:
    """Scale the gradients to a global L2 norm of at most `limit` (0: never); the norm before."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit or float("inf"))
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def share_of_batch(global_batch: int, world: World) -> int:
    """Rows of each rank. Raises InputError where the workers do not divide the batch."""
    if global_batch % world.size:
        raise InputError(
            "workers",
            f"{world.size} workers do not divide a global batch of {global_batch} rows",
            "Take a number of workers that does",
        )
    return global_batch // world.size
