"""The gradients of a step: summed over micro-batches and ranks, completed and clipped."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from raycl.train.model import LanguageModel
from raycl.train.precision import autocast
from raycl.train.world import World


def accumulate_gradients(
    model: LanguageModel,
    pieces: torch.Tensor,
    world: World,
    dtype: torch.dtype,
    global_tokens: int,
) -> torch.Tensor:
    """Forward and backward over this rank's pieces [pieces, rows per piece, length + 1].

    Gradients become those of the mean over the global batch: every rank adds its sum divided by
    `global_tokens`. Where a loss is not finite, on whichever rank, all gradients become NaN, so
    that the reduced norm tells every rank. Returns Σ loss / global_tokens of this rank, a scalar
    that is left on the device.
    """
    total = torch.zeros((), device=world.device)
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
