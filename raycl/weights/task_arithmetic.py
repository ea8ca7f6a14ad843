"""Task arithmetic: θ_base + λ · Σ_i (θ_i − θ_base) (Ilharco et al. 2023, 2212.04089, §2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def task_arithmetic(
    base: torch.Tensor, models: Sequence[torch.Tensor], weight: float
) -> torch.Tensor:
    """One tensor, or a part of one, in the type of `base`; `weight` is λ. Computed in float64."""
    start = base.double()
    changes = torch.stack([model.double() - start for model in models]).sum(dim=0)
    return (start + weight * changes).to(base.dtype)
