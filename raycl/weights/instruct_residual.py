"""Instruct residual: θ_continued + λ · (θ_instruct − θ_base).

What instruction tuning added to a base model is added to a base model that was trained further, so
that it need not be tuned anew (Jindal et al. 2024, 2410.10739, §3, whose λ is 1; "Chat Vector",
Huang et al. 2023, 2310.04799, eq. 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def instruct_residual(
    base: torch.Tensor, models: Sequence[torch.Tensor], weight: float
) -> torch.Tensor:
    """One tensor, or a part of one, in the type of `base`; `models` are continued and instruct."""
    continued, instruct = models
    residual = instruct.double() - base.double()
    return (continued.double() + weight * residual).to(base.dtype)
