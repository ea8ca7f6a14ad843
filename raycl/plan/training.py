"""All that the training of one node needs, as plain data that can be sent to workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from raycl.plan.chain import Chain
from raycl.plan.documents import ACROSS, Documents
from raycl.plan.execution import Execution
from raycl.plan.holding import Holding
from raycl.plan.optimizer import Optimizer
from raycl.plan.trained import Trains
from raycl.plan.validation import Validation


@dataclass(frozen=True)
class ModelSpec:
    """A causal language model: a Hugging Face configuration, or a pretrained checkpoint."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """The complete Hugging Face configuration, `model_type` and `vocab_size` included, for a
    checkpoint too. Fields that change no step are left out; see `raycl/plan/model_fields.py`."""
    pretrained: str | None = None
    """Identifier of the checkpoint to start from, which lies in the storage; None for a random
    start. In marks of earlier versions it is a folder or hub name, and `config` is empty."""
    initialization: Literal["gpt-neox", "transformers"] = "transformers"
    """`gpt-neox`: the paper's small-init and Wang-init; `transformers`: the model class's own."""


@dataclass(frozen=True)
class Training:
    """Steps [start, stop) of a chain, and all that training them needs."""

    chain: Chain
    start: int
    stop: int
    model: ModelSpec
    optimizer: Optimizer
    seed: int
    sequence_length: int
    corpora: Mapping[str, str]
    """From the name of a corpus to its folder in the storage."""
    stage: str = ""
    workers: int = 1
    fewest_workers: int | None = None
    """The least number of workers while machines are away; None: always `workers`."""
    validation: Validation = field(default_factory=Validation)
    """With `every` None, validation happens before a chain's first step and at the node's end."""
    execution: Execution = field(default_factory=Execution)
    """With `micro_batch` None, a worker takes as many rows at once as its memory holds. With
    `save_every` and `keep_every` None, only the end state is saved. The end state is always kept,
    whatever `keep_last` says."""
    documents: Documents = ACROSS
    """Whether attention and loss stop at the borders of documents, in validation as well."""
    end: Holding = "all"
    """What the end state is written with; every state before it is written whole."""
    least: Holding = "results"
    """The least that an end state must hold to count as finished: it depends on what is left to
    train after it."""

    @property
    def trains(self) -> Trains:
        """The weights that its first step updates."""
        return self.chain.stages[self.chain.stage_index(self.start)].trains


def chains_of(recipes: Mapping[str, Training]) -> dict[str, Chain]:
    """The chain of each recipe, by its label."""
    return {label: training.chain for label, training in recipes.items()}


def alike(training: Training) -> list[Training]:
    """The training in parts, in each of which the same weights are trained.

    A node of a sweep is one part, since it ends with its stage. Adapters begin anew wherever the
    optimizer does, after those before them were merged.
    """
    first, stop = training.start, training.stop
    inner = [s for s in training.chain.starts[1:-1] if first < s < stop]
    changes = [s for s in dict.fromkeys(inner) if _changes(training.chain, s)]
    if not changes:
        return [training]
    bounds = pairwise((first, *changes, stop))
    return [replace(training, start=start, stop=end) for start, end in bounds]


def _changes(chain: Chain, step: int) -> bool:
    """Whether other weights, or new adapters, are trained from this step on."""
    before, after = (chain.stages[chain.stage_index(s)].trains for s in (step - 1, step))
    anew = chain.resets_optimizer(step) and after.lora is not None
    return anew or before.in_names() != after.in_names()
