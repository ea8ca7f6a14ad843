"""The sizes of what is measured: models, trainings, and their made-up rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from benchmarks.made_up_corpora import describe_rows
from raycl.data.shards import write_shard
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.execution import Execution
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.presets import PRESETS
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage

CORPUS = "made-up"
_ROWS = 64


@dataclass(frozen=True)
class Size:
    """A model's size, and the length and batch of its training."""

    preset: str
    vocabulary: int
    sequence_length: int
    global_batch: int
    steps: int
    layers: int | None = None
    """Where they are not the preset's."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The complete Hugging Face configuration."""
        layers = {} if self.layers is None else {"num_hidden_layers": self.layers}
        return {**PRESETS[self.preset], "vocab_size": self.vocabulary, **layers}

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step trains on."""
        return self.global_batch * self.sequence_length


@dataclass(frozen=True)
class Sizes:
    """What a run of the benchmark measures."""

    large: Size
    """The model whose speed is measured."""
    micro_batches: tuple[int, ...]
    """Rows of a forward pass of the large model; the first is that of every comparison."""
    small: Size
    """The model of what needs no large one."""
    layer: Size
    """Layers whose time is measured alone, with a vocabulary that costs nothing."""
    layer_micro_batch: int
    loss_tokens: int
    """Tokens of the loss alone; its width and vocabulary are the large model's."""
    memory_fraction: float
    """The share of the memory that a training with an automatic micro-batch is allowed."""
    warmup: int = 3


# 64 rows of 2,048 tokens take 0.7 s at 180,000 tokens/s. The paper's step has 1,104 rows, so that
# AdamW takes a smaller share of it than here.
FULL = Sizes(
    large=Size("gpt-neox-405m", 50_304, 2048, 64, steps=6),
    micro_batches=(16, 8, 32),
    small=Size("gpt-neox-49m", 50_304, 512, 16, steps=20),
    layer=Size("gpt-neox-9.6b", 512, 2048, 3, steps=10, layers=4),
    layer_micro_batch=3,
    loss_tokens=23 * 2048,
    memory_fraction=0.6,
)
_TINY = Size("gpt-neox-tiny", 64, 16, 4, steps=4)
SMOKE = Sizes(
    large=_TINY,
    micro_batches=(2,),
    small=_TINY,
    layer=_TINY,
    layer_micro_batch=1,
    loss_tokens=64,
    memory_fraction=0.6,
    warmup=1,
)


def make_task(size: Size, execution: Execution) -> Training:
    """A node of `size.steps` steps at a constant rate, without validation."""
    source = Source(CORPUS, Fraction(1), limit=_ROWS, at_end="repeat")
    mixture = Mixture((source,), size.global_batch, Fraction(0))
    stage = ChainStage("stage", size.steps, Constant(max_lr=1e-3), mixture)
    chain = Chain({"seed": 0}, [stage], {CORPUS: "0" * 16}, size.sequence_length)
    model = ModelSpec(size.config, initialization="gpt-neox")
    corpora = {CORPUS: f"corpora/{CORPUS}"}
    return Training(
        chain,
        0,
        size.steps,
        model,
        Optimizer(),
        0,
        size.sequence_length,
        corpora,
        execution=execution,
    )


def write_rows(storage: Storage, task: Training) -> None:
    """Write random token ids as the task's corpus; they are the same every time."""
    folder, length = task.corpora[CORPUS], task.sequence_length + 1
    vocabulary = task.model.config["vocab_size"]
    rows = np.random.default_rng(0).integers(0, vocabulary, (_ROWS, length), dtype=np.uint16)
    shard = write_shard(storage, folder, "train", 0, rows)
    describe_rows(storage, CORPUS, (shard,), length, vocabulary)
