"""The part of a tensor that this rank holds, whatever the mesh and the placements are."""

from __future__ import annotations

import torch
from torch.distributed.tensor import DTensor

from raycl.states.tensor_index import Box, whole

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The types of numbers in states and checkpoints, by their names in safetensors."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def local_box(tensor: torch.Tensor) -> Box:
    """Where `local_part` lies in the tensor. A tensor that is not distributed is held whole.

    Raises ValueError where one box does not describe it.
    """
    if not isinstance(tensor, DTensor):
        return whole(tensor.shape)
    # PyTorch's own checkpoints ask for the box by the same method.
    chunks = tensor.__create_chunk_list__()
    if len(chunks) != 1 or tuple(chunks[0].sizes) != tuple(local_part(tensor).shape):
        raise ValueError(f"the part of a tensor {tuple(tensor.shape)} on a rank is not one box")
    return Box(tuple(chunks[0].offsets), tuple(chunks[0].sizes))


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """The numbers that this rank holds, which share the tensor's memory; without a gradient."""
    if not isinstance(tensor, DTensor):
        return tensor.detach()
    return tensor.to_local().detach()


def flat_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous tensor as [bytes] uint8, which shares its memory."""
    return tensor.view(-1).view(torch.uint8)


def slices(box: Box) -> tuple[slice, ...]:
    """The box as an index of the whole tensor."""
    sides = zip(box.offsets, box.sizes, strict=True)
    return tuple(slice(offset, offset + size) for offset, size in sides)


@torch.no_grad()
def keep_share(tensor: torch.Tensor, values: torch.Tensor) -> None:
    """Copy this rank's part of `values`, which has the shape of the whole tensor, into `tensor`."""
    local_part(tensor).copy_(values[slices(local_box(tensor))])
