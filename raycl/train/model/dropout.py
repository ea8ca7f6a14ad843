"""Turns dropout and other noise off, in configurations and in models; see raycl.plan.model_fields.

A model class has rates of its own where its configuration names none: 0.1 in GPT-2.
"""

from __future__ import annotations

from typing import Any

import transformers
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from raycl.plan.model_fields import is_noise


def silence_configuration(config: transformers.PretrainedConfig) -> None:
    """Set every rate of dropout and size of noise to zero, at any depth, in place."""
    _silence(vars(config))


def _silence(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if is_noise(name, value):
            fields[name] = type(value)(0)
        for inner in value if isinstance(value, list | tuple) else [value]:
            if isinstance(inner, transformers.PretrainedConfig):
                silence_configuration(inner)
            elif isinstance(inner, dict):
                _silence(inner)


def silence_modules(model: nn.Module) -> None:
    """Set the rate of every dropout module to zero: some are made without the configuration."""
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
