"""Adds what adapters of low rank have learned to the matrices beside them: W + scale · B A.

Every number is made by the same multiplications and additions in the same order, whatever part of
the matrix is asked for. So the merged weights have the same bits on any number of workers, which a
product of matrices has not.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from raycl.errors import InputError
from raycl.states.mark import REMEDY, AdapterFacts
from raycl.states.tensor_index import Box, TensorFacts
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import ADAPTER
from raycl.train.model.adapters import PARTS
from raycl.train.parallel.boxes import local_box, local_part

_PREFIX, _SUFFIX = "model.", ".weight"


class Merged:
    """The weights of a state with adapters, as a model without any has them."""

    def __init__(self, stored: StoredTensors, adapters: AdapterFacts) -> None:
        _check_there(stored)
        self._stored, self._adapters = stored, adapters

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each weight, by its name."""
        return {n: facts for n, facts in self._stored.facts.items() if n.startswith(_PREFIX)}

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a weight, on the CPU."""
        values = self._stored.read(tensor, box)
        product = _product(self._stored, self._adapters, tensor, box)
        return values if product is None else values.add_(product)


@torch.no_grad()
def add_products(
    tensors: Mapping[str, torch.Tensor], stored: StoredTensors, adapters: AdapterFacts
) -> None:
    """Add the products of the state's adapters to what this rank holds of the weights, in place.

    Raises InputError where the state has lost them.
    """
    _check_there(stored)
    for name, tensor in tensors.items():
        part = local_part(tensor)
        product = _product(stored, adapters, name, local_box(tensor), part.device)
        if product is not None:
            part.add_(product)


def _check_there(stored: StoredTensors) -> None:
    """Raise InputError where the state has none of its adapters: it would be taken for its base."""
    if not any(name.startswith(ADAPTER) for name in stored.facts):
        raise InputError(stored.where, "the adapters that were trained are not in it", REMEDY)


def _product(
    stored: StoredTensors,
    adapters: AdapterFacts,
    weight: str,
    box: Box,
    device: torch.device | None = None,
) -> torch.Tensor | None:
    """The product that belongs to a part of a weight; None where it has no adapter."""
    matrix = weight.removeprefix(_PREFIX).removesuffix(_SUFFIX)
    a, b = (f"{ADAPTER}{matrix}.{part}" for part in PARTS)
    if not weight.endswith(_SUFFIX) or a not in stored.facts or not box.count:
        return None
    rank = stored.facts[a].shape[0]
    out, into = (1, 0) if adapters.transposed else (0, 1)
    rows = Box((box.offsets[out], 0), (box.sizes[out], rank))
    columns = Box((0, box.offsets[into]), (rank, box.sizes[into]))
    b_part = stored.read(b, rows).to(device or "cpu")
    a_part = stored.read(a, columns).to(device or "cpu")
    product = _summed(b_part.mul_(adapters.scale), a_part)
    return product.t() if adapters.transposed else product


def _summed(b: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The product of [out, rank] and [rank, in], added up in the order of the rank."""
    total = torch.zeros(b.shape[0], a.shape[1], device=b.device)
    term = torch.empty_like(total)
    for column, row in zip(b.t(), a, strict=True):
        total += torch.mul(column.unsqueeze(1), row, out=term)
    return total
