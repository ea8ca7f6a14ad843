"""Matrices of the blocks divided over workers that read the same rows (Megatron-LM, §3).

The plan is the model's own, by which transformers runs it on several GPUs: the matrices that a
block begins with are divided by columns, so that each worker has whole heads, and those that it
ends with by rows, whose products are summed over the workers.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import transformers
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    parallelize_module,
)

from raycl.errors import InputError
from raycl.train.model.language_model import LanguageModel

_FIELD = "execution.layout.tensor"
_STYLES: dict[str, type[ParallelStyle]] = {"colwise": ColwiseParallel, "rowwise": RowwiseParallel}
_DIVIDED = ("num_attention_heads", "num_key_value_heads", "intermediate_size")


def divide_matrices(model: LanguageModel, mesh: DeviceMesh) -> None:
    """Divide the blocks' matrices over a mesh of one dimension, in place (collective).

    Embedding, norms and head stay whole on each worker. Raises InputError where the model has no
    plan of these two kinds, where its heads do not divide, or where something between the divided
    matrices has weights.
    """
    config, base = model.model.config.get_text_config(), model.model.base_model
    plan: Any = {name: _STYLES[style]() for name, style in plan_of(config, mesh.size()).items()}
    _check_between(base, plan, config.model_type)
    parallelize_module(base, mesh, plan)


def _check_between(base: nn.Module, plan: Collection[str], model_type: str) -> None:
    """Raise InputError where weights beside divided matrices, such as norms of heads, are not.

    Each worker would use them for its own heads alone, and get only a part of their gradient.
    """
    divided = {n for n, _ in base.named_modules() if re.sub(r"(^|\.)\d+(?=\.)", r"\1*", n) in plan}
    beside = {name.rpartition(".")[0] for name in divided}
    for name, _ in base.named_parameters():
        owner = name.rpartition(".")[0]
        if owner not in divided and any(owner == b or owner.startswith(f"{b}.") for b in beside):
            problem = f"the plan of {model_type} models leaves out {name}"
            raise InputError(_FIELD, problem, "Set it to 1")


def plan_of(config: transformers.PretrainedConfig, parts: int) -> dict[str, str]:
    """From names of matrices in the base model, with `*` for a number, to colwise or rowwise.

    Raises InputError where the model's plan has other kinds, or none, and where its heads do not
    divide into so many parts.
    """
    plan: dict[str, str] = dict(getattr(config, "base_model_tp_plan", None) or {})
    others = sorted(set(plan.values()) - _STYLES.keys())
    if others or not plan:
        problem = f"{config.model_type} models have " + (
            f"{', '.join(others)} in their plan" if others else "no plan for it"
        )
        raise InputError(_FIELD, problem, "Set it to 1")
    _check_divides(config, parts)
    return plan


def _check_divides(config: transformers.PretrainedConfig, parts: int) -> None:
    sizes = [size for name in _DIVIDED if (size := getattr(config, name, None))]
    if any(size % parts for size in sizes):
        most = min(sizes)
        fitting = [n for n in range(1, most + 1) if not any(size % n for size in sizes)]
        raise InputError(
            f"{_FIELD} {parts}",
            f"{config.num_attention_heads} heads do not divide",
            f"Take one of {', '.join(map(str, fitting))}",
        )
