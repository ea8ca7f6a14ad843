"""The part of a tensor that this rank holds: everything of a plain one, one block of a DTensor."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.tensor import DTensor


def own_values(tensor: torch.Tensor) -> torch.Tensor:
    """The part of this rank as a plain tensor that shares its memory; no gradient is recorded."""
    held = tensor.detach()
    return held.to_local() if isinstance(held, DTensor) else held


def own_block(tensor: torch.Tensor) -> tuple[slice, ...]:
    """Where in the whole tensor this rank's part lies, for each dimension."""
    if not isinstance(tensor, DTensor):
        return tuple(slice(0, size) for size in tensor.shape)
    # This is the protocol of torch.distributed.checkpoint; it knows every kind of placement.
    (chunk,) = _chunks(tensor)
    sizes = zip(chunk.offsets, chunk.sizes, strict=True)
    return tuple(slice(offset, offset + size) for offset, size in sizes)


def _chunks(tensor: Any) -> list[Any]:
    chunks: list[Any] = tensor.__create_chunk_list__()
    return chunks


@torch.no_grad()
def keep_share(tensor: torch.Tensor, whole: torch.Tensor) -> None:
    """Copy this rank's part of `whole`, which has the shape of the whole tensor, into `tensor`."""
    own_values(tensor).copy_(whole[own_block(tensor)])
