"""Weights in another type of number, cast slice by slice as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Literal

import torch

from raycl.errors import InputError
from raycl.states.tensor_index import Box, TensorFacts
from raycl.train.checkpoint.weights import Weights
from raycl.train.parallel.boxes import DTYPES, NAMES

Dtype = Literal["float32", "bfloat16", "float16"]
TORCH_DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


class CastWeights:
    """Weights whose floating-point numbers have the type `dtype`; others stay as they are."""

    def __init__(self, stored: Weights, dtype: Dtype) -> None:
        self._stored, self._dtype = stored, TORCH_DTYPES[dtype]

    @cached_property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each tensor, by its name."""
        return {name: self._cast(facts) for name, facts in self._stored.facts.items()}

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a tensor, on the CPU. Raises InputError for numbers that the type lacks."""
        return cast(tensor, self._stored.read(tensor, box), DTYPES[self.facts[tensor].dtype])

    def _cast(self, facts: TensorFacts) -> TensorFacts:
        if not DTYPES[facts.dtype].is_floating_point:
            return facts
        return replace(facts, dtype=NAMES[self._dtype])


def cast(name: str, values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The values in another type, each rounded to the nearest number that it has.

    Raises InputError where a finite number is too large for it, as many are for float16.
    """
    made = values.to(dtype)
    if dtype == torch.float16 and not torch.equal(made.isfinite(), values.isfinite()):
        largest = torch.finfo(dtype).max
        raise InputError(
            "--dtype float16",
            f"{name} holds numbers above {largest:g}, the largest that it has",
            "Export as bfloat16",
        )
    return made
