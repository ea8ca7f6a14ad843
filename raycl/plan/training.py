"""What the training of one node needs: plain data that travels to the workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raycl.plan.chain import Chain


@dataclass(frozen=True)
class ModelSpec:
    """A causal language model: a Hugging Face configuration, or a pretrained checkpoint."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """The complete Hugging Face configuration, `model_type` and `vocab_size` included."""
    pretrained: str | None = None
    """Folder or hub name of the checkpoint to start from; None for a random start."""
    initialization: Literal["gpt-neox", "transformers"] = "transformers"
    """`gpt-neox`: the paper's small-init and Wang-init; `transformers`: the model class's own."""


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW and gradient clipping (the defaults are the paper's, §2)."""

    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    gradient_clip: float = 1.0
    gradient_skip: float | None = None
    """A step whose gradient norm, before clipping, is above it is skipped; None: no finite one."""


@dataclass(frozen=True)
class Training:
    """Steps [start, stop) of a chain, and all that its training needs."""

    chain: Chain
    start: int
    stop: int
    model: ModelSpec
    optimizer: OptimizerSpec
    seed: int
    sequence_length: int
    corpora: Mapping[str, str]
    """Corpus name to its folder in the storage."""
    stage: str = ""
    workers: int = 1
    fewest_workers: int | None = None
    """How far they may shrink while machines are away; None: not at all."""
    validation_every: int | None = None
    """Steps between validations; None: only before a chain's first step and at the node's end."""
    validation_rows: int = 64
    """Rows per corpus, always the first ones of its validation split."""
    save_every: int | None = None
    """Steps between intermediate states; None: only the end state."""
    keep_every: int | None = None
    """Steps between states that stay, to branch from later; None: only the end state."""
    keep_last: int = 2
    """Intermediate states kept while training; the end state always stays."""
    max_skipped: int = 10
    """Steps in a row without a finite loss and gradient; they are skipped, then training fails."""
    micro_batch: int | None = None
    """Rows per forward pass and worker; None: the worker's whole share of the batch."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["auto", "sdpa", "flash"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
