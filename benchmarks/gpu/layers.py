"""Layers of the 9.6B model alone: what one of them costs forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.timing import milliseconds, training_speed
from benchmarks.gpu.watched import steps
from raycl.plan.execution import Execution
from raycl.train.trainer import Trainer

EXPECTED_MS = 18


def layers(bench: Bench) -> Iterator[Row]:
    """Forward and backward of the layers, by the model that the training has built."""
    size = bench.sizes.layer
    count = size.config["num_hidden_layers"]
    execution = Execution(
        micro_batch=bench.sizes.layer_micro_batch,
        compile=bench.cuda,
        precision="bfloat16",
        activation_checkpointing="none",
    )
    took: list[float] = []

    def look(trainer: Trainer) -> None:
        if trainer.step == bench.sizes.warmup:
            shape = (bench.sizes.layer_micro_batch, size.sequence_length + 1)
            rows = torch.randint(size.vocabulary, shape, device=bench.device)
            took.append(milliseconds(bench, lambda: trainer.model(rows).backward(), size.steps))
            trainer.model.zero_grad(set_to_none=True)

    steps(bench, replace(size, steps=bench.sizes.warmup + 1), execution, look, folder="layers")
    each = took[0] / count
    met = each <= EXPECTED_MS if bench.cuda else None
    yield Row(f"ms a layer of {size.preset}, {count} layers", each, f"≤ {EXPECTED_MS} ms", met)
    yield Row("the same, whole steps", training_speed(bench, size, execution).row())
