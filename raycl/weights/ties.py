"""TIES merging of models that were trained from the same base (Yadav et al. 2023, 2306.01708).

A task vector is what training added to the base, τ = θ − θ_base. TIES keeps its largest values,
elects one sign per parameter over all models, and averages the values of that sign (Algorithm 1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch

Weights = Mapping[str, torch.Tensor]
Pair = tuple[torch.Tensor, torch.Tensor]
"""The same part of the base and of a model."""
Pairs = Iterable[Pair]
"""All parts of both, which are read anew whenever they are gone over."""
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
    total = sum(start.numel() for start in base.values())
    thresholds = [
        threshold([(start, model[name]) for name, start in base.items()], total, density)
        for model in models
    ]
    return {
        name: merged(start, [model[name] for model in models], thresholds, scale)
        for name, start in base.items()
    }


def threshold(pairs: Pairs, total: int, density: Fraction | float) -> float:
    """The smallest magnitude of a model's task vector that trimming keeps; 0 keeps all values.

    `pairs` are parts of the base and of the model, `total` values in all; they are gone over twice.
    """
    count = max(1, round(density * total))
    return 0.0 if count >= total else smallest_kept(_Tasks(pairs), count)


def merged(
    start: torch.Tensor, ends: Sequence[torch.Tensor], thresholds: Sequence[float], scale: float
) -> torch.Tensor:
    """One tensor, or a part of one, of the merge: that of the base and those of the models."""
    tasks = [_task(start, end) for end in ends]
    trimmed = [
        torch.where(task.float().abs() >= least, task, 0)
        for task, least in zip(tasks, thresholds, strict=True)
    ]
    return (start.double() + scale * elect_and_average(torch.stack(trimmed))).to(start.dtype)


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


def smallest_kept(vectors: Iterable[torch.Tensor], count: int) -> float:
    """The `count`-th largest magnitude in all float32 tensors together; they are gone over twice.

    The bits of float32 magnitudes, read as integers, have the order of the magnitudes. So a
    histogram of the upper 16 bits, and then one of the lower 16 bits, find the value exactly.
    Sorting would copy the whole model.
    """
    upper, above = _bucket((bits >> 16 for bits in map(_bits, vectors)), count)
    within = (bits[bits >> 16 == upper] & (_HALF - 1) for bits in map(_bits, vectors))
    lower, _ = _bucket(within, count - above)
    return torch.tensor(upper << 16 | lower, dtype=torch.int32).view(torch.float32).item()


def _bits(vector: torch.Tensor) -> torch.Tensor:
    return vector.abs().contiguous().view(torch.int32).flatten()


def _task(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """τ of one tensor in float64, in which base + τ gives back the exact float32 weights."""
    return end.double() - start.double()


@dataclass(frozen=True)
class _Tasks:
    """The task vector's parts in float32, made anew whenever they are gone over."""

    pairs: Pairs

    def __iter__(self) -> Iterator[torch.Tensor]:
        return (_task(start, end).float() for start, end in self.pairs)


def _bucket(values: Iterable[torch.Tensor], count: int) -> tuple[int, int]:
    """The `count`-th largest of 16-bit values, and the number of values above it."""
    histogram = sum(
        (torch.bincount(part, minlength=_HALF) for part in values),
        start=torch.zeros(_HALF, dtype=torch.int64),
    )
    from_above = histogram.flip(0).cumsum(0)
    place = int(torch.searchsorted(from_above, count))
    return _HALF - 1 - place, int(from_above[place - 1]) if place else 0
