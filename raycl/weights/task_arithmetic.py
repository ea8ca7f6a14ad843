"""Task arithmetic: θ_base + λ · Σ_i (θ_i − θ_base) (Ilharco et al. 2023, 2212.04089, §2).

With a factor λ_i for each model it is θ_base + Σ_i λ_i · (θ_i − θ_base), the composition of
distribution vectors in OptiMer (Song and Utiyama 2026, 2603.28858).
"""

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


def weighted_task_arithmetic(
    base: torch.Tensor, models: Sequence[torch.Tensor], weights: Sequence[float]
) -> torch.Tensor:
    """The same with a factor for each model. Computed in float64."""
    start = base.double()
    pairs = zip(models, weights, strict=True)
    changes = torch.stack([weight * (model.double() - start) for model, weight in pairs])
    return (start + changes.sum(dim=0)).to(base.dtype)
