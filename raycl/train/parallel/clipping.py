"""The norm of all gradients, over whatever mesh they are sharded, and clipping to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

Groups = tuple[dist.ProcessGroup, ...]
_TINY = 1e-6  # as in torch.nn.utils.clip_grad_norm_


@torch.no_grad()
def clip_gradients(model: nn.Module, limit: float) -> torch.Tensor:
    """Scale gradients to a global L2 norm of at most `limit` (0: never); the norm before.

    The norm is a scalar on the device, the same on every rank. The same as
    `torch.nn.utils.clip_grad_norm_`, with one exchange of one number for each way in which
    gradients are sharded.
    """
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = gradient_norm(gradients)
    if limit:
        # On the parts themselves: operations on lists of DTensors cost the host milliseconds.
        factor = torch.clamp(limit / (norm + _TINY), max=1.0)
        torch._foreach_mul_([_own_part(gradient) for gradient in gradients], factor)
    return norm


def gradient_norm(gradients: Iterable[torch.Tensor]) -> torch.Tensor:
    """The L2 norm of all gradients together (collective), a scalar on their device."""
    parts: defaultdict[Groups, list[torch.Tensor]] = defaultdict(list)
    for gradient in gradients:
        parts[_sharing(gradient)].append(_own_part(gradient))
    if set(parts) == {()}:
        return torch.nn.utils.get_total_norm(parts[()])
    squares = [_summed(torch.nn.utils.get_total_norm(p).square(), g) for g, p in parts.items()]
    return torch.stack(squares).sum().sqrt()


def _own_part(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.to_local() if isinstance(gradient, DTensor) else gradient


def _sharing(gradient: torch.Tensor) -> Groups:
    """The groups of ranks whose members hold other parts of the gradient."""
    if not isinstance(gradient, DTensor):
        return ()
    mesh = gradient.device_mesh
    return tuple(
        mesh.get_group(dimension)
        for dimension, placement in enumerate(gradient.placements)
        if mesh.size(dimension) > 1 and not placement.is_replicate()
    )


def _summed(value: torch.Tensor, groups: Groups) -> torch.Tensor:
    for group in groups:
        dist.all_reduce(value, group=group)
    return value
