"""The gradients of a step: summed over micro-batches and ranks, and completed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule

from raycl.train.model.language_model import LanguageModel, RowWeights
from raycl.train.parallel.world import World


def accumulate_gradients(
    model: LanguageModel,
    pieces: torch.Tensor,
    world: World,
    global_tokens: int | torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Forward and backward over this rank's pieces [pieces, rows per piece, length + 1].

    Gradients become those of the mean over the global batch: every rank adds its sum divided by
    `global_tokens`, the tokens that all ranks predict in this step; with `weights` [pieces, rows],
    both sums are weighted by row. Where a loss is not finite, on whichever rank, all gradients
    become NaN, so that the reduced norm tells every rank. Returns Σ loss / global_tokens of this
    rank, a scalar that is left on the device.
    """
    total = torch.zeros((), device=world.device)
    for number, piece in enumerate(pieces, 1):
        with gradient_reduction(model, last=number == len(pieces)):
            given = () if weights is None else (RowWeights(weights[number - 1]),)
            loss = model(piece, *given) / global_tokens
            one_or_nan = 1 + 0 * loss.detach()  # a loss of ∞ can have finite gradients
            loss.backward(one_or_nan)
        total += loss.detach()
    return total


@contextmanager
def gradient_reduction(model: LanguageModel, last: bool) -> Iterator[None]:
    """How the gradients of one micro-batch are reduced; `last` is that of the step.

    They are summed over the shards after each micro-batch, so that no worker ever holds more than
    its own part of them in float32. Only the sum over replicas waits for the last. Where the
    gathered weights are small, they stay gathered until then.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_all_reduce(last)
        model.set_reshard_after_backward(last or not model.keeps_gathered)
    yield


def complete_gradients(model: nn.Module) -> None:
    """Give a gradient of zero to each trained parameter that this step did not use.

    An expert to which no token was sent is one. AdamW then counts the step for all parameters
    alike, as the step count in a stored state does.
    """
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
