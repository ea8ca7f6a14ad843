"""The loss of a language model's head: summed cross entropy, without all logits at a time."""

from __future__ import annotations

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

try:
    from torch.nn import LinearCrossEntropyOptions
except ImportError:  # torch before 2.13
    LinearCrossEntropyOptions = None  # type: ignore[assignment, misc]

# Tokens whose logits exist at a time. Measured on one CPU thread, forward and backward, in ms:
# 4096 tokens, h 128, V 2048: plain 176, chunks of 512 95; 2048, 576, 49152: plain 5480, 512 4402
# (torch's own choice of chunk: 7836).
CHUNK_TOKENS = 512


def summed_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Σ cross entropy (nats) of `hidden @ weight.T`: [tokens, h], [V, h], [tokens] to a scalar.

    In float32 the logits exist only in chunks, in training and without gradients alike. Under
    bfloat16 they are made whole and cast up: the chunked operator would sum in bfloat16.
    """
    half = hidden.dtype != torch.float32 or torch.is_autocast_enabled(hidden.device.type)
    if half:
        return functional.cross_entropy(
            functional.linear(hidden, weight).float(), targets, reduction="sum"
        )
    if LinearCrossEntropyOptions is None:
        return chunked_cross_entropy(hidden, weight, targets)
    options = LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=CHUNK_TOKENS)
    return functional.linear_cross_entropy(
        hidden, weight, targets, reduction="sum", options=options
    )


def chunked_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The same sum in plain operations, for a torch without `linear_cross_entropy` (before 2.13).

    The logits of a chunk are forgotten and computed again in the backward pass, so that memory
    stays bounded; the operator of torch 2.13 keeps gradients instead and is faster.
    """
    total = hidden.new_zeros(())
    chunks = torch.split(hidden, CHUNK_TOKENS), torch.split(targets, CHUNK_TOKENS)
    for piece, wanted in zip(*chunks, strict=True):
        total = total + checkpoint(_piece_loss, piece, weight, wanted, use_reentrant=False)
    return total


def _piece_loss(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(functional.linear(hidden, weight), targets, reduction="sum")
