"""The type that a step computes in. Master weights and reductions are float32 anyway."""

from __future__ import annotations

from typing import Literal

import torch

from raycl.errors import InputError
from raycl.plan.execution import Precision, precision_on


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type that a step computes in; master weights are float32 anyway.

    Raises InputError where the device cannot compute in it: another type would be another state.
    """
    precision = precision_on(precision, "cuda" if device.type == "cuda" else "cpu")
    if precision == "float32":
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(
            "execution.precision bfloat16",
            f"{torch.cuda.get_device_name(device)} has no bfloat16",
            "Set execution.precision: float32, which makes other states, or take other GPUs",
        )
    return torch.bfloat16


def precision_name(dtype: torch.dtype) -> Literal["float32", "bfloat16"]:
    """The name in recipes of a type that `compute_dtype` has returned."""
    return "bfloat16" if dtype == torch.bfloat16 else "float32"
