"""Stands in for flash attention where there is no GPU: attention over documents in one flat row.

transformers' flash attention finds documents in a single row by its positions, and takes no mask.
This function does the same with plain products, so that a small model can show on any machine that
its class hands the positions on.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn
from transformers.integrations.sdpa_attention import repeat_kv

STAND_IN = "documents_by_positions"
"""Its name in transformers, which makes no mask for it."""


def _attention(  # noqa: PLR0913 (transformers gives all of them)
    _module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    _mask: torch.Tensor | None,
    position_ids: torch.Tensor,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The attention of one row, [1, heads, length, size] to [1, length, heads, size].

    Raises TypeError without positions, ValueError for sinks, which flash attention does not have.
    """
    if others.get("s_aux") is not None:
        raise ValueError("attention with sinks")
    shared = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, shared), repeat_kv(value, shared)
    scores = query @ key.transpose(2, 3) * (scaling or query.shape[-1] ** -0.5)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    seen = _seen(position_ids[0], sliding_window)
    weights = scores.masked_fill(~seen, -torch.inf).softmax(dim=-1)
    return (weights @ value).transpose(1, 2), None


def _seen(positions: torch.Tensor, window: int | None) -> torch.Tensor:
    """Which places a place attends to: earlier ones of its document, within the window."""
    document = (positions == 0).cumsum(0)
    places = torch.arange(len(positions))
    distance = places[:, None] - places[None, :]
    near = distance < (window or len(positions))
    return (document[:, None] == document[None, :]) & (distance >= 0) & near


transformers.AttentionInterface.register(STAND_IN, _attention)
