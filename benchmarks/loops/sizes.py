"""What all loops train: one small GPT-NeoX, on rows that lie in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch.distributed as dist
import transformers

from raycl.plan.presets import PRESETS

VOCABULARY, LENGTH, BATCH = 2048, 128, 32
"""BATCH is the rows of a step, of all workers together."""
CONFIG = {**PRESETS["gpt-neox-tiny"], "vocab_size": VOCABULARY}
WARMUP = 2
"""Steps at the start of a run that are not timed; the first of them may compile."""
MAX_LR, WEIGHT_DECAY, BETAS, CLIP = 1e-3, 0.1, (0.9, 0.95), 1.0

Rows = Sequence[np.ndarray]
"""The rows of each step, [batch, length + 1] of uint16."""
Loop = Callable[[Rows], float]
"""Trains on the rows; returns tokens/s of all steps after the warm-up."""


def made_up_rows(steps: int, batch: int = BATCH) -> Rows:
    """Random tokens for the warm-up and `steps` more steps; they are the same every time."""
    generator = np.random.default_rng(0)
    shape = (batch, LENGTH + 1)
    return [generator.integers(0, VOCABULARY, shape, np.uint16) for _ in range(WARMUP + steps)]


def tokens_per_second(step: Callable[[np.ndarray], None], rows: Rows) -> float:
    """Call `step` with the rows of each step; tokens of all workers a second."""
    for batch in rows[:WARMUP]:
        step(batch)
    began = time.perf_counter()
    for batch in rows[WARMUP:]:
        step(batch)
    seconds = time.perf_counter() - began
    return timed_tokens(rows) / seconds


def workers() -> int:
    """The processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def timed_tokens(rows: Rows) -> int:
    """Tokens of all workers in the steps after the warm-up."""
    return (len(rows) - WARMUP) * len(rows[0]) * workers() * LENGTH


def hugging_face_model() -> transformers.PreTrainedModel:
    """The model with the class's own random weights, in float32."""
    config = transformers.AutoConfig.for_model(**CONFIG)
    model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(
        config, attn_implementation="sdpa"
    )
    return model
