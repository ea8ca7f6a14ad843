"""The weights of a stored model, of which any part can be read: what export and merging work on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from raycl.states.tensor_index import Box, TensorFacts
from raycl.storage import Storage
from raycl.train.checkpoint.merged import Merged
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.parallel.world import World


class Weights(Protocol):
    """Named tensors; a model's own have names that begin with `model.`."""

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each tensor, by its name."""

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a tensor, on the CPU."""


def state_weights(storage: Storage, state: StoredState) -> Weights:
    """The weights of a state as its model computes with them: adapters are merged into them.

    Raises InputError, which names the file that is damaged or missing, here and in `read`.
    """
    stored = StoredTensors(storage, state, World(0, 1, torch.device("cpu")))
    return stored if state.mark.adapters is None else Merged(stored, state.mark.adapters)
