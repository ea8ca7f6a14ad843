"""Tiny nodes to train, their corpora, and what can happen to them."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raycl.data.manifest import Split, load_manifest, write_manifest
from raycl.data.shards import CorpusReader, write_shard
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.configuration import Configuration
from raycl.plan.execution import Execution
from raycl.plan.loss_weights import LossWeights
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant
from raycl.plan.shares import share_of
from raycl.plan.trained import Trains
from raycl.plan.training import ModelSpec, Training
from raycl.plan.validation import Validation
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.train.model.language_model import LanguageModel, RowWeights
from raycl.train.observers import Observer
from tests.helpers.manifests import small_manifest

LENGTH, BATCH, VOCABULARY, FIRST_STAGE = 16, 8, 64, 4
CONFIG = {
    "model_type": "gpt_neox",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 32,
    "vocab_size": VOCABULARY,
}


def make_corpus(storage: Storage, name: str) -> None:
    """200 random training rows and 5 of validation (odd, so that two ranks get unequal shares)."""
    generator, folder = np.random.default_rng(len(name)), f"corpora/{name}"
    rows = generator.integers(0, VOCABULARY, (205, LENGTH + 1), dtype=np.uint16)
    train = Split((write_shard(storage, folder, "train", 0, rows[:200]),), 200, 1, 1, 1)
    held = Split((write_shard(storage, folder, "validation", 0, rows[200:]),), 5, 1, 1, 1)
    write_manifest(storage, folder, small_manifest(name, VOCABULARY, LENGTH + 1, train, held))


def make_task(stop: int = 6, start: int = 0, steps: int = 8, **fields: Any) -> Training:
    """Steps of a chain of two stages; a hand-off resets the optimizer before step FIRST_STAGE.

    `fields` are those of `Training`, and without a prefix those of `Execution` and `Optimizer`;
    those of `Validation` are called `validation_<field>`. `config` is the model's, `trains` has
    what each of the two stages trains, as a recipe writes it, and `loss_weights` are those of both.
    """
    optimizer = Optimizer(**_taken(fields, Optimizer))
    validation = Validation(**_taken(fields, Validation, "validation_"))
    # Tests compare to rounding in float32, also where a GPU would by itself compute in bfloat16.
    execution = Execution(**({"precision": "float32"} | _taken(fields, Execution)))
    mixture = Mixture(
        (
            Source("new", Fraction(1), limit=200, at_end="repeat"),
            Source("older", Fraction(1), replay=True, limit=200, at_end="repeat"),
        ),
        BATCH,
        Fraction(1, 4),
    )
    reset, rates = fields.pop("reset", True), fields.pop("rates", (1e-2, 3e-3))
    config = fields.pop("config", CONFIG)
    one, two = (Trains.model_validate(t) for t in fields.pop("trains", ("all", "all")))
    second = steps - FIRST_STAGE
    stages = [
        ChainStage("one", FIRST_STAGE, Constant(max_lr=rates[0]), mixture, trains=one),
        ChainStage("two", second, Constant(max_lr=rates[1]), mixture, reset, trains=two),
    ]
    weights = LossWeights(fields.pop("loss_weights", ()))
    stages = [replace(stage, loss_weights=weights) for stage in stages]
    fingerprints = {"new": "0" * 16, "older": "1" * 16}
    chain = Chain({"seed": 1}, stages, fingerprints, LENGTH)
    return Training(
        chain,
        start,
        stop,
        ModelSpec(config, initialization="gpt-neox" if config is CONFIG else "transformers"),
        optimizer,
        1,
        LENGTH,
        {name: f"corpora/{name}" for name in ("new", "older")},
        validation=validation,
        execution=execution,
        **fields,
    )


def _taken(fields: dict[str, Any], kind: type[Configuration], prefix: str = "") -> dict[str, Any]:
    """Those of the fields that belong to a configuration; they are taken out of `fields`."""
    names = [name for name in kind.model_fields if prefix + name in fields]
    return {name: fields.pop(prefix + name) for name in names}


def make_storage(folder: Path) -> Storage:
    """A local storage that holds both corpora."""
    storage = Storage(folder)
    for name in ("new", "older"):
        make_corpus(storage, name)
    return storage


def make_batches(
    task: Training, storage: Storage, rank: int = 0, world: int = 1
) -> Callable[[int], Iterator[np.ndarray]]:
    """The contiguous part of every global batch that is one rank's, read without Ray."""
    readers = {
        name: CorpusReader(storage, folder, load_manifest(storage, folder))
        for name, folder in task.corpora.items()
    }
    share = share_of(BATCH, rank, world)

    def batches(first: int) -> Iterator[np.ndarray]:
        for step in range(first, task.stop):
            runs = task.chain.rows(step)
            rows = np.concatenate([readers[r.corpus].read(r.first, r.count) for r in runs])
            yield rows[share.start : share.stop]

    return batches


def poison(task: Training, storage: Storage, steps: Sequence[int], value: float) -> None:
    """Add NaN or ∞ to the loss wherever the last row of one of these steps is read.

    The gradients by themselves stay finite. A finite `value` multiplies the loss. Patches the
    model's class; undo it yourself.
    """
    forward, stream = LanguageModel.forward, make_batches(task, storage)
    last = np.stack([next(stream(step))[-1] for step in steps]).astype(np.int64)
    marked = torch.from_numpy(last)

    def poisoned(
        self: LanguageModel, rows: torch.Tensor, weights: RowWeights | None = None
    ) -> torch.Tensor:
        found = (rows[:, None] == marked.to(rows.device)).all(-1).any()
        loss = forward(self, rows, weights)
        if math.isfinite(value):
            return loss * torch.where(found, value, 1.0)
        return loss + torch.where(found, value, 0.0)

    LanguageModel.forward = poisoned  # type: ignore[method-assign]


class Notice(Observer):
    """A notice that comes with step `at`."""

    def __init__(self, at: int) -> None:
        self._at, self._step = at, 0

    def on_step(self, step: int) -> None:
        self._step = step

    def asked(self) -> bool:
        """Whether it has come, as the loop asks."""
        return self._step >= self._at


def run(
    storage: Storage, rank: int = 0, world: int = 1, notice: Notice | None = None, **fields: Any
) -> list[dict[str, Any]]:
    """Train a task of `make_task`; everything it reported."""
    task, notice = make_task(**fields), notice or Notice(at=sys.maxsize)
    reports: list[dict[str, Any]] = []
    peers = task.execution.tensor_parallel
    batches = make_batches(task, storage, rank // peers, world // peers)
    train(task, storage, batches, reports.append, notice.asked, [notice])
    return reports
