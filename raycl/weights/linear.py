"""Linear interpolation of weights: (1 − w) · θ_base + w · mean of θ_i.

With one model this is WiSE-FT (Wortsman et al. 2022, 2109.01903, eq. 1), whose α is w. With several
and w = 1 it is the uniform soup of "Model soups" (Wortsman et al. 2022, 2203.05482, §2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch


def linear(base: torch.Tensor, models: Sequence[torch.Tensor], weight: float) -> torch.Tensor:
    """One tensor, or a part of one, in the type of `base`. 0 gives the base, and 1 the mean.

    It is computed in float64, so that both ends are exact.
    """
    mean = torch.stack([model.double() for model in models]).mean(dim=0)
    return ((1 - weight) * base.double() + weight * mean).to(base.dtype)
