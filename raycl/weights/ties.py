"""TIES merging of models that were trained from the same base (Yadav et al. 2023, 2306.01708).

A task vector is what training added to the base, τ = θ − θ_base. TIES keeps its largest values,
elects one sign per parameter over all models, and averages the values of that sign (Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import torch

Weights = Mapping[str, torch.Tensor]
_HALF = 1 << 16


def ties(
    base: Weights, models: Sequence[Weights], density: Fraction | float, scale: float
) -> dict[str, torch.Tensor]:
    """The weights `base` + `scale` × merged task vector, with names, shapes and types of `base`.

    `density` in (0, 1] is the share of values that trimming keeps, the largest by magnitude. One
    threshold holds for all tensors of a model's task vector, as in the paper (§4, step 1) and its
    code: a threshold for each tensor would keep as many values of a tensor that hardly moved as of
    one that moved far. All values equal to the threshold stay.

    The order of the models does not change a bit of the result. All weights must have the names
    and shapes of `base`, and values of float32 or shorter.
    """
    thresholds = [_threshold(base, model, density) for model in models]
    return {
        name: (start.double() + scale * _merged(name, start, models, thresholds)).to(start.dtype)
        for name, start in base.items()
    }


def elect_and_average(trimmed: torch.Tensor) -> torch.Tensor:
    """One tensor [...] from task vectors [models, ...]: the mean of the values of the elected sign.

    The elected sign is the sign of the sum over models (§4, step 2). Where the sum is 0 there is no
    sign and the result is 0: sgn(0) = 0, as in the paper. Trimmed values (0) do not count in the
    mean (step 3).
    """
    # Sorted values add up in one order, whatever the order of the models is.
    ordered = trimmed.sort(dim=0).values
    agrees = (ordered.sign() == ordered.sum(dim=0).sign()) & (ordered != 0)
    total = torch.where(agrees, ordered, 0).sum(dim=0)
    return total / agrees.sum(dim=0).clamp(min=1)


def smallest_kept(vectors: Sequence[torch.Tensor], count: int) -> float:
    """The `count`-th largest magnitude in all float32 tensors together.

    The bits of float32 magnitudes, read as integers, have the order of the magnitudes. So a
    histogram of the upper 16 bits, and then one of the lower 16 bits, find the value exactly.
    Sorting would copy the whole model.
    """
    bits = [vector.abs().contiguous().view(torch.int32).flatten() for vector in vectors]
    upper, above = _bucket([part >> 16 for part in bits], count)
    within = [part[part >> 16 == upper] & (_HALF - 1) for part in bits]
    lower, _ = _bucket(within, count - above)
    return torch.tensor(upper << 16 | lower, dtype=torch.int32).view(torch.float32).item()


def _threshold(base: Weights, model: Weights, density: Fraction | float) -> float:
    """The smallest magnitude of the model's task vector that trimming keeps; 0 keeps all values."""
    total = sum(start.numel() for start in base.values())
    count = max(1, round(density * total))
    if count >= total:
        return 0.0
    return smallest_kept([_task(start, model[name]).float() for name, start in base.items()], count)


def _task(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """τ of one tensor in float64, in which base + τ gives back the exact float32 weights."""
    return end.double() - start.double()


def _merged(
    name: str, start: torch.Tensor, models: Sequence[Weights], thresholds: Sequence[float]
) -> torch.Tensor:
    tasks = [_task(start, model[name]) for model in models]
    trimmed = [
        torch.where(task.float().abs() >= threshold, task, 0)
        for task, threshold in zip(tasks, thresholds, strict=True)
    ]
    return elect_and_average(torch.stack(trimmed))


def _bucket(values: Sequence[torch.Tensor], count: int) -> tuple[int, int]:
    """The `count`-th largest of 16-bit values, and the number of values above it."""
    histogram = sum(
        (torch.bincount(part, minlength=_HALF) for part in values),
        start=torch.zeros(_HALF, dtype=torch.int64),
    )
    from_above = histogram.flip(0).cumsum(0)
    place = int(torch.searchsorted(from_above, count))
    return _HALF - 1 - place, int(from_above[place - 1]) if place else 0
