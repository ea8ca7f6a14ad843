"""What all loops train: one small GPT-NeoX, on rows that lie in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

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


class Speed(NamedTuple):
    """How fast the steps after the warm-up were, in tokens of all workers."""

    per_second: float
    per_cpu_second: float
    """By the time that a worker's threads ran: other work on the machine changes it less."""


Loop = Callable[[Rows], Speed]
"""Trains on the rows."""


class Stopwatch:
    """Measures seconds, and the seconds for which this process's threads ran."""

    def __init__(self) -> None:
        self._began, self._began_running = time.perf_counter(), time.process_time()

    def speed(self, rows: Rows) -> Speed:
        """The speed of all steps of `rows` but the warm-up, in the time since it was made."""
        seconds, running = (
            time.perf_counter() - self._began,
            time.process_time() - self._began_running,
        )
        tokens = timed_tokens(rows)
        return Speed(tokens / seconds, tokens / running)


def made_up_rows(steps: int, batch: int = BATCH) -> Rows:
    """Random tokens for the warm-up and `steps` more steps; they are the same every time."""
    generator = np.random.default_rng(0)
    shape = (batch, LENGTH + 1)
    return [generator.integers(0, VOCABULARY, shape, np.uint16) for _ in range(WARMUP + steps)]


def speed_of(step: Callable[[np.ndarray], None], rows: Rows) -> Speed:
    """Call `step` with the rows of each step."""
    for batch in rows[:WARMUP]:
        step(batch)
    watch = Stopwatch()
    for batch in rows[WARMUP:]:
        step(batch)
    return watch.speed(rows)


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
