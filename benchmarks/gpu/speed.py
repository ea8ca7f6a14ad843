"""Tokens/s of the large model by raycl's loop: as it is, and as it was, option by option."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest import mock

import torch
from torch.nn import functional

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.timing import training_speed
from raycl.errors import InputError
from raycl.plan.execution import Execution

AIM, EXPECTED = 204_000, 180_000
"""Tokens/s of 405M × 2048 on an H100: 50 % and 44 % of its peak."""
Patch = Callable[[], AbstractContextManager[Any]]


def best(bench: Bench) -> Iterator[Row]:
    """Everything on, without activation checkpointing, at each micro-batch."""
    rates = []
    for micro_batch in bench.sizes.micro_batches:
        name = f"{bench.sizes.large.preset}, micro-batch {micro_batch}"
        try:
            speed = training_speed(
                bench, bench.sizes.large, _execution(micro_batch, compile=bench.cuda)
            )
        except InputError as error:  # of a micro-batch that does not fit
            yield Row(name, str(error))
            continue
        rates.append(speed.tokens_per_second)
        yield Row(name, speed.row(), f"≥ {EXPECTED:,} tokens/s at the best, aim {AIM:,}")
    most = max(rates)
    yield Row("best", round(most), f"≥ {EXPECTED:,} tokens/s, aim {AIM:,}", _met(bench, most))


def _met(bench: Bench, rate: float) -> bool | None:
    return rate >= EXPECTED if bench.cuda else None


def ladder(bench: Bench) -> Iterator[Row]:
    """What each option adds to those above it, at one micro-batch."""
    whole = {"activation_checkpointing": True, "compile": False}
    compiled = {"compile": bench.cuda}  # on the CPU it takes long
    rungs: list[tuple[str, dict[str, Any], list[Patch]]] = [
        ("baseline: recomputes, mask, whole logits", whole, [_whole_logits, _masked]),
        ("+ compile", {**whole, **compiled}, [_whole_logits, _masked]),
        ("+ chunked loss", {**whole, **compiled}, [_masked]),
        ("+ attention without mask", {**whole, **compiled}, []),
        ("− activation checkpointing", compiled, []),
    ]
    for name, options, patches in rungs:
        execution = _execution(bench.sizes.micro_batches[0], **options)
        try:
            with ExitStack() as stack:
                for patch in patches:
                    stack.enter_context(patch())
                yield Row(name, training_speed(bench, bench.sizes.large, execution).row())
        except InputError as error:  # of a micro-batch that does not fit
            yield Row(name, str(error))


def _execution(micro_batch: int, **options: Any) -> Execution:
    """In bfloat16, without recomputation unless it is asked for."""
    fields = {"activation_checkpointing": False, "precision": "bfloat16", **options}
    return Execution.model_validate({"micro_batch": micro_batch, **fields})


def _whole_logits() -> AbstractContextManager[Any]:
    return mock.patch("raycl.train.model.language_model.summed_cross_entropy", whole_logits_loss)


def _masked() -> AbstractContextManager[Any]:
    """Attention as transformers does it by SDPA, with a mask that it makes and tests."""
    return mock.patch("raycl.train.trainer.attention_choices", return_value=("sdpa", "eager"))


def whole_logits_loss(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, **_: Any
) -> torch.Tensor:
    """Σ cross entropy of all logits at once, as most loops compute it."""
    logits = functional.linear(hidden, weight.to(hidden.dtype)).float()
    return functional.cross_entropy(logits, targets, reduction="sum", ignore_index=-1)
