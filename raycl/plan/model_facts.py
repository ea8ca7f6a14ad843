"""What is known of a model after it was looked into, for the plan of its training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from raycl.plan.memory import MemoryFacts
from raycl.plan.trained import ALL, Trains
from raycl.plan.training import ModelSpec


@dataclass(frozen=True)
class ModelFacts:
    """A model in numbers, counted on the model itself."""

    parameters: int
    trained: int
    """Parameters that are trained. The others are saved as they came."""
    active: int
    """Parameters that one token uses: of the experts of a layer only those it is sent to."""
    flops_per_token: float
    """For training, at the sequence length that was asked about."""
    vocabulary: int
    """Tokens that the embedding and the output matrix hold."""
    attention: tuple[str, ...]
    """The values of `execution.attention` that compute the model as it is meant."""
    recomputes: bool
    """Whether it can compute activations again (`execution.activation_checkpointing`)."""
    divides: bool = True
    """Whether its blocks were found, so that several workers can hold shards of it."""
    memory: MemoryFacts | None = None
    """What its memory depends on; None where that could not be counted."""
    tied: str = ""
    """A sentence where a part is trained of a model whose head is the embedding."""
    token_tables: tuple[str, ...] = ()
    """Tensors of its checkpoint with a row for each token: embedding, and head if it is another."""
    notes: tuple[str, ...] = ()
    """Sentences on tensors of its checkpoint that are not a part of it."""


def facts_key(model: ModelSpec, sequence_length: int, trains: Trains = ALL) -> str:
    """The key of the facts of a model and of what is trained of it: equal ones are counted once."""
    fields: list[Any] = [dict(model.config), model.pretrained, model.initialization]
    fields += [sequence_length, trains.in_names()]
    return json.dumps(fields, sort_keys=True, default=str)
