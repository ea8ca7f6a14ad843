"""The trainings that `benchmarks.gpu` makes: their models, sizes, and made-up rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

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
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Size:
    """A model's size, and the length and batch of its training."""

    preset: str
    vocabulary: int
    sequence_length: int
    global_batch: int
    steps: int

    @property
    def config(self) -> Mapping[str, Any]:
        """The complete Hugging Face configuration."""
        return {**PRESETS[self.preset], "vocab_size": self.vocabulary}

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step trains on."""
        return self.global_batch * self.sequence_length


@dataclass(frozen=True)
class Case:
    """One measurement of speed: `warmup` steps, then `size.steps` timed ones."""

    size: Size
    micro_batch: int
    compile: bool = False
    warmup: int = 3

    @property
    def name(self) -> str:
        """The name of the case in the table."""
        compiled = " + torch.compile" if self.compile else ""
        return f"{self.size.preset}, micro-batch {self.micro_batch}{compiled}"


@dataclass(frozen=True)
class Sizes:
    """The trainings that a run of the benchmark measures."""

    tiny: Size
    resumed: tuple[Precision, ...]
    """The precisions in which a resumed training is compared with a straight one."""
    cases: tuple[Case, ...]
    profiled: Case


_TINY = Size("gpt-neox-tiny", 2048, 128, 32, steps=8)
# A step of 32 rows of 2,048 tokens takes about half a second on an H100 at 40 % of its peak.
_LARGE = Size("gpt-neox-405m", 50_304, 2048, 32, steps=8)
FULL = Sizes(
    tiny=_TINY,
    resumed=("float32", "bfloat16"),
    cases=(
        *(Case(_LARGE, micro_batch) for micro_batch in (4, 8, 16)),
        *(Case(_LARGE, micro_batch, compile=True) for micro_batch in (8, 16)),
    ),
    profiled=Case(_LARGE, 8),
)
_SMALL = Size("gpt-neox-tiny", 64, 16, 4, steps=2)
SMOKE = Sizes(
    tiny=_SMALL,
    resumed=("float32",),
    cases=tuple(Case(_SMALL, micro_batch, warmup=1) for micro_batch in (2, 4)),
    profiled=Case(_SMALL, 2, warmup=1),
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
