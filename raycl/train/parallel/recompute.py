"""Activation checkpointing: the backward pass computes again what the forward pass did not keep."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from raycl.plan.execution import Recomputation

_aten = torch.ops.aten
_KEPT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
}
"""Matrix products and attention: nearly all of the work, and a small part of the activations."""


def recompute_blocks(blocks: Iterable[nn.Module], kind: Recomputation) -> None:
    """Have the blocks keep what `kind` says from their forward pass, in place.

    `full` keeps the input of a block alone, `selective` also the results of matrix products and
    of attention, `none` and `auto` everything. The gradients are the same. Names of parameters do
    not change, and a block can be compiled afterwards, with its checkpointing in one graph.
    """
    if kind not in ("full", "selective"):
        return
    how = {} if kind == "full" else {"context_fn": _selective_contexts}
    for block in blocks:
        block.forward = _recomputing(block.forward, how)


def _recomputing(forward: Callable[..., Any], how: dict[str, Any]) -> Callable[..., Any]:
    @functools.wraps(forward)
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            preserve_rng_state=False,  # a training draws no random numbers
            **how,
            **kwargs,
        )

    return run


def _selective_contexts() -> Any:
    return create_selective_checkpoint_contexts(_policy)


def _policy(_context: Any, operation: Any, *_args: Any, **_kwargs: Any) -> CheckpointPolicy:
    if operation in _KEPT:
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE
