"""Bare PyTorch loops around a Hugging Face model: what a script does without a framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.distributed.fsdp import fully_shard
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from benchmarks.loops.sizes import (
    BETAS,
    CLIP,
    MAX_LR,
    WEIGHT_DECAY,
    Rows,
    Speed,
    hugging_face_model,
    speed_of,
)


def bare_loop(rows: Rows) -> Speed:
    """Speed of a loop on one process."""
    return _train(hugging_face_model(), rows)


def ddp_loop(rows: Rows) -> Speed:
    """Speed under DistributedDataParallel; `rows` are those of this worker."""
    return _train(DistributedDataParallel(hugging_face_model()), rows)


def fsdp2_loop(rows: Rows) -> Speed:
    """Speed under `fully_shard` of each block and the rest; `rows` are those of this worker."""
    model: Any = hugging_face_model()
    for block in model.gpt_neox.layers:
        fully_shard(block)
    fully_shard(model)
    return _train(model, rows)


def _train(model: torch.nn.Module, rows: Rows) -> Speed:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=MAX_LR, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True
    )

    def step(batch: np.ndarray) -> None:
        tokens = torch.from_numpy(batch.astype(np.int64))
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].reshape(-1))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return speed_of(step, rows)
