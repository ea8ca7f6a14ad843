"""The formula of each method of merging, behind one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from raycl.plan.merge_method import MergeMethod
from raycl.weights import ties
from raycl.weights.instruct_residual import instruct_residual
from raycl.weights.linear import linear
from raycl.weights.task_arithmetic import task_arithmetic, weighted_task_arithmetic
from raycl.weights.ties import Pairs

Formula = Callable[[torch.Tensor, Sequence[torch.Tensor]], torch.Tensor]
"""The merge of the same part of the base and of each model."""

_FORMULAS: Mapping[str, Callable[..., torch.Tensor]] = {
    "linear": linear,
    "task-arithmetic": task_arithmetic,
    "instruct-residual": instruct_residual,
}


def formula(method: MergeMethod, pairs: Sequence[Pairs], total: int) -> Formula:
    """The method as a function of parts.

    `pairs` are all parts of the base and of each model, `total` numbers in all. A method that looks
    at whole models goes over them first; the others do not read them.
    """
    weight = float(method.weight)
    if method.weights:
        return partial(weighted_task_arithmetic, weights=[float(w) for w in method.weights])
    if method.density is None:
        return partial(_FORMULAS[method.kind], weight=weight)
    thresholds = [ties.threshold(parts, total, method.density) for parts in pairs]
    return partial(ties.merged, thresholds=thresholds, scale=weight)
